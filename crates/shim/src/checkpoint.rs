//! Saving a container's processes, and making a container of what was saved, by `oci checkpoint` and `oci restore`.
//!
//! A container that is created from a checkpoint has no process until it is started: criu makes processes that
//! run.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use wire::{Fields, Message};

use crate::finish::{Job, Purpose};
use crate::message::{Any, Checkpoint};
use crate::server::Shim;
use crate::service::{ID, Later, first_of, word};
use crate::task::{Asker, State, Task};
use crate::ttrpc::{Code, Status};

/// Beside the bundle's files: containerd's link to a directory of the container's that outlives it, where criu's
/// logs may be read.
const WORK: &str = "work";

/// `containerd.runc.v1.CheckpointOptions`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    exit: bool,
    /// The switches of `oci checkpoint` that are asked for.
    switches: Vec<&'static str>,
    empty_namespaces: Vec<String>,
    cgroups_mode: String,
    images: String,
    work: String,
}

impl Options {
    fn parse(any: &Any) -> Result<Self, Status> {
        let mut options = Self::default();
        match any.name() {
            "" => return Ok(options),
            "containerd.runc.v1.CheckpointOptions" => {}
            other => {
                let message = format!("checkpoint: options of type {other}: not supported");
                return Err(Status::new(Code::InvalidArgument, message));
            }
        }
        Fields(&any.value).each(|field, value| {
            let switch = match field {
                1 => {
                    options.exit = value.flag()?;
                    return Ok(());
                }
                2 => "--tcp-established",
                3 => "--ext-unix-sk",
                4 => "--shell-job",
                5 => "--file-locks",
                _ => {
                    match field {
                        6 => options.empty_namespaces.push(value.text()?),
                        7 => options.cgroups_mode = value.text()?,
                        8 => options.images = value.text()?,
                        9 => options.work = value.text()?,
                        _ => {}
                    }
                    return Ok(());
                }
            };
            if value.flag()? {
                options.switches.push(switch);
            }
            Ok(())
        })?;
        Ok(options)
    }

    fn words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = self.switches.clone();
        if !self.exit {
            words.push("--leave-running");
        }
        for namespace in &self.empty_namespaces {
            words.extend(["--empty-ns", namespace]);
        }
        if !self.cgroups_mode.is_empty() {
            words.extend(["--manage-cgroups-mode", &self.cgroups_mode]);
        }
        words
    }
}

/// The first of these that says something.
fn first<'t>(texts: &[&'t str]) -> &'t str {
    texts.iter().find(|text| !text.is_empty()).unwrap_or(&"")
}

impl Shim {
    pub(crate) fn checkpoint(&mut self, asker: Asker, request: &Checkpoint) -> Later {
        let options = Options::parse(&request.options)?;
        let (task, _) = self.find(&first_of(&request.target))?;
        let state = task.state_of(&task.init);
        if !matches!(state, State::Running | State::Paused) {
            let message = format!(
                "cannot make a checkpoint of a container that is {}",
                word(state)
            );
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let images = String::from(first(&[&request.path, &options.images]));
        if images.is_empty() {
            let message = "checkpoint: no directory is named to save it in";
            return Err(Status::new(Code::InvalidArgument, message));
        }
        let serial = task.init.serial;
        let work = String::from(first(&[&options.work, &task.options.criu_work_path, WORK]));
        let mut words = alloc::vec!["checkpoint", "--image-path", &images, "--work-path", &work];
        words.extend(options.words());
        words.push(ID);
        let purpose = Purpose::Checkpoint(images.clone());
        self.run(Some(asker), serial, &words, None, purpose)
    }

    /// What was saved is there now.
    pub(crate) fn saved(&mut self, serial: u64, images: &str) {
        let Ok(task) = self.task_of(serial) else {
            return;
        };
        let event = Message::new().text(1, &task.id).text(2, images);
        let kind = "containerd.events.TaskCheckpointed";
        self.events.publish("/tasks/checkpointed", kind, &event);
    }

    /// The start of a container that was created from a checkpoint. What it may do was decided when it was saved.
    pub(crate) fn restore(&mut self, asker: Asker, serial: u64) -> Later {
        let pid_file = self.pid_file(serial);
        let task = self.task_of(serial)?;
        let (id, images) = (task.id.clone(), task.checkpoint.clone());
        let work = String::from(first(&[&task.options.criu_work_path, WORK]));
        let mut words = alloc::vec![
            "restore",
            "--detach",
            "--bundle",
            ".",
            "--image-path",
            &images,
            "--work-path",
            &work,
            "--pid-file",
            &pid_file,
            "--tcp-established",
            "--ext-unix-sk",
            "--file-locks",
        ];
        if task.options.no_pivot_root {
            words.push("--no-pivot");
        }
        self.start_process(asker, serial, words, &id, None, Purpose::Restore)
    }

    /// A container that was restored is known only now.
    pub(crate) fn restored(&mut self, job: &Job) -> Result<(), Status> {
        self.take_process(job)?;
        self.watch_oom(job.serial);
        self.started(job.serial);
        Ok(())
    }
}

/// Where the saved files of a container that is to be created are; empty where it is a new one.
pub(crate) fn images_of(asked: &str, options: &crate::options::Options) -> String {
    first(&[asked, &options.criu_image_path]).into()
}

/// Whether a container's start is a restore.
pub(crate) fn waits_for_restore(task: &Task) -> bool {
    !task.checkpoint.is_empty() && task.init.pid == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::any;

    fn parse(kind: &str, value: &Message) -> Result<Options, Status> {
        Options::parse(&Any::decode(&any(kind, value).0).unwrap())
    }

    #[test]
    fn options_become_words() {
        let value = Message::new()
            .number(2, true)
            .number(5, true)
            .text(6, "network")
            .text(7, "soft")
            .text(9, "/w");
        let options = parse("containerd.runc.v1.CheckpointOptions", &value).unwrap();
        assert_eq!(options.work, "/w");
        let words = "--tcp-established --file-locks --leave-running --empty-ns network --manage-cgroups-mode soft";
        assert_eq!(options.words().join(" "), words);
        let exit = Message::new().number(1, true);
        let options = parse("containerd.runc.v1.CheckpointOptions", &exit).unwrap();
        assert!(options.words().is_empty());
        assert_eq!(
            Options::parse(&Any::default()).unwrap().words(),
            ["--leave-running"]
        );
        assert!(parse("kata.Options", &value).is_err());
    }
}

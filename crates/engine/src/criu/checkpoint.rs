//! `checkpoint`.

use alloc::format;
use alloc::string::String;

use spec::Spec;
use spec::state::Status;
use sys::error::OnCall;
use sys::rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, stat};
use sys::{OwnedFd, file};
use wire::Message;

use super::external::{self, MountLine};
use super::service::{Service, directory, kind, with_log};
use super::{CheckpointOptions, request};
use crate::error::{Error, Kind, Result};
use crate::record::Record;
use crate::{Engine, delete, teardown};

const LOG: &str = "dump.log";
/// What the standard streams were, as runc keeps it.
pub(super) const DESCRIPTORS: &str = "descriptors.json";

impl Engine {
    /// Saves the processes of a container that runs or is paused. It is removed then, unless it is told to stay as
    /// it is.
    ///
    /// # Errors
    /// `WrongState` where it does neither; criu's own. It stays as it is then.
    pub fn checkpoint(&self, id: &str, options: &CheckpointOptions<'_>) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let record = dir.read()?;
        let first = teardown::living_first(&record)?;
        let status = crate::list::status_of(&record, first.is_some());
        if !matches!(status, Status::Running | Status::Paused) {
            let message = format!(
                "Container cannot be checkpointed in {} state: {id}",
                status.name()
            );
            return Err(Error::new(Kind::WrongState, message));
        }
        let config = dir.read_config()?;
        let spec = Spec::parse(&config)?;
        external::refuse_criu_config(&spec)?;
        external::refuse_lone_ids(&spec)?;
        // criu cannot look into processes that stand still. Of those that it may let go on it lets none get anywhere,
        // and in the end they stand still again.
        let frozen = match status {
            Status::Paused => Some(self.group(&record)?.freezer_dir()?),
            _ => None,
        };
        dump(&record, &spec, frozen.as_deref(), options)?;
        if options.leave_running || options.pre_dump {
            return Ok(());
        }
        delete::remove(&dir, &record, first.as_ref(), Some(&spec))
    }
}

fn dump(
    record: &Record,
    spec: &Spec<'_>,
    frozen: Option<&str>,
    options: &CheckpointOptions<'_>,
) -> Result<()> {
    let images = made_directory(options.criu.images)?;
    let work = options.criu.work.map(made_directory).transpose()?;
    let service = Service::start(&[])?;
    let mut message = request::common(&options.criu, &images, work.as_ref(), LOG)
        .number(2, record.pid)
        .number(3, options.leave_running)
        .text(13, &record.rootfs)
        .number(18, options.link_remap)
        .text(44, frozen.unwrap_or(""))
        .number(46, options.tcp_skip_in_flight);
    if let Some(parent) = options.parent {
        message = message.text(14, parent).number(15, true);
    }
    if let Some((address, port)) = options.page_server {
        let server = Message::new().text(1, address).number(2, port);
        message = message.message(11, &server);
    }
    message = namespaces(message, spec)?;
    let what = if options.pre_dump {
        // Memory is saved alone; what is written from here on is tracked.
        message = message.number(15, true);
        kind::PRE_DUMP
    } else {
        kind::DUMP
    };
    let text = file::read_text(&format!("/proc/{}/mountinfo", record.pid))?;
    let lines = external::mount_lines(&text);
    message = mounts(message, record, spec, &lines)?;
    let streams = external::streams(record.pid, &lines)?;
    for key in streams.iter().filter(|key| key.starts_with("file[")) {
        message = message.text(37, key);
    }
    if !options.pre_dump {
        write_descriptors(&images, &streams)?;
    }
    let log = format!("{}/{LOG}", options.criu.work.unwrap_or(options.criu.images));
    service
        .ask(what, &message, &mut |_| Ok(()))
        .map_err(|error| with_log(error, &log).at(&"checkpoint"))
}

/// Makes the directory, and those above it that are missing, and opens it.
pub(super) fn made_directory(path: &str) -> Result<OwnedFd> {
    for (at, _) in path.match_indices('/').skip(1) {
        let _ = mkdirat(CWD, &path[..at], Mode::from_raw_mode(0o700));
    }
    let _ = mkdirat(CWD, path, Mode::from_raw_mode(0o700));
    directory(path)
}

fn namespaces(mut message: Message, spec: &Spec<'_>) -> Result<Message> {
    let all = spec
        .linux
        .as_ref()
        .map_or(&[][..], |linux| &linux.namespaces);
    for namespace in all {
        let (Some(path), Some((name, key))) =
            (&namespace.path, external::namespace_key(namespace.kind))
        else {
            continue;
        };
        let inode = stat(path.as_str()).on("stat", path.as_str())?.st_ino;
        message = message.text(37, &format!("{name}[{inode}]:{key}"));
    }
    Ok(message)
}

/// Names the mounts that come from the host by where they are.
fn mounts(
    mut message: Message,
    record: &Record,
    spec: &Spec<'_>,
    lines: &[MountLine<'_>],
) -> Result<Message> {
    let root = directory(&format!("/proc/{}/root", record.pid))?;
    let binds: alloc::vec::Vec<String> = external::binds(spec)
        .map(|mount| format!("/{}", mount.destination.trim_matches('/')))
        .collect();
    let resolved: alloc::vec::Vec<String> = external::binds(spec)
        .map(|mount| external::destination(&root, mount))
        .collect();
    for line in lines.iter().filter(|line| line.at != "/") {
        if external::is_cgroup(line.fstype)
            || binds.contains(&line.at)
            || resolved.contains(&line.at)
        {
            message = request::mount(message, &line.at, &line.at);
        }
    }
    for (line, source) in external::device_mounts(&root, spec, lines) {
        if !binds.contains(&line.at) && !resolved.contains(&line.at) {
            message = request::mount(message, &line.at, &external::device_key(source));
        }
    }
    Ok(message)
}

fn write_descriptors(images: &OwnedFd, streams: &[String; 3]) -> Result<()> {
    let json = serde_json::to_vec(streams)
        .map_err(|error| Error::new(Kind::Bug, format!("{DESCRIPTORS}: {error}")))?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(images, DESCRIPTORS, flags, Mode::from_raw_mode(0o600));
    let made = made.on("open", DESCRIPTORS)?;
    Ok(file::write_all(&made, &json, DESCRIPTORS)?)
}

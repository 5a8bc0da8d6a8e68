//! The runtime's options in `CreateTaskRequest`: `containerd.runc.v1.Options`, which whoever replaces runc
//! gets; or `runtimeoptions.v1.Options`, which Kubernetes' part of containerd sends to all other runtimes, with
//! the same options in a table of TOML.

use alloc::format;
use alloc::string::String;

use sys::file;

use crate::message::Any;
use crate::ttrpc::{Code, Status};
use wire::Fields;

/// What a task was asked to be made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) no_pivot_root: bool,
    pub(crate) no_new_keyring: bool,
    pub(crate) systemd_cgroup: bool,
    /// Who owns the streams' FIFOs and pipes.
    pub(crate) io_uid: u32,
    pub(crate) io_gid: u32,
    /// Where states are kept, below which each namespace has a directory.
    pub(crate) root: String,
    /// Where a container's saved files are to be found, and where criu's logs go.
    pub(crate) criu_image_path: String,
    pub(crate) criu_work_path: String,
    /// For the shim itself; at its start only.
    pub(crate) shim_cgroup: String,
}

/// Where states are kept when nobody says otherwise.
const ROOT: &str = "/run/containerd/stockade";

impl Options {
    /// The options of a request; those that are not known to us are refused.
    pub(crate) fn parse(any: &Any) -> Result<Self, Status> {
        match any.name() {
            "" => Ok(Self::default()),
            "containerd.runc.v1.Options" => Self::of_runc(&any.value),
            "runtimeoptions.v1.Options" => Self::of_any_runtime(&any.value),
            other => Err(refused(&format!("options of type {other}"))),
        }
    }

    /// Where the states of a namespace's containers are kept.
    pub(crate) fn state_root(&self, namespace: &str) -> String {
        let root = if self.root.is_empty() {
            ROOT
        } else {
            &self.root
        };
        format!("{}/{namespace}", root.trim_end_matches('/'))
    }

    pub(crate) fn of_runc(value: &[u8]) -> Result<Self, Status> {
        let mut options = Self::default();
        let mut binary = String::new();
        Fields(value).each(|field, value| {
            match field {
                1 => options.no_pivot_root = value.flag()?,
                2 => options.no_new_keyring = value.flag()?,
                3 => options.shim_cgroup = value.text()?,
                4 => options.io_uid = value.word()?,
                5 => options.io_gid = value.word()?,
                6 => binary = value.text()?,
                7 => options.root = value.text()?,
                9 => options.systemd_cgroup = value.flag()?,
                10 => options.criu_image_path = value.text()?,
                11 => options.criu_work_path = value.text()?,
                _ => {}
            }
            Ok(())
        })?;
        check_binary(&binary)?;
        Ok(options)
    }

    fn of_any_runtime(value: &[u8]) -> Result<Self, Status> {
        let (mut path, mut body) = (String::new(), String::new());
        Fields(value).each(|field, value| {
            match field {
                2 => path = value.text()?,
                3 => body = value.text()?,
                _ => {}
            }
            Ok(())
        })?;
        if body.is_empty() && !path.is_empty() {
            body = file::read_text(&path)?;
        }
        Self::of_table(&body)
    }

    /// The lines of a flat TOML table.
    pub(crate) fn of_table(text: &str) -> Result<Self, Status> {
        let mut options = Self::default();
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with('[') {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| refused(line))?;
            options.set(key.trim().trim_matches('"'), value.trim())?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Status> {
        let wrong = || refused(&format!("{key} = {value}"));
        let flag = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong()),
        };
        let number = || value.parse::<u32>().map_err(|_| wrong());
        let text = || {
            let inner = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let plain = inner.filter(|inner| !inner.contains(['"', '\\']));
            plain.map(String::from).ok_or_else(wrong)
        };
        match key {
            "NoPivotRoot" => self.no_pivot_root = flag()?,
            "NoNewKeyring" => self.no_new_keyring = flag()?,
            "SystemdCgroup" => self.systemd_cgroup = flag()?,
            "IoUid" => self.io_uid = number()?,
            "IoGid" => self.io_gid = number()?,
            "Root" => self.root = text()?,
            "ShimCgroup" => self.shim_cgroup = text()?,
            "BinaryName" => check_binary(&text()?)?,
            "CriuImagePath" => self.criu_image_path = text()?,
            "CriuWorkPath" => self.criu_work_path = text()?,
            // criu is found by PATH, as runc's shim finds it, too.
            "CriuPath" => drop(text()?),
            _ => return Err(refused(key)),
        }
        Ok(())
    }
}

/// The shim is its own runtime; a runtime that is asked for by name must not be exchanged silently.
fn check_binary(name: &str) -> Result<(), Status> {
    match name.rsplit('/').next() {
        Some("" | "stockade") => Ok(()),
        _ => Err(refused(&format!(
            "BinaryName {name:?}: this shim runs containers itself; use io.containerd.runc.v2 for another runtime"
        ))),
    }
}

fn refused(what: &str) -> Status {
    Status::new(
        Code::InvalidArgument,
        format!("runtime options: {what}: not supported"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::any;
    use wire::Message;

    fn parse(type_url: &str, value: &Message) -> Result<Options, Status> {
        Options::parse(&Any::decode(&any(type_url, value).0).unwrap())
    }

    #[test]
    fn options_of_runc_and_of_a_table_are_the_same() {
        let of_runc = Message::new()
            .number(9, true)
            .number(4, 5u32)
            .text(7, "/run/x/");
        let of_runc = parse("containerd.runc.v1.Options", &of_runc).unwrap();
        let table = "# c\n[o]\nSystemdCgroup = true\nIoUid = 5\nRoot = \"/run/x/\"\n";
        let any = Message::new().text(1, "t").text(3, table);
        assert_eq!(parse("runtimeoptions.v1.Options", &any).unwrap(), of_runc);
        assert_eq!(of_runc.state_root("n"), "/run/x/n");
        assert_eq!(
            Options::default().state_root("n"),
            "/run/containerd/stockade/n"
        );
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for table in [
            "Nonsense = 1",
            "IoUid = -1",
            "Root = x",
            "BinaryName = \"crun\"",
        ] {
            let any = Message::new().text(3, table);
            let status = parse("runtimeoptions.v1.Options", &any).unwrap_err();
            let name = table.split(' ').next().unwrap();
            assert!(status.message.contains(name), "{status:?}");
        }
        assert!(parse("kata.Options", &Message::new()).is_err());
        let runc = Message::new().text(6, "/usr/bin/stockade");
        assert!(parse("containerd.runc.v1.Options", &runc).is_ok());
    }
}

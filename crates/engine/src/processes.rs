//! Which processes are a container's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::error::OnCall;
use sys::rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat};
use sys::rustix::process::Pid;

use crate::Engine;
use crate::error::{Error, Kind, Result};
use crate::record::Record;
use crate::teardown::living_first;

impl Engine {
    /// The host's numbers of the container's processes.
    ///
    /// # Errors
    /// When its cgroup cannot be read.
    pub fn processes(&self, id: &str) -> Result<Vec<u32>> {
        let (record, _) = self.inspect(id)?;
        Ok(self
            .members(&record)?
            .into_iter()
            .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
            .collect())
    }

    /// The processes in the container's cgroups or, where it has none because its runtime was an ordinary
    /// user's, in its pid namespace.
    pub(crate) fn members(&self, record: &Record) -> Result<Vec<Pid>> {
        if record.cgroups.is_empty() {
            return in_pid_namespace(record);
        }
        Ok(self.group(record)?.processes()?)
    }
}

fn in_pid_namespace(record: &Record) -> Result<Vec<Pid>> {
    if living_first(record)?.is_none() {
        return Ok(Vec::new());
    }
    let theirs = pid_namespace(record.pid);
    if theirs.is_none() || theirs == pid_namespace_at("self") {
        let message = format!(
            "container {} has neither a cgroup nor a pid namespace, so its processes are not known",
            record.id
        );
        return Err(Error::new(Kind::Unsupported, message));
    }
    let all = numbers_in_proc()?;
    Ok(all
        .into_iter()
        .filter(|pid| pid_namespace(*pid) == theirs)
        .filter_map(|pid| i32::try_from(pid).ok().and_then(Pid::from_raw))
        .collect())
}

fn pid_namespace(pid: u32) -> Option<String> {
    pid_namespace_at(&format!("{pid}"))
}

fn pid_namespace_at(name: &str) -> Option<String> {
    let link = readlinkat(CWD, format!("/proc/{name}/ns/pid"), Vec::new()).ok()?;
    link.into_string().ok()
}

fn numbers_in_proc() -> Result<Vec<u32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = openat(CWD, "/proc", flags, Mode::empty()).on("open", "/proc")?;
    let mut numbers = Vec::new();
    let mut space = Vec::with_capacity(8192);
    let mut entries = RawDir::new(&proc, space.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.on("getdents64", "/proc")?;
        numbers.extend(
            entry
                .file_name()
                .to_str()
                .ok()
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

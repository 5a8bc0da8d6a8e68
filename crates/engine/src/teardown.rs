//! Undoing what a record says was made. What is gone already is no error, so this can be done twice,
//! and after a crash.

use alloc::vec::Vec;

use cgroup::Group;
use cgroup::control::Deadline;
use sys::rustix::fs::{AtFlags, CWD, unlinkat};
use sys::rustix::process::{Pid, Signal};
use sys::{Errno, OwnedFd, process};

use crate::error::{Error, Result};
use crate::record::Record;
use crate::state_dir::StateDir;

const PATIENCE_MS: u32 = 10_000;

/// Kills what is left of the container, removes its cgroups, its files and its state. Goes on past a
/// failure; the state goes last, and stays when anything else did.
pub(crate) fn teardown(dir: &StateDir, record: &Record, group: Option<Group>) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Err(error) = kill_all(record, group) {
        errors.push(error);
    }
    let leaves = record.leaves();
    let made: Vec<_> = leaves.iter().map(cgroup::Leaf::dir).collect();
    let removed = cgroup::remove(&made, &leaves, Deadline::after(PATIENCE_MS));
    errors.extend(removed.into_iter().map(Error::from));
    for file in &record.files {
        match unlinkat(CWD, file.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => errors.push(sys::Error::new("unlink", file, errno).into()),
        }
    }
    if errors.is_empty()
        && let Err(error) = dir.remove()
    {
        errors.push(error);
    }
    errors
}

/// Kills every process of the container and waits for its first one to end.
fn kill_all(record: &Record, group: Option<Group>) -> Result<()> {
    let first = living_first(record)?;
    if first.is_none() && record.status != spec::state::Status::Creating && group.is_some() {
        return Ok(());
    }
    let group = match group {
        Some(group) => Some(group),
        // Whoever was stopped before there was a cgroup has none.
        None if record.cgroups.is_empty() => None,
        None => Group::open(record.leaves()).ok(),
    };
    if let Some(group) = &group {
        group.kill()?;
    }
    if let Some(pidfd) = first {
        process::signal(&pidfd, Signal::KILL)?;
        process::wait_ended(&pidfd, Some(PATIENCE_MS))?;
    }
    Ok(())
}

/// The container's first process, where it lives.
pub(crate) fn living_first(record: &Record) -> Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(record.pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    let Some(pidfd) = process::open(pid)? else {
        return Ok(None);
    };
    // Asked after the descriptor was opened: what it names cannot change any more.
    match process::identity(record.pid)? {
        Some(identity) if !identity.dead && identity.start == record.start_time => Ok(Some(pidfd)),
        _ => Ok(None),
    }
}

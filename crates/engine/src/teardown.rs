//! Undoing what a record says was made. What is gone already is no error, so this can be done twice,
//! and after a crash.

use alloc::string::String;
use alloc::vec::Vec;

use cgroup::control::Deadline;
use cgroup::{Group, Leaf};
use sys::rustix::fs::{AtFlags, CWD, unlinkat};
use sys::rustix::process::{Pid, Signal};
use sys::{Errno, OwnedFd, process};

use crate::error::{Error, Result};
use crate::foreign;
use crate::record::{Record, Status};
use crate::scope;
use crate::state_dir::StateDir;

const PATIENCE_MS: u32 = 10_000;

/// Kills what is left of the container, removes its cgroups, its files and its state. `first` is its
/// first process where that lives. Goes on past a failure; the state goes last, and stays when anything
/// else did.
pub(crate) fn teardown(dir: &StateDir, record: &Record, first: Option<&OwnedFd>) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut leaves = record.leaves();
    if record.status == Status::Creating {
        leaves.retain(|leaf| !foreign::is_foreign(dir, record, leaf));
    }
    let made: Vec<_> = leaves.iter().map(Leaf::dir).collect();
    // A first process that is still entering v1 cgroups is in some of them and not in others.
    let busy = first.is_some() || record.status == Status::Creating;
    if busy || !remove_empty(&made) {
        errors.extend(kill_all(&leaves, first).err());
        let removed = cgroup::remove(&made, &leaves, Deadline::after(PATIENCE_MS));
        errors.extend(removed.into_iter().map(Error::from));
    }
    if let Some(unit) = &record.unit {
        errors.extend(scope::stop(unit).err());
    }
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

/// Removes cgroups in which nothing runs and nothing was made, as those of nearly all containers are
/// once their first process has ended. Says whether all are gone.
fn remove_empty(made: &[String]) -> bool {
    let gone = |path: &String| {
        matches!(
            unlinkat(CWD, path.as_str(), AtFlags::REMOVEDIR),
            Ok(()) | Err(Errno::NOENT)
        )
    };
    // All are tried: each that goes is one less to look at.
    made.iter().rev().filter(|path| !gone(path)).count() == 0
}

/// Kills every process of the container and waits for its first one to end.
fn kill_all(leaves: &[Leaf], first: Option<&OwnedFd>) -> Result<()> {
    match Group::open(leaves.to_vec()) {
        // Whoever was stopped before there was a cgroup has none.
        Ok(_) if leaves.is_empty() => {}
        Ok(group) => group.kill()?,
        // One is gone, or was never made; who has left that one may still be in another. What cannot be
        // killed there is told when its directory does not go.
        Err(_) => leaves
            .iter()
            .filter_map(|leaf| Group::open([leaf.clone()].into()).ok())
            .for_each(|group| _ = group.kill()),
    }
    if let Some(pidfd) = first {
        process::signal(pidfd, Signal::KILL)?;
        process::wait_ended(pidfd, Some(PATIENCE_MS))?;
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

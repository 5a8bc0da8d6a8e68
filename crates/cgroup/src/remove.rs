//! Removing cgroups.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::fs::{AtFlags, CWD, unlinkat};
use sys::{AsFd, Errno, OwnedFd};

use crate::control::{Deadline, pause, wait_empty};
use crate::error::{Error, Result};
use crate::lower::{Leaf, Version};
use crate::walk::{self, children, gone_is_none};

type Outcome<T> = core::result::Result<T, Errno>;

/// Removes the cgroups of a container: what [`crate::Group::made`] said, in reverse.
///
/// A leaf goes with everything the container made below it, and is waited for until its last process
/// has gone; its processes must be dead or dying. Other directories are ancestors, which stay if
/// somebody else uses them by now. What is gone already is no error, so this can be done twice.
///
/// Goes on past a failure, and gives all of them.
pub fn remove(made: &[String], leaves: &[Leaf], deadline: Deadline) -> Vec<Error> {
    let mut errors = Vec::new();
    for path in made.iter().rev() {
        let done = match leaves.iter().find(|leaf| is_dir_of(path, leaf)) {
            Some(leaf) => remove_leaf(path, leaf.version, &deadline),
            None => remove_ancestor(path),
        };
        errors.extend(done.err());
    }
    errors
}

/// Removes what was made of a container that never ran.
pub(crate) fn undo(made: &[String]) {
    for path in made.iter().rev() {
        _ = rmdir(path);
    }
}

fn is_dir_of(path: &str, leaf: &Leaf) -> bool {
    path.strip_prefix(&*leaf.mount) == Some(&leaf.path)
}

fn rmdir(path: &str) -> Outcome<()> {
    unlinkat(CWD, path, AtFlags::REMOVEDIR)
}

fn rmdir_error(path: &str, errno: Errno) -> Error {
    let error = Error::from(sys::Error::new("rmdir", path, errno));
    if errno == Errno::BUSY {
        error.hint("a process is still in it, or in a cgroup below")
    } else {
        error
    }
}

fn remove_ancestor(path: &str) -> Result<()> {
    match rmdir(path) {
        Ok(()) | Err(Errno::NOENT | Errno::BUSY | Errno::NOTEMPTY) => Ok(()),
        Err(errno) => Err(rmdir_error(path, errno)),
    }
}

fn remove_leaf(path: &str, version: Version, deadline: &Deadline) -> Result<()> {
    loop {
        match rmdir(path) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) if deadline.left().is_some() => {}
            Err(errno) => return Err(rmdir_error(path, errno)),
        }
        let opened =
            sys::rustix::fs::openat(CWD, path, walk::FLAGS, sys::rustix::fs::Mode::empty());
        let Some(dir) = gone_is_none(opened).map_err(|errno| rmdir_error(path, errno))? else {
            return Ok(());
        };
        wait_empty(version, &dir, path, deadline)?;
        match remove_below(&dir) {
            // It is gone itself; the next look says so.
            Ok(()) | Err(Errno::NOENT | Errno::NODEV) => {}
            Err(errno) => return Err(rmdir_error(path, errno)),
        }
        // v1's last process leaves its cgroup a moment after it has left every list.
        if version == Version::V1 {
            pause(200_000);
        }
    }
}

/// Removes all directories below `top`, the deepest first. One that is still busy is left; the caller
/// comes again.
fn remove_below(top: &OwnedFd) -> Outcome<()> {
    let mut here = walk::open(top, c".")?;
    let mut levels: Vec<(CString, Vec<CString>)> =
        Vec::from([(CString::default(), children(&here)?)]);
    while let Some((_, level)) = levels.last_mut() {
        if let Some(name) = level.pop() {
            if rmdir_quietly(&here, &name)? {
                continue;
            }
            if let Some(child) = gone_is_none(walk::open(&here, &name))? {
                here = child;
                let below = gone_is_none(children(&here))?.unwrap_or_default();
                levels.push((name, below));
            }
        } else {
            let Some((name, _)) = levels.pop() else { break };
            if !levels.is_empty() {
                here = walk::open(&here, c"..")?;
                _ = rmdir_quietly(&here, &name)?;
            }
        }
    }
    Ok(())
}

/// Removes a directory; says whether it is gone.
fn rmdir_quietly(dir: impl AsFd, name: &core::ffi::CStr) -> Outcome<bool> {
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(false),
        Err(errno) => Err(errno),
    }
}

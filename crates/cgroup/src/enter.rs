//! How processes get into a container's cgroups.

use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::fs::OFlags;
use sys::{AsFd, BorrowedFd, Errno, OwnedFd};

use crate::error::{Error, Result};
use crate::file;
use crate::layout::components;
use crate::lower::{Leaf, Version, decimal};
use crate::tree::Group;

/// How a new process gets into a [`Group`].
#[derive(Debug)]
pub struct Entry<'g> {
    /// The v2 cgroup, for clone3(2) with `CLONE_INTO_CGROUP`.
    pub into: Option<BorrowedFd<'g>>,
    /// A `tasks` file of each v1 cgroup, to which the process, while it has one thread, writes `0`.
    ///
    /// A thread that moves itself is spared the wait for an RCU grace period (up to 11 ms) that a write
    /// of another's number to `cgroup.procs` costs.
    pub tasks: Vec<OwnedFd>,
}

impl Group {
    /// What a process needs to be started in here.
    ///
    /// # Errors
    /// When a `tasks` file cannot be opened for writing.
    pub fn entry(&self) -> Result<Entry<'_>> {
        let mut entry = Entry {
            into: None,
            tasks: Vec::new(),
        };
        for (leaf, dir) in self.leaves.iter().zip(&self.dirs) {
            match leaf.version {
                Version::V2 => entry.into = Some(dir.as_fd()),
                Version::V1 => {
                    let tasks = file::open(dir, "tasks", OFlags::WRONLY);
                    entry
                        .tasks
                        .push(tasks.map_err(|e| file::error("open", "tasks", &leaf.dir(), e))?);
                }
            }
        }
        Ok(entry)
    }

    /// Opens the cgroups that a process of the container is in.
    ///
    /// They are the container's own unless that process has moved to one below, as an init system does:
    /// then the container's own v2 cgroup has controllers enabled for its children, and takes nobody.
    ///
    /// # Errors
    /// `ENOENT` when the process or one of the cgroups is gone.
    pub fn open_where(leaves: Vec<Leaf>, pid: u32) -> Result<Self> {
        let text = sys::file::read_text(&["/proc/", &decimal(pid.into()), "/cgroup"].concat())?;
        Self::open(leaves.into_iter().map(|leaf| moved(leaf, &text)).collect())
    }

    /// Opens cgroups below those of the container, in every hierarchy; they must exist.
    ///
    /// # Errors
    /// When `path` has a component `..`, and `ENOENT` when there is no such cgroup.
    pub fn open_below(leaves: Vec<Leaf>, path: &str) -> Result<Self> {
        let below = components(&[path])?;
        let leaves = leaves.into_iter().map(|leaf| Leaf {
            path: [&leaf.path, &*below].concat(),
            ..leaf
        });
        Self::open(leaves.collect())
    }

    /// Moves a process into every cgroup of the group. Slow (an RCU grace period each); a new process
    /// uses [`Group::entry`] instead.
    ///
    /// # Errors
    /// `EBUSY` where a v2 cgroup has controllers enabled for its children, `ESRCH` when it is gone.
    pub fn join(&self, pid: u32) -> Result<()> {
        let number = decimal(pid.into());
        for (leaf, dir) in self.leaves.iter().zip(&self.dirs) {
            file::write(dir, "cgroup.procs", &number)
                .map_err(|e| file::write_error("cgroup.procs", &number, &leaf.dir(), e))?;
        }
        Ok(())
    }

    /// Why clone3(2) into [`Entry::into`] failed, in words, if it was the cgroup's fault.
    pub fn refusal(&self, errno: Errno) -> Option<Error> {
        let leaf = self
            .leaves
            .iter()
            .find(|leaf| leaf.version == Version::V2)?;
        let why = match errno {
            Errno::BUSY => {
                "has controllers enabled for its children, so that it takes no processes itself"
            }
            Errno::OPNOTSUPP => "is threaded or invalid (see its cgroup.type)",
            Errno::AGAIN => "has reached its limit of tasks (pids.max), or an ancestor of it has",
            Errno::NODEV => "is gone",
            _ => return None,
        };
        let error = Error::state(["cgroup: ", &leaf.dir(), " ", why].concat());
        Some(Error {
            errno: Some(errno),
            ..error
        })
    }
}

/// Where `/proc/PID/cgroup`, whose text this is, says that the process is in the hierarchy of `leaf`.
pub fn membership<'t>(leaf: &Leaf, memberships: &'t str) -> Option<&'t str> {
    memberships.lines().find_map(|line| match leaf.version {
        Version::V2 => line.strip_prefix("0::"),
        Version::V1 => {
            let mut parts = line.splitn(3, ':').skip(1);
            let names = parts.next()?;
            names
                .split(',')
                .any(|name| name.strip_prefix("name=").unwrap_or(name) == leaf.name())
                .then_some(())?;
            parts.next()
        }
    })
}

/// The leaf where `/proc/PID/cgroup` says that the process is, if that is below the container's own.
fn moved(leaf: Leaf, memberships: &str) -> Leaf {
    let path = membership(&leaf, memberships);
    let is_below = |path: &&str| {
        path.strip_prefix(&leaf.path)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    match path.filter(is_below).map(String::from) {
        Some(path) => Leaf { path, ..leaf },
        None => leaf,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Controllers;

    fn leaf(version: Version, controllers: &str) -> Leaf {
        let mount = alloc::borrow::Cow::Borrowed("/m");
        Leaf {
            version,
            controllers: Controllers::parse(controllers, ','),
            mount,
            path: "/s/c".into(),
            shared: 0,
        }
    }

    #[test]
    fn a_process_below_is_followed_and_one_elsewhere_is_not() {
        let text =
            "5:cpu,cpuacct:/s/c/x\n3:memory:/s/cc\n1:name=systemd:/s/c/y\n0::/s/c/init.scope\n";
        let path = |version, controllers| moved(leaf(version, controllers), text).path;
        assert_eq!(path(Version::V2, ""), "/s/c/init.scope");
        assert_eq!(path(Version::V1, "cpu,cpuacct"), "/s/c/x");
        assert_eq!(path(Version::V1, "memory"), "/s/c");
        assert_eq!(path(Version::V1, "systemd"), "/s/c/y");
        assert_eq!(path(Version::V1, "pids"), "/s/c");
    }
}

//! Learning at once that a container's memory was out.

use alloc::string::String;

use sys::rustix::event::{EventfdFlags, PollFlags, eventfd};
use sys::rustix::fs::{OFlags, SeekFrom, seek};
use sys::rustix::io::{read, retry_on_intr};
use sys::{AsFd, AsRawFd, BorrowedFd, Errno, OwnedFd};

use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Leaf, Version, decimal};
use crate::tree::Group;

/// A descriptor to poll for out-of-memory kills in a container, and their number.
#[derive(Debug)]
pub struct OomWatch {
    /// Becomes ready when something has happened.
    bell: OwnedFd,
    /// v1: the file with the count; on v2 the bell itself.
    count: Option<OwnedFd>,
    dir: String,
}

impl Group {
    /// Watches for out-of-memory kills.
    ///
    /// # Errors
    /// When the container's memory is not counted, or the kernel refuses.
    pub fn watch_oom(&self) -> Result<OomWatch> {
        for (leaf, dir) in self.leaves.iter().zip(&self.dirs) {
            match leaf.version {
                Version::V1 if leaf.controllers.has(Controller::Memory) => {
                    return watch_v1(leaf, dir);
                }
                Version::V1 => {}
                Version::V2 => match file::open(dir, "memory.events", OFlags::RDONLY) {
                    Ok(bell) => {
                        return OomWatch {
                            bell,
                            count: None,
                            dir: leaf.dir(),
                        }
                        .armed();
                    }
                    Err(Errno::NOENT) => {}
                    Err(errno) => {
                        return Err(file::error("open", "memory.events", &leaf.dir(), errno));
                    }
                },
            }
        }
        Err(Error::state(
            "the container has no cgroup that counts memory",
        ))
    }
}

/// v1 writes to an eventfd when memory is out, and when the cgroup is removed.
fn watch_v1(leaf: &Leaf, dir: &OwnedFd) -> Result<OomWatch> {
    let name = "memory.oom_control";
    let count = file::open(dir, name, OFlags::RDONLY)
        .map_err(|errno| file::error("open", name, &leaf.dir(), errno))?;
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|errno| sys::Error::new("eventfd", "", errno))?;
    let number = |fd: &OwnedFd| decimal(fd.as_raw_fd().unsigned_abs().into());
    let line = [&number(&bell), " ", &number(&count)].concat();
    file::write(dir, "cgroup.event_control", &line)
        .map_err(|errno| file::write_error("cgroup.event_control", &line, &leaf.dir(), errno))?;
    OomWatch {
        bell,
        count: Some(count),
        dir: leaf.dir(),
    }
    .armed()
}

impl OomWatch {
    /// What to poll for.
    pub fn interest(&self) -> PollFlags {
        if self.count.is_some() {
            PollFlags::IN
        } else {
            PollFlags::PRI
        }
    }

    /// How many processes have been killed so far because memory was out; makes the descriptor ready
    /// again only for what happens from now on.
    ///
    /// v1 rings when memory is out, just before it kills: the number may lag behind by a moment.
    ///
    /// # Errors
    /// `ENODEV` when the cgroup has been removed.
    pub fn kills(&mut self) -> Result<u64> {
        let name = if self.count.is_some() {
            "memory.oom_control"
        } else {
            "memory.events"
        };
        if self.count.is_some() {
            let mut counter = [0; 8];
            match retry_on_intr(|| read(&self.bell, &mut counter)) {
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(errno) => return Err(file::error("read", "eventfd", &self.dir, errno)),
            }
        }
        let file = self.count.as_ref().unwrap_or(&self.bell);
        let text = seek(file, SeekFrom::Start(0)).and_then(|_| file::read_open(file));
        let text = text.map_err(|errno| file::error("read", name, &self.dir, errno))?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        Ok(count.unwrap_or(0))
    }

    /// Reads once, which is what makes a v2 file's readiness begin with the next change.
    fn armed(mut self) -> Result<Self> {
        self.kills()?;
        Ok(self)
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

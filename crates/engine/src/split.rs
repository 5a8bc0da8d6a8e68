//! Processes that enter a pid namespace by themselves.
//!
//! A pid namespace is entered by children alone. Root enters the container's for a moment and starts the
//! child program there; an ordinary user has rights over it only inside the container's user namespace,
//! so that the child program, once it is there, splits: see [`child::op::request::SPLIT`].

use alloc::format;

use child::op::request;
use sys::namespace::PidNamespace;
use sys::rustix::process::Pid;
use sys::{AsFd, AsRawFd, Errno, OwnedFd, file, process, socket};

use crate::error::{Error, Kind, Result};
use crate::launching::Spawned;

const PID: u64 = 0x2000_0000;

/// How a process gets into a container's pid namespace.
pub(crate) enum PidEntry {
    /// It needs not.
    None,
    /// It is born there, while this lives.
    Born(#[allow(dead_code, reason = "it is what it does when dropped")] PidNamespace),
    /// It joins it with the others, and splits.
    Split,
}

impl PidEntry {
    /// Enters the pid namespace of `target` for children; where that is refused, and the container has a
    /// user namespace in which it is not, they have to split.
    pub(crate) fn find(target: impl AsFd, user: bool) -> Result<Self> {
        match PidNamespace::enter(target) {
            Ok(entered) => Ok(Self::Born(entered)),
            Err(error) if user && error.errno == Errno::PERM => Ok(Self::Split),
            Err(error) => Err(error.into()),
        }
    }

    /// Which of a container's namespaces (`CLONE_NEW…` flags) a process joins by itself.
    pub(crate) fn joined(&self, own: u64) -> u64 {
        match self {
            Self::Split => own,
            Self::None | Self::Born(_) => own & !PID,
        }
    }
}

/// Whether a request says that the process has split.
pub(crate) fn is_split(bytes: [u8; 4]) -> bool {
    u32::from_ne_bytes(bytes) == request::SPLIT
}

/// Waits for the process that goes on. One that ended before it split is left as it is.
pub(crate) fn follow(spawned: &mut Spawned) -> Result<()> {
    let Some(socket) = &spawned.socket else {
        return Ok(());
    };
    let mut bytes = [0u8; 4];
    let message = socket::receive(socket, &mut bytes)?;
    if message.len == 4 && is_split(bytes) {
        let (pid, pidfd) = successor(&spawned.started.pidfd, message.descriptor)?;
        spawned.started.pid = pid;
        spawned.started.pidfd = pidfd;
    }
    Ok(())
}

/// The process that goes on, by its descriptor; the one that has split is reaped.
pub(crate) fn successor(former: &OwnedFd, pidfd: Option<OwnedFd>) -> Result<(Pid, OwnedFd)> {
    process::reap(former);
    let pidfd = pidfd.ok_or_else(|| Error::new(Kind::Bug, "a process split without a word"))?;
    Ok((pid_of(&pidfd)?, pidfd))
}

/// The number of a process, as our procfs has it (`/proc/PID/fdinfo`, pidfd_open(2)).
fn pid_of(pidfd: &OwnedFd) -> Result<Pid> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = file::read_text(&path)?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    let pid = number.and_then(|number| number.trim().parse().ok());
    pid.and_then(Pid::from_raw)
        .ok_or_else(|| Error::new(Kind::Bug, format!("{path} names no process")))
}

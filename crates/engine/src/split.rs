//! Processes that enter a pid namespace by themselves.
//!
//! A pid namespace is entered by children alone. Root enters the container's for a moment and starts the
//! child program there; an ordinary user has rights over it only inside the container's user namespace,
//! so that the child program, once it is there, goes on as another process ([`plan::ChildAct::BeBorn`]).

use plan::Answer;
use sys::launch::Started;
use sys::namespace::PidNamespace;
use sys::{AsFd, Errno, OwnedFd, process, socket};

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

/// Whether a request says that another process goes on.
pub(crate) fn is_born(bytes: [u8; 4]) -> bool {
    u32::from_ne_bytes(bytes) == Answer::Born.request()
}

/// Waits for the process that goes on, and lets it. One that ended before it split is left as it is.
pub(crate) fn follow(spawned: &mut Spawned) -> Result<()> {
    let Some(socket) = &spawned.socket else {
        return Ok(());
    };
    let mut bytes = [0u8; 4];
    let message = socket::receive(socket, &mut bytes)?;
    if message.len == 4 && is_born(bytes) {
        spawned.started = successor(&spawned.started.pidfd, message.descriptor)?;
        socket::send(socket, &0i32.to_ne_bytes(), &[])?;
    }
    Ok(())
}

/// The process that goes on, by its descriptor; the one that has split is reaped.
pub(crate) fn successor(former: &OwnedFd, pidfd: Option<OwnedFd>) -> Result<Started> {
    let pidfd = pidfd.ok_or_else(|| Error::new(Kind::Bug, "a successor without a descriptor"))?;
    let pid = process::number(&pidfd)?;
    process::reap(former);
    Ok(Started { pid, pidfd })
}

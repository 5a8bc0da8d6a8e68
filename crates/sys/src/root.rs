//! Paths inside a root file system: the only door to them.
//!
//! A root file system is hostile: any component may be a symbolic link that was made a moment ago.
//! Everything here resolves beneath a directory descriptor in the kernel (`openat2` with
//! `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`), and every later act uses the descriptor.

pub mod entry;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::retry_on_intr;

use crate::error::{OnCall, Result};

/// Opens `path` as a process whose root is `root` would, never leaving it, never through a magic link.
///
/// # Errors
/// `EXDEV` or `ELOOP` when the path tries to leave; `ENOSYS` before Linux 5.6.
pub fn open(root: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    retry_on_intr(|| {
        openat2(
            root.as_fd(),
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
    })
    .on("openat2", path)
}

/// Opens the directory `path` beneath `root` when every component of it is a real directory there.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`; `ELOOP` for a symbolic link anywhere; `EXDEV` when it would leave.
pub fn open_directory(root: impl AsFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    retry_on_intr(|| openat2(root.as_fd(), path, flags, Mode::empty(), resolve))
}

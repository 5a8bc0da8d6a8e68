//! Namespaces that the runtime itself enters for a moment.

use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::fs::{OFlags, stat};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{OnCall, Result};
use crate::file;
use crate::syscall;

/// All namespace flags: cgroup, uts, ipc, user, pid, net, time, mnt.
const ALL: u32 = 0x7e02_0080;

/// Whether this process is in a user namespace that is not the host's first one. The first one has a
/// fixed inode number (`PROC_USER_INIT_INO` of `linux/proc_ns.h`).
pub fn in_user_namespace() -> bool {
    const INITIAL: u64 = 0xefff_fffd;
    stat("/proc/self/ns/user").is_ok_and(|found| found.st_ino != INITIAL)
}

/// Puts this process into new namespaces, by their `CLONE_NEW…` flags (unshare(2)).
///
/// # Errors
/// `EPERM` without the right, `EINVAL` for a kind that the kernel has not, `ENOSPC` at a limit of
/// `/proc/sys/user`.
pub fn unshare(flags: u32) -> Result<()> {
    // SAFETY: numbers only; namespace flags change nothing about memory or descriptors.
    let outcome = unsafe { syscall!(libc::SYS_unshare, flags & ALL) };
    outcome
        .map(drop)
        .map_err(Errno::from_raw_os_error)
        .on("unshare", "")
}

/// Enters a namespace, whatever its kind (setns(2)).
///
/// # Errors
/// The kernel's.
pub fn enter(namespace: impl AsFd, what: &str) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), None).on("setns", what)
}

/// While this lives, processes that this thread starts are born in another pid namespace.
#[derive(Debug)]
pub struct PidNamespace {
    own: OwnedFd,
}

impl PidNamespace {
    /// Enters `namespace` for children.
    pub fn enter(namespace: impl AsFd) -> Result<Self> {
        let own = file::open("/proc/thread-self/ns/pid", OFlags::RDONLY)?;
        let kind = Some(LinkNameSpaceType::ProcessID);
        move_into_link_name_space(namespace.as_fd(), kind).on("setns", "pid namespace")?;
        Ok(Self { own })
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        let kind = Some(LinkNameSpaceType::ProcessID);
        // Our own namespace is the parent of whatever we entered; going back is always allowed.
        let _ = move_into_link_name_space(self.own.as_fd(), kind);
    }
}

/// While this lives, this thread is in another network namespace.
#[derive(Debug)]
pub struct NetworkNamespace {
    own: OwnedFd,
}

impl NetworkNamespace {
    /// Enters `namespace`.
    ///
    /// # Errors
    /// `EPERM` without rights over it.
    pub fn enter(namespace: impl AsFd) -> Result<Self> {
        let own = file::open("/proc/thread-self/ns/net", OFlags::RDONLY)?;
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), kind).on("setns", "network namespace")?;
        Ok(Self { own })
    }

    /// Goes back, and gives the namespace that this thread is in again.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn leave(self) -> Result<OwnedFd> {
        self.own.try_clone().on("dup", "network namespace")
    }
}

impl Drop for NetworkNamespace {
    fn drop(&mut self) {
        let kind = Some(LinkNameSpaceType::Network);
        // It was ours a moment ago; whoever could leave it can come back.
        let _ = move_into_link_name_space(self.own.as_fd(), kind);
    }
}

/// While this lives, this process is in a mount namespace of its own, a copy from which nothing goes back.
#[derive(Debug)]
pub struct PrivateMounts {
    own: OwnedFd,
    directory: OwnedFd,
}

impl PrivateMounts {
    /// Makes the namespace and enters it.
    ///
    /// # Errors
    /// `EPERM` without rights to.
    pub fn enter() -> Result<Self> {
        let own = file::open("/proc/thread-self/ns/mnt", OFlags::RDONLY)?;
        let directory = file::open(".", OFlags::PATH | OFlags::DIRECTORY)?;
        unshare(libc::CLONE_NEWNS.unsigned_abs())?;
        let entered = Self { own, directory };
        let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", flags).on("mount", "/")?;
        Ok(entered)
    }

    /// Makes a mount of a directory and of what is mounted in it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn bind_on_itself(&self, path: &str) -> Result<()> {
        mount_bind_recursive(path, path).on("mount", path)
    }
}

impl Drop for PrivateMounts {
    fn drop(&mut self) {
        let kind = Some(LinkNameSpaceType::Mount);
        let _ = move_into_link_name_space(self.own.as_fd(), kind);
        // setns(2) has left us in the namespace's root.
        let _ = rustix::process::fchdir(&self.directory);
    }
}

/// `NS_GET_USERNS` and `NS_GET_PARENT` of `linux/nsfs.h` (ioctl_nsfs(2)).
const GET_OWNER: u32 = 0xb701;
const GET_PARENT: u32 = 0xb702;

/// The user namespace that owns a namespace: whose capabilities count for it. None where that is beyond
/// this process's own.
pub fn owner(namespace: impl AsFd) -> Option<OwnedFd> {
    relation(namespace, GET_OWNER)
}

/// The namespace above one of users or processes; none for other kinds, for the first, and where that is
/// beyond this process's own.
pub fn parent(namespace: impl AsFd) -> Option<OwnedFd> {
    relation(namespace, GET_PARENT)
}

fn relation(namespace: impl AsFd, request: u32) -> Option<OwnedFd> {
    // SAFETY: both requests take no argument and give a new descriptor.
    let found = unsafe { syscall!(libc::SYS_ioctl, namespace.as_fd().as_raw_fd(), request) };
    let number = i32::try_from(found.ok()?).ok()?;
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec; nobody else knows it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

//! Mount trees that are attached nowhere.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::error::{Error, OnCall, Result};
use crate::syscall;

const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;

/// A detached copy of the mount at `path`, or of all mounts from there down (`open_tree(2)`).
///
/// # Errors
/// The kernel's.
pub fn detached(path: &str, recursive: bool) -> Result<OwnedFd> {
    let mut how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        how |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, path, how).on("open_tree", path)
}

/// A directory with nothing in it that everybody may look into, attached nowhere.
///
/// # Errors
/// The kernel's.
pub fn empty_directory() -> Result<OwnedFd> {
    let tmpfs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).on("fsopen", "tmpfs")?;
    fsconfig_set_string(&tmpfs, "mode", "0755").on("fsconfig(mode)", "tmpfs")?;
    fsconfig_create(&tmpfs).on("fsconfig(create)", "tmpfs")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
    fsmount(&tmpfs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).on("fsmount", "tmpfs")
}

/// Attaches a detached copy on `target` (`move_mount(2)`); `path` is for the message.
///
/// # Errors
/// The kernel's.
pub fn attach(tree: impl AsFd, target: impl AsFd, path: &str) -> Result<()> {
    let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", target, c"", both).on("move_mount", path)
}

/// Makes the mounts of a detached copy slaves of those that they were copied from: what is mounted there
/// comes here, and nothing goes back. Before Linux 5.12 it does nothing: there whoever attaches the copy
/// does it then.
///
/// # Errors
/// The kernel's; `path` is for its message.
pub fn make_slave(tree: impl AsFd, path: &str) -> Result<()> {
    const MS_SLAVE: u64 = 1 << 19;
    let done = set_attributes(tree, true, &[0, 0, MS_SLAVE, 0]);
    match done {
        Err(Errno::NOSYS) => Ok(()),
        other => other.map_err(|errno| Error::new("mount_setattr(slave)", path, errno)),
    }
}

/// What errors of [`translate`] name as their call.
pub const TRANSLATE: &str = "mount_setattr(idmap)";

/// Has owners in a detached copy translated by a user namespace's maps (`mount_setattr(2)`, "ID-mapped
/// mounts"; Linux 5.12): on the one mount, or on those below it, too.
///
/// # Errors
/// `EINVAL` where the file system cannot, `EPERM` where the namespace is the initial one.
pub fn translate(
    tree: impl AsFd,
    path: &str,
    user_namespace: impl AsFd,
    recursive: bool,
) -> Result<()> {
    let namespace = u64::from(user_namespace.as_fd().as_raw_fd().unsigned_abs());
    let done = set_attributes(tree, recursive, &[MOUNT_ATTR_IDMAP, 0, 0, namespace]);
    done.map_err(|errno| Error::new(TRANSLATE, path, errno))
}

/// `struct mount_attr`: set, clear, propagation, user namespace.
fn set_attributes(
    tree: impl AsFd,
    recursive: bool,
    attributes: &[u64; 4],
) -> core::result::Result<(), Errno> {
    let at = libc::AT_EMPTY_PATH | if recursive { 0x8000 } else { 0 };
    // SAFETY: the path is an empty C string, the attributes are the 32 bytes that are announced.
    let outcome = unsafe {
        syscall!(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            at,
            attributes.as_ptr(),
            32
        )
    };
    outcome.map(drop).map_err(Errno::from_raw_os_error)
}

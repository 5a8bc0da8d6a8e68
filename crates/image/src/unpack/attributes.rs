//! Owner, mode, times and extended attributes.
//!
//! The order matters: a change of owner clears set-user-id bits and file capabilities, so the owner
//! comes first, then the mode, then extended attributes, and times last.

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::{Entry as Slot, list_xattrs, xattr};
use sys::rustix::fs::{
    FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fremovexattr,
    fsetxattr, fstat, futimens,
};

use super::union::kind;
use crate::error::{Error, Result, shown};
use crate::tar::Entry;

/// Tells of what is left out, each thing once for a layer.
pub(super) struct Notes<'n> {
    tell: &'n mut dyn FnMut(&str),
    told: Vec<Vec<u8>>,
}

/// Names that are told of at most; an archive can have any number.
const MOST_NOTES: usize = 16;

impl<'n> Notes<'n> {
    pub(super) fn new(tell: &'n mut dyn FnMut(&str)) -> Self {
        Self {
            tell,
            told: Vec::new(),
        }
    }

    fn left_out(&mut self, key: &[u8]) {
        if self.told.len() < MOST_NOTES && !self.told.iter().any(|told| told == key) {
            self.told.push(key.to_vec());
            (self.tell)(&format!(
                "extended attributes {:?} are left out",
                shown(key)
            ));
        }
    }
}

/// What is done with an extended attribute of the archive.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Set,
    LeaveOut,
    Refuse,
}

/// An image may say what a file is and may do, not what overlayfs or the host's policy make of it.
fn fate(key: &[u8]) -> Fate {
    let begins = |prefix: &[u8]| key.starts_with(prefix);
    if begins(b"trusted.") || begins(b"user.overlay.") {
        return Fate::Refuse;
    }
    let acl = matches!(
        key,
        b"system.posix_acl_access" | b"system.posix_acl_default"
    );
    if begins(b"user.") || key == b"security.capability" || acl {
        return Fate::Set;
    }
    // Labels, hashes and signatures of another host's policy; other systems' attributes.
    Fate::LeaveOut
}

/// Those of an entry's extended attributes that are to be set.
fn wanted<'e>(entry: &'e Entry, notes: &mut Notes<'_>) -> Result<Vec<(&'e [u8], &'e [u8])>> {
    let mut wanted = Vec::with_capacity(entry.xattrs.len());
    for (key, value) in &entry.xattrs {
        match fate(key) {
            Fate::Set if key == b"security.capability" && !is_roots() => notes.left_out(key),
            Fate::Set => wanted.push((key.as_slice(), value.as_slice())),
            Fate::LeaveOut => notes.left_out(key),
            Fate::Refuse => {
                return Err(Error::unsupported(format!(
                    "extended attribute {:?} may not come from an image",
                    shown(key)
                )));
            }
        }
    }
    Ok(wanted)
}

/// The time of an entry for the kernel, which has its own bounds for each file system.
pub(super) fn time(entry: &Entry) -> Timespec {
    Timespec {
        tv_sec: entry.mtime.seconds,
        tv_nsec: entry.mtime.nanoseconds.into(),
    }
}

/// Gives a file or directory of ours the entry's owner, mode and extended attributes.
pub(super) fn set_opened(file: &OwnedFd, entry: &Entry, notes: &mut Notes<'_>) -> Result<()> {
    set_owner(file, entry.uid, entry.gid)?;
    fchmod(file, Mode::from_raw_mode(entry.mode)).on("fchmod", "")?;
    for (key, value) in wanted(entry, notes)? {
        fsetxattr(file, key, value, XattrFlags::empty()).on("fsetxattr", &shown(key))?;
    }
    Ok(())
}

/// The same, and the time, for what is never opened: links, FIFOs, devices.
pub(super) fn set_unopened(slot: &Slot<'_>, entry: &Entry, notes: &mut Notes<'_>) -> Result<()> {
    if is_roots() {
        slot.set_owner(entry.uid, entry.gid)?;
    }
    if entry.kind != crate::tar::Kind::Symlink {
        slot.set_mode(entry.mode)?;
    }
    for (key, value) in wanted(entry, notes)? {
        slot.set_xattr(key, value)?;
    }
    Ok(slot.set_times(time(entry))?)
}

/// Whether it is root that unpacks. An ordinary user can give no file away, make no device node, and set no
/// file capability: all files are the user's, which is to say root's in the user's containers.
pub(super) fn is_roots() -> bool {
    sys::initial::effective_user() == 0
}

fn set_owner(file: &OwnedFd, uid: u32, gid: u32) -> Result<()> {
    if !is_roots() {
        return Ok(());
    }
    Ok(fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).on("fchown", "")?)
}

/// Sets access and modification time.
pub(super) fn set_time(file: &OwnedFd, time: Timespec) -> Result<()> {
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(futimens(file, &times).on("futimens", "")?)
}

/// A directory that nothing describes: root's, mode 0755.
pub(super) fn plain_directory(directory: &OwnedFd) -> Result<()> {
    set_owner(directory, 0, 0)?;
    Ok(fchmod(directory, Mode::from_raw_mode(0o755)).on("fchmod", "")?)
}

/// Makes `to` like `from` and answers the modification time that it should have in the end.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<Timespec> {
    let stat = fstat(from).on("fstat", "")?;
    set_owner(to, stat.st_uid, stat.st_gid)?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).on("fchmod", "")?;
    for key in keys(&list_xattrs(from, "")?) {
        let value = xattr(from, key, "")?;
        fsetxattr(to, key, &value, XattrFlags::empty()).on("fsetxattr", &shown(key))?;
    }
    Ok(modified(&stat))
}

/// Makes the link, FIFO or device at `to` like the one at `from`.
pub(super) fn copy_unopened(from: &Slot<'_>, stat: &Stat, to: &Slot<'_>) -> Result<()> {
    if is_roots() {
        to.set_owner(stat.st_uid, stat.st_gid)?;
    }
    if kind(stat) != FileType::Symlink {
        to.set_mode(stat.st_mode)?;
    }
    for key in keys(&from.list_xattrs()?) {
        to.set_xattr(key, &from.xattr(key)?)?;
    }
    Ok(to.set_times(modified(stat))?)
}

fn modified(stat: &Stat) -> Timespec {
    Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
    }
}

/// Removes the extended attributes that an earlier entry or a lower layer gave to a directory.
pub(super) fn remove_xattrs(directory: &OwnedFd) -> Result<()> {
    for key in keys(&list_xattrs(directory, "")?) {
        fremovexattr(directory, key).on("fremovexattr", &shown(key))?;
    }
    Ok(())
}

/// The names in a list from the kernel, without overlayfs' own, and without labels, which the kernel
/// gives to each file itself.
fn keys(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == 0)
        .filter(|key| !key.is_empty() && fate(key) == Fate::Set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_cannot_speak_to_overlayfs_or_to_the_hosts_policy() {
        for refused in [
            &b"trusted.overlay.opaque"[..],
            b"trusted.x",
            b"user.overlay.redirect",
        ] {
            assert_eq!(fate(refused), Fate::Refuse);
        }
        for left_out in [
            &b"security.selinux"[..],
            b"security.ima",
            b"com.apple.quarantine",
        ] {
            assert_eq!(fate(left_out), Fate::LeaveOut);
        }
        for set in [
            &b"user.x"[..],
            b"security.capability",
            b"system.posix_acl_default",
        ] {
            assert_eq!(fate(set), Fate::Set);
        }
    }
}

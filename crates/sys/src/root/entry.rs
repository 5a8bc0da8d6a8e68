//! One name in one directory: the acts that make, change and remove what it stands for.
//!
//! The directory is a descriptor and the name is a single component, so nothing here can be led
//! elsewhere: no call follows a symbolic link, and no string with a slash reaches the kernel.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    self, AtFlags, Dev, FileType, Gid, Mode, OFlags, RawDir, RenameFlags, Stat, Timespec,
    Timestamps, Uid, XattrFlags,
};
use rustix::io::{Errno, retry_on_intr};

use crate::error::{Error, OnCall, Result};

/// The longest name of a directory entry, in bytes (`NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// The directory part of opening: never through a symbolic link.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A single path component: not empty, no slash, no NUL, not `.` or `..`, at most [`NAME_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Takes `bytes` as a name; nothing when they are not a single component.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let plain = !bytes.is_empty()
            && bytes.len() <= NAME_MAX
            && bytes != b"."
            && bytes != b".."
            && !bytes.iter().any(|byte| matches!(byte, b'/' | 0));
        plain.then_some(Self(bytes))
    }

    /// The name's bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A name in a directory, whether or not it stands for something.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    dir: BorrowedFd<'a>,
    name: Name<'a>,
}

impl<'a> Entry<'a> {
    /// The entry `name` of the open directory `dir`.
    pub fn new(dir: &'a impl AsFd, name: Name<'a>) -> Self {
        Self {
            dir: dir.as_fd(),
            name,
        }
    }

    /// The entry `name` of `dir`.
    ///
    /// # Errors
    /// `EINVAL` when `name` is not a single plain component.
    pub fn named(dir: &'a impl AsFd, name: &'a [u8]) -> Result<Self> {
        let plain =
            Name::new(name).ok_or_else(|| Error::new("name", &lossy(name), Errno::INVAL))?;
        Ok(Self::new(dir, plain))
    }

    fn text(&self) -> String {
        lossy(self.name.0)
    }

    fn on<T>(&self, call: &'static str, result: core::result::Result<T, Errno>) -> Result<T> {
        result.map_err(|errno| Error::new(call, &self.text(), errno))
    }

    /// What stands there, itself and not what it points to; nothing when there is no such entry.
    pub fn stat(&self) -> Result<Option<Stat>> {
        match fs::statat(self.dir, self.name.0, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            other => self.on("stat", other).map(Some),
        }
    }

    /// Opens what stands there, which may not be a symbolic link, close-on-exec.
    ///
    /// # Errors
    /// `ELOOP` when it is a symbolic link.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.on(
            "open",
            retry_on_intr(|| fs::openat(self.dir, self.name.0, flags, Mode::empty())),
        )
    }

    /// Opens the directory that stands there, for reading.
    ///
    /// # Errors
    /// `ENOTDIR` or `ELOOP` when it is something else.
    pub fn open_directory(&self) -> Result<OwnedFd> {
        self.open(DIRECTORY)
    }

    /// Makes a new, empty regular file (mode 0600 or less) and opens it for reading and writing.
    ///
    /// # Errors
    /// `EEXIST` when there is an entry already, of whatever kind.
    pub fn create(&self) -> Result<OwnedFd> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        self.on(
            "open",
            retry_on_intr(|| fs::openat(self.dir, self.name.0, flags, mode)),
        )
    }

    /// Makes a new directory of mode 0700 or less (the umask applies).
    ///
    /// # Errors
    /// `EEXIST` when there is an entry already.
    pub fn make_directory(&self) -> Result<()> {
        self.on(
            "mkdir",
            fs::mkdirat(self.dir, self.name.0, Mode::from_raw_mode(0o700)),
        )
    }

    /// Makes a new symbolic link; its target is text and may be anything without NUL.
    ///
    /// # Errors
    /// `EEXIST` when there is an entry already.
    pub fn make_symlink(&self, target: &[u8]) -> Result<()> {
        self.on("symlink", fs::symlinkat(target, self.dir, self.name.0))
    }

    /// Makes this a further name of what `target` is, a symbolic link itself included.
    ///
    /// # Errors
    /// `EEXIST` when there is an entry already; `EPERM` when the target is a directory.
    pub fn make_link(&self, target: &Entry<'_>) -> Result<()> {
        let made = fs::linkat(
            target.dir,
            target.name.0,
            self.dir,
            self.name.0,
            AtFlags::empty(),
        );
        self.on("link", made)
    }

    /// Makes a device node or a FIFO of mode 0600 or less.
    ///
    /// # Errors
    /// `EEXIST` when there is an entry already; `EPERM` without `CAP_MKNOD`.
    pub fn make_node(&self, kind: FileType, device: Dev) -> Result<()> {
        let mode = Mode::from_raw_mode(0o600);
        self.on(
            "mknod",
            fs::mknodat(self.dir, self.name.0, kind, mode, device),
        )
    }

    /// The target of the symbolic link that stands there.
    pub fn read_link(&self) -> Result<Vec<u8>> {
        let read = fs::readlinkat(self.dir, self.name.0, Vec::new());
        self.on("readlink", read).map(|target| target.into_bytes())
    }

    /// Sets the owner of what stands there, of a symbolic link itself.
    pub fn set_owner(&self, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        self.on(
            "chown",
            fs::chownat(self.dir, self.name.0, Some(uid), Some(gid), flags),
        )
    }

    /// Sets the mode of a FIFO or device node that the caller has just made.
    ///
    /// fchmodat(2) follows a symbolic link, and its newer form that does not is missing before
    /// Linux 6.6: hence only for an entry that is known not to be one, in a directory that nobody
    /// else can write to.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        self.on(
            "chmod",
            fs::chmodat(self.dir, self.name.0, mode, AtFlags::empty()),
        )
    }

    /// Sets access and modification time of what stands there, of a symbolic link itself.
    pub fn set_times(&self, time: Timespec) -> Result<()> {
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        self.on(
            "utimensat",
            fs::utimensat(self.dir, self.name.0, &times, flags),
        )
    }

    /// Sets an extended attribute of what cannot be opened: a symbolic link, a FIFO, a device node.
    ///
    /// There is no call for it by descriptor before Linux 6.13: it goes by the directory's link in
    /// `/proc/self/fd`, where only the last component, a plain name, is looked up, and not followed.
    pub fn set_xattr(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let path = self.proc_path();
        self.on(
            "lsetxattr",
            fs::lsetxattr(path.as_slice(), key, value, XattrFlags::empty()),
        )
    }

    /// The names of the extended attributes, each ended by NUL, of what cannot be opened.
    pub fn list_xattrs(&self) -> Result<Vec<u8>> {
        let path = self.proc_path();
        let listed = grow(|list| fs::llistxattr(path.as_slice(), spare_capacity(list)));
        self.on("llistxattr", listed)
    }

    /// The value of an extended attribute of what cannot be opened.
    pub fn xattr(&self, key: &[u8]) -> Result<Vec<u8>> {
        let path = self.proc_path();
        let read = grow(|value| fs::lgetxattr(path.as_slice(), key, spare_capacity(value)));
        self.on("lgetxattr", read)
    }

    fn proc_path(&self) -> Vec<u8> {
        let mut path = format!("/proc/self/fd/{}/", self.dir.as_raw_fd()).into_bytes();
        path.extend_from_slice(self.name.0);
        path
    }

    /// Gives what stands here the name `to`, which must be free.
    ///
    /// # Errors
    /// `EEXIST` when `to` stands for something.
    pub fn rename(&self, to: &Entry<'_>) -> Result<()> {
        let flags = RenameFlags::NOREPLACE;
        self.on(
            "rename",
            fs::renameat_with(self.dir, self.name.0, to.dir, to.name.0, flags),
        )
    }

    /// Gives what stands here the name `to`, in place of the file that may stand there.
    pub fn replace(&self, to: &Entry<'_>) -> Result<()> {
        self.on(
            "rename",
            fs::renameat(self.dir, self.name.0, to.dir, to.name.0),
        )
    }

    /// Removes what stands there, but not a directory.
    pub fn unlink(&self) -> Result<()> {
        self.on(
            "unlink",
            fs::unlinkat(self.dir, self.name.0, AtFlags::empty()),
        )
    }

    /// Removes what stands there with all that is below it; that there is nothing is no error.
    ///
    /// At most two descriptors are open at a time, however deep the tree.
    pub fn remove_tree(&self) -> Result<()> {
        match self.remove_one() {
            Err(error) if error.errno == Errno::NOTEMPTY => {}
            other => return other,
        }
        let top = self.open_to_empty()?;
        empty_directory(&top, &self.text())?;
        self.remove_one()
    }

    /// Opens a directory that is known to be one and not a link. An ordinary user's may have to be made
    /// accessible first, as overlayfs' work directory has.
    fn open_to_empty(&self) -> Result<OwnedFd> {
        match self.open_directory() {
            Err(error) if error.errno == Errno::ACCESS => {
                self.set_mode(0o700)?;
                self.open_directory()
            }
            other => other,
        }
    }

    /// Removes a file or an empty directory.
    fn remove_one(&self) -> Result<()> {
        match fs::unlinkat(self.dir, self.name.0, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => match fs::unlinkat(self.dir, self.name.0, AtFlags::REMOVEDIR) {
                Err(Errno::EXIST) => Err(Error::new("rmdir", &self.text(), Errno::NOTEMPTY)),
                other => self.on("rmdir", other),
            },
            other => self.on("unlink", other),
        }
    }
}

/// Removes everything below the directory `top`.
///
/// It walks with a list of names for each level instead of a descriptor for each, so that a tree of
/// thousands of levels cannot exhaust the descriptors.
fn empty_directory(top: &OwnedFd, what: &str) -> Result<()> {
    let mut path: Vec<Vec<u8>> = Vec::new();
    let mut pending: Vec<Vec<Vec<u8>>> = Vec::from([names(top, what)?]);
    while let Some(level) = pending.last_mut() {
        let dir = open_below(top, &path, what)?;
        let mut descend = None;
        while let Some(name) = level.pop() {
            let entry = Entry::named(&dir, &name)?;
            let mut removed = entry.remove_one();
            if matches!(&removed, Err(error) if error.errno == Errno::ACCESS) {
                // The directory takes away its owner's right to change it.
                fs::fchmod(&dir, Mode::RWXU).on("fchmod", what)?;
                removed = entry.remove_one();
            }
            match removed {
                Ok(()) => {}
                Err(error) if error.errno == Errno::NOTEMPTY => {
                    descend = Some(name);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        match descend {
            Some(name) => {
                let below = Entry::named(&dir, &name)?.open_to_empty()?;
                pending.push(names(&below, what)?);
                // Its own turn comes again, when it is empty.
                level_before_last(&mut pending).push(name.clone());
                path.push(name);
            }
            None => {
                pending.pop();
                path.pop();
            }
        }
    }
    Ok(())
}

/// The level above the one that was pushed last.
fn level_before_last(pending: &mut [Vec<Vec<u8>>]) -> &mut Vec<Vec<u8>> {
    let above = pending.len() - 2;
    &mut pending[above]
}

/// Opens the directory that the names of `path` lead to, in as few calls as a path's length allows.
fn open_below(top: &OwnedFd, path: &[Vec<u8>], what: &str) -> Result<OwnedFd> {
    let mut dir = super::open_directory(top, b".").on("openat2", what)?;
    let mut rest = path;
    while !rest.is_empty() {
        let mut length = 0;
        let fitting = rest.iter().take_while(|name| {
            length += name.len() + 1;
            length < 4096
        });
        let (chunk, later) = rest.split_at(fitting.count());
        dir = super::open_directory(&dir, &chunk.join(&b'/')).on("openat2", what)?;
        rest = later;
    }
    Ok(dir)
}

/// The names in a directory, without `.` and `..`, in the kernel's order.
///
/// The descriptor's position is used up: read a directory that was opened for it.
pub fn names(dir: impl AsFd, what: &str) -> Result<Vec<Vec<u8>>> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.on("getdents64", what)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// The names of the extended attributes of an open file or directory, each ended by NUL.
pub fn list_xattrs(file: impl AsFd, what: &str) -> Result<Vec<u8>> {
    grow(|list| fs::flistxattr(file.as_fd(), spare_capacity(list))).on("flistxattr", what)
}

/// The value of an extended attribute of an open file or directory.
///
/// # Errors
/// `ENODATA` when there is none.
pub fn xattr(file: impl AsFd, key: &[u8], what: &str) -> Result<Vec<u8>> {
    grow(|value| fs::fgetxattr(file.as_fd(), key, spare_capacity(value))).on("fgetxattr", what)
}

/// Calls `read` with more and more room until the answer fits; 64 KiB is the kernel's own limit.
fn grow(
    mut read: impl FnMut(&mut Vec<u8>) -> core::result::Result<usize, Errno>,
) -> core::result::Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        bytes.clear();
        match read(&mut bytes) {
            Err(Errno::RANGE) if bytes.capacity() < (64 << 10) => bytes.reserve(64 << 10),
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(bytes),
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

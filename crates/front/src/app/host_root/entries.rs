//! Listing a directory by descriptor, links never followed.

use std::ffi::CString;
use std::path::Path;

use sys::rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use sys::{AsFd, Errno, OwnedFd};

use crate::error::{Fault, Parsed};

/// A name in a directory.
pub(super) struct Entry {
    pub(super) name: CString,
    pub(super) stat: Stat,
}

impl Entry {
    /// The name as text, for looking up in lists; other names are in none.
    pub(super) fn text(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }
}

/// A failed call on a name.
pub(super) fn failed(call: &'static str, name: &CString) -> impl FnOnce(Errno) -> sys::Error {
    let name = name.to_string_lossy().into_owned();
    move |errno| sys::Error::new(call, &name, errno)
}

/// Opens the directory `name` of `parent`.
pub(super) fn open(parent: impl AsFd, name: &CString) -> sys::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map_err(failed("openat", name))
}

/// Opens a directory of the machine by its absolute path.
pub(super) fn open_path(path: &Path) -> Parsed<OwnedFd> {
    let text = path
        .to_str()
        .ok_or_else(|| Fault::usage(format!("{} is not UTF-8", path.display())))?;
    Ok(sys::file::open(
        text,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
    )?)
}

/// What is in a directory, in the order of its file system. What disappears meanwhile is left out.
pub(super) fn list(directory: &OwnedFd) -> Parsed<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, _) in names(directory)? {
        if let Some(stat) = stat(directory, &name)? {
            entries.push(Entry { name, stat });
        }
    }
    Ok(entries)
}

/// The names in a directory, and what they are where its file system says so.
pub(super) fn names(directory: &OwnedFd) -> sys::Result<Vec<(CString, FileType)>> {
    let failed = |errno| sys::Error::new("getdents64", "", errno);
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

/// What a name is; none when it has disappeared.
pub(super) fn stat(directory: &OwnedFd, name: &CString) -> sys::Result<Option<Stat>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed("fstatat", name)(errno)),
    }
}

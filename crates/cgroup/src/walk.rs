//! Walking the cgroups below a container's own, which the container made.
//!
//! By descriptor, one directory at a time, with two descriptors open however deep it goes. A child's
//! `..` is its parent: a cgroup cannot be moved elsewhere.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

use sys::rustix::fs::{FileType, Mode, OFlags, RawDir, openat};
use sys::rustix::io::retry_on_intr;
use sys::{AsFd, Errno, OwnedFd};

type Outcome<T> = core::result::Result<T, Errno>;

pub(crate) const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory `name` of `dir`.
pub(crate) fn open(dir: impl AsFd, name: &core::ffi::CStr) -> Outcome<OwnedFd> {
    retry_on_intr(|| openat(dir.as_fd(), name, FLAGS, Mode::empty()))
}

/// The names of the directories in `dir`, which must be open for reading.
pub(crate) fn children(dir: impl AsFd) -> Outcome<Vec<CString>> {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 2048];
    let mut names = Vec::new();
    let mut entries = RawDir::new(dir.as_fd(), &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let dots = [c".", c".."].contains(&entry.file_name());
        if entry.file_type() == FileType::Directory && !dots {
            names.push(entry.file_name().into());
        }
    }
    Ok(names)
}

/// Calls `act` with `top` and every directory below it, each parent before its children. Directories
/// that go away meanwhile are passed over.
pub(crate) fn each(top: &OwnedFd, mut act: impl FnMut(&OwnedFd) -> Outcome<()>) -> Outcome<()> {
    let Some(mut here) = gone_is_none(open(top, c"."))? else {
        return Ok(());
    };
    act(&here)?;
    // For each level, the children that are still to be visited.
    let mut levels = Vec::from([children(&here)?]);
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.pop() {
            if let Some(child) = gone_is_none(open(&here, &name))? {
                here = child;
                act(&here)?;
                levels.push(gone_is_none(children(&here))?.unwrap_or_default());
            }
        } else {
            levels.pop();
            if !levels.is_empty() {
                here = open(&here, c"..")?;
            }
        }
    }
    Ok(())
}

/// Nothing, when the directory has just been removed.
pub(crate) fn gone_is_none<T>(outcome: Outcome<T>) -> Outcome<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The sizes of huge pages that the cgroup `dir` counts: it has a file `hugetlb.SIZE` + `end` for each.
pub(crate) fn hugetlb_sizes(dir: &OwnedFd, end: &str) -> Vec<String> {
    let mut sizes = Vec::new();
    let Ok(dir) = open(dir, c".") else {
        return sizes;
    };
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 2048];
    let mut entries = RawDir::new(&dir, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_str().unwrap_or_default();
        let size = name
            .strip_prefix("hugetlb.")
            .and_then(|rest| rest.strip_suffix(end));
        sizes.extend(size.filter(|size| !size.contains('.')).map(String::from));
    }
    sizes
}

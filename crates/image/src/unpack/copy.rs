//! Copying a file of a lower layer into the layer that is being made.

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::Entry as Slot;
use sys::rustix::fs::{FileType, OFlags, Stat, ftruncate};

use super::attributes;
use super::union::kind;
use crate::error::{Error, Result};

/// Makes at `to` what stands at `from`, whose stat is `stat`, with all its attributes.
pub(super) fn entry(from: &Slot<'_>, stat: &Stat, to: &Slot<'_>) -> Result<()> {
    match kind(stat) {
        FileType::RegularFile => return file(from, to),
        FileType::Symlink => to.make_symlink(&from.read_link()?)?,
        FileType::Directory => return Err(Error::bad("hard link to a directory")),
        other => to.make_node(other, stat.st_rdev)?,
    }
    attributes::copy_unopened(from, stat, to)
}

fn file(from: &Slot<'_>, to: &Slot<'_>) -> Result<()> {
    let source = from.open(OFlags::RDONLY)?;
    let target = to.create()?;
    crate::file::copy(&source, &target)?;
    let time = attributes::copy(&source, &target)?;
    attributes::set_time(&target, time)
}

/// Moves to `offset`, to write there.
pub(super) fn seek(file: &OwnedFd, offset: u64) -> Result<()> {
    sys::rustix::fs::seek(file, sys::rustix::fs::SeekFrom::Start(offset)).on("lseek", "")?;
    Ok(())
}

/// Gives a file its length, with a hole where nothing was written.
pub(super) fn set_length(file: &OwnedFd, length: u64) -> Result<()> {
    Ok(ftruncate(file, length).on("ftruncate", "")?)
}

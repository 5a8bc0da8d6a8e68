//! Copies of directories, with everything that belongs to what is in them.

use sys::OwnedFd;
use sys::root::entry::{Entry, names};
use sys::rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown};
use sys::rustix::io::{read, retry_on_intr};
use sys::rustix::time::Timespec;

use super::failure::{Failure, Outcome};

/// Bytes that are copied at a time.
const CHUNK: usize = 256 << 10;

/// What overlayfs alone means something by.
const OVERLAYS_OWN: &[u8] = b"trusted.overlay.";

/// Copies what is in the directory `from` into the directory `to`, and gives that the other's owner and mode.
/// Links are copied as links.
pub(crate) fn copy(from: &OwnedFd, to: &OwnedFd) -> Outcome<()> {
    contents(from, to)?;
    let stat = sys::rustix::fs::fstat(from);
    let stat = stat.map_err(|errno| sys::Error::new("fstat", "", errno))?;
    let failed = |errno| Failure::from(sys::Error::new("fchown", "", errno));
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchown(to, Some(uid), Some(gid)).map_err(failed)?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed)
}

fn contents(from: &OwnedFd, to: &OwnedFd) -> Outcome<()> {
    for name in names(from, "")? {
        let (source, target) = (Entry::named(from, &name)?, Entry::named(to, &name)?);
        if let Some(stat) = source.stat()? {
            one(&source, &target, &stat)?;
        }
    }
    Ok(())
}

/// Copies one name, which is not there yet.
fn one(source: &Entry<'_>, target: &Entry<'_>, stat: &Stat) -> Outcome<()> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::Directory => {
            target.make_directory()?;
            contents(&source.open_directory()?, &target.open_directory()?)?;
        }
        FileType::RegularFile => file(source, target)?,
        FileType::Symlink => target.make_symlink(&source.read_link()?)?,
        FileType::Socket => return Ok(()),
        _ => target.make_node(kind, stat.st_rdev)?,
    }
    target.set_owner(stat.st_uid, stat.st_gid)?;
    if kind != FileType::Symlink {
        target.set_mode(stat.st_mode & 0o7777)?;
    }
    for key in source.list_xattrs()?.split(|byte| *byte == 0) {
        if !key.is_empty() && !key.starts_with(OVERLAYS_OWN) {
            target.set_xattr(key, &source.xattr(key)?)?;
        }
    }
    let time = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0),
    };
    Ok(target.set_times(time)?)
}

fn file(source: &Entry<'_>, target: &Entry<'_>) -> Outcome<()> {
    let from = source.open(OFlags::RDONLY | OFlags::NONBLOCK)?;
    let to = target.create()?;
    let mut bytes = vec![0; CHUNK];
    loop {
        let count = retry_on_intr(|| read(&from, &mut bytes[..]))
            .map_err(|errno| sys::Error::new("read", "", errno))?;
        if count == 0 {
            return Ok(());
        }
        sys::file::write_all(&to, &bytes[..count], "the copy")?;
    }
}

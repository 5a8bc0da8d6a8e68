//! An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/`.

use std::sync::Arc;

use sys::OwnedFd;
use sys::rustix::fs::{FileType, OFlags, Stat};

use super::Member;
use crate::error::{Error, Of, Result};
use crate::file::{self, Section};

/// An open layout directory. Its files are looked up beneath it.
pub(super) struct Layout {
    directory: OwnedFd,
}

impl Layout {
    /// Takes a directory as a layout, with the stat of its index.
    pub(super) fn open(directory: OwnedFd) -> Result<(Self, Stat)> {
        let layout = Self { directory };
        match layout.open_file("index.json")? {
            Some((_, stat)) => Ok((layout, stat)),
            None => Err(Error::bad("not an OCI image layout: it has no index.json")),
        }
    }

    pub(super) fn file(&self, name: &str) -> Result<Option<Member>> {
        let Some((file, stat)) = self.open_file(name)? else {
            return Ok(None);
        };
        let size = u64::try_from(stat.st_size).map_err(|_| Error::bad("size: negative"))?;
        Ok(Some(Member::new(
            Section::new(Arc::new(file), 0, size),
            size,
        )))
    }

    fn open_file(&self, name: &str) -> Result<Option<(OwnedFd, Stat)>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let found = match sys::root::open(&self.directory, name, flags) {
            Ok(file) => file,
            Err(error) if error.errno == sys::Errno::NOENT => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = file::stat(&found).of(|| name)?;
        if file::kind(&stat) != FileType::RegularFile {
            return Err(Error::bad("not a regular file").of(name));
        }
        Ok(Some((found, stat)))
    }
}

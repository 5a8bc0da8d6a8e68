//! Descriptors as readers. The standard library's files own descriptors of another type than `sys`
//! does, and changing one into the other is not safe code.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use sys::error::OnCall;
use sys::rustix::fs::{FileType, Mode, OFlags, Stat, copy_file_range, fstat, open};
use sys::rustix::io::{pread, read, retry_on_intr};
use sys::{Errno, OwnedFd};

use crate::error::Result;
use crate::wide;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// A file that is read from its beginning on, at a place of its own.
#[derive(Clone)]
pub(crate) struct Section {
    file: Arc<OwnedFd>,
    offset: u64,
    left: u64,
}

impl Section {
    /// `length` bytes from `offset`, or what there is of them.
    pub(crate) fn new(file: Arc<OwnedFd>, offset: u64, length: u64) -> Self {
        Self {
            file,
            offset,
            left: length,
        }
    }

    /// Passes over `count` bytes without reading them.
    pub(crate) fn skip(&mut self, count: u64) {
        self.offset = self.offset.saturating_add(count);
        self.left = self.left.saturating_sub(count);
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let room = &mut buffer[..most];
        let count =
            retry_on_intr(|| pread(&*self.file, &mut *room, self.offset)).map_err(failed)?;
        self.skip(wide(count));
        Ok(count)
    }
}

fn failed(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}

/// Opens what is at `path`, without waiting for a FIFO's other end.
pub(crate) fn open_path(path: &Path, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    retry_on_intr(|| open(path.as_os_str().as_bytes(), flags, Mode::empty()))
}

/// What is at `path`, links followed.
pub(crate) fn stat_path(path: &Path) -> Result<Stat> {
    Ok(sys::rustix::fs::stat(path.as_os_str().as_bytes()).on("stat", "")?)
}

/// What an open file is.
pub(crate) fn stat(file: &OwnedFd) -> Result<Stat> {
    Ok(fstat(file).on("fstat", "")?)
}

/// The kind of file.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Copies all of `from` to `to`: in the kernel, and sharing the blocks, where the file system can.
pub(crate) fn copy(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    loop {
        match copy_file_range(from, None, to, None, PIECE << 6) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return copy_bytes(from, to);
            }
            Err(errno) => return Err(sys::Error::new("copy_file_range", "", errno).into()),
        }
    }
}

fn copy_bytes(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match retry_on_intr(|| read(from, &mut buffer)).on("read", "")? {
            0 => return Ok(()),
            count => sys::file::write_all(to, &buffer[..count], "")?,
        }
    }
}

//! Small files, whole: state files, procfs and cgroup files.

use alloc::string::String;
use alloc::vec::Vec;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, read, retry_on_intr, write};

use crate::error::{Error, OnCall, Result};

/// Opens `path` beneath `dir`, close-on-exec. `what` names the object in an error.
pub fn open_at(dir: impl AsFd, path: &str, flags: OFlags, what: &str) -> Result<OwnedFd> {
    retry_on_intr(|| {
        openat(
            dir.as_fd(),
            path,
            flags | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        )
    })
    .on("open", what)
}

/// Opens an absolute path, or one relative to the working directory, close-on-exec.
pub fn open(path: &str, flags: OFlags) -> Result<OwnedFd> {
    open_at(CWD, path, flags, path)
}

/// Reads all of a file that is expected to be at most a few megabytes.
///
/// # Errors
/// `EFBIG` when it holds more than `limit` bytes.
pub fn read_all(file: impl AsFd, limit: usize, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.capacity());
        }
        let n = retry_on_intr(|| read(file.as_fd(), rustix::buffer::spare_capacity(&mut bytes)))
            .on("read", what)?;
        if n == 0 {
            return Ok(bytes);
        }
        if bytes.len() > limit {
            return Err(Error::new("read", what, Errno::FBIG));
        }
    }
}

/// Reads a whole text file by path, at most 16 MiB.
///
/// # Errors
/// `EILSEQ` (as `EINVAL`) when it is not UTF-8.
pub fn read_text(path: &str) -> Result<String> {
    let file = open(path, OFlags::RDONLY)?;
    let bytes = read_all(&file, 16 << 20, path)?;
    String::from_utf8(bytes).map_err(|_| Error::new("read", path, Errno::INVAL))
}

/// Writes all of `bytes`, going on after short writes.
pub fn write_all(file: impl AsFd, mut bytes: &[u8], what: &str) -> Result<()> {
    while !bytes.is_empty() {
        let n = retry_on_intr(|| write(file.as_fd(), bytes)).on("write", what)?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// Writes `text` by one write(2) to an existing kernel file (procfs, sysfs, cgroup) beneath `dir`.
pub fn write_at(dir: impl AsFd, path: &str, text: &[u8], what: &str) -> Result<()> {
    let file = open_at(dir, path, OFlags::WRONLY, what)?;
    retry_on_intr(|| write(&file, text))
        .map(drop)
        .on("write", what)
}

/// Writes `text` by one write(2) to an existing kernel file.
pub fn write_kernel(path: &str, text: &[u8]) -> Result<()> {
    write_at(CWD, path, text, path)
}

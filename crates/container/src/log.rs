//! The log: one JSON object a line, as Docker's `json-file` driver writes it:
//! `{"log":"text\n","stream":"stdout","time":"…"}`.
//!
//! Before a file would grow beyond its limit it becomes `container.log.1`, what was that `.2`, and so on;
//! the oldest goes.
//!
//! It is written by a process without a C library and without an allocator that gives back, so that
//! lines live in buffers of a fixed size; longer ones are cut, and go on in the next object.

use alloc::string::String;
use alloc::vec::Vec;

use engine::Result;
use sys::error::OnCall;
use sys::rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, renameat, unlinkat};
use sys::{OwnedFd, file};

use crate::directory::{Directory, LOG};
use crate::settings::LogPolicy;

const LONGEST: usize = 16 * 1024;

/// A container's log.
#[derive(Debug)]
pub(crate) struct Log {
    directory: OwnedFd,
    policy: LogPolicy,
    /// None until there is something to write.
    file: Option<OwnedFd>,
    /// Bytes in the file.
    size: u64,
    out: Vec<u8>,
}

/// What one stream has printed of a line that is not complete.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: &'static str,
    pending: Vec<u8>,
}

impl Lines {
    /// A stream at the start of a line.
    pub(crate) fn new(stream: &'static str) -> Self {
        Self {
            stream,
            pending: Vec::new(),
        }
    }
}

impl Log {
    /// The log of a container, of which no file is made before there is something to write.
    pub(crate) fn new(directory: &Directory, policy: LogPolicy) -> Result<Self> {
        let clone = directory.as_dir().try_clone_to_owned();
        Ok(Self {
            directory: clone.on("dup", &directory.path)?,
            policy,
            file: None,
            size: 0,
            out: Vec::new(),
        })
    }

    /// Takes what a stream printed; whole lines are written. A full disk loses lines, not the container.
    pub(crate) fn take(&mut self, lines: &mut Lines, mut bytes: &[u8]) {
        if self.policy.off {
            return;
        }
        while !bytes.is_empty() {
            // All at once: an allocator that gives nothing back must not grow it bit by bit.
            lines.pending.reserve_exact(LONGEST - lines.pending.len());
            let room = LONGEST - lines.pending.len();
            let line_end = bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|at| at + 1);
            let part = line_end.unwrap_or(bytes.len()).min(room);
            lines.pending.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if lines.pending.last() == Some(&b'\n') || lines.pending.len() == LONGEST {
                self.write(lines);
            }
        }
    }

    /// Writes what is left of the last line.
    pub(crate) fn finish(&mut self, lines: &mut Lines) {
        if !lines.pending.is_empty() {
            self.write(lines);
        }
    }

    fn write(&mut self, lines: &mut Lines) {
        self.out.clear();
        self.out.reserve(LONGEST * 2);
        self.out.extend_from_slice(b"{\"log\":\"");
        escape(&lines.pending, &mut self.out);
        self.out.extend_from_slice(b"\",\"stream\":\"");
        self.out.extend_from_slice(lines.stream.as_bytes());
        self.out.extend_from_slice(b"\",\"time\":\"");
        let time: String = engine::timestamp_now();
        self.out.extend_from_slice(time.as_bytes());
        self.out.extend_from_slice(b"\"}\n");
        lines.pending.clear();
        let _ = self.append();
    }

    /// Writes the entry in `out` to the file in which it has room.
    fn append(&mut self) -> sys::Result<()> {
        let length = u64::try_from(self.out.len()).unwrap_or(u64::MAX);
        if self.file.is_none() {
            self.open()?;
        }
        let limit = self.policy.max_size;
        if limit != 0 && self.size != 0 && self.size.saturating_add(length) > limit {
            self.rotate();
            self.open()?;
        }
        if let Some(opened) = &self.file {
            file::write_all(opened, &self.out, LOG)?;
            self.size = self.size.saturating_add(length);
        }
        Ok(())
    }

    fn open(&mut self) -> sys::Result<()> {
        // A FIFO in its place must not be waited for; nobody reads it, so it is none to write to.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NONBLOCK;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let opened = openat(&self.directory, LOG, flags, mode).on("open", LOG)?;
        let stat = fstat(&opened).on("fstat", LOG)?;
        self.size = u64::try_from(stat.st_size).unwrap_or(0);
        self.file = Some(opened);
        Ok(())
    }

    /// Gives each file the next one's name. What cannot be done leaves a file that is too long.
    fn rotate(&mut self) {
        self.file = None;
        if self.policy.max_files <= 1 {
            let _ = unlinkat(&self.directory, LOG, AtFlags::empty());
        }
        for number in (1..self.policy.max_files).rev() {
            let (from, to) = (Name::of(number - 1), Name::of(number));
            let (from, to) = (from.as_bytes(), to.as_bytes());
            let _ = renameat(&self.directory, from, &self.directory, to);
        }
    }
}

/// A log file's name, without an allocation.
struct Name {
    bytes: [u8; LOG.len() + 11],
    length: usize,
}

impl Name {
    /// `container.log` for 0, else `container.log.NUMBER`.
    fn of(number: u32) -> Self {
        let mut name = Self {
            bytes: [0; LOG.len() + 11],
            length: LOG.len(),
        };
        name.bytes[..LOG.len()].copy_from_slice(LOG.as_bytes());
        if number > 0 {
            name.push(b'.');
            let digits = number.ilog10();
            for place in (0..=digits).rev() {
                let digit = number / 10_u32.pow(place) % 10;
                name.push(b"0123456789"[usize::try_from(digit).unwrap_or(0)]);
            }
        }
        name
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A JSON string's inside. Bytes that are no UTF-8 become U+FFFD, as Docker has it.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&digits);
                }
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, escape};
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn names_of_files() {
        let name = |number| String::from_utf8(Name::of(number).as_bytes().into()).unwrap();
        assert_eq!(name(0), "container.log");
        assert_eq!(name(1), "container.log.1");
        assert_eq!(name(120), "container.log.120");
        assert_eq!(name(u32::MAX), "container.log.4294967295");
    }

    #[test]
    fn any_bytes_become_a_json_string() {
        let mut out = Vec::new();
        escape(b"a\"b\\c\n\x01\xff", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a\\\"b\\\\c\\n\\u0001\u{fffd}"
        );
    }
}

//! The log: one JSON object a line, as Docker's `json-file` driver writes it:
//! `{"log":"text\n","stream":"stdout","time":"…"}`.
//!
//! It is written by a process without a C library and without an allocator that gives back, so that
//! lines live in buffers of a fixed size; longer ones are cut, and go on in the next object.

use alloc::string::String;
use alloc::vec::Vec;

use engine::Result;
use sys::rustix::fs::{Mode, OFlags, openat};
use sys::{OwnedFd, file};

use crate::directory::{Directory, LOG};

const LONGEST: usize = 16 * 1024;

/// A container's log, open for writing.
#[derive(Debug)]
pub(crate) struct Log {
    file: OwnedFd,
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
            pending: Vec::with_capacity(LONGEST),
        }
    }
}

impl Log {
    /// Opens the log of a container.
    pub(crate) fn open(directory: &Directory) -> Result<Self> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = directory.file(LOG);
        let file = openat(directory.as_dir(), LOG, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| sys::Error::new("open", &path, errno))?;
        Ok(Self {
            file,
            out: Vec::with_capacity(LONGEST * 2),
        })
    }

    /// Takes what a stream printed; whole lines are written. A full disk loses lines, not the container.
    pub(crate) fn take(&mut self, lines: &mut Lines, mut bytes: &[u8]) {
        while !bytes.is_empty() {
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
        self.out.extend_from_slice(b"{\"log\":\"");
        escape(&lines.pending, &mut self.out);
        self.out.extend_from_slice(b"\",\"stream\":\"");
        self.out.extend_from_slice(lines.stream.as_bytes());
        self.out.extend_from_slice(b"\",\"time\":\"");
        let time: String = engine::timestamp_now();
        self.out.extend_from_slice(time.as_bytes());
        self.out.extend_from_slice(b"\"}\n");
        let _ = file::write_all(&self.file, &self.out, LOG);
        lines.pending.clear();
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
    use super::escape;
    use std::string::String;
    use std::vec::Vec;

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

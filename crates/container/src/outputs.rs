//! What a container prints, on its way to the log and to those who are attached.

use alloc::vec::Vec;

use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sys::rustix::io::{Errno, read, write};
use sys::rustix::time::Timespec;
use sys::{OwnedFd, file};

use crate::log::{Lines, Log};

/// How long somebody who is attached may keep a container from printing.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
const CHUNK: usize = 16 * 1024;

/// One of a container's output streams.
#[derive(Debug)]
pub(crate) struct Output {
    source: Option<OwnedFd>,
    lines: Lines,
    listeners: Vec<OwnedFd>,
}

/// What came of reading a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Something came.
    Some,
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    End,
}

impl Output {
    /// A stream; none where the container has no such stream.
    pub(crate) fn new(source: Option<OwnedFd>, name: &'static str) -> Self {
        if let Some(source) = &source {
            let flags = fcntl_getfl(source).unwrap_or(OFlags::empty());
            let _ = fcntl_setfl(source, flags | OFlags::NONBLOCK);
        }
        Self {
            source,
            lines: Lines::new(name),
            listeners: Vec::with_capacity(4),
        }
    }

    /// The descriptor to wait for.
    pub(crate) fn source(&self) -> Option<&OwnedFd> {
        self.source.as_ref()
    }

    /// Somebody attached.
    pub(crate) fn add(&mut self, listener: OwnedFd) {
        let flags = fcntl_getfl(&listener).unwrap_or(OFlags::empty());
        let _ = fcntl_setfl(&listener, flags | OFlags::NONBLOCK);
        self.listeners.push(listener);
    }

    /// Reads once, and hands on what came.
    pub(crate) fn go_on(&mut self, log: &mut Log) -> Flow {
        let Some(source) = &self.source else {
            return Flow::End;
        };
        let mut bytes = [0u8; CHUNK];
        match read(source, &mut bytes) {
            Ok(0) => self.end(log),
            Ok(count) => {
                log.take(&mut self.lines, &bytes[..count]);
                self.listeners
                    .retain(|listener| hand(listener, &bytes[..count]));
                Flow::Some
            }
            Err(Errno::AGAIN | Errno::INTR) => Flow::Nothing,
            // A terminal without anybody at its other end.
            Err(_) => self.end(log),
        }
    }

    /// Closes everything.
    pub(crate) fn end(&mut self, log: &mut Log) -> Flow {
        log.finish(&mut self.lines);
        self.source = None;
        self.listeners.clear();
        Flow::End
    }
}

/// Writes all of `bytes`; says whether the listener is still there and keeps up.
fn hand(listener: &OwnedFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match write(listener, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut polled = [PollFd::new(listener, PollFlags::OUT)];
                if !matches!(poll(&mut polled, Some(&PATIENCE)), Ok(1)) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    true
}

/// Reads `/dev/null`, for streams that nobody gave.
pub(crate) fn null() -> sys::Result<OwnedFd> {
    file::open("/dev/null", OFlags::RDWR)
}

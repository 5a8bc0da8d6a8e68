//! Copies between a terminal and the FIFOs of whoever watches it, without ever waiting.

use alloc::vec::Vec;

use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags};
use sys::rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sys::rustix::io::{Errno, read, write};
use sys::rustix::termios::{Winsize, tcsetwinsize};
use sys::{OwnedFd, Result};

use crate::message::Size;

const CHUNK: usize = 4096;

/// A terminal and its streams.
#[derive(Debug)]
pub(crate) struct Console {
    /// Which process's it is.
    pub(crate) process: u64,
    master: OwnedFd,
    input: Option<OwnedFd>,
    output: OwnedFd,
    to_master: Vec<u8>,
    to_output: Vec<u8>,
    /// The terminal has no user any more, and all it printed was read.
    silent: bool,
}

impl Console {
    pub(crate) fn new(
        process: u64,
        master: OwnedFd,
        input: Option<OwnedFd>,
        output: OwnedFd,
    ) -> Result<Self> {
        for stream in [Some(&master), input.as_ref(), Some(&output)]
            .into_iter()
            .flatten()
        {
            let flags = fcntl_getfl(stream).on("fcntl", "terminal")?;
            fcntl_setfl(stream, flags | OFlags::NONBLOCK).on("fcntl", "terminal")?;
        }
        Ok(Self {
            process,
            master,
            input,
            output,
            to_master: Vec::new(),
            to_output: Vec::new(),
            silent: false,
        })
    }

    /// What to wait for.
    pub(crate) fn interest<'c>(&'c self, polled: &mut Vec<PollFd<'c>>) {
        let mut of_master = PollFlags::empty();
        if self.to_output.is_empty() && !self.silent {
            of_master |= PollFlags::IN;
        }
        if !self.to_master.is_empty() {
            of_master |= PollFlags::OUT;
        }
        if !of_master.is_empty() {
            polled.push(PollFd::new(&self.master, of_master));
        }
        if !self.to_output.is_empty() {
            polled.push(PollFd::new(&self.output, PollFlags::OUT));
        }
        if let Some(input) = self.input.as_ref().filter(|_| self.to_master.is_empty()) {
            polled.push(PollFd::new(input, PollFlags::IN));
        }
    }

    /// Copies what can be copied. Says whether there is more to come.
    pub(crate) fn go_on(&mut self) -> bool {
        self.carry_output();
        self.carry_input();
        !(self.silent && self.to_output.is_empty())
    }

    fn carry_output(&mut self) {
        loop {
            if !flush(&self.output, &mut self.to_output) {
                // Nobody will ever read it.
                self.to_output.clear();
            }
            if self.silent || !self.to_output.is_empty() {
                return;
            }
            let mut bytes = [0u8; CHUNK];
            match read(&self.master, &mut bytes) {
                Ok(0) => self.silent = true,
                Ok(count) => self.to_output.extend_from_slice(&bytes[..count]),
                Err(Errno::AGAIN | Errno::INTR) => return,
                // Nobody has the terminal open any more.
                Err(_) => self.silent = true,
            }
        }
    }

    fn carry_input(&mut self) {
        loop {
            if !flush(&self.master, &mut self.to_master) {
                self.to_master.clear();
            }
            let Some(input) = self.input.as_ref().filter(|_| self.to_master.is_empty()) else {
                return;
            };
            let mut bytes = [0u8; CHUNK];
            match read(input, &mut bytes) {
                Ok(count) if count > 0 => self.to_master.extend_from_slice(&bytes[..count]),
                Err(Errno::AGAIN | Errno::INTR) => return,
                // Its writers are gone, ours too, which only `CloseIO` closes.
                Ok(_) | Err(_) => self.input = None,
            }
        }
    }

    /// Sets the terminal's size; what is larger than a terminal can be is refused.
    pub(crate) fn resize(&self, size: Size) -> Result<()> {
        let number = |value: u32| {
            u16::try_from(value)
                .map_err(|_| Errno::INVAL)
                .on("ioctl", "terminal")
        };
        let window = Winsize {
            ws_row: number(size.height)?,
            ws_col: number(size.width)?,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.master, window).on("ioctl(TIOCSWINSZ)", "terminal")
    }
}

/// Writes what is pending, as far as it goes; false where the other side is gone.
fn flush(to: &OwnedFd, pending: &mut Vec<u8>) -> bool {
    while !pending.is_empty() {
        match write(to, pending) {
            Ok(count) => drop(pending.drain(..count)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}

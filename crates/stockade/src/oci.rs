//! The OCI commands' way to the process's own descriptors.

use ::oci::{Library, Outcome};
use sys::error::OnCall;
use sys::file::write_all;
use sys::rustix::termios::Winsize;
use sys::{AsFd, OwnedFd, stdio};

use crate::entry;
use crate::terminal::detach::DetachKeys;
use crate::terminal::relay::{self, Events, Input, Relay, Streams, User};
use crate::terminal::{Raw, give_back, is_terminal, set_size};

/// The words after `stockade oci`, or after the runtime's name.
fn own_words<'w, 'a>(words: &'w [&'a str]) -> &'w [&'a str] {
    let skipped = if words.first().is_some_and(|name| entry::is_runtime(name)) {
        1
    } else {
        2
    };
    words.get(skipped..).unwrap_or(&[])
}

/// Runs a command before the C library is there: its exit status, or none when it takes the library.
pub(crate) fn early(words: &[&str]) -> Option<i32> {
    match ::oci::main(own_words(words), None) {
        Outcome::Done { code, out, err } => Some(print(code, &out, err)),
        Outcome::NeedsLibrary => None,
    }
}

/// Runs a command with the library: the rare ones that copy a terminal.
pub(crate) fn run(words: &[&str]) -> i32 {
    match ::oci::main(own_words(words), Some(&Attendant)) {
        Outcome::Done { code, out, err } => print(code, &out, err),
        Outcome::NeedsLibrary => 125,
    }
}

/// Output that nobody reads is no failure of the command.
fn print(code: i32, out: &[u8], err: Option<String>) -> i32 {
    let _ = write_all(stdio::output(), out, "standard output");
    if let Some(mut line) = err {
        line.push('\n');
        let _ = write_all(stdio::error(), line.as_bytes(), "standard error");
    }
    code
}

struct Attendant;

impl Library for Attendant {
    fn attend(&self, master: OwnedFd, pidfd: &OwnedFd) -> Result<i32, String> {
        carry(master, pidfd).map_err(|error| error.to_string())
    }
}

/// Copies between the user's streams and a terminal until its process ends. The exit status is the
/// engine's to tell.
fn carry(master: OwnedFd, pidfd: &OwnedFd) -> sys::Result<i32> {
    let raw = is_terminal(sys::stdio::input());
    let signals = relay::signals(raw)?;
    let raw = if raw {
        Some(Raw::enter(sys::stdio::input())?)
    } else {
        None
    };
    let dup = || master.as_fd().try_clone_to_owned().on("dup", "terminal");
    let streams = Streams {
        input: Some(Input::Terminal(dup()?)),
        output: Some(dup()?),
        error: None,
    };
    let none =
        DetachKeys::parse("").map_err(|_| sys::Error::new("detach keys", "", sys::Errno::INVAL))?;
    let relay = Relay {
        signals: &signals,
        raw: raw.as_ref(),
        detach: none,
        forward: true,
        process: Some(pidfd.as_fd()),
    };
    let mut events = Target {
        pidfd: pidfd.as_fd(),
        window: master.as_fd(),
    };
    relay.run(User::standard(true), streams, &mut events)?;
    give_back();
    Ok(0)
}

struct Target<'t> {
    pidfd: sys::BorrowedFd<'t>,
    window: sys::BorrowedFd<'t>,
}

impl Events for Target<'_> {
    fn signal(&mut self, number: i32) -> sys::Result<()> {
        sys::process::send(self.pidfd, number).map(drop)
    }

    fn resized(&mut self, size: Winsize) -> sys::Result<()> {
        let _ = set_size(self.window, size);
        Ok(())
    }
}

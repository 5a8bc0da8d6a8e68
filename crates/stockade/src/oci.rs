//! The OCI commands' way to the process's own descriptors.

use ::oci::{Caller, Library, Outcome, Stream};
use sys::error::OnCall;
use sys::file::write_all;
use sys::rustix::termios::Winsize;
use sys::{AsFd, OwnedFd, stdio};

use crate::entry;
use crate::terminal::detach::DetachKeys;
use crate::terminal::relay::{self, Events, Input, Relay, Streams, User};
use crate::terminal::{Raw, give_back, is_terminal, set_size};

/// The words after `stockade oci`, or after the program's name.
fn own_words<'w, 'a>(words: &'w [&'a str]) -> &'w [&'a str] {
    match words {
        [name, "oci", rest @ ..] if !entry::is_runtime(name) => rest,
        [_, rest @ ..] => rest,
        [] => &[],
    }
}

/// What the commands were called by.
fn program<'a>(words: &[&'a str]) -> &'a str {
    let name = words.first().copied().unwrap_or("");
    match name.rsplit('/').next() {
        Some(name) if entry::is_runtime(name) => name,
        _ => "stockade oci",
    }
}

/// What the command `features` prints.
pub(crate) fn features() -> Vec<u8> {
    match ::oci::main(&["features"], &Early("stockade oci")) {
        Outcome::Done { out, .. } => out,
        Outcome::NeedsLibrary => Vec::new(),
    }
}

/// Runs a command before the C library is there: its exit status, or none when it takes the library.
pub(crate) fn early(words: &[&str]) -> Option<i32> {
    let caller = Early(program(words));
    match ::oci::main(own_words(words), &caller) {
        Outcome::Done { code, out, err } => Some(print(code, &out, err)),
        Outcome::NeedsLibrary => None,
    }
}

/// Runs a command with the library: the rare ones that copy a terminal or call ps(1).
pub(crate) fn run(words: &[&str]) -> i32 {
    let caller = WithLibrary(program(words));
    match ::oci::main(own_words(words), &caller) {
        Outcome::Done { code, out, err } => print(code, &out, err),
        Outcome::NeedsLibrary => 125,
    }
}

/// A stream that nobody reads is no failure of the command.
fn print_at_once(stream: Stream, bytes: &[u8]) {
    let _ = match stream {
        Stream::Output => write_all(stdio::output(), bytes, "standard output"),
        Stream::Error => write_all(stdio::error(), bytes, "standard error"),
    };
}

struct Early<'a>(&'a str);

impl Caller for Early<'_> {
    fn program(&self) -> &str {
        self.0
    }

    fn print(&self, stream: Stream, bytes: &[u8]) {
        print_at_once(stream, bytes);
    }

    fn library(&self) -> Option<&dyn Library> {
        None
    }
}

struct WithLibrary<'a>(&'a str);

impl Caller for WithLibrary<'_> {
    fn program(&self) -> &str {
        self.0
    }

    fn print(&self, stream: Stream, bytes: &[u8]) {
        print_at_once(stream, bytes);
    }

    fn library(&self) -> Option<&dyn Library> {
        Some(&Attendant)
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
    fn attend(&self, master: OwnedFd, pidfd: &OwnedFd) -> Result<(), String> {
        carry(master, pidfd).map_err(|error| error.to_string())
    }

    fn ps(&self, options: &[&str]) -> Result<String, String> {
        let run = std::process::Command::new("ps").args(options).output();
        let run = run.map_err(|error| error.to_string())?;
        if !run.status.success() {
            return Err(String::from_utf8_lossy(&run.stderr).trim().to_owned());
        }
        Ok(String::from_utf8_lossy(&run.stdout).into_owned())
    }
}

/// Copies between the user's streams and a terminal until its process ends. The exit status is the
/// engine's to tell.
fn carry(master: OwnedFd, pidfd: &OwnedFd) -> sys::Result<()> {
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
    Ok(())
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

//! The last steps: finding the program, waiting for `start`, hooks, execve.

use core::ffi::CStr;

use crate::bare::flags::{O_PATH, S_IFMT, S_IFREG};
use crate::bare::{self, AT_FDCWD, Fd, errno};
use crate::inside::PathBuffer;
use crate::op::{Op, Report};
use crate::startup;
use crate::steps::{Child, Step};

/// The program that is going to be executed.
pub struct Found {
    /// Empty before it was found.
    path: PathBuffer,
}

impl Found {
    /// Nothing yet.
    pub const fn nothing() -> Self {
        Self {
            path: PathBuffer::empty(),
        }
    }
}

impl Child {
    /// Looks the program up as execvp(3) does: with a slash it is a path, else it is sought in PATH.
    pub fn find(&mut self, op: &Op) -> Step {
        let name = self.script.text(op.s[0]);
        let path = &mut self.found.path;
        if !name.to_bytes().contains(&b'/') {
            return search(name, self.script.text(op.s[1]), path);
        }
        path.set(&[name.to_bytes()])?;
        Ok(executable(name)?)
    }

    /// Waits until `start` connects and says the word; whoever hangs up without it is forgotten.
    /// `start` gets the script, where it reads the report should execve fail.
    pub fn wait_start(&mut self, op: &Op) -> Step {
        let listener = op.n[0] as Fd;
        loop {
            let peer = bare::accept(listener)?;
            let mut word = [0u8; 1];
            let handed = bare::send(peer, b"s", Some(self.script_fd));
            if handed.is_ok() && bare::read(peer, &mut word) == Ok(1) {
                // The connection stays open: execve closes it, which is how `start` knows.
                bare::close(listener);
                self.socket = peer;
                return Ok(());
            }
            bare::close(peer);
        }
    }

    /// execve(2), with the signals as a fresh process has them.
    pub fn execute(&mut self, op: &Op) -> Step {
        let arguments = self.script.list(op.s[1])?;
        let environment = self.script.list(op.s[2])?;
        bare::default_signals();
        bare::block_signals(false);
        let path = self.found.path.as_text();
        let report = Report {
            step: self.script.header().ops,
            executing: 1,
            ..Report::default()
        };
        self.script.report(report);
        Err(startup::execute(path, arguments, environment).into())
    }
}

fn search(name: &CStr, list: &CStr, path: &mut PathBuffer) -> Step {
    let mut failure = errno::ENOENT;
    for dir in list.to_bytes().split(|b| *b == b':') {
        let dir = if dir.is_empty() { b"." } else { dir };
        path.set(&[dir, b"/", name.to_bytes()])?;
        match executable(path.as_text()) {
            Ok(()) => return Ok(()),
            Err(errno::EACCES) => failure = errno::EACCES,
            Err(_) => {}
        }
    }
    Err(failure.into())
}

/// Whether `path` is a regular file that we may execute.
fn executable(path: &CStr) -> bare::Result<()> {
    let file = bare::openat(AT_FDCWD, path, O_PATH, 0)?;
    let status = bare::fstat(file);
    bare::close(file);
    let mode = status?.mode;
    if mode & S_IFMT != S_IFREG || mode & 0o111 == 0 {
        return Err(errno::EACCES);
    }
    Ok(())
}

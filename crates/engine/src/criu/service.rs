//! A criu process and the conversation with it: messages of `rpc.proto` over a socket.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::error::OnCall;
use sys::launch::Started;
use sys::rustix::fs::OFlags;
use sys::rustix::process::Signal;
use sys::spawn::{Spawn, spawn};
use sys::{AsFd, BorrowedFd, OwnedFd, file, initial, process, socket, stdio};
use wire::{Fields, Malformed, Message, Value};

use super::program;
use crate::error::{Error, Kind, Result};

/// `enum criu_req_type`.
pub(super) mod kind {
    pub(in crate::criu) const DUMP: u32 = 1;
    pub(in crate::criu) const RESTORE: u32 = 2;
    pub(in crate::criu) const PRE_DUMP: u32 = 4;
    pub(super) const NOTIFY: u32 = 6;
    pub(super) const VERSION: u32 = 10;
}

/// The oldest that is known to work on kernels of today.
const OLDEST: u32 = 4;
const LARGEST_ANSWER: usize = 64 << 10;
const LARGEST_LOG: usize = 64 << 20;
/// The number that criu finds its socket at; descriptors that it is handed come behind.
pub(super) const FIRST_EXTRA: u32 = 4;

/// A criu that waits for requests. It ends with this value.
#[derive(Debug)]
pub(super) struct Service {
    started: Started,
    socket: OwnedFd,
    ended: bool,
}

/// `criu_resp`, and a `criu_notify` in it.
#[derive(Debug, Default)]
struct Answer {
    kind: u32,
    success: bool,
    errno: u32,
    script: String,
    pid: u32,
    major: u32,
    minor: u32,
}

/// What criu tells while it is at work.
#[derive(Debug)]
pub(super) struct Notice<'n> {
    /// Its name: `network-lock`, `setup-namespaces`, …
    pub(super) script: &'n str,
    /// The process that it is about.
    pub(super) pid: u32,
    /// What came with it.
    pub(super) descriptor: Option<OwnedFd>,
}

impl Service {
    /// Starts criu with our standard streams, and with `extra` as its descriptors from
    /// [`FIRST_EXTRA`] on (at most four).
    pub(super) fn start(extra: &[BorrowedFd<'_>]) -> Result<Self> {
        let program = program::find()?;
        let (socket, theirs) = socket::pair()?;
        let mut descriptors: Vec<BorrowedFd<'_>> = vec![
            stdio::input(),
            stdio::output(),
            stdio::error(),
            theirs.as_fd(),
        ];
        descriptors.extend(extra);
        let environment: Vec<&CStr> = initial::variables();
        let started = spawn(&Spawn {
            program: &program,
            arguments: &[c"criu", c"swrk", c"3"],
            environment: &environment,
            descriptors: &descriptors,
            directory: None,
            session: false,
        })?;
        let mut service = Self {
            started,
            socket,
            ended: false,
        };
        drop(theirs);
        service.check_version(&program)?;
        Ok(service)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.started.pid.as_raw_nonzero().get().unsigned_abs()
    }

    fn check_version(&mut self, program: &CString) -> Result<()> {
        // `keep_open`: the connection is for more than this.
        let request = Message::new().required(1, kind::VERSION).number(4, true);
        socket::send(&self.socket, &request.0, &[])?;
        let (answer, _) = self.answer()?;
        if answer.success && answer.major >= OLDEST {
            return Ok(());
        }
        let (major, minor) = (answer.major, answer.minor);
        let path = String::from_utf8_lossy(program.to_bytes());
        let message = format!("{path}: criu {major}.{minor} is too old: 4.0 or later is needed");
        Err(Error::new(Kind::Unsupported, message))
    }

    fn answer(&self) -> Result<(Answer, Option<OwnedFd>)> {
        let mut bytes = vec![0u8; LARGEST_ANSWER];
        let message = socket::receive(&self.socket, &mut bytes)?;
        if message.len == 0 {
            return Err(Error::new(
                Kind::Unsupported,
                "criu ended without an answer",
            ));
        }
        let answer = parse(&bytes[..message.len])
            .map_err(|Malformed| Error::new(Kind::Bug, "criu's answer is no criu_resp"))?;
        Ok((answer, message.descriptor))
    }

    /// Makes a request, hands every notice to `attend`, and waits for criu's end.
    pub(super) fn ask(
        mut self,
        request: u32,
        options: &Message,
        attend: &mut dyn FnMut(Notice<'_>) -> Result<()>,
    ) -> Result<()> {
        let message = Message::new().required(1, request).message(2, options);
        socket::send(&self.socket, &message.0, &[])?;
        loop {
            let (answer, descriptor) = self.answer()?;
            if !answer.success {
                return Err(refused(&answer));
            }
            if answer.kind != kind::NOTIFY {
                break;
            }
            let attended = attend(Notice {
                script: &answer.script,
                pid: answer.pid,
                descriptor,
            });
            let reply = Message::new()
                .required(1, kind::NOTIFY)
                .number(3, attended.is_ok());
            let sent = socket::send(&self.socket, &reply.0, &[]);
            if let Err(error) = attended {
                // It undoes what it did, and says that it failed.
                let _ = self.answer();
                return Err(error);
            }
            sent?;
        }
        let _ = sys::rustix::net::shutdown(&self.socket, sys::rustix::net::Shutdown::Write);
        self.ended = true;
        let ended = process::wait(&self.started.pidfd)?;
        // A pre-dump's criu goes on tracking memory, and may end otherwise.
        if ended.code() != 0 && request != kind::PRE_DUMP {
            let message = format!("criu ended with status {}", ended.code());
            return Err(Error::new(Kind::Unsupported, message));
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.ended {
            // Its end of the socket closes with ours: it undoes what it began, and ends.
            let _ = sys::rustix::net::shutdown(&self.socket, sys::rustix::net::Shutdown::Both);
            if process::wait_ended(&self.started.pidfd, Some(10_000)) != Ok(true) {
                let _ = process::signal(&self.started.pidfd, Signal::KILL);
            }
            process::reap(&self.started.pidfd);
        }
    }
}

fn refused(answer: &Answer) -> Error {
    let why = match answer.errno {
        0 => String::from("criu failed"),
        errno => format!(
            "criu failed: {}",
            sys::Errno::from_raw_os_error(errno.cast_signed())
        ),
    };
    Error::new(Kind::Unsupported, why)
}

fn parse(bytes: &[u8]) -> core::result::Result<Answer, Malformed> {
    let mut answer = Answer::default();
    Fields(bytes).each(|field, value| {
        match field {
            1 => answer.kind = value.word()?,
            2 => answer.success = value.flag()?,
            5 => Fields(value.bytes()?).each(|field, value| {
                match field {
                    1 => answer.script = value.text()?,
                    2 => answer.pid = value.word()?,
                    _ => {}
                }
                Ok(())
            })?,
            // A negative number is no errno.
            7 => answer.errno = value.word().unwrap_or(0),
            10 => version(value, &mut answer)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(answer)
}

/// The fuzzer's door: whether bytes are an answer of criu's.
#[cfg(fuzzing)]
pub fn is_answer(bytes: &[u8]) -> bool {
    parse(bytes).is_ok()
}

fn version(value: Value<'_>, answer: &mut Answer) -> core::result::Result<(), Malformed> {
    Fields(value.bytes()?).each(|field, value| {
        match field {
            1 => answer.major = value.word()?,
            2 => answer.minor = value.word()?,
            _ => {}
        }
        Ok(())
    })
}

/// Adds the log's path and its last error, where there is one.
pub(super) fn with_log(error: Error, log: &str) -> Error {
    let text = file::open(log, OFlags::RDONLY | OFlags::NOFOLLOW)
        .and_then(|file| file::read_all(&file, LARGEST_LOG, log));
    let Ok(text) = text else { return error };
    let text = String::from_utf8_lossy(&text);
    let last = last_error(&text).map_or(String::new(), |line| format!(": {line}"));
    Error {
        message: format!("{} ({log}{last})", error.message),
        ..error
    }
}

/// The last line that tells of an error and not only that there was one, without its time.
fn last_error(log: &str) -> Option<&str> {
    const CONSEQUENCES: [&str; 4] = [
        "FAILED",
        "failed with -1",
        "cgroupd: recv req error",
        "Unable to open fd=",
    ];
    let told = |line: &&str| {
        line.contains("Error (") && !CONSEQUENCES.iter().any(|words| line.contains(words))
    };
    let line = log.lines().rev().find(told)?;
    Some(line.get(line.find("Error (")?..)?.trim())
}

/// Opens a directory that criu is told of by our descriptor's number.
pub(super) fn directory(path: &str) -> Result<OwnedFd> {
    use sys::rustix::fs::{CWD, Mode, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty()).on("open", path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let notice = Message::new().text(1, "setup-namespaces").number(2, 7u32);
        let bytes = Message::new()
            .required(1, kind::NOTIFY)
            .number(2, true)
            .message(5, &notice)
            .0;
        let answer = parse(&bytes).unwrap();
        assert!(answer.success);
        assert_eq!((answer.kind, answer.pid), (kind::NOTIFY, 7));
        assert_eq!(answer.script, "setup-namespaces");
        assert!(parse(b"\x0a").is_err());
    }

    #[test]
    fn the_last_error_that_tells_something_is_quoted() {
        let log = "(0.1) Error (a.c:1): first\n(0.2) Error (b.c:2): second\n(0.2) Error (c.c:2): cg: cgroupd: recv req error\n(0.3) Error (b.c:9): Dump files (pid: 1) failed with -1\n(0.3) Error (c.c:3): Dumping FAILED.\n(0.4) bye\n";
        assert_eq!(last_error(log), Some("Error (b.c:2): second"));
        assert_eq!(last_error("all is well\n"), None);
    }
}

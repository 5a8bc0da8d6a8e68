//! The streams of a process: the paths of FIFOs, `file://` and `binary://` URIs that containerd hands to a shim.
//!
//! A process gets the FIFOs themselves: what it prints passes no other process. For each FIFO we keep the
//! other end open, too, so that neither a restart of containerd nor a client that goes away ends the
//! process's input or breaks its output.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, fchown, mkdirat, openat, stat};
use sys::rustix::io::{Errno, read, retry_on_intr};
use sys::rustix::pipe::{PipeFlags, pipe_with};
use sys::rustix::time::Timespec;
use sys::spawn::{Spawn, spawn};
use sys::{AsFd, OwnedFd, file};

use crate::message::Stdio;
use crate::options::Options;
use crate::ttrpc::{Code, Status};

/// How long a logging program may take to say that it is ready.
const LOGGER_PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// What a process is started with.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
    pub(crate) kept: Kept,
}

/// What we hold for as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Keeps the input from ending; closed by `CloseIO`.
    pub(crate) input_writer: Option<OwnedFd>,
    /// Keep the output from breaking.
    pub(crate) output_readers: Vec<OwnedFd>,
    /// The logging program.
    pub(crate) logger: Option<u32>,
}

/// Whose streams they are: what a logging program is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'w> {
    pub(crate) id: &'w str,
    pub(crate) namespace: &'w str,
}

/// Opens the streams of a process without a terminal.
pub(crate) fn open(stdio: &Stdio, whose: Whose<'_>, options: &Options) -> Result<Streams, Status> {
    let mut kept = Kept::default();
    let input = open_input(&stdio.stdin, &mut kept)?;
    let (output, error) = match split_uri(&stdio.stdout) {
        Some((scheme @ ("binary" | "binary-v2"), rest)) => logged(scheme, rest, whose, &mut kept)?,
        _ => {
            let output = open_output(&stdio.stdout, &mut kept)?;
            let error = if is_file(&stdio.stdout) {
                output.as_fd().try_clone_to_owned().on("dup", "")?
            } else {
                open_output(&stdio.stderr, &mut kept)?
            };
            (output, error)
        }
    };
    own(options, [&input, &output, &error])?;
    Ok(Streams {
        input,
        output,
        error,
        kept,
    })
}

/// Opens where a terminal's output goes; none where nobody wants it.
pub(crate) fn open_terminal_output(
    stdout: &str,
    whose: Whose<'_>,
    kept: &mut Kept,
) -> Result<OwnedFd, Status> {
    match split_uri(stdout) {
        Some((scheme @ ("binary" | "binary-v2"), rest)) => Ok(logged(scheme, rest, whose, kept)?.0),
        _ => open_output(stdout, kept),
    }
}

/// Opens the input: a FIFO, which is waited on by nobody, or nothing.
pub(crate) fn open_input(path: &str, kept: &mut Kept) -> Result<OwnedFd, Status> {
    if path.is_empty() {
        return Ok(file::open("/dev/null", OFlags::RDONLY)?);
    }
    let path = fifo_path(path)?;
    let reader = file::open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    if is_fifo(path) {
        kept.input_writer = Some(file::open(path, OFlags::WRONLY | OFlags::NONBLOCK)?);
    }
    blocking(&reader)?;
    Ok(reader)
}

fn open_output(name: &str, kept: &mut Kept) -> Result<OwnedFd, Status> {
    if name.is_empty() {
        return Ok(file::open("/dev/null", OFlags::WRONLY)?);
    }
    if let Some(("file", path)) = split_uri(name) {
        return log_file(path);
    }
    let path = fifo_path(name)?;
    if !is_fifo(path) {
        return Ok(file::open(path, OFlags::WRONLY | OFlags::APPEND)?);
    }
    let reader = file::open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let writer = file::open(path, OFlags::WRONLY)?;
    kept.output_readers.push(reader);
    Ok(writer)
}

fn log_file(path: &str) -> Result<OwnedFd, Status> {
    let path = unescape(path.split('?').next().unwrap_or(path))?;
    for (at, _) in path.match_indices('/').skip(1) {
        match mkdirat(CWD, &path[..at], Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).on("mkdir", &path[..at])?,
        }
    }
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    let log = openat(CWD, &*path, flags, Mode::from_raw_mode(0o644)).on("open", &path)?;
    Ok(log)
}

/// The owner that was asked for, so that a process in a user namespace may open its streams anew.
fn own(options: &Options, streams: [&OwnedFd; 3]) -> Result<(), Status> {
    if options.io_uid == 0 && options.io_gid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(options.io_uid), Gid::from_raw(options.io_gid));
    for stream in streams {
        let status = sys::rustix::fs::fstat(stream).on("fstat", "stream")?;
        if FileType::from_raw_mode(status.st_mode) == FileType::Fifo {
            fchown(stream, Some(uid), Some(gid)).on("fchown", "stream")?;
        }
    }
    Ok(())
}

fn blocking(stream: &OwnedFd) -> sys::Result<()> {
    use sys::rustix::fs::{fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(stream).on("fcntl", "stream")?;
    fcntl_setfl(stream, flags - OFlags::NONBLOCK).on("fcntl", "stream")
}

fn is_fifo(path: &str) -> bool {
    stat(path).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo)
}

/// `scheme://rest`.
fn split_uri(name: &str) -> Option<(&str, &str)> {
    name.split_once("://")
}

fn is_file(name: &str) -> bool {
    matches!(split_uri(name), Some(("file", _)))
}

fn fifo_path(name: &str) -> Result<&str, Status> {
    match split_uri(name) {
        None => Ok(name),
        Some(("fifo", path)) => Ok(path),
        Some((scheme, _)) => {
            let message = format!("stdio {name}: scheme {scheme}: not supported");
            Err(Status::new(Code::InvalidArgument, message))
        }
    }
}

/// Starts a logging program, which reads output at descriptor 3 and errors at 4, and closes 5 when it is
/// ready. Returns the process's ends.
fn logged(
    scheme: &str,
    rest: &str,
    whose: Whose<'_>,
    kept: &mut Kept,
) -> Result<(OwnedFd, OwnedFd), Status> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).on("pipe2", "");
    let (their_output, output) = pipe()?;
    let (their_error, error) = pipe()?;
    let (ready, their_ready) = pipe()?;
    let null = file::open("/dev/null", OFlags::RDWR)?;
    let arguments = logger_arguments(rest)?;
    let arguments: Vec<&CStr> = arguments.iter().map(|word| &**word).collect();
    let environment = [
        text(&format!("CONTAINER_ID={}", whose.id))?,
        text(&format!("CONTAINER_NAMESPACE={}", whose.namespace))?,
    ];
    let started = spawn(&Spawn {
        program: arguments[0],
        arguments: &arguments,
        environment: &[&environment[0], &environment[1]],
        descriptors: &[
            null.as_fd(),
            null.as_fd(),
            null.as_fd(),
            their_output.as_fd(),
            their_error.as_fd(),
            their_ready.as_fd(),
        ],
        directory: None,
        session: false,
    })?;
    drop(their_ready);
    kept.logger = Some(started.pid.as_raw_nonzero().get().unsigned_abs());
    await_logger(&ready, scheme == "binary-v2", rest)?;
    Ok((output, error))
}

/// Ends a logging program that has not ended by itself though its streams did.
pub(crate) fn end_logger(kept: &Kept) {
    use sys::rustix::process::{Pid, Signal, kill_process};
    let pid = kept
        .logger
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It is our child and not reaped: the number is still its own.
        let _ = kill_process(pid, Signal::TERM);
    }
}

fn await_logger(ready: &OwnedFd, strict: bool, program: &str) -> Result<(), Status> {
    let failed = |what: &str| {
        let message = format!("logging program {program}: {what}");
        Err(Status::new(Code::Unknown, message))
    };
    let mut polled = [PollFd::new(ready, PollFlags::IN)];
    let count = retry_on_intr(|| poll(&mut polled, Some(&LOGGER_PATIENCE))).on("poll", "")?;
    if count == 0 {
        return failed("not ready after 10 seconds");
    }
    let mut byte = [0u8];
    let got = retry_on_intr(|| read(ready, &mut byte)).on("read", "logging program")?;
    if strict && got == 0 {
        return failed("ended before it was ready");
    }
    Ok(())
}

/// `/path?key=value&key`: the program, and each key and value as a word.
fn logger_arguments(rest: &str) -> Result<Vec<CString>, Status> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut words = alloc::vec![text(&unescape(path)?)?];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        words.push(text(&unescape(key)?)?);
        if !value.is_empty() {
            words.push(text(&unescape(value)?)?);
        }
    }
    Ok(words)
}

fn text(text: &str) -> Result<CString, Status> {
    CString::new(text).map_err(|_| {
        Status::new(
            Code::InvalidArgument,
            format!("stdio {text:?}: holds a NUL"),
        )
    })
}

/// Takes the per cent signs out of a part of a URI (RFC 3986, section 2.1).
fn unescape(part: &str) -> Result<String, Status> {
    let wrong = || Status::new(Code::InvalidArgument, format!("stdio {part:?}: is no URI"));
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_logging_programs_words_are_its_path_and_the_query() {
        let words = logger_arguments("/bin/a%20b?x=1&y&z=%2F").unwrap();
        let words: Vec<_> = words
            .iter()
            .map(|word| word.to_str().unwrap().to_string())
            .collect();
        assert_eq!(words, ["/bin/a b", "x", "1", "y", "z", "/"]);
        assert!(logger_arguments("/bin/%2").is_err());
        assert!(logger_arguments("/bin/%00").is_err());
    }
}

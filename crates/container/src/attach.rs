//! Between a monitor and those who are attached: a socket that keeps message boundaries.
//!
//! The client asks (`a` to attach, `w` to wait, `q` to look whether the container was stopped). The monitor answers
//! `S` with the streams' descriptors (input, output, error; with a terminal input and output), or `E`,
//! an exit status and words; and in the end `X` and the payload's exit status.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};
use sys::rustix::net::SocketType;
use sys::{AsFd, BorrowedFd, OwnedFd, socket};

use crate::directory::{Directory, SOCKET};

const LONGEST: usize = 4096;

/// A client's connection to a monitor.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// A container's streams, as a client has them.
#[derive(Debug)]
pub struct Attached {
    /// Where its input is written: a pipe, or its terminal's master.
    pub input: Option<OwnedFd>,
    /// Where its output is read.
    pub output: Option<OwnedFd>,
    /// Where its errors are read.
    pub error: Option<OwnedFd>,
    /// The connection, for the exit status.
    pub channel: Channel,
}

/// How the connection to a monitor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The payload ended with this exit status.
    Code(i32),
    /// The monitor went away without a word.
    MonitorGone,
}

impl Channel {
    /// A client's end.
    pub fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Asks the monitor of a running container for its streams.
    ///
    /// # Errors
    /// `WrongState` when it has none.
    pub fn open(directory: &Directory) -> Result<Attached> {
        let channel = Self::connect(directory).map_err(|_| {
            Error::new(
                Kind::WrongState,
                "the container's monitor is gone: its streams are lost",
            )
            .hint("the container itself can still be stopped, and started again")
        })?;
        socket::send(&channel.0, b"a", &[])?;
        channel.attached()
    }

    /// Asks the monitor of a running container for its exit status, once there is one; none where
    /// there is no monitor.
    pub fn watch(directory: &Directory) -> Option<Self> {
        let channel = Self::connect(directory).ok()?;
        socket::send(&channel.0, b"w", &[]).ok()?;
        Some(channel)
    }

    /// Tells a monitor to look at its directory again; that there is none is no error.
    pub fn nudge(directory: &Directory) {
        if let Ok(channel) = Self::connect(directory) {
            let _ = socket::send(&channel.0, b"q", &[]);
        }
    }

    /// Tells a monitor to kill its container, which no other way may lead to; that there is none is no error.
    pub fn kill(directory: &Directory) {
        if let Ok(channel) = Self::connect(directory) {
            let _ = socket::send(&channel.0, b"k", &[]);
        }
    }

    /// A path of a socket may have 107 bytes; the directory's descriptor makes it short.
    fn connect(directory: &Directory) -> Result<Self> {
        use sys::AsRawFd;
        let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_dir().as_raw_fd());
        Ok(Self(socket::connect_to(&path, SocketType::SEQPACKET)?))
    }

    /// Waits for the monitor's word that the container runs, and takes its streams.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn attached(self) -> Result<Attached> {
        let mut bytes = [0u8; LONGEST];
        let (len, mut descriptors) = socket::receive_all(&self.0, &mut bytes)?;
        match bytes[..len].split_first() {
            Some((b'S', shape)) => {
                let mut next =
                    |flag: u8| shape.contains(&flag).then(|| descriptors.next()).flatten();
                let (input, output, error) = (next(b'i'), next(b'o'), next(b'e'));
                Ok(Attached {
                    input,
                    output,
                    error,
                    channel: self,
                })
            }
            Some((b'E', words)) => Err(decode_error(words)),
            _ => Err(Error::new(
                Kind::Bug,
                "the container's monitor ended before the container ran",
            )),
        }
    }

    /// Waits for the payload's end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self) -> Result<Ended> {
        let mut bytes = [0u8; 8];
        loop {
            let message = socket::receive(&self.0, &mut bytes)?;
            match (message.len, bytes[0]) {
                (0, _) => return Ok(Ended::MonitorGone),
                (5, b'X') => {
                    let code = [bytes[1], bytes[2], bytes[3], bytes[4]];
                    return Ok(Ended::Code(i32::from_ne_bytes(code)));
                }
                _ => {}
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The streams that a monitor hands out, and to whom.
pub(crate) fn send_streams(
    client: &OwnedFd,
    input: Option<BorrowedFd<'_>>,
    output: Option<BorrowedFd<'_>>,
    error: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut shape = Vec::from(*b"S");
    let mut descriptors = Vec::with_capacity(3);
    for (flag, stream) in [(b'i', input), (b'o', output), (b'e', error)] {
        if let Some(stream) = stream {
            shape.push(flag);
            descriptors.push(stream);
        }
    }
    Ok(socket::send(client, &shape, &descriptors)?)
}

/// Tells a client the payload's exit status; one that is gone does not matter.
pub(crate) fn send_code(client: &OwnedFd, code: i32) {
    let mut message = [b'X'; 5];
    message[1..].copy_from_slice(&code.to_ne_bytes());
    let _ = socket::send(client, &message, &[]);
}

/// Tells a client why the container does not run.
pub(crate) fn send_error(client: &OwnedFd, error: &Error) {
    let hint = error.hint.as_deref().unwrap_or("");
    let mut text = format!("E{}\n{}\n{hint}", error.exit_code(), error.message);
    let mut most = text.len().min(LONGEST);
    while !text.is_char_boundary(most) {
        most -= 1;
    }
    text.truncate(most);
    let _ = socket::send(client, text.as_bytes(), &[]);
}

fn decode_error(words: &[u8]) -> Error {
    let text = core::str::from_utf8(words).unwrap_or("unreadable");
    let mut lines = text.splitn(3, '\n');
    let kind = match lines.next() {
        Some("126") => Kind::CommandNotRunnable,
        Some("127") => Kind::CommandNotFound,
        _ => Kind::WrongState,
    };
    let error = Error::new(kind, lines.next().unwrap_or(""));
    match lines.next().filter(|hint| !hint.is_empty()) {
        Some(hint) => error.hint(String::from(hint)),
        None => error,
    }
}

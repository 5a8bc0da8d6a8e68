//! Carries bytes between the user's streams and a container's, and hands signals and new window
//! sizes over, until the container is through with its output or the user detaches.
//!
//! One loop around poll(2). Each stream reads only when it has nothing left to write, so a slow
//! reader slows its own stream and no other; nothing waits but poll.

use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sys::rustix::io::{read, retry_on_intr, write};
use sys::rustix::net::{Shutdown, shutdown};
use sys::rustix::process::{Signal, getpid, kill_process};
use sys::rustix::termios::Winsize;
use sys::signal::{Set, Signals};
use sys::{AsFd, BorrowedFd, Errno, OwnedFd, Result};

use super::Raw;
use super::detach::DetachKeys;

/// How much is read at a time, in bytes.
const READ: usize = 16 << 10;
/// How much is written at a time, in bytes: what a pipe that poll(2) calls writable takes without
/// waiting (PIPE_BUF).
const WRITE: usize = 4096;
/// How long output may take to arrive after its writer has ended: a terminal's passes through a
/// queue of the kernel.
const LAST_WORDS: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// One end of a stream.
#[derive(Debug)]
pub(crate) enum End {
    /// Closed when the stream is through.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "so far only tests own both sides")
    )]
    Owned(OwnedFd),
    /// One of the user's own.
    Standard(BorrowedFd<'static>),
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Owned(descriptor) => descriptor.as_fd(),
            Self::Standard(descriptor) => *descriptor,
        }
    }
}

/// Where a container's input goes; the descriptor is made non-blocking.
#[derive(Debug)]
pub(crate) enum Input {
    /// A pipe: closed when the user's input ends.
    Pipe(OwnedFd),
    /// A stream socket: shut down for writing when the user's input ends.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "monitors hand out pipes so far")
    )]
    Socket(OwnedFd),
    /// The master of a terminal: it stays open, as a terminal's input has no end.
    Terminal(OwnedFd),
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let (Self::Pipe(descriptor) | Self::Socket(descriptor) | Self::Terminal(descriptor)) = self;
        descriptor.as_fd()
    }
}

/// The user's streams; those that are not attached are `None`.
#[derive(Debug)]
pub(crate) struct User {
    /// Standard input.
    pub(crate) input: Option<End>,
    /// Standard output.
    pub(crate) output: Option<End>,
    /// Standard error.
    pub(crate) error: Option<End>,
}

impl User {
    /// The process's own streams; `input` is whether standard input is attached.
    pub(crate) fn standard(input: bool) -> Self {
        Self {
            input: input.then(|| End::Standard(sys::stdio::input())),
            output: Some(End::Standard(sys::stdio::output())),
            error: Some(End::Standard(sys::stdio::error())),
        }
    }
}

/// The container's streams, as seen from outside of it.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Where its input is written.
    pub(crate) input: Option<Input>,
    /// Where its output is read; with a terminal everything it prints.
    pub(crate) output: Option<OwnedFd>,
    /// Where its errors are read; `None` with a terminal.
    pub(crate) error: Option<OwnedFd>,
}

/// What the relay does not carry itself: how this is done depends on who holds the container.
pub(crate) trait Events {
    /// The user sent a signal that is meant for the container.
    ///
    /// # Errors
    /// They end the relay.
    fn signal(&mut self, number: i32) -> Result<()>;

    /// The user's window has this size; called at the start as well.
    ///
    /// # Errors
    /// They end the relay.
    fn resized(&mut self, size: Winsize) -> Result<()>;
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The container closed its streams, or ended.
    Closed,
    /// The user typed the keys.
    Detached,
    /// This signal came, which is not forwarded (`--sig-proxy=false`).
    Signal(i32),
}

/// What else a relay needs.
pub(crate) struct Relay<'r> {
    /// The signals to read; see [`signals`].
    pub(crate) signals: &'r Signals,
    /// The user's terminal in raw mode; with it window sizes are handed over.
    pub(crate) raw: Option<&'r Raw>,
    /// The keys that detach.
    pub(crate) detach: DetachKeys,
    /// Whether signals are forwarded.
    pub(crate) forward: bool,
    /// A pidfd of the container's process: its end ends the relay, even if somebody else holds the
    /// streams open.
    pub(crate) process: Option<BorrowedFd<'r>>,
}

/// Blocks the signals that a relay reads; to be called before the container is started, so that none
/// is lost. SIGCONT and those by which a terminal stops a job keep their meaning for this process,
/// but for SIGTSTP while the terminal is raw: it has to be made usable first.
///
/// # Errors
/// Those of signalfd(2).
pub(crate) fn signals(raw: bool) -> Result<Signals> {
    let set = Set::OTHERS
        .without(number(Signal::CONT))
        .without(number(Signal::TTIN))
        .without(number(Signal::TTOU));
    let stop = number(Signal::TSTP);
    Signals::open(if raw {
        set.with(stop)
    } else {
        set.without(stop)
    })
}

fn number(signal: Signal) -> i32 {
    signal.as_raw()
}

impl Relay<'_> {
    /// Carries everything until one of the ends that [`Finish`] names.
    ///
    /// # Errors
    /// A stream of the user that cannot be written, or an event that failed.
    pub(crate) fn run(
        mut self,
        user: User,
        streams: Streams,
        events: &mut impl Events,
    ) -> Result<Finish> {
        let mut typed = Typed::new(user.input, streams.input)?;
        let mut output = Printed::new(streams.output, user.output);
        let mut error = Printed::new(streams.error, user.error);
        self.resize(events)?;
        let mut ended = false;
        loop {
            if output.is_through() && error.is_through() {
                return Ok(Finish::Closed);
            }
            let ready = self.wait(&typed, &output, &error, ended)?;
            if ready.nothing && ended {
                return Ok(Finish::Closed);
            }
            ended |= ready.process;
            if ready.signals
                && let Some(finish) = self.take_signals(events)?
            {
                return Ok(finish);
            }
            if ready.typed && typed.go_on(&mut self.detach)? {
                return Ok(Finish::Detached);
            }
            for (ready, stream) in [(ready.output, &mut output), (ready.error, &mut error)] {
                if ready {
                    stream.go_on()?;
                }
            }
        }
    }

    /// Waits until something can go on. Once the process has `ended` only its last words are waited
    /// for, and not for long.
    fn wait(&self, typed: &Typed, output: &Printed, error: &Printed, ended: bool) -> Result<Ready> {
        let typed = if ended { None } else { typed.wants() };
        let process = self
            .process
            .as_ref()
            .filter(|_| !ended)
            .map(|fd| (fd.as_fd(), PollFlags::IN));
        let signals = Some((self.signals.as_fd(), PollFlags::IN));
        let wants = [typed, output.wants(), error.wants(), process, signals];
        let mut polled: Vec<_> = wants
            .iter()
            .flatten()
            .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        let timeout = ended.then_some(&LAST_WORDS);
        let count = match poll(&mut polled, timeout) {
            Err(Errno::INTR) => return Ok(Ready::default()),
            other => other.on("poll", "")?,
        };
        let mut events = polled.iter().map(|fd| !fd.revents().is_empty());
        let [typed, output, error, process, signals] =
            wants.map(|want| want.is_some() && events.next().unwrap_or(false));
        Ok(Ready {
            typed,
            output,
            error,
            process,
            signals,
            nothing: count == 0,
        })
    }

    /// Deals with the signals that came.
    fn take_signals(&mut self, events: &mut impl Events) -> Result<Option<Finish>> {
        while let Some(received) = self.signals.take()? {
            match Signal::from_named_raw(received.signal) {
                Some(Signal::WINCH) => self.resize(events)?,
                Some(Signal::CHILD | Signal::PIPE | Signal::URG) => {}
                Some(Signal::TSTP) => self.stop(events)?,
                _ if self.forward => events.signal(received.signal)?,
                _ => return Ok(Some(Finish::Signal(received.signal))),
            }
        }
        Ok(None)
    }

    fn resize(&self, events: &mut impl Events) -> Result<()> {
        match (self.raw, self.raw.and_then(Raw::size)) {
            (Some(_), Some(size)) => events.resized(size),
            _ => Ok(()),
        }
    }

    /// Stops this process as a job, with the terminal as it was; goes on when somebody continues it.
    fn stop(&self, events: &mut impl Events) -> Result<()> {
        let stop = || {
            let _ = kill_process(getpid(), Signal::STOP);
        };
        match self.raw {
            Some(raw) => raw.suspended(stop)?,
            None => stop(),
        }
        self.resize(events)
    }
}

/// What poll(2) said.
#[derive(Default)]
struct Ready {
    typed: bool,
    output: bool,
    error: bool,
    process: bool,
    signals: bool,
    /// The time is over.
    nothing: bool,
}

/// What one reading or writing came to.
enum Went {
    /// So many bytes.
    On(usize),
    /// Nothing now.
    Later,
    /// Nothing ever again.
    Through,
}

/// What a call's result means for a stream. The other end of a terminal or a pipe that has gone away
/// is the end of the stream, not a fault.
fn went(result: std::result::Result<usize, Errno>, call: &'static str, what: &str) -> Result<Went> {
    match result {
        Ok(0) => Ok(Went::Through),
        Ok(n) => Ok(Went::On(n)),
        Err(Errno::AGAIN) => Ok(Went::Later),
        Err(Errno::IO | Errno::PIPE | Errno::CONNRESET | Errno::BADF) => Ok(Went::Through),
        Err(errno) => Err(errno).on(call, what),
    }
}

fn read_some(from: impl AsFd, what: &str) -> Result<(Went, Vec<u8>)> {
    let mut bytes = vec![0; READ];
    let result = went(retry_on_intr(|| read(&from, &mut bytes[..])), "read", what)?;
    bytes.truncate(if let Went::On(n) = result { n } else { 0 });
    Ok((result, bytes))
}

/// Writes the start of `bytes` and removes what was written.
fn write_some(to: impl AsFd, bytes: &mut Vec<u8>, what: &str) -> Result<Went> {
    let part = &bytes[..bytes.len().min(WRITE)];
    let result = went(retry_on_intr(|| write(&to, part)), "write", what)?;
    if let Went::On(n) = result {
        bytes.drain(..n);
    }
    Ok(result)
}

/// From the user to the container.
struct Typed {
    from: Option<End>,
    to: Option<Input>,
    pending: Vec<u8>,
}

impl Typed {
    fn new(from: Option<End>, to: Option<Input>) -> Result<Self> {
        if let Some(to) = &to {
            let flags = fcntl_getfl(to).on("fcntl", "the container's input")?;
            fcntl_setfl(to, flags | OFlags::NONBLOCK).on("fcntl", "the container's input")?;
        }
        let mut typed = Self {
            from,
            to,
            pending: Vec::new(),
        };
        if typed.from.is_none() {
            typed.end();
        }
        Ok(typed)
    }

    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.from, &self.to) {
            (_, Some(to)) if !self.pending.is_empty() => Some((to.as_fd(), PollFlags::OUT)),
            (Some(from), Some(_)) => Some((from.as_fd(), PollFlags::IN)),
            _ => None,
        }
    }

    /// Writes or reads; says whether the keys that detach were typed.
    fn go_on(&mut self, detach: &mut DetachKeys) -> Result<bool> {
        if !self.pending.is_empty() {
            self.write()?;
            return Ok(false);
        }
        let Some(from) = &self.from else {
            return Ok(false);
        };
        match read_some(from, "standard input")? {
            (Went::On(_), bytes) => {
                let leaves = detach.watch(&bytes, &mut self.pending);
                if leaves {
                    self.write_what_fits()?;
                }
                return Ok(leaves);
            }
            (Went::Later, _) => {}
            (Went::Through, _) => {
                self.from = None;
                detach.flush(&mut self.pending);
                self.end_if_through();
            }
        }
        Ok(false)
    }

    fn write(&mut self) -> Result<()> {
        let Some(to) = &self.to else { return Ok(()) };
        if let Went::Through = write_some(to, &mut self.pending, "the container's input")? {
            // Nobody reads it any more. The rest is lost, as in a pipeline of a shell.
            self.to = None;
            self.pending.clear();
        }
        self.end_if_through();
        Ok(())
    }

    /// Writes what stood before the keys. Nobody has to stay because the container does not read.
    fn write_what_fits(&mut self) -> Result<()> {
        while let Some(to) = self.to.as_ref().filter(|_| !self.pending.is_empty()) {
            match write_some(to, &mut self.pending, "the container's input")? {
                Went::On(_) => {}
                Went::Later | Went::Through => break,
            }
        }
        Ok(())
    }

    fn end_if_through(&mut self) {
        if self.from.is_none() && self.pending.is_empty() {
            self.end();
        }
    }

    /// Tells the container that there is no more input.
    fn end(&mut self) {
        match self.to.take() {
            Some(Input::Socket(socket)) => {
                let _ = shutdown(&socket, Shutdown::Write); // a peer that is gone knows already
            }
            Some(Input::Pipe(_) | Input::Terminal(_)) | None => {}
        }
    }
}

/// From the container to the user.
struct Printed {
    from: Option<OwnedFd>,
    to: Option<End>,
    pending: Vec<u8>,
}

impl Printed {
    fn new(from: Option<OwnedFd>, to: Option<End>) -> Self {
        Self {
            from,
            to,
            pending: Vec::new(),
        }
    }

    fn is_through(&self) -> bool {
        self.from.is_none() && self.pending.is_empty()
    }

    fn wants(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match (&self.from, &self.to) {
            (_, Some(to)) if !self.pending.is_empty() => Some((to.as_fd(), PollFlags::OUT)),
            (Some(from), _) => Some((from.as_fd(), PollFlags::IN)),
            _ => None,
        }
    }

    fn go_on(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            return self.write();
        }
        let Some(from) = &self.from else {
            return Ok(());
        };
        match read_some(from, "the container's output")? {
            // Output that is not attached is read all the same, so that the container never waits.
            (Went::On(_), bytes) if self.to.is_some() => self.pending = bytes,
            (Went::On(_) | Went::Later, _) => {}
            (Went::Through, _) => self.from = None,
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let Some(to) = &self.to else { return Ok(()) };
        match write_some(to, &mut self.pending, "standard output")? {
            Went::On(_) | Went::Later => Ok(()),
            Went::Through => Err(Errno::PIPE).on("write", "standard output"),
        }
    }
}

#[cfg(test)]
mod tests;

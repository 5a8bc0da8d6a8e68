//! Events, published to containerd: over its ttrpc address, or by running its `publish` command where an older
//! one gave no address.
//!
//! They are sent one after the other, each when the one before it was taken, so that they arrive in their
//! order. While containerd is away they wait.

use alloc::collections::VecDeque;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags};
use sys::rustix::fs::{OFlags, SeekFrom, fcntl_setfl, seek};
use sys::rustix::io::{Errno, read, write};
use sys::rustix::net::SocketType;
use sys::spawn::{Spawn, spawn};
use sys::{AsFd, OwnedFd, file, launch, socket, time};

use crate::message::{any, timestamp};
use crate::ttrpc;
use wire::Message;

const SERVICE: &str = "containerd.services.events.ttrpc.v1.Events";
/// How many wait at most; then the oldest is lost.
const MOST: usize = 4096;
/// How long until the next try, in milliseconds.
const PAUSE_MS: i64 = 1000;
/// How long an answer may take, in milliseconds.
const PATIENCE_MS: i64 = 5000;

/// Where events go.
#[derive(Debug, Default)]
pub(crate) struct Address {
    pub(crate) namespace: String,
    /// The path of containerd's ttrpc socket; may be empty.
    pub(crate) ttrpc: String,
    /// The path of its gRPC socket, and its program, for `publish`.
    pub(crate) grpc: String,
    pub(crate) program: String,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Events {
    address: Address,
    queue: VecDeque<Event>,
    way: Option<Way>,
    stream: u32,
    /// When to try again, or to give up waiting for an answer: on the clock that nobody sets.
    due: i64,
}

#[derive(Debug)]
struct Event {
    topic: &'static str,
    event: Message,
    envelope: Message,
}

/// How the first event of the queue is under way.
#[derive(Debug)]
enum Way {
    Connection {
        socket: OwnedFd,
        unsent: Vec<u8>,
        received: Vec<u8>,
    },
    /// The process that publishes it.
    Program(u32),
}

impl Events {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            queue: VecDeque::new(),
            way: None,
            stream: 1,
            due: 0,
        }
    }

    /// Adds an event: its topic (`/tasks/…`), its type (`containerd.events.…`) and itself.
    pub(crate) fn publish(&mut self, topic: &'static str, kind: &'static str, event: &Message) {
        let event = any(kind, event);
        let envelope = Message::new()
            .message(1, &timestamp(time::now()))
            .text(2, &self.address.namespace)
            .text(3, topic)
            .message(4, &event);
        if self.queue.len() == MOST {
            // The first one may be under way.
            self.queue.remove(1);
        }
        self.queue.push_back(Event {
            topic,
            event,
            envelope,
        });
        if self.queue.len() == 1 {
            self.send_first();
            self.go_on();
        }
    }

    /// Tries again at once where it would have waited.
    pub(crate) fn hurry(&mut self) {
        if self.way.is_none() {
            self.due = 0;
            self.go_on();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What to wait for.
    pub(crate) fn interest<'e>(&'e self, polled: &mut Vec<PollFd<'e>>) {
        if let Some(Way::Connection { socket, unsent, .. }) = &self.way {
            let mut flags = PollFlags::IN;
            if !unsent.is_empty() {
                flags |= PollFlags::OUT;
            }
            polled.push(PollFd::new(socket, flags));
        }
    }

    /// How many milliseconds from now something has to be done though nothing happens.
    pub(crate) fn timeout(&self) -> Option<i64> {
        let waits = !self.queue.is_empty() && !matches!(self.way, Some(Way::Program(_)));
        waits.then(|| (self.due - milliseconds()).max(0))
    }

    /// A process ended; whether it was one that published.
    pub(crate) fn ended(&mut self, pid: u32, well: bool) -> bool {
        if !matches!(self.way, Some(Way::Program(own)) if own == pid) {
            return false;
        }
        self.way = None;
        if well {
            self.queue.pop_front();
            self.go_on();
        } else {
            self.due = milliseconds() + PAUSE_MS;
        }
        true
    }

    /// Goes on as far as it goes without waiting.
    pub(crate) fn go_on(&mut self) {
        while self.step().is_some() {}
    }

    /// One step; none where there is something to wait for.
    fn step(&mut self) -> Option<()> {
        match &mut self.way {
            None => self.begin(),
            Some(Way::Program(_)) => None,
            Some(Way::Connection { .. }) => {
                if let Err(errno) = self.converse() {
                    if errno == Errno::AGAIN && (self.queue.is_empty() || milliseconds() < self.due)
                    {
                        return None;
                    }
                    self.way = None;
                    self.due = milliseconds() + PAUSE_MS;
                    return None;
                }
                Some(())
            }
        }
    }

    fn begin(&mut self) -> Option<()> {
        if self.queue.is_empty() || milliseconds() < self.due {
            return None;
        }
        let began = if self.address.ttrpc.is_empty() {
            self.run_program()
        } else {
            self.connect()
        };
        if began.is_err() {
            self.due = milliseconds() + PAUSE_MS;
            return None;
        }
        Some(())
    }

    fn connect(&mut self) -> sys::Result<()> {
        let path = self.address.ttrpc.strip_prefix("unix://");
        let path = path.unwrap_or(&self.address.ttrpc);
        let socket = socket::connect_to(path, SocketType::STREAM)?;
        fcntl_setfl(&socket, OFlags::NONBLOCK).on("fcntl", path)?;
        self.way = Some(Way::Connection {
            socket,
            unsent: Vec::new(),
            received: Vec::new(),
        });
        self.send_first();
        Ok(())
    }

    /// Makes the queue's first event what is to be sent.
    fn send_first(&mut self) {
        let (Some(event), Some(Way::Connection { unsent, .. })) =
            (self.queue.front(), &mut self.way)
        else {
            return;
        };
        // A client's streams have odd numbers.
        self.stream = self.stream.wrapping_add(2) | 1;
        let payload = Message::new().message(1, &event.envelope);
        *unsent = ttrpc::request(self.stream, SERVICE, "Forward", &payload);
        self.due = milliseconds() + PATIENCE_MS;
    }

    /// Sends what is unsent, and takes an answer.
    fn converse(&mut self) -> Result<(), Errno> {
        let Some(Way::Connection {
            socket,
            unsent,
            received,
        }) = &mut self.way
        else {
            return Err(Errno::AGAIN);
        };
        while !unsent.is_empty() {
            let count = write(&*socket, unsent)?;
            unsent.drain(..count);
        }
        let mut bytes = [0u8; 1024];
        match read(&*socket, &mut bytes)? {
            0 => return Err(Errno::PIPE),
            count => received.extend_from_slice(&bytes[..count]),
        }
        while let Some(frame) = ttrpc::take(received).map_err(|_| Errno::PROTO)? {
            if frame.stream == self.stream && !self.queue.is_empty() {
                // What containerd refuses once it refuses for ever.
                self.queue.pop_front();
                self.send_first();
                break;
            }
        }
        Ok(())
    }

    /// `containerd --address … publish --topic … --namespace …`, with the event on its standard input.
    fn run_program(&mut self) -> sys::Result<()> {
        let Some(event) = self.queue.front() else {
            return Ok(());
        };
        let words = [
            &self.address.program,
            "--address",
            &self.address.grpc,
            "publish",
            "--topic",
            event.topic,
            "--namespace",
            &self.address.namespace,
        ];
        let words = words.map(|word| CString::new(word).unwrap_or_default());
        let words: Vec<&CStr> = words.iter().map(|word| &**word).collect();
        let input = launch::shared_file("event", &event.event.0)?;
        seek(&input, SeekFrom::Start(0)).on("lseek", "event")?;
        let null = file::open("/dev/null", OFlags::RDWR)?;
        let started = spawn(&Spawn {
            program: words[0],
            arguments: &words,
            environment: &[],
            descriptors: &[input.as_fd(), null.as_fd(), null.as_fd()],
            directory: None,
            session: false,
        })?;
        let pid = started.pid.as_raw_nonzero().get().unsigned_abs();
        self.way = Some(Way::Program(pid));
        Ok(())
    }
}

/// The clock that nobody sets, in milliseconds.
pub(crate) fn milliseconds() -> i64 {
    let (seconds, nanoseconds) = time::monotonic();
    seconds * 1000 + i64::from(nanoseconds / 1_000_000)
}

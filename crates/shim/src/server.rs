//! The shim's life: one thread that waits for requests, ends of processes, terminals and containerd's ear.

use alloc::string::String;
use alloc::vec::Vec;

use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::fs::{AtFlags, CWD, OFlags, unlinkat};
use sys::rustix::io::{Errno, read, write};
use sys::rustix::net::{SocketFlags, accept_with, sockopt::socket_peercred};
use sys::rustix::process::{WaitOptions, getuid, set_child_subreaper, wait};
use sys::rustix::stdio::dup2_stderr;
use sys::rustix::time::Timespec;
use sys::signal::{Set, Signals};
use sys::{OwnedFd, file, stdio};

use crate::console::Console;
use crate::events::{Address, Events, milliseconds};
use crate::finish::Job;
use crate::log;
use crate::message::Request;
use crate::task::{Asker, Task};
use crate::ttrpc::{self, Code, Reply, Status};
use wire::Message;

const SERVICES: [&str; 2] = ["containerd.task.v2.Task", "containerd.task.v3.Task"];
/// How long events and answers may still be on their way when the shim is to end, in milliseconds.
const LAST_WORDS_MS: i64 = 5000;

/// What the server is started with.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) listener: i32,
    pub(crate) socket_path: String,
    pub(crate) events: Address,
}

/// A shim.
#[derive(Debug)]
pub(crate) struct Shim {
    pub(crate) namespace: String,
    pub(crate) tasks: Vec<Task>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) consoles: Vec<Console>,
    pub(crate) events: Events,
    /// Processes that ended though we do not know them yet: a command that is still at work made them.
    pub(crate) strays: Vec<(u32, i32)>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) serials: u64,
    /// Asked to end, and by when it does whatever is left.
    pub(crate) ends_at: Option<i64>,
}

/// A request, and who asked.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) asker: Asker,
    pub(crate) request: Request,
}

/// A connection of containerd's.
#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    socket: OwnedFd,
    received: Vec<u8>,
    unsent: Vec<u8>,
    gone: bool,
}

/// What there is to do beside what is looked at in any case.
struct Woken {
    /// Somebody wants to connect.
    knocked: bool,
    /// Memory may be out somewhere.
    rung: bool,
}

/// Serves until it is asked to shut down and has no container, or until a signal asks it to end.
pub(crate) fn serve(given: Given) -> sys::Result<()> {
    let listener = stdio::inherited(given.listener)
        .ok_or(Errno::BADF)
        .on("fcntl", "the listening socket")?;
    let signals = Signals::open(Set::OTHERS)?;
    set_child_subreaper(Some(sys::rustix::process::getpid())).on("prctl", "subreaper")?;
    log_to_containerd();
    let mut shim = Shim::new(given.events);
    let outcome = shim.live(&listener, &signals);
    let _ = unlinkat(CWD, &*given.socket_path, AtFlags::empty());
    outcome
}

/// containerd reads the FIFO `log` in the bundle. It is opened for both, so that it never breaks.
fn log_to_containerd() {
    if let Ok(log) = file::open("log", OFlags::RDWR | OFlags::NONBLOCK) {
        let _ = dup2_stderr(&log);
    }
}

impl Shim {
    fn new(events: Address) -> Self {
        Self {
            namespace: events.namespace.clone(),
            tasks: Vec::new(),
            jobs: Vec::new(),
            consoles: Vec::new(),
            events: Events::new(events),
            strays: Vec::new(),
            connections: Vec::new(),
            serials: 0,
            ends_at: None,
        }
    }

    fn live(&mut self, listener: &OwnedFd, signals: &Signals) -> sys::Result<()> {
        loop {
            let woken = self.wait_for_something(listener, signals)?;
            while let Some(received) = signals.take()? {
                if matches!(received.signal, SIGTERM | SIGINT) {
                    return Ok(());
                }
            }
            self.reap();
            self.events.go_on();
            self.consoles.retain_mut(Console::go_on);
            if woken.rung {
                (0..self.tasks.len()).for_each(|at| self.tell_oom(at));
            }
            if woken.knocked {
                self.admit(listener);
            }
            self.converse();
            if self.is_done() {
                return Ok(());
            }
        }
    }

    fn wait_for_something(&self, listener: &OwnedFd, signals: &Signals) -> sys::Result<Woken> {
        let mut polled = Vec::with_capacity(16);
        polled.push(PollFd::new(listener, PollFlags::IN));
        polled.push(PollFd::new(signals, PollFlags::IN));
        for connection in &self.connections {
            let mut flags = PollFlags::IN;
            if !connection.unsent.is_empty() {
                flags |= PollFlags::OUT;
            }
            polled.push(PollFd::new(&connection.socket, flags));
        }
        let bells = polled.len();
        for oom in self.tasks.iter().filter_map(|task| task.oom.as_ref()) {
            polled.push(PollFd::new(oom, oom.interest()));
        }
        let after_bells = polled.len();
        for console in &self.consoles {
            console.interest(&mut polled);
        }
        self.events.interest(&mut polled);
        let last = self.ends_at.map(|at| (at - milliseconds()).max(0));
        let timeout = [self.events.timeout(), last].into_iter().flatten().min();
        let timeout = timeout.map(|milliseconds| Timespec {
            tv_sec: milliseconds / 1000,
            tv_nsec: milliseconds % 1000 * 1_000_000,
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).on("poll", ""),
        }
        let happened = |one: &PollFd<'_>| !one.revents().is_empty();
        Ok(Woken {
            knocked: happened(&polled[0]),
            rung: polled[bells..after_bells].iter().any(happened),
        })
    }

    /// Takes leave of every process that ended, in whatever order they did.
    pub(crate) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            let code = match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => code,
                (None, Some(signal)) => 128 + signal,
                (None, None) => continue,
            };
            self.process_ended(pid, code);
        }
    }

    /// Tells if memory was out in a task since it was looked at last.
    pub(crate) fn tell_oom(&mut self, at: usize) {
        let task = &mut self.tasks[at];
        let Some(watch) = &mut task.oom else { return };
        match watch.kills() {
            Ok(kills) if kills == task.oom_kills => {}
            Ok(kills) => {
                task.oom_kills = kills;
                let event = Message::new().text(1, &task.id);
                self.events
                    .publish("/tasks/oom", "containerd.events.TaskOOM", &event);
            }
            Err(why) => {
                log::warn(&task.id, "memory is watched no more", &why);
                task.oom = None;
            }
        }
    }

    /// Only whoever we are may talk to us.
    fn admit(&mut self, listener: &OwnedFd) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(socket) = accept_with(listener, flags) else {
            return;
        };
        if !socket_peercred(&socket).is_ok_and(|peer| peer.uid == getuid()) {
            return;
        }
        // containerd is there, be it again.
        self.events.hurry();
        let number = self.serial();
        self.connections.push(Connection {
            number,
            socket,
            received: Vec::new(),
            unsent: Vec::new(),
            gone: false,
        });
    }

    pub(crate) fn serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    /// Takes what came over the connections, acts on it, and sends what is to be sent.
    fn converse(&mut self) {
        for at in 0..self.connections.len() {
            while let Some(frame) = self.connections[at].next_frame() {
                if !frame.is_request {
                    continue;
                }
                let asker = Asker {
                    connection: self.connections[at].number,
                    stream: frame.stream,
                };
                match decode(&frame.message) {
                    Ok(request) => self.act(Call { asker, request }),
                    Err(status) => self.answer(asker, &Err(status)),
                }
            }
        }
        for connection in &mut self.connections {
            connection.send();
        }
        self.connections.retain(|connection| !connection.gone);
    }

    /// Answers a request; somebody who is gone does not matter.
    pub(crate) fn answer(&mut self, asker: Asker, reply: &Reply) {
        let mut connections = self.connections.iter_mut();
        if let Some(connection) = connections.find(|one| one.number == asker.connection) {
            let bytes = ttrpc::response(asker.stream, reply);
            connection.unsent.extend_from_slice(&bytes);
        }
    }

    /// Begins to end, if there is no container.
    pub(crate) fn shut_down(&mut self) {
        if self.tasks.is_empty() {
            self.ends_at = Some(milliseconds() + LAST_WORDS_MS);
        }
    }

    fn is_done(&self) -> bool {
        let Some(at) = self.ends_at else { return false };
        let unsent = self.connections.iter().any(|one| !one.unsent.is_empty());
        (self.events.is_empty() && !unsent && self.jobs.is_empty()) || milliseconds() >= at
    }
}

const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;

fn decode(message: &[u8]) -> Result<Request, Status> {
    let request = ttrpc::Request::decode(message)?;
    if !SERVICES.contains(&&*request.service) {
        let message = alloc::format!("service {}: not supported", request.service);
        return Err(Status::new(Code::Unimplemented, message));
    }
    Request::decode(&request.method, request.payload)
}

impl Connection {
    fn next_frame(&mut self) -> Option<ttrpc::Frame> {
        loop {
            match ttrpc::take(&mut self.received) {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => {}
                Err(_) => self.gone = true,
            }
            if self.gone {
                return None;
            }
            let mut bytes = [0u8; 4096];
            match read(&self.socket, &mut bytes) {
                Ok(0) => self.gone = true,
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return None,
                Err(_) => self.gone = true,
            }
        }
    }

    fn send(&mut self) {
        while !self.unsent.is_empty() && !self.gone {
            match write(&self.socket, &self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.gone = true,
            }
        }
    }
}

//! What a shim knows of its containers: tasks, in containerd's words.

use alloc::string::String;
use alloc::vec::Vec;

use cgroup::OomWatch;
use sys::OwnedFd;

use crate::message::Stdio;
use crate::options::Options;
use crate::server::Call;
use crate::stdio::Kept;

/// A container.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) bundle: String,
    pub(crate) directory: OwnedFd,
    pub(crate) options: Options,
    pub(crate) state_root: String,
    pub(crate) rootfs_is_ours: bool,
    /// Where the files are that it is made of at its start, if it is none that begins anew.
    pub(crate) checkpoint: String,
    pub(crate) paused: bool,
    pub(crate) init: Process,
    pub(crate) execs: Vec<Process>,
    /// What the container's first process ended with, while others still have to end.
    pub(crate) held_end: Option<i32>,
    pub(crate) oom: Option<OomWatch>,
    pub(crate) oom_kills: u64,
}

/// A process that containerd knows.
#[derive(Debug, Default)]
pub(crate) struct Process {
    /// Ours alone: never the same for two.
    pub(crate) serial: u64,
    /// Empty for the container's first.
    pub(crate) exec_id: String,
    pub(crate) stdio: Stdio,
    /// What to run, for a further one that was not started yet.
    pub(crate) spec: Vec<u8>,
    /// 0 before there is one.
    pub(crate) pid: u32,
    pub(crate) started: bool,
    pub(crate) end: Option<End>,
    /// A command is at work on it; what else is asked for waits.
    pub(crate) busy: bool,
    pub(crate) queue: Vec<Call>,
    /// It ended while a command was at work on it.
    pub(crate) unseen_end: Option<i32>,
    pub(crate) kept: Kept,
    /// Who waits for its end.
    pub(crate) waiters: Vec<Asker>,
}

/// How a process ended: the status as a shell tells it, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) status: u32,
    pub(crate) at: (i64, u32),
}

/// Who asked, and under which number the answer is expected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) connection: u64,
    pub(crate) stream: u32,
}

/// `containerd.v1.types.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Created = 1,
    Running = 2,
    Stopped = 3,
    Paused = 4,
}

impl Process {
    /// How it is, the container's being paused aside.
    pub(crate) fn state(&self) -> State {
        match () {
            () if self.end.is_some() => State::Stopped,
            () if self.started => State::Running,
            () => State::Created,
        }
    }

    /// Whether it is there and has not ended.
    pub(crate) fn lives(&self) -> bool {
        self.pid != 0 && self.end.is_none() && self.unseen_end.is_none()
    }

    pub(crate) fn is_init(&self) -> bool {
        self.exec_id.is_empty()
    }
}

impl Task {
    pub(crate) fn process(&self, exec_id: &str) -> Option<&Process> {
        self.processes().find(|process| process.exec_id == exec_id)
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        core::iter::once(&self.init).chain(&self.execs)
    }

    pub(crate) fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        core::iter::once(&mut self.init).chain(&mut self.execs)
    }

    /// How one of its processes is.
    pub(crate) fn state_of(&self, process: &Process) -> State {
        match process.state() {
            State::Running | State::Created if self.paused => State::Paused,
            state => state,
        }
    }

    pub(crate) fn rootfs(&self) -> String {
        alloc::format!("{}/rootfs", self.bundle)
    }
}

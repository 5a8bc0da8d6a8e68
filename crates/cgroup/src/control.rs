//! What is done to a running container as a whole: listing, freezing, killing its processes.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::fs::{OFlags, SeekFrom, seek};
use sys::rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sys::rustix::thread::{NanosleepRelativeResult, nanosleep};
use sys::time::monotonic;
use sys::{AsFd, Errno, OwnedFd};

use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Leaf, Version};
use crate::tree::Group;
use crate::walk;

/// How long is waited, once anything has to be waited for.
///
/// It starts to count when it is first asked: most acts are done at once, and then the clock, which costs
/// page faults, is never looked at.
#[derive(Clone, Debug)]
pub struct Deadline {
    milliseconds: u32,
    /// Seconds and nanoseconds of the monotonic clock.
    end: Cell<Option<(i64, i64)>>,
}

impl Deadline {
    /// `milliseconds` from the first wait.
    pub const fn after(milliseconds: u32) -> Self {
        Self {
            milliseconds,
            end: Cell::new(None),
        }
    }

    /// What is left; nothing once it has passed.
    pub fn left(&self) -> Option<Timespec> {
        let (now, now_part) = monotonic();
        let now_part = i64::from(now_part);
        let (end, end_part) = self.end.get().unwrap_or_else(|| {
            let part = now_part + i64::from(self.milliseconds % 1000) * 1_000_000;
            let end = now + i64::from(self.milliseconds / 1000) + part / 1_000_000_000;
            (end, part % 1_000_000_000)
        });
        self.end.set(Some((end, end_part)));
        let left = (end - now) * 1_000_000_000 + (end_part - now_part);
        let left = Timespec {
            tv_sec: left / 1_000_000_000,
            tv_nsec: left % 1_000_000_000,
        };
        (left.tv_sec > 0 || left.tv_nsec > 0).then_some(left)
    }
}

impl Group {
    /// The processes of the container, those in cgroups below its own included.
    ///
    /// # Errors
    /// When a list cannot be read; a cgroup that goes while it is looked at is not an error.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        let (leaf, dir) = self.main()?;
        processes_below(dir, &leaf.dir())
    }

    /// Whether there is any process in it or below.
    ///
    /// # Errors
    /// As for [`Group::processes`].
    pub fn populated(&self) -> Result<bool> {
        let (leaf, dir) = self.main()?;
        match leaf.version {
            Version::V2 => Ok(Events::open(leaf, dir)?.read()?.populated),
            Version::V1 => Ok(!processes_below(dir, &leaf.dir())?.is_empty()),
        }
    }

    /// Stops every process of the container, and returns when all have stopped.
    ///
    /// # Errors
    /// When some do not stop in time (they are in the midst of a system call that does not end); then all
    /// are let go on.
    pub fn freeze(&self, deadline: Deadline) -> Result<()> {
        let frozen = self.set_frozen(true, &deadline);
        if frozen.is_err() {
            _ = self.write_frozen(false);
        }
        frozen
    }

    /// Lets every process go on.
    ///
    /// # Errors
    /// When the kernel refuses, or does not do it in time.
    pub fn thaw(&self, deadline: Deadline) -> Result<()> {
        self.set_frozen(false, &deadline)
    }

    /// Whether the container is frozen, or about to be.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn frozen(&self) -> Result<bool> {
        let (leaf, dir) = self.freezer()?;
        let (name, thawed) = match leaf.version {
            Version::V2 => ("cgroup.freeze", "0"),
            Version::V1 => ("freezer.state", "THAWED"),
        };
        let text =
            file::read(dir, name).map_err(|errno| file::error("read", name, &leaf.dir(), errno))?;
        Ok(text.trim() != thawed)
    }

    /// Kills every process of the container, however fast it forks; returns without waiting for their end.
    ///
    /// v2 has one file for it (Linux 5.14). Elsewhere the group is frozen, so that its list is true, each
    /// process is signalled through a descriptor, never by a bare number, and let go on to die.
    ///
    /// # Errors
    /// When a process could not be signalled.
    pub fn kill(&self) -> Result<()> {
        match self.kill_all() {
            // systemd removes the cgroup of a scope as soon as nobody is in it, at any of these steps.
            Err(_) if self.gone() => Ok(()),
            other => other,
        }
    }

    fn kill_all(&self) -> Result<()> {
        let (leaf, dir) = self.main()?;
        if leaf.version == Version::V2 {
            match file::write(dir, "cgroup.kill", "1") {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) => {}
                Err(errno) => {
                    return Err(file::write_error("cgroup.kill", "1", &leaf.dir(), errno));
                }
            }
        }
        // A group that does not freeze, or cannot, is killed all the same.
        let frozen = self.set_frozen(true, &Deadline::after(500));
        let killed = self.signal(Signal::KILL);
        if frozen.is_ok() || self.freezer().is_ok() {
            self.write_frozen(false)?;
            self.thaw_below();
        }
        killed
    }

    /// Whether its main cgroup has been removed, and nobody is in it therefore.
    fn gone(&self) -> bool {
        let list = self.main().map(|(_, dir)| file::read(dir, "cgroup.procs"));
        matches!(list, Ok(Err(Errno::NOENT | Errno::NODEV)))
    }

    /// Sends `signal` to every process of the container, as they are found.
    ///
    /// # Errors
    /// When one could not be signalled; the others are.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let mut done = Ok(());
        for pid in self.processes()? {
            let sent =
                pidfd_open(pid, PidfdFlags::empty()).and_then(|fd| pidfd_send_signal(fd, signal));
            if let Err(errno) = sent
                && errno != Errno::SRCH
            {
                done = Err(signal_error(pid, errno));
            }
        }
        done
    }

    /// Lets go on what the container itself has frozen: v1's freezer holds back even SIGKILL.
    fn thaw_below(&self) {
        if let Ok((leaf, dir)) = self.freezer()
            && leaf.version == Version::V1
        {
            _ = walk::each(dir, |one| file::write(one, "freezer.state", "THAWED"));
        }
    }

    /// Waits until the container has no process.
    ///
    /// # Errors
    /// When it still has one at the deadline.
    pub fn wait_empty(&self, deadline: Deadline) -> Result<()> {
        let (leaf, dir) = self.main()?;
        wait_empty(leaf.version, dir, &leaf.dir(), &deadline)
    }

    /// The leaf that all its processes are in for sure.
    fn main(&self) -> Result<(&Leaf, &OwnedFd)> {
        let mut pairs = self.leaves.iter().zip(&self.dirs);
        let first = pairs.next();
        // A v2 leaf is always the first; among v1's any will do, but the freezer's list can be frozen.
        pairs
            .find(|(leaf, _)| {
                first.is_some_and(|(f, _)| f.version == Version::V1) && is_freezer(leaf)
            })
            .or(first)
            .ok_or_else(|| Error::state("the container has no cgroup"))
    }

    /// The directory of the cgroup by which it is frozen.
    ///
    /// # Errors
    /// When there is none.
    pub fn freezer_dir(&self) -> Result<String> {
        self.freezer().map(|(leaf, _)| leaf.dir())
    }

    fn freezer(&self) -> Result<(&Leaf, &OwnedFd)> {
        let mut pairs = self.leaves.iter().zip(&self.dirs);
        pairs
            .find(|(leaf, _)| leaf.version == Version::V2 || is_freezer(leaf))
            .ok_or_else(|| {
                Error::state("the container has no cgroup that can be frozen").hint(
                    "an ordinary user's containers have one where a cgroup is delegated: see \
                     docs/rootless.md",
                )
            })
    }

    fn write_frozen(&self, frozen: bool) -> Result<()> {
        let (leaf, dir) = self.freezer()?;
        let (name, value) = match (leaf.version, frozen) {
            (Version::V2, true) => ("cgroup.freeze", "1"),
            (Version::V2, false) => ("cgroup.freeze", "0"),
            (Version::V1, true) => ("freezer.state", "FROZEN"),
            (Version::V1, false) => ("freezer.state", "THAWED"),
        };
        file::write(dir, name, value)
            .map_err(|errno| file::write_error(name, value, &leaf.dir(), errno))
    }

    fn set_frozen(&self, frozen: bool, deadline: &Deadline) -> Result<()> {
        let (leaf, dir) = self.freezer()?;
        match leaf.version {
            Version::V2 => {
                let mut events = Events::open(leaf, dir)?;
                self.write_frozen(frozen)?;
                events.wait(deadline, |now| now.frozen == frozen)
            }
            Version::V1 => self.freeze_v1(frozen, deadline),
        }
    }

    /// v1 tells nobody when a group has come to a stop, and a process that was forked meanwhile may be
    /// missed until the state is read again: it has to be asked.
    fn freeze_v1(&self, frozen: bool, deadline: &Deadline) -> Result<()> {
        let (leaf, dir) = self.freezer()?;
        let wanted = if frozen { "FROZEN" } else { "THAWED" };
        loop {
            self.write_frozen(frozen)?;
            let state = file::read(dir, "freezer.state")
                .map_err(|errno| file::error("read", "freezer.state", &leaf.dir(), errno))?;
            if state.trim() == wanted {
                return Ok(());
            }
            if deadline.left().is_none() {
                return Err(late(&leaf.dir(), "has not come to a stop"));
            }
            pause(1_000_000);
        }
    }
}

fn is_freezer(leaf: &Leaf) -> bool {
    leaf.version == Version::V1 && leaf.controllers.has(Controller::Freezer)
}

fn signal_error(pid: Pid, errno: Errno) -> Error {
    let number = u64::try_from(pid.as_raw_nonzero().get()).unwrap_or(0);
    let what = ["to process ", &crate::lower::decimal(number)].concat();
    sys::Error::new("pidfd_send_signal", &what, errno).into()
}

fn late(dir: &str, what: &str) -> Error {
    Error::state(["cgroup: ", dir, " ", what, " in time"].concat())
}

pub(crate) fn pause(nanoseconds: i64) {
    let mut left = Timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    };
    while let NanosleepRelativeResult::Interrupted(rest) = nanosleep(&left) {
        left = rest;
    }
}

/// The processes in the cgroup `dir` and below it.
pub(crate) fn processes_below(dir: &OwnedFd, path: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    let walked = walk::each(dir, |one| {
        match file::read(one, "cgroup.procs") {
            Ok(list) => found.extend(list.lines().filter_map(parse_pid)),
            // It went away, or is threaded: then its domain's list has them all.
            Err(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    });
    walked.map_err(|errno| file::error("read", "cgroup.procs", path, errno))?;
    Ok(found)
}

/// A line of `cgroup.procs`. A process outside of our pid namespace shows as 0, and cannot be named.
fn parse_pid(line: &str) -> Option<Pid> {
    line.parse().ok().and_then(Pid::from_raw)
}

/// `cgroup.events` of a v2 cgroup.
pub(crate) struct Events {
    file: OwnedFd,
    path: String,
}

/// What it says.
#[derive(Clone, Copy, Default)]
pub(crate) struct State {
    pub(crate) populated: bool,
    pub(crate) frozen: bool,
}

impl Events {
    pub(crate) fn open(leaf: &Leaf, dir: &OwnedFd) -> Result<Self> {
        Self::open_at(dir, leaf.dir())
    }

    fn open_at(dir: impl AsFd, path: String) -> Result<Self> {
        match file::open(dir, "cgroup.events", OFlags::RDONLY) {
            Ok(file) => Ok(Self { file, path }),
            Err(errno) => Err(file::error("open", "cgroup.events", &path, errno)),
        }
    }

    pub(crate) fn read(&mut self) -> Result<State> {
        let text = seek(&self.file, SeekFrom::Start(0)).and_then(|_| file::read_open(&self.file));
        let text = text.map_err(|errno| file::error("read", "cgroup.events", &self.path, errno))?;
        let is = |key: &str| {
            text.lines()
                .any(|line| line.strip_prefix(key) == Some(" 1"))
        };
        Ok(State {
            populated: is("populated"),
            frozen: is("frozen"),
        })
    }

    /// Waits until the state is as `wanted` says; the kernel tells of every change through poll(2).
    pub(crate) fn wait(
        &mut self,
        deadline: &Deadline,
        wanted: impl Fn(State) -> bool,
    ) -> Result<()> {
        loop {
            if wanted(self.read()?) {
                return Ok(());
            }
            let Some(left) = deadline.left() else {
                return Err(late(&self.path, "has not changed"));
            };
            let mut polled = [PollFd::new(&self.file, PollFlags::PRI)];
            match poll(&mut polled, Some(&left)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(file::error("poll", "cgroup.events", &self.path, errno)),
            }
        }
    }
}

/// Waits until no process is in the cgroup `dir` or below.
pub(crate) fn wait_empty(
    version: Version,
    dir: &OwnedFd,
    path: &str,
    deadline: &Deadline,
) -> Result<()> {
    match version {
        Version::V2 => {
            let empty = Events::open_at(dir, path.into())
                .and_then(|mut events| events.wait(deadline, |state| !state.populated));
            match empty {
                // Nobody is in what somebody else, as systemd, has removed meanwhile.
                Err(error) if error.is(Errno::NODEV) || error.is(Errno::NOENT) => Ok(()),
                Err(error) if error.errno.is_none() => Err(late(path, "has not become empty")),
                other => other,
            }
        }
        Version::V1 => wait_empty_v1(dir, path, deadline),
    }
}

/// v1 does not tell when a cgroup becomes empty; its processes do when they end.
fn wait_empty_v1(dir: &OwnedFd, path: &str, deadline: &Deadline) -> Result<()> {
    loop {
        let processes = processes_below(dir, path)?;
        let Some(first) = processes.first() else {
            return Ok(());
        };
        let Some(left) = deadline.left() else {
            return Err(late(path, "has not become empty"));
        };
        match pidfd_open(*first, PidfdFlags::empty()) {
            Ok(fd) => {
                let mut polled = [PollFd::new(&fd, PollFlags::IN)];
                _ = poll(&mut polled, Some(&left));
                // A process tells of its end shortly before it leaves its cgroup.
                pause(100_000);
            }
            Err(_) => pause(1_000_000),
        }
    }
}

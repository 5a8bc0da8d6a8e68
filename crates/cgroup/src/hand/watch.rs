//! What happens to a cgroup: counts of events that change, and pressure that passes a mark.
//!
//! The kernel wakes whoever polls v2's files of events, v1's event descriptor of memory and triggers of
//! pressure; what it tells of in no other way is looked at every second.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use sys::rustix::fs::{OFlags, SeekFrom, seek};
use sys::rustix::io::{read, write};
use sys::{AsRawFd, Errno, OwnedFd};

use super::{Target, bad, open, refused};
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Leaf, Version, decimal};
use crate::walk;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The file that tells it.
    pub file: String,
    /// What in it; of pressure, the trigger.
    pub key: String,
    /// The number before; none for pressure, and when the cgroup was removed.
    pub before: Option<u64>,
    /// The number now.
    pub now: Option<u64>,
}

/// A mark of pressure: at least so long of each window tasks stood still for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    file: &'static str,
    line: String,
}

impl Trigger {
    /// Reads `memory some 150ms 2s`: the resource (cpu, memory or io), whether some or all tasks stood still, how long, in
    /// which window (500 ms to 10 s; without CAP_SYS_RESOURCE multiples of 2 s).
    ///
    /// # Errors
    /// What is none.
    pub fn parse(text: &str) -> Result<Self> {
        let fault = || {
            bad(format!(
                "{text:?}: must be such as \"memory some 150ms 2s\""
            ))
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [resource, how, stall, window] = words[..] else {
            return Err(fault());
        };
        let file = match resource {
            "cpu" => "cpu.pressure",
            "memory" => "memory.pressure",
            "io" => "io.pressure",
            _ => return Err(fault()),
        };
        let (stall, window) = (
            micros(stall).ok_or_else(fault)?,
            micros(window).ok_or_else(fault)?,
        );
        if !["some", "full"].contains(&how)
            || !(500_000..=10_000_000).contains(&window)
            || stall == 0
            || stall > window
        {
            return Err(fault());
        }
        let line = [how, " ", &decimal(stall), " ", &decimal(window)].concat();
        Ok(Self { file, line })
    }
}

/// `150ms`, `2s`, `5000us` or plain microseconds.
fn micros(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    let factor = match unit {
        "" | "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(factor)
}

/// A file of `key number` lines, open.
#[derive(Debug)]
struct Counts {
    name: String,
    file: OwnedFd,
    last: BTreeMap<String, u64>,
    /// v1's memory: what wakes instead of the file.
    bell: Option<OwnedFd>,
}

/// All that is watched of a cgroup.
#[derive(Debug)]
pub struct Watch {
    counts: Vec<Counts>,
    triggers: Vec<(Trigger, OwnedFd)>,
    leaves: Vec<Leaf>,
    is_gone: bool,
}

impl Target {
    /// Begins to watch.
    ///
    /// # Errors
    /// When a trigger cannot be had here, or the kernel refuses.
    pub fn watch(&self, triggers: &[Trigger]) -> Result<Watch> {
        let mut watch = Watch {
            counts: Vec::new(),
            triggers: Vec::new(),
            leaves: self.leaves.clone(),
            is_gone: false,
        };
        for leaf in &self.leaves {
            watch.add_counts(leaf)?;
        }
        for trigger in triggers {
            let leaf = self.leaves.iter().find(|leaf| leaf.version == Version::V2);
            let leaf = leaf.ok_or_else(|| {
                refused(format!(
                    "{}: {} is only told by cgroup v2",
                    self.name, trigger.file
                ))
            })?;
            let armed = arm(leaf, trigger)?;
            watch.triggers.push((trigger.clone(), armed));
        }
        Ok(watch)
    }
}

/// Arms a trigger (Documentation/accounting/psi.rst): it is there as long as the descriptor.
fn arm(leaf: &Leaf, trigger: &Trigger) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK;
    let file = file::open(open(leaf)?, trigger.file, flags)
        .map_err(|errno| file::error("open", trigger.file, &leaf.dir(), errno))?;
    let line = [&trigger.line, "\0"].concat();
    match write(&file, line.as_bytes()) {
        Ok(_) => Ok(file),
        Err(errno) => {
            let error = file::write_error(trigger.file, &trigger.line, &leaf.dir(), errno);
            Err(match errno {
                Errno::INVAL => {
                    error.hint("without CAP_SYS_RESOURCE the window has to be 2, 4, 6, 8 or 10 s")
                }
                _ => error,
            })
        }
    }
}

impl Watch {
    fn add_counts(&mut self, leaf: &Leaf) -> Result<()> {
        let dir = open(leaf)?;
        let mut names: Vec<String> = match leaf.version {
            Version::V2 => [
                "cgroup.events",
                "memory.events",
                "memory.swap.events",
                "pids.events",
            ]
            .map(String::from)
            .into(),
            Version::V1 => ["memory.oom_control", "pids.events"]
                .map(String::from)
                .into(),
        };
        for size in walk::hugetlb_sizes(&dir, ".events") {
            names.push(["hugetlb.", &size, ".events"].concat());
        }
        for name in names {
            let file = match file::open(&dir, &name, OFlags::RDONLY) {
                Ok(file) => file,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(file::error("open", &name, &leaf.dir(), errno)),
            };
            let bell = match name.as_str() {
                "memory.oom_control" => Some(bell(leaf, &dir, &file)?),
                _ => None,
            };
            let mut counts = Counts {
                name,
                file,
                last: BTreeMap::new(),
                bell,
            };
            counts.last = counts.now().unwrap_or_default();
            self.counts.push(counts);
        }
        Ok(())
    }

    /// Whether the cgroup is gone, so that nothing more will happen.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// What can be waited for: for each descriptor, by what it is ready.
    fn interests(&self) -> Vec<PollFd<'_>> {
        let counts = self.counts.iter().map(|one| match &one.bell {
            Some(bell) => PollFd::new(bell, PollFlags::IN),
            None => PollFd::new(&one.file, PollFlags::PRI),
        });
        let triggers = self.triggers.iter();
        counts
            .chain(triggers.map(|(_, fd)| PollFd::new(fd, PollFlags::PRI)))
            .collect()
    }

    /// What has happened, given which of [`Watch::interests`] were ready.
    fn take(&mut self, ready: &[PollFlags]) -> Vec<Event> {
        let mut events = Vec::new();
        for one in &mut self.counts {
            events.extend(one.changes());
        }
        let fired = ready.iter().skip(self.counts.len());
        for ((trigger, _), flags) in self.triggers.iter().zip(fired) {
            if flags.contains(PollFlags::PRI) && !flags.contains(PollFlags::ERR) {
                events.push(Event {
                    file: trigger.file.into(),
                    key: trigger.line.clone(),
                    before: None,
                    now: None,
                });
            }
        }
        if !self.is_gone && self.leaves.iter().any(|leaf| open(leaf).is_err()) {
            self.is_gone = true;
            events.push(Event {
                file: "cgroup".into(),
                key: "removed".into(),
                before: None,
                now: None,
            });
        }
        events
    }

    /// Waits, for a second at most, until something happens to one of them: by index what did.
    ///
    /// # Errors
    /// poll(2)'s.
    pub fn wait(all: &mut [Self]) -> Result<Vec<(usize, Event)>> {
        let mut ready: Vec<Vec<PollFlags>> = Vec::new();
        {
            let mut polled: Vec<PollFd<'_>> = Vec::new();
            let mut lengths = Vec::new();
            for one in all.iter().map(|watch| {
                if watch.is_gone {
                    Vec::new()
                } else {
                    watch.interests()
                }
            }) {
                lengths.push(one.len());
                polled.extend(one);
            }
            let second = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            match poll(&mut polled, Some(&second)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(sys::Error::new("poll", "", errno).into()),
            }
            let mut flags = polled.iter().map(PollFd::revents);
            for length in lengths {
                ready.push(flags.by_ref().take(length).collect());
            }
        }
        let mut events = Vec::new();
        for (i, (watch, ready)) in all.iter_mut().zip(&ready).enumerate() {
            if !watch.is_gone {
                events.extend(watch.take(ready).into_iter().map(|event| (i, event)));
            }
        }
        Ok(events)
    }
}

/// v1 writes to an event descriptor when memory is out, and when the cgroup is removed.
fn bell(leaf: &Leaf, dir: &OwnedFd, count: &OwnedFd) -> Result<OwnedFd> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|errno| Error::from(sys::Error::new("eventfd", "", errno)))?;
    let number = |fd: &OwnedFd| decimal(fd.as_raw_fd().unsigned_abs().into());
    let line = [&number(&bell), " ", &number(count)].concat();
    match file::write(dir, "cgroup.event_control", &line) {
        // Read by others than its owner, it is looked at every second.
        Ok(()) | Err(Errno::ACCESS | Errno::NOENT) => Ok(bell),
        Err(errno) => Err(file::write_error(
            "cgroup.event_control",
            &line,
            &leaf.dir(),
            errno,
        )),
    }
}

impl Counts {
    fn now(&self) -> core::result::Result<BTreeMap<String, u64>, Errno> {
        seek(&self.file, SeekFrom::Start(0))?;
        let text = file::read_open(&self.file)?;
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.into(), value.trim().parse().ok()?))
        };
        Ok(text.lines().filter_map(pair).collect())
    }

    /// The numbers that are others than they were.
    fn changes(&mut self) -> Vec<Event> {
        if let Some(bell) = &self.bell {
            let mut counter = [0; 8];
            _ = read(bell, &mut counter);
        }
        // Of one that is gone nothing is told but that.
        let Ok(now) = self.now() else {
            return Vec::new();
        };
        let mut events = Vec::new();
        for (key, value) in &now {
            let before = self.last.get(key).copied();
            if before != Some(*value) {
                events.push(Event {
                    file: self.name.clone(),
                    key: key.clone(),
                    before,
                    now: Some(*value),
                });
            }
        }
        self.last = now;
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers() {
        let trigger = Trigger::parse("memory some 150ms 2s").expect("a trigger");
        assert_eq!(
            (trigger.file, trigger.line.as_str()),
            ("memory.pressure", "some 150000 2000000")
        );
        let trigger = Trigger::parse("io full 5000us 1000000").expect("a trigger");
        assert_eq!(trigger.line, "full 5000 1000000");
        for text in [
            "",
            "memory",
            "disk some 1ms 1s",
            "cpu most 1ms 1s",
            "cpu some 2s 1s",
            "cpu some 0 1s",
            "cpu some 1ms 11s",
            "cpu some 1ms 100ms",
            "cpu some 1 1 1",
            "cpu some x 1s",
        ] {
            assert!(Trigger::parse(text).is_err(), "{text:?}");
        }
    }
}

//! `events`: figures once or again and again, and out-of-memory kills as they happen.

use alloc::format;
use alloc::vec::Vec;

use cgroup::{Group, OomWatch};
use engine::{Error, Kind, Result, Status};
use sys::OwnedFd;
use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::retry_on_intr;
use sys::time::monotonic;

use crate::arguments::Arguments;
use crate::figures::{Event, Figures};
use crate::global::Global;
use crate::{Caller, Stream, Success, usage};

const NS_PER_SECOND: u64 = 1_000_000_000;
const DEFAULT_INTERVAL_NS: u64 = 5 * NS_PER_SECOND;

/// `events`.
pub(crate) fn events(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let (mut once, mut interval) = (false, DEFAULT_INTERVAL_NS);
    let words = arguments.parse("events", 1..=1, |arguments, option| {
        match option.name {
            "stats" => once = arguments.switch(option)?,
            "interval" => interval = duration(arguments.value(option)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let id = words[0];
    let (record, status) = global.engine.inspect(id)?;
    let not_running = || {
        let message = format!("container with id {id} is not running");
        Error::new(Kind::WrongState, message)
    };
    if status == Status::Stopped {
        return Err(not_running());
    }
    let group = global.engine.group(&record)?;
    if once {
        return Ok(Success::text(figures(id, &group)?));
    }
    let first = global
        .engine
        .first_process(&record)?
        .ok_or_else(not_running)?;
    let watch = Watch {
        id,
        // One whose memory is not counted is not killed for what it uses.
        oom: group.watch_oom().ok(),
        group,
        first,
        caller,
    };
    watch.follow(interval)?;
    Ok(Success::default())
}

/// A running container that is watched.
struct Watch<'w> {
    id: &'w str,
    group: Group,
    oom: Option<OomWatch>,
    first: OwnedFd,
    caller: &'w dyn Caller,
}

impl Watch<'_> {
    /// Until the container has ended.
    fn follow(mut self, interval: u64) -> Result<()> {
        let mut kills = self.kills();
        let mut due = now() + interval;
        loop {
            let ended = self.wait(due.saturating_sub(now()))?;
            let known = kills;
            kills = self.kills().max(known);
            for _ in known..kills {
                self.print(&oom(self.id));
            }
            if ended {
                return Ok(());
            }
            if now() >= due {
                // It may be gone by now, which the next turn finds.
                if let Ok(line) = figures(self.id, &self.group) {
                    self.print(&line);
                }
                due = now() + interval;
            }
        }
    }

    fn kills(&mut self) -> u64 {
        let count = self.oom.as_mut().and_then(|oom| oom.kills().ok());
        count.unwrap_or(0)
    }

    /// Until something happens, or for `ns` nanoseconds; says whether the container has ended.
    fn wait(&self, ns: u64) -> Result<bool> {
        let timeout = Timespec {
            tv_sec: i64::try_from(ns / NS_PER_SECOND).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ns % NS_PER_SECOND).unwrap_or(0),
        };
        let mut polled = Vec::from([PollFd::new(&self.first, PollFlags::IN)]);
        if let Some(oom) = &self.oom {
            polled.push(PollFd::new(oom, oom.interest()));
        }
        retry_on_intr(|| poll(&mut polled, Some(&timeout)))
            .map_err(|errno| sys::Error::new("poll", "", errno))?;
        Ok(!polled[0].revents().is_empty())
    }

    fn print(&self, line: &[u8]) {
        self.caller.print(Stream::Output, line);
    }
}

fn now() -> u64 {
    let (seconds, nanoseconds) = monotonic();
    u64::try_from(seconds).unwrap_or(0) * NS_PER_SECOND + u64::from(nanoseconds)
}

fn figures(id: &str, group: &Group) -> Result<Vec<u8>> {
    let stats = group.stats()?;
    Ok(line(&Event {
        kind: "stats",
        id,
        data: Some(Figures::new(&stats)),
    }))
}

fn oom(id: &str) -> Vec<u8> {
    line(&Event {
        kind: "oom",
        id,
        data: None,
    })
}

fn line(event: &Event<'_>) -> Vec<u8> {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A time as Go writes it, in nanoseconds: `100ms`, `1.5s`, `1m30s`.
fn duration(text: &str) -> Result<u64> {
    let wrong = || {
        usage(format!(
            "--interval: {text:?} is not a time above zero, such as 5s or 100ms"
        ))
    };
    let (mut rest, mut sum) = (text, 0u64);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(end.ok_or_else(wrong)?);
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let part = nanoseconds(number, unit).ok_or_else(wrong)?;
        sum = sum.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    Some(sum).filter(|sum| *sum > 0).ok_or_else(wrong)
}

fn nanoseconds(number: &str, unit: &str) -> Option<u64> {
    let unit: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1000,
        "ms" => 1_000_000,
        "s" => NS_PER_SECOND,
        "m" => 60 * NS_PER_SECOND,
        "h" => 3600 * NS_PER_SECOND,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u64>().ok()
        }
    };
    let scale = 10u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = u128::from(digits(part)?) * u128::from(unit) / u128::from(scale);
    digits(whole)?
        .checked_mul(unit)?
        .checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_as_go_writes_them() {
        let cases = [
            ("5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            (".5us", 500),
        ];
        for (text, ns) in cases {
            assert_eq!(duration(text).ok(), Some(ns), "{text}");
        }
        for text in ["", "5", "0s", "-1s", "s", "5x", "5 s", "99999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

//! What a cgroup holds, held at most, may hold, and was refused: one line a resource.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Target;
use super::read_back::text;
use crate::error::Result;
use crate::stats::{DeviceIo, Stats};
use crate::tree::Group;

/// What a [`Counter`]'s numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes, with a limit in bytes a second.
    Transferred,
    /// Tasks.
    Tasks,
    /// Microseconds of processor time, with a limit in thousandths of a processor.
    Time,
    /// Events.
    Events,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// What the numbers are.
    pub unit: Unit,
    /// What is used now.
    pub held: Option<u64>,
    /// The most that was.
    pub peak: Option<u64>,
    /// The limit; none where there is none, or no file for it.
    pub limit: Option<u64>,
    /// How often the limit was hit; of processor time, in how many periods.
    pub failures: Option<u64>,
}

impl Counter {
    fn new(name: impl Into<String>, unit: Unit, held: Option<u64>) -> Self {
        Self {
            name: name.into(),
            unit,
            held,
            peak: None,
            limit: None,
            failures: None,
        }
    }
}

impl Target {
    /// All of its counters, from its figures.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn counters(&self, group: &Group, stats: &Stats) -> Result<Vec<Counter>> {
        let mut all = Vec::new();
        if let Some(cpu) = &stats.cpu {
            all.push(Counter {
                limit: processors(group)?,
                failures: cpu.throttling.map(|it| it.throttled_periods),
                ..Counter::new("cpu", Unit::Time, Some(cpu.usage))
            });
        }
        if let Some(memory) = &stats.memory {
            all.push(Counter {
                peak: memory.peak,
                limit: memory.limit,
                failures: Some(memory.limit_hits),
                ..Counter::new("memory", Unit::Bytes, Some(memory.usage))
            });
            all.push(Counter {
                failures: Some(memory.oom_kills),
                ..Counter::new("memory.oom_kill", Unit::Events, None)
            });
            if memory.swap.is_some() {
                all.push(Counter {
                    peak: number(group, "memory.swap.peak")?,
                    limit: memory.swap_limit,
                    failures: event(group, "memory.swap.events", "fail")?,
                    ..Counter::new("memory.swap", Unit::Bytes, memory.swap)
                });
            }
        }
        if let Some(pids) = &stats.pids {
            all.push(Counter {
                peak: number(group, "pids.peak")?,
                limit: pids.limit,
                failures: event(group, "pids.events", "max")?,
                ..Counter::new("pids", Unit::Tasks, Some(pids.current))
            });
        }
        for one in stats.io.iter().flatten() {
            all.extend(transfers(group, one)?);
        }
        for one in &stats.hugetlb {
            all.push(Counter {
                peak: one.peak,
                limit: one.limit,
                failures: Some(one.limit_hits),
                ..Counter::new(
                    format!("hugetlb.{}", one.size),
                    Unit::Bytes,
                    Some(one.usage),
                )
            });
        }
        Ok(all)
    }
}

fn number(group: &Group, name: &str) -> Result<Option<u64>> {
    Ok(text(group, name)?.and_then(|text| text.trim().parse().ok()))
}

/// The number after a key of a file of events.
fn event(group: &Group, name: &str, key: &str) -> Result<Option<u64>> {
    let found = text(group, name)?;
    Ok(found.and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line?.trim().parse().ok()
    }))
}

/// The limit of processor time, in thousandths of a processor.
fn processors(group: &Group) -> Result<Option<u64>> {
    let found = match text(group, "cpu.max")? {
        Some(text) => {
            let mut words = text.split_ascii_whitespace().map(str::parse::<u64>);
            (words.next(), words.next())
        }
        None => (
            text(group, "cpu.cfs_quota_us")?.map(|text| text.trim().parse()),
            text(group, "cpu.cfs_period_us")?.map(|text| text.trim().parse()),
        ),
    };
    Ok(match found {
        (Some(Ok(quota)), Some(Ok(period))) if period > 0 => Some(quota * 1000 / period),
        _ => None,
    })
}

fn transfers(group: &Group, one: &DeviceIo) -> Result<[Counter; 2]> {
    let device = format!("{}:{}", one.major, one.minor);
    let name = |act| format!("io {device} {act}");
    let limit = |key, v1| rate(group, &device, key, v1);
    Ok([
        Counter {
            limit: limit("rbps=", "blkio.throttle.read_bps_device")?,
            ..Counter::new(name("read"), Unit::Transferred, Some(one.read_bytes))
        },
        Counter {
            limit: limit("wbps=", "blkio.throttle.write_bps_device")?,
            ..Counter::new(name("write"), Unit::Transferred, Some(one.written_bytes))
        },
    ])
}

fn rate(group: &Group, device: &str, key: &str, v1: &str) -> Result<Option<u64>> {
    let of_device = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(device));
        line.and_then(|rest| rest.strip_prefix(' '))
            .map(String::from)
    };
    if let Some(text) = text(group, "io.max")? {
        let line = of_device(&text).unwrap_or_default();
        let mut words = line.split(' ');
        return Ok(words.find_map(|word| word.strip_prefix(key)?.parse().ok()));
    }
    let line = text(group, v1)?.and_then(|text| of_device(&text));
    Ok(line.and_then(|line| line.trim().parse().ok()))
}

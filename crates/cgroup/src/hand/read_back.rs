//! What is set, in v2's words.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::Errno;

use super::Target;
use super::translate::{finite, weight};
use crate::error::Result;
use crate::file;
use crate::lower::decimal;
use crate::tree::Group;

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// v2's name.
    pub key: &'static str,
    /// Its value, in v2's words.
    pub value: String,
    /// The file of v1 that holds it, where that has another name.
    pub v1: Option<&'static str>,
}

/// v2's key, and v1's file where it has another name.
const KEYS: &[(&str, Option<&str>)] = &[
    ("cpu.max", Some("cpu.cfs_quota_us")),
    ("cpu.max.burst", Some("cpu.cfs_burst_us")),
    ("cpu.weight", Some("cpu.shares")),
    ("cpu.idle", None),
    ("cpuset.cpus", None),
    ("cpuset.mems", None),
    ("io.max", None),
    ("io.weight", None),
    ("io.bfq.weight", Some("blkio.bfq.weight")),
    ("memory.max", Some("memory.limit_in_bytes")),
    ("memory.high", None),
    ("memory.low", Some("memory.soft_limit_in_bytes")),
    ("memory.min", None),
    ("memory.swap.max", Some("memory.memsw.limit_in_bytes")),
    ("memory.swap.high", None),
    ("memory.oom.group", None),
    ("pids.max", None),
    ("cgroup.max.depth", None),
    ("cgroup.max.descendants", None),
];

impl Target {
    /// All settings that have a file here, in v2's words.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn in_force(&self, group: &Group) -> Result<Vec<InForce>> {
        let mut all = Vec::new();
        for (key, v1) in KEYS {
            let own = text(group, key)?;
            let found = match (own, v1) {
                (Some(value), _) => Some((one_line(&value), None)),
                (None, Some(file)) => {
                    text(group, file)?.map(|value| (of_v1(group, key, &value), Some(*file)))
                }
                (None, None) => None,
            };
            all.extend(found.map(|(value, v1)| InForce { key, value, v1 }));
        }
        all.extend(throttles(group)?);
        Ok(all)
    }
}

/// The text of a file that one of its directories has.
pub(super) fn text(group: &Group, name: &str) -> Result<Option<String>> {
    for (leaf, dir) in group.leaves.iter().zip(&group.dirs) {
        match file::read(dir, name) {
            Ok(text) => return Ok(Some(text)),
            Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV) => {}
            Err(errno) => return Err(file::error("read", name, &leaf.dir(), errno)),
        }
    }
    Ok(None)
}

fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.join("; ")
}

/// v1's value in v2's words.
fn of_v1(group: &Group, key: &str, value: &str) -> String {
    let now = |name: &str| text(group, name).ok().flatten();
    let max = || String::from("max");
    let number = value.trim().parse::<u64>().ok();
    match key {
        "cpu.weight" => number.map_or_else(max, |shares| decimal(weight(shares))),
        "cpu.max" => {
            let period = now("cpu.cfs_period_us").unwrap_or_default();
            format!("{} {}", number.map_or_else(max, decimal), period.trim())
        }
        "memory.max" => finite(&now, "memory.limit_in_bytes").map_or_else(max, decimal),
        "memory.low" => finite(&now, "memory.soft_limit_in_bytes").map_or_else(max, decimal),
        "memory.swap.max" => {
            let both = finite(&now, "memory.memsw.limit_in_bytes");
            let memory = finite(&now, "memory.limit_in_bytes");
            let swap = both
                .zip(memory)
                .map(|(both, memory)| both - memory.min(both));
            swap.map_or_else(max, decimal)
        }
        _ => one_line(value),
    }
}

/// `io.max` of v1, a file for each kind of rate.
fn throttles(group: &Group) -> Result<Vec<InForce>> {
    let mut all = Vec::new();
    for (name, file) in [
        ("rbps", "blkio.throttle.read_bps_device"),
        ("wbps", "blkio.throttle.write_bps_device"),
        ("riops", "blkio.throttle.read_iops_device"),
        ("wiops", "blkio.throttle.write_iops_device"),
    ] {
        let lines = text(group, file)?.unwrap_or_default();
        for (device, rate) in lines.lines().filter_map(|line| line.split_once(' ')) {
            all.push(InForce {
                key: "io.max",
                value: format!("{device} {name}={rate}"),
                v1: Some(file),
            });
        }
    }
    Ok(all)
}

//! Figures of a v1 cgroup, in v2's words.

use alloc::string::String;
use alloc::vec::Vec;

use super::text::{device, keyed, pairs};
use super::{Cpu, DeviceIo, Hugetlb, Memory, Pids, Source, Stats, Throttling};
use crate::controller::Controller;
use crate::error::Result;
use crate::walk;

pub(super) fn add(from: &Source<'_>, to: &mut Stats) -> Result<()> {
    let has = |one| from.leaf.controllers.has(one);
    if has(Controller::Cpuacct) || has(Controller::Cpu) {
        cpu(from, to)?;
    }
    if has(Controller::Memory) {
        to.memory = memory(from)?;
    }
    if has(Controller::Pids)
        && let Some(current) = from.number("pids.current")?
    {
        to.pids = Some(Pids {
            current,
            limit: from.limit("pids.max")?,
        });
    }
    if has(Controller::Io) {
        to.io = Some(io(from)?);
    }
    if has(Controller::Hugetlb) {
        for size in walk::hugetlb_sizes(from.dir, ".usage_in_bytes") {
            to.hugetlb.push(hugetlb(from, size)?);
        }
    }
    Ok(())
}

/// Time used is in `cpuacct`, time withheld in `cpu`; they may be one hierarchy or two, and on a hybrid
/// host the v2 cgroup has told of the first already.
fn cpu(from: &Source<'_>, to: &mut Stats) -> Result<()> {
    if let Some(usage) = from.number("cpuacct.usage")? {
        let user = from.number("cpuacct.usage_user")?.unwrap_or(0) / 1000;
        let system = from.number("cpuacct.usage_sys")?.unwrap_or(0) / 1000;
        let throttling = to.cpu.and_then(|cpu| cpu.throttling);
        to.cpu = Some(Cpu {
            usage: usage / 1000,
            user,
            system,
            throttling,
        });
    }
    if let Some(text) = from.text("cpu.stat")? {
        let number = |key| keyed(&text, key).unwrap_or(0);
        let cpu = to.cpu.get_or_insert_default();
        cpu.throttling = Some(Throttling {
            periods: number("nr_periods"),
            throttled_periods: number("nr_throttled"),
            throttled: number("throttled_time") / 1000,
        });
    }
    Ok(())
}

fn memory(from: &Source<'_>) -> Result<Option<Memory>> {
    let Some(usage) = from.number("memory.usage_in_bytes")? else {
        return Ok(None);
    };
    let stat = from.text("memory.stat")?.unwrap_or_default();
    let killer = from.text("memory.oom_control")?.unwrap_or_default();
    let limit = from.limit("memory.limit_in_bytes")?;
    let both = from.limit("memory.memsw.limit_in_bytes")?;
    Ok(Some(Memory {
        usage,
        peak: from.number("memory.max_usage_in_bytes")?,
        limit,
        swap: from
            .number("memory.memsw.usage_in_bytes")?
            .map(|both| both.saturating_sub(usage)),
        swap_limit: both
            .zip(limit)
            .map(|(both, limit)| both.saturating_sub(limit)),
        inactive_file: keyed(&stat, "total_inactive_file").unwrap_or(0),
        // Where swap is limited to nothing, it is the limit of both that is hit.
        limit_hits: from.number("memory.failcnt")?.unwrap_or(0)
            + from.number("memory.memsw.failcnt")?.unwrap_or(0),
        ooms: None,
        oom_kills: keyed(&killer, "oom_kill").unwrap_or(0),
        detail: pairs(&stat)
            .map(|(key, value)| (key.into(), value))
            .collect(),
    }))
}

fn io(from: &Source<'_>) -> Result<Vec<DeviceIo>> {
    let mut devices: Vec<DeviceIo> = Vec::new();
    for (file, bytes) in [
        ("blkio.throttle.io_service_bytes_recursive", true),
        ("blkio.throttle.io_serviced_recursive", false),
    ] {
        let text = from.text(file)?.unwrap_or_default();
        for (number, act, n) in text.lines().filter_map(io_line) {
            let entry = entry_of(&mut devices, number);
            match (act, bytes) {
                ("Read", true) => entry.read_bytes = n,
                ("Write", true) => entry.written_bytes = n,
                ("Read", false) => entry.reads = n,
                ("Write", false) => entry.writes = n,
                _ => {}
            }
        }
    }
    Ok(devices)
}

/// `8:0 Read 4096`; the last line is `Total 8192`.
fn io_line(line: &str) -> Option<((u32, u32), &str, u64)> {
    let mut words = line.split(' ');
    let number = device(words.next()?)?;
    Some((number, words.next()?, words.next()?.parse().ok()?))
}

fn entry_of(devices: &mut Vec<DeviceIo>, (major, minor): (u32, u32)) -> &mut DeviceIo {
    let found = devices
        .iter()
        .position(|one| (one.major, one.minor) == (major, minor));
    let at = found.unwrap_or_else(|| {
        devices.push(DeviceIo {
            major,
            minor,
            ..DeviceIo::default()
        });
        devices.len() - 1
    });
    &mut devices[at]
}

fn hugetlb(from: &Source<'_>, size: String) -> Result<Hugetlb> {
    let name = |end: &str| ["hugetlb.", &size, end].concat();
    Ok(Hugetlb {
        usage: from.number(&name(".usage_in_bytes"))?.unwrap_or(0),
        peak: from.number(&name(".max_usage_in_bytes"))?,
        limit: from.limit(&name(".limit_in_bytes"))?,
        limit_hits: from.number(&name(".failcnt"))?.unwrap_or(0),
        size,
    })
}

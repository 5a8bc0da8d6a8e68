//! Figures of a v2 cgroup. Its controllers may have been enabled by somebody else, so that what is
//! there is read, whatever the container asked for.

use alloc::string::String;
use alloc::vec::Vec;

use super::text::{device, keyed, pairs, stall};
use super::{Cpu, DeviceIo, Hugetlb, Memory, Pids, Pressure, Source, Stats, Throttling};
use crate::error::Result;
use crate::walk;

pub(super) fn add(from: &Source<'_>, to: &mut Stats) -> Result<()> {
    to.cpu = to.cpu.or(cpu(from)?);
    to.memory = memory(from)?.or(to.memory.take());
    if let Some(current) = from.number("pids.current")? {
        to.pids = Some(Pids {
            current,
            limit: from.limit("pids.max")?,
        });
    }
    if let Some(text) = from.text("io.stat")? {
        to.io = Some(text.lines().filter_map(device_io).collect());
    }
    for size in walk::hugetlb_sizes(from.dir, ".current") {
        to.hugetlb.push(hugetlb(from, size)?);
    }
    to.pressure.cpu = pressure(from, "cpu.pressure")?;
    to.pressure.memory = pressure(from, "memory.pressure")?;
    to.pressure.io = pressure(from, "io.pressure")?;
    Ok(())
}

fn cpu(from: &Source<'_>) -> Result<Option<Cpu>> {
    let Some(text) = from.text("cpu.stat")? else {
        return Ok(None);
    };
    let number = |key| keyed(&text, key).unwrap_or(0);
    let throttling = keyed(&text, "nr_periods").map(|periods| Throttling {
        periods,
        throttled_periods: number("nr_throttled"),
        throttled: number("throttled_usec"),
    });
    let (usage, user, system) = (
        number("usage_usec"),
        number("user_usec"),
        number("system_usec"),
    );
    Ok(Some(Cpu {
        usage,
        user,
        system,
        throttling,
    }))
}

fn memory(from: &Source<'_>) -> Result<Option<Memory>> {
    let Some(usage) = from.number("memory.current")? else {
        return Ok(None);
    };
    let stat = from.text("memory.stat")?.unwrap_or_default();
    let events = from.text("memory.events")?.unwrap_or_default();
    let event = |key| keyed(&events, key).unwrap_or(0);
    Ok(Some(Memory {
        usage,
        peak: from.number("memory.peak")?,
        limit: from.limit("memory.max")?,
        swap: from.number("memory.swap.current")?,
        swap_limit: from.limit("memory.swap.max")?,
        inactive_file: keyed(&stat, "inactive_file").unwrap_or(0),
        limit_hits: event("max"),
        ooms: keyed(&events, "oom"),
        oom_kills: event("oom_kill"),
        detail: pairs(&stat)
            .map(|(key, value)| (key.into(), value))
            .collect(),
    }))
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn device_io(line: &str) -> Option<DeviceIo> {
    let (number, rest) = line.split_once(' ')?;
    let (major, minor) = device(number)?;
    let words: Vec<&str> = rest.split(' ').collect();
    let field = |name: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .unwrap_or(0)
    };
    let (read_bytes, written_bytes) = (field("rbytes"), field("wbytes"));
    Some(DeviceIo {
        major,
        minor,
        read_bytes,
        written_bytes,
        reads: field("rios"),
        writes: field("wios"),
    })
}

fn hugetlb(from: &Source<'_>, size: String) -> Result<Hugetlb> {
    let name = |end: &str| ["hugetlb.", &size, end].concat();
    let events = from.text(&name(".events"))?.unwrap_or_default();
    Ok(Hugetlb {
        usage: from.number(&name(".current"))?.unwrap_or(0),
        peak: None,
        limit: from.limit(&name(".max"))?,
        limit_hits: keyed(&events, "max").unwrap_or(0),
        size,
    })
}

fn pressure(from: &Source<'_>, name: &str) -> Result<Option<Pressure>> {
    let Some(text) = from.text(name)? else {
        return Ok(None);
    };
    Ok(stall(&text, "some").map(|some| Pressure {
        some,
        full: stall(&text, "full").unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        let io =
            device_io("259:3 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6").expect("a line");
        assert_eq!((io.major, io.minor), (259, 3));
        assert_eq!(
            (io.read_bytes, io.written_bytes, io.reads, io.writes),
            (1, 2, 3, 4)
        );
        assert_eq!(device_io("8:0"), None);
    }
}

//! A container's figures as `events` prints them: runc's document, which shims and collectors read.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cgroup::Stats;
use cgroup::stats::{Cpu, DeviceIo, Hugetlb, Memory, Pressure, Stall};
use serde::Serialize;

/// What runc says where there is no limit.
const NO_LIMIT: u64 = u64::MAX;
const NS_PER_US: u64 = 1000;

/// An event: figures, or that memory was out.
#[derive(Serialize)]
pub(crate) struct Event<'e> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Figures<'e>>,
}

/// All figures.
#[derive(Serialize)]
pub(crate) struct Figures<'f> {
    cpu: CpuFigures,
    cpuset: Empty,
    memory: MemoryFigures<'f>,
    pids: PidFigures,
    blkio: IoFigures,
    hugetlb: BTreeMap<&'f str, HugetlbFigures>,
    intel_rdt: Empty,
    network_interfaces: Option<Empty>,
}

/// What is not counted here.
#[derive(Default, Serialize)]
struct Empty {}

#[derive(Serialize)]
struct CpuFigures {
    usage: CpuUsage,
    throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Psi>,
}

/// Nanoseconds.
#[derive(Serialize)]
struct CpuUsage {
    total: u64,
    kernel: u64,
    user: u64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

#[derive(Serialize)]
struct Psi {
    some: PsiLine,
    full: PsiLine,
}

/// Per cent, and microseconds in all.
#[derive(Serialize)]
struct PsiLine {
    avg10: f64,
    avg60: f64,
    avg300: f64,
    total: u64,
}

#[derive(Serialize)]
struct MemoryFigures<'f> {
    cache: u64,
    usage: MemoryEntry,
    swap: MemoryEntry,
    kernel: MemoryEntry,
    #[serde(rename = "kernelTCP")]
    kernel_tcp: MemoryEntry,
    raw: BTreeMap<Cow<'f, str>, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Psi>,
}

#[derive(Default, Serialize)]
struct MemoryEntry {
    limit: u64,
    usage: u64,
    max: u64,
    failcnt: u64,
}

#[derive(Default, Serialize)]
struct PidFigures {
    current: u64,
    limit: u64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct IoFigures {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes_recursive: Vec<IoEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced_recursive: Vec<IoEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Psi>,
}

#[derive(Serialize)]
struct IoEntry {
    major: u32,
    minor: u32,
    op: &'static str,
    value: u64,
}

#[derive(Serialize)]
struct HugetlbFigures {
    usage: u64,
    max: u64,
    failcnt: u64,
}

impl<'f> Figures<'f> {
    pub(crate) fn new(stats: &'f Stats) -> Self {
        let memory = stats.memory.as_ref();
        let pressure = &stats.pressure;
        Self {
            cpu: cpu(stats.cpu.unwrap_or_default(), pressure.cpu.as_ref()),
            cpuset: Empty {},
            memory: memory_figures(memory, pressure.memory.as_ref()),
            pids: stats
                .pids
                .map_or_else(PidFigures::default, |pids| PidFigures {
                    current: pids.current,
                    limit: pids.limit.unwrap_or(0),
                }),
            blkio: io(stats.io.as_deref().unwrap_or(&[]), pressure.io.as_ref()),
            hugetlb: stats.hugetlb.iter().map(hugetlb).collect(),
            intel_rdt: Empty {},
            network_interfaces: None,
        }
    }
}

fn cpu(cpu: Cpu, pressure: Option<&Pressure>) -> CpuFigures {
    let throttling = cpu.throttling.map(|one| Throttling {
        periods: one.periods,
        throttled_periods: one.throttled_periods,
        throttled_time: one.throttled.saturating_mul(NS_PER_US),
    });
    CpuFigures {
        usage: CpuUsage {
            total: cpu.usage.saturating_mul(NS_PER_US),
            kernel: cpu.system.saturating_mul(NS_PER_US),
            user: cpu.user.saturating_mul(NS_PER_US),
        },
        throttling: throttling.unwrap_or_default(),
        psi: pressure.map(psi),
    }
}

fn memory_figures<'f>(
    memory: Option<&'f Memory>,
    pressure: Option<&Pressure>,
) -> MemoryFigures<'f> {
    let none = Memory::default();
    let of = memory.unwrap_or(&none);
    let detail = |wanted: &str| of.detail.iter().find(|(key, _)| key == wanted);
    let usage = MemoryEntry {
        limit: of.limit.unwrap_or(NO_LIMIT),
        usage: of.usage,
        max: of.peak.unwrap_or(0),
        failcnt: of.limit_hits,
    };
    // Both of them together, as v1 counts it.
    let both = of
        .limit
        .zip(of.swap_limit)
        .map(|(a, b)| a.saturating_add(b));
    let swap = MemoryEntry {
        limit: both.unwrap_or(NO_LIMIT),
        usage: of.swap.map_or(0, |swap| swap.saturating_add(of.usage)),
        ..MemoryEntry::default()
    };
    // v1's word, or v2's.
    let cache = detail("cache").or_else(|| detail("file"));
    MemoryFigures {
        cache: cache.map_or(0, |(_, bytes)| *bytes),
        usage,
        swap,
        kernel: MemoryEntry::default(),
        kernel_tcp: MemoryEntry::default(),
        raw: memory
            .map_or(&[][..], |one| &one.detail)
            .iter()
            .map(|(key, value)| (Cow::Borrowed(key.as_str()), *value))
            .collect(),
        psi: pressure.map(psi),
    }
}

fn io(devices: &[DeviceIo], pressure: Option<&Pressure>) -> IoFigures {
    let mut figures = IoFigures {
        psi: pressure.map(psi),
        ..IoFigures::default()
    };
    for device in devices {
        let entry = |op, value| IoEntry {
            major: device.major,
            minor: device.minor,
            op,
            value,
        };
        figures.io_service_bytes_recursive.extend([
            entry("Read", device.read_bytes),
            entry("Write", device.written_bytes),
        ]);
        figures
            .io_serviced_recursive
            .extend([entry("Read", device.reads), entry("Write", device.writes)]);
    }
    figures
}

fn hugetlb(size: &Hugetlb) -> (&str, HugetlbFigures) {
    let figures = HugetlbFigures {
        usage: size.usage,
        max: size.peak.unwrap_or(0),
        failcnt: size.limit_hits,
    };
    (&size.size, figures)
}

fn psi(pressure: &Pressure) -> Psi {
    let line = |stall: &Stall| PsiLine {
        avg10: f64::from(stall.avg10) / 100.0,
        avg60: f64::from(stall.avg60) / 100.0,
        avg300: f64::from(stall.avg300) / 100.0,
        total: stall.total,
    };
    Psi {
        some: line(&pressure.some),
        full: line(&pressure.full),
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Figures};
    use cgroup::stats::{AllPressure, Cpu, DeviceIo, Memory, Pressure, Stall, Stats};
    use std::string::ToString;
    use std::vec;

    #[test]
    fn in_runcs_words_and_units() {
        let memory = Memory {
            usage: 100,
            limit: Some(1000),
            swap: Some(5),
            detail: vec![("file".into(), 7)],
            ..Memory::default()
        };
        let some = Stall {
            avg10: 105,
            ..Stall::default()
        };
        let stats = Stats {
            cpu: Some(Cpu {
                usage: 3,
                ..Cpu::default()
            }),
            memory: Some(memory),
            io: Some(vec![DeviceIo {
                major: 8,
                reads: 4,
                ..DeviceIo::default()
            }]),
            pressure: AllPressure {
                cpu: Some(Pressure {
                    some,
                    full: Stall::default(),
                }),
                ..AllPressure::default()
            },
            ..Stats::default()
        };
        let event = Event {
            kind: "stats",
            id: "c",
            data: Some(Figures::new(&stats)),
        };
        let text = serde_json::to_string(&event).expect("JSON");
        assert!(
            text.starts_with(r#"{"type":"stats","id":"c","data":{"cpu":{"usage":{"total":3000,"#),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let at = |path: &str| value.pointer(path).expect("a figure").to_string();
        assert_eq!(at("/data/cpu/psi/some/avg10"), "1.05");
        assert_eq!(at("/data/memory/cache"), "7");
        assert_eq!(at("/data/memory/raw/file"), "7");
        assert_eq!(at("/data/memory/swap/usage"), "105");
        assert_eq!(at("/data/memory/swap/limit"), u64::MAX.to_string());
        assert_eq!(at("/data/blkio/ioServicedRecursive/0/value"), "4");
        assert_eq!(at("/data/hugetlb"), "{}");
        let oom = Event {
            kind: "oom",
            id: "c",
            data: None,
        };
        assert_eq!(
            serde_json::to_string(&oom).expect("JSON"),
            r#"{"type":"oom","id":"c"}"#
        );
    }
}

//! A container's figures as containerd wants them: `io.containerd.cgroups.v1.Metrics` or `…v2.Metrics`, by what the
//! host has.

use cgroup::stats::{Cpu, DeviceIo, Memory, Stats};
use cgroup::{Layout, Mode};
use engine::Engine;

use crate::message::any;
use crate::ttrpc::{Code, Reply, Status};
use wire::Message;

/// What "no limit" is to containerd.
const UNLIMITED: u64 = u64::MAX;

/// `StatsResponse`.
pub(crate) fn read(state_root: &str, id: &str) -> Reply {
    let engine = Engine::new(state_root);
    let (record, _) = engine.inspect(id)?;
    let stats = engine.group(&record)?.stats();
    let stats = stats.map_err(|error| failed(&error))?;
    let layout = Layout::find_all().map_err(|error| failed(&error))?;
    let metrics = match layout.mode() {
        Mode::Unified => any("io.containerd.cgroups.v2.Metrics", &v2(&stats)),
        _ => any("io.containerd.cgroups.v1.Metrics", &v1(&stats)),
    };
    Ok(Message::new().message(1, &metrics))
}

fn failed(error: &cgroup::Error) -> Status {
    Status::new(Code::Internal, alloc::format!("{error}"))
}

fn pids(stats: &Stats) -> Option<Message> {
    let pids = stats.pids?;
    Some(
        Message::new()
            .number(1, pids.current)
            .number(2, pids.limit.unwrap_or(0)),
    )
}

fn with(message: Message, field: u8, part: Option<Message>) -> Message {
    match part {
        Some(part) => message.message(field, &part),
        None => message,
    }
}

fn v1(stats: &Stats) -> Message {
    let mut metrics = Message::new();
    for pages in &stats.hugetlb {
        let one = Message::new()
            .number(1, pages.usage)
            .number(2, pages.peak.unwrap_or(0))
            .number(3, pages.limit_hits)
            .text(4, &pages.size);
        metrics = metrics.message(1, &one);
    }
    let metrics = with(metrics, 2, pids(stats));
    let metrics = with(metrics, 3, stats.cpu.as_ref().map(v1_cpu));
    let metrics = with(metrics, 4, stats.memory.as_ref().map(v1_memory));
    let metrics = with(metrics, 5, stats.io.as_deref().map(v1_io));
    let kills = stats
        .memory
        .as_ref()
        .map(|memory| Message::new().number(3, memory.oom_kills));
    with(metrics, 9, kills)
}

fn v1_cpu(cpu: &Cpu) -> Message {
    let nanoseconds = |microseconds: u64| microseconds.saturating_mul(1000);
    let usage = Message::new()
        .number(1, nanoseconds(cpu.usage))
        .number(2, nanoseconds(cpu.system))
        .number(3, nanoseconds(cpu.user));
    let throttling = cpu.throttling.map(|throttling| {
        Message::new()
            .number(1, throttling.periods)
            .number(2, throttling.throttled_periods)
            .number(3, nanoseconds(throttling.throttled))
    });
    with(Message::new().message(1, &usage), 2, throttling)
}

/// The kernel's words in `memory.stat`, by the field they go to.
const V1_MEMORY: [(&str, u8); 31] = [
    ("cache", 1),
    ("rss", 2),
    ("rss_huge", 3),
    ("mapped_file", 4),
    ("dirty", 5),
    ("writeback", 6),
    ("pgpgin", 7),
    ("pgpgout", 8),
    ("pgfault", 9),
    ("pgmajfault", 10),
    ("inactive_anon", 11),
    ("active_anon", 12),
    ("inactive_file", 13),
    ("active_file", 14),
    ("unevictable", 15),
    ("hierarchical_memory_limit", 16),
    ("hierarchical_memsw_limit", 17),
    ("total_cache", 18),
    ("total_rss", 19),
    ("total_rss_huge", 20),
    ("total_mapped_file", 21),
    ("total_dirty", 22),
    ("total_writeback", 23),
    ("total_pgpgin", 24),
    ("total_pgpgout", 25),
    ("total_pgfault", 26),
    ("total_pgmajfault", 27),
    ("total_inactive_anon", 28),
    ("total_active_anon", 29),
    ("total_inactive_file", 30),
    ("total_active_file", 31),
];

fn v1_memory(memory: &Memory) -> Message {
    let message = detail(memory, &V1_MEMORY);
    let usage = Message::new()
        .number(1, memory.limit.unwrap_or(UNLIMITED))
        .number(2, memory.usage)
        .number(3, memory.peak.unwrap_or(0))
        .number(4, memory.limit_hits);
    let message = message.message(33, &usage);
    let swap = memory.swap.map(|swap| {
        // There it is memory and swap together.
        let limit = memory.limit.zip(memory.swap_limit);
        let limit = limit.map_or(UNLIMITED, |(limit, swap)| limit.saturating_add(swap));
        Message::new()
            .number(1, limit)
            .number(2, memory.usage.saturating_add(swap))
    });
    with(message, 34, swap)
}

fn detail(memory: &Memory, words: &[(&str, u8)]) -> Message {
    words.iter().fold(Message::new(), |message, (word, field)| {
        let found = memory.detail.iter().find(|(key, _)| key == word);
        message.number(*field, found.map_or(0, |(_, value)| *value))
    })
}

fn v1_io(devices: &[DeviceIo]) -> Message {
    let entry = |device: &DeviceIo, op: &str, value: u64| {
        Message::new()
            .text(1, op)
            .number(3, device.major)
            .number(4, device.minor)
            .number(5, value)
    };
    devices.iter().fold(Message::new(), |message, device| {
        message
            .message(1, &entry(device, "Read", device.read_bytes))
            .message(1, &entry(device, "Write", device.written_bytes))
            .message(2, &entry(device, "Read", device.reads))
            .message(2, &entry(device, "Write", device.writes))
    })
}

fn v2(stats: &Stats) -> Message {
    let metrics = with(Message::new(), 1, pids(stats));
    let metrics = with(metrics, 2, stats.cpu.as_ref().map(v2_cpu));
    let metrics = with(metrics, 4, stats.memory.as_ref().map(v2_memory));
    let mut metrics = with(metrics, 6, stats.io.as_deref().map(v2_io));
    for pages in &stats.hugetlb {
        let one = Message::new()
            .number(1, pages.usage)
            .number(2, pages.limit.unwrap_or(UNLIMITED))
            .text(3, &pages.size)
            .number(4, pages.limit_hits);
        metrics = metrics.message(7, &one);
    }
    let events = stats.memory.as_ref().map(|memory| {
        Message::new()
            .number(3, memory.limit_hits)
            .number(4, memory.ooms.unwrap_or(0))
            .number(5, memory.oom_kills)
    });
    with(metrics, 8, events)
}

fn v2_cpu(cpu: &Cpu) -> Message {
    let message = Message::new()
        .number(1, cpu.usage)
        .number(2, cpu.user)
        .number(3, cpu.system);
    match cpu.throttling {
        Some(throttling) => message
            .number(4, throttling.periods)
            .number(5, throttling.throttled_periods)
            .number(6, throttling.throttled),
        None => message,
    }
}

/// The kernel's words in `memory.stat`, by the field they go to.
const V2_MEMORY: [(&str, u8); 31] = [
    ("anon", 1),
    ("file", 2),
    ("kernel_stack", 3),
    ("slab", 4),
    ("sock", 5),
    ("shmem", 6),
    ("file_mapped", 7),
    ("file_dirty", 8),
    ("file_writeback", 9),
    ("anon_thp", 10),
    ("inactive_anon", 11),
    ("active_anon", 12),
    ("inactive_file", 13),
    ("active_file", 14),
    ("unevictable", 15),
    ("slab_reclaimable", 16),
    ("slab_unreclaimable", 17),
    ("pgfault", 18),
    ("pgmajfault", 19),
    ("workingset_refault", 20),
    ("workingset_activate", 21),
    ("workingset_nodereclaim", 22),
    ("pgrefill", 23),
    ("pgscan", 24),
    ("pgsteal", 25),
    ("pgactivate", 26),
    ("pgdeactivate", 27),
    ("pglazyfree", 28),
    ("pglazyfreed", 29),
    ("thp_fault_alloc", 30),
    ("thp_collapse_alloc", 31),
];

fn v2_memory(memory: &Memory) -> Message {
    detail(memory, &V2_MEMORY)
        .number(32, memory.usage)
        .number(33, memory.limit.unwrap_or(UNLIMITED))
        .number(34, memory.swap.unwrap_or(0))
        .number(35, memory.swap_limit.unwrap_or(UNLIMITED))
        .number(36, memory.peak.unwrap_or(0))
}

fn v2_io(devices: &[DeviceIo]) -> Message {
    devices.iter().fold(Message::new(), |message, device| {
        let entry = Message::new()
            .number(1, device.major)
            .number(2, device.minor)
            .number(3, device.read_bytes)
            .number(4, device.written_bytes)
            .number(5, device.reads)
            .number(6, device.writes);
        message.message(1, &entry)
    })
}

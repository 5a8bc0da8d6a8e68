//! `kill`, `pause`, `resume`, `update`.

use alloc::format;
use alloc::vec::Vec;

use engine::{Error, Result};
use spec::{Cpu, Memory, Pids, Resources};

use crate::arguments::{Arguments, number};
use crate::global::Global;
use crate::{Success, usage};

/// `kill`.
pub(crate) fn kill(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut all = false;
    let words = arguments.parse("kill", 1..=2, |arguments, option| {
        match option.name {
            "all" | "a" => all = arguments.switch(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let signal = signal(words.get(1).copied().unwrap_or("TERM"))?;
    global.engine.kill(words[0], signal, all)?;
    Ok(Success::default())
}

/// A signal by name (with or without SIG, in either case) or number.
pub(crate) fn signal(text: &str) -> Result<i32> {
    let unknown = || usage(format!("unknown signal {text:?}"));
    sys::signal_name::from_text(text).ok_or_else(unknown)
}

/// `pause`.
pub(crate) fn pause(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("pause", 1..=1, |_, _| Ok(false))?;
    global.engine.pause(words[0])?;
    Ok(Success::default())
}

/// `resume`.
pub(crate) fn resume(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("resume", 1..=1, |_, _| Ok(false))?;
    global.engine.resume(words[0])?;
    Ok(Success::default())
}

#[derive(Default)]
struct Limits<'a> {
    file: Option<&'a str>,
    memory: Memory,
    cpu: Cpu<'a>,
    pids: Pids,
}

/// `update`.
pub(crate) fn update(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut limits = Limits::default();
    let words = arguments.parse("update", 1..=1, |arguments, option| {
        let (memory, cpu) = (&mut limits.memory, &mut limits.cpu);
        match option.name {
            "resources" | "r" => limits.file = Some(arguments.value(option)?),
            "memory" => memory.limit = Some(size(option.name, arguments.value(option)?)?),
            "memory-reservation" => {
                memory.reservation = Some(size(option.name, arguments.value(option)?)?)
            }
            "memory-swap" => memory.swap = Some(size(option.name, arguments.value(option)?)?),
            "cpu-period" => cpu.period = Some(arguments.number(option)?),
            "cpu-quota" => cpu.quota = Some(arguments.number(option)?),
            "cpu-share" => cpu.shares = Some(arguments.number(option)?),
            "cpuset-cpus" => cpu.cpus = Some(arguments.value(option)?.into()),
            "cpuset-mems" => cpu.mems = Some(arguments.value(option)?.into()),
            "pids-limit" => limits.pids.limit = Some(arguments.number(option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let text: Vec<u8>;
    let resources = match limits.file {
        Some(path) => {
            text = read_resources(path)?;
            serde_json::from_slice(&text).map_err(|error| usage(format!("{path}: {error}")))?
        }
        None => resources(limits),
    };
    global.engine.update(words[0], &resources)?;
    Ok(Success::default())
}

fn read_resources(path: &str) -> Result<Vec<u8>> {
    const LARGEST: usize = 1 << 20;
    let path = if path == "-" { "/proc/self/fd/0" } else { path };
    let file = sys::file::open(path, sys::rustix::fs::OFlags::RDONLY)?;
    Ok(sys::file::read_all(&file, LARGEST, path)?)
}

fn resources(limits: Limits<'_>) -> Resources<'_> {
    Resources {
        memory: (limits.memory != Memory::default()).then_some(limits.memory),
        cpu: (limits.cpu != Cpu::default()).then_some(limits.cpu),
        pids: (limits.pids != Pids::default()).then_some(limits.pids),
        ..Resources::default()
    }
}

/// A number of bytes, with a unit where one is given (`512m`), or -1.
fn size(name: &str, text: &str) -> core::result::Result<i64, Error> {
    let (digits, shift) = match text.trim_end_matches(['b', 'B']).char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some((at, 't' | 'T')) => (&text[..at], 40),
        _ => (text.trim_end_matches(['b', 'B']), 0),
    };
    let count: i64 = number(name, digits)?;
    count
        .checked_mul(1 << shift)
        .ok_or_else(|| usage(format!("--{name}: {text:?} is too large")))
}

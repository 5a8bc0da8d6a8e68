//! `update`.

use alloc::format;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};
use spec::{BlockIo, Cpu, Memory, Pids, Resources};

use crate::arguments::{Arguments, Given, number};
use crate::global::Global;
use crate::log::Level;
use crate::{Caller, Success, usage};

#[derive(Default)]
struct Limits<'a> {
    file: Option<&'a str>,
    resources: Resources<'a>,
    kernel_memory: bool,
}

/// `update`.
pub(crate) fn update(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let mut limits = Limits::default();
    let words = arguments.parse("update", 1..=1, |arguments, option| {
        limits.take(arguments, option)
    })?;
    let text: Vec<u8>;
    let mut resources = limits.resources;
    if let Some(path) = limits.file {
        text = read_resources(path)?;
        resources =
            serde_json::from_slice(&text).map_err(|error| usage(format!("{path}: {error}")))?;
    }
    let memory = resources.memory.as_ref();
    let kernel =
        memory.is_some_and(|memory| memory.kernel.is_some() || memory.kernel_tcp.is_some());
    if kernel || limits.kernel_memory {
        let words = "Kernel memory settings are ignored and will be removed";
        global.log.write(caller, Level::Warning, words);
    }
    global.engine.update(words[0], &resources)?;
    Ok(Success::default())
}

impl<'a> Limits<'a> {
    fn take(&mut self, arguments: &mut Arguments<'a>, option: Given<'a>) -> Result<bool> {
        match option.name {
            "resources" | "r" => self.file = Some(arguments.value(option)?),
            "pids-limit" => {
                let limit = Some(arguments.number(option)?);
                self.resources.pids = Some(Pids { limit });
            }
            "blkio-weight" => {
                let io = self.resources.block_io.get_or_insert_with(BlockIo::default);
                io.weight = Some(arguments.number(option)?);
            }
            "l3-cache-schema" | "mem-bw-schema" => {
                arguments.value(option)?;
                let message = format!("--{}: Intel RDT is not supported", option.name);
                return Err(Error::new(Kind::Unsupported, message));
            }
            "kernel-memory" | "kernel-memory-tcp" => {
                size(option.name, arguments.value(option)?)?;
                self.kernel_memory = true;
            }
            name if name.starts_with("memory") => return self.memory(arguments, option),
            _ => return self.cpu(arguments, option),
        }
        Ok(true)
    }

    fn memory(&mut self, arguments: &mut Arguments<'a>, option: Given<'a>) -> Result<bool> {
        let memory = self.resources.memory.get_or_insert_with(Memory::default);
        let field = match option.name {
            "memory" => &mut memory.limit,
            "memory-reservation" => &mut memory.reservation,
            "memory-swap" => &mut memory.swap,
            _ => return Ok(false),
        };
        // As runc has it, an empty text is an option that was not given.
        let text = arguments.value(option)?;
        if !text.is_empty() {
            *field = Some(size(option.name, text)?);
        }
        Ok(true)
    }

    fn cpu(&mut self, arguments: &mut Arguments<'a>, option: Given<'a>) -> Result<bool> {
        let cpu = self.resources.cpu.get_or_insert_with(Cpu::default);
        match option.name {
            "cpu-period" => set(&mut cpu.period, arguments, option)?,
            "cpu-quota" => set(&mut cpu.quota, arguments, option)?,
            "cpu-burst" => set(&mut cpu.burst, arguments, option)?,
            "cpu-share" => set(&mut cpu.shares, arguments, option)?,
            "cpu-rt-period" => set(&mut cpu.realtime_period, arguments, option)?,
            "cpu-rt-runtime" => set(&mut cpu.realtime_runtime, arguments, option)?,
            "cpu-idle" => set(&mut cpu.idle, arguments, option)?,
            "cpuset-cpus" => cpu.cpus = text(arguments, option)?.map(Into::into),
            "cpuset-mems" => cpu.mems = text(arguments, option)?.map(Into::into),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn text<'a>(arguments: &mut Arguments<'a>, option: Given<'a>) -> Result<Option<&'a str>> {
    Ok(Some(arguments.value(option)?).filter(|text| !text.is_empty()))
}

fn set<'a, T: core::str::FromStr>(
    field: &mut Option<T>,
    arguments: &mut Arguments<'a>,
    option: Given<'a>,
) -> Result<()> {
    if let Some(text) = text(arguments, option)? {
        *field = Some(number(option.name, text)?);
    }
    Ok(())
}

fn read_resources(path: &str) -> Result<Vec<u8>> {
    const LARGEST: usize = 1 << 20;
    let path = if path == "-" { "/proc/self/fd/0" } else { path };
    let file = sys::file::open(path, sys::rustix::fs::OFlags::RDONLY)?;
    Ok(sys::file::read_all(&file, LARGEST, path)?)
}

/// A number of bytes, with a unit where one is given (`512m`, `1gib`), or -1.
fn size(name: &str, text: &str) -> core::result::Result<i64, Error> {
    let wrong = || usage(format!("--{name}: invalid value {text:?}: not a size"));
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '-')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return Err(wrong()),
    };
    let count: i64 = digits.parse().map_err(|_| wrong())?;
    if count < 0 && text != "-1" {
        return Err(wrong());
    }
    count.checked_mul(1 << shift).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("-1", -1),
            ("0", 0),
            ("64m", 64 << 20),
            ("2GiB", 2 << 30),
            ("7 kb", 7 << 10),
        ] {
            assert_eq!(size("memory", text).ok(), Some(bytes), "{text}");
        }
        for text in ["", "-2", "m", "1x", "9999999999g", "-1k", "+1"] {
            assert!(size("memory", text).is_err(), "{text}");
        }
    }
}

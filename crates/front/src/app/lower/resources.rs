//! Limits: memory, processors, processes, block I/O, and the cgroup they are set on.

use spec::{BlockIo, Cpu, DeviceRule, Memory, Pids, Resources, Str};

use super::{Asked, Origins};
use crate::app::machine::Machine;
use crate::app::options::RunOptions;
use crate::app::value::number::{integer, list, nano_cpus, size, unsigned};
use crate::error::{About, Fault, Parsed, Result};

/// The least memory that a limit may leave, as Docker has it.
const MEMORY_MIN: u64 = 6 << 20;

/// The period that `--cpus` is a share of, in microseconds.
const PERIOD: u64 = 100_000;

/// Billionths of a processor in one.
const NANO: u64 = 1_000_000_000;

/// One option with a value, where it was given.
#[derive(Clone, Copy)]
struct Given<'a> {
    option: &'static str,
    text: &'a str,
}

impl<'a> Given<'a> {
    fn new(option: &'static str, text: Option<&'a String>) -> Option<Self> {
        text.map(|text| Self { option, text })
    }

    /// Parses the value and notes where it goes.
    fn parse<T>(
        self,
        place: &str,
        origins: &mut Origins,
        parse: impl FnOnce(&'a str) -> Parsed<T>,
    ) -> Result<T> {
        origins.option(&format!("linux.resources.{place}"), self.option, self.text);
        parse(self.text).of(self.option, self.text)
    }

    fn refuse<T>(self, fault: Fault) -> Result<T> {
        Err(fault).of(self.option, self.text)
    }
}

/// The limits of `run`, `create` and `update`. `rules` are the device rules, which go in as they are.
///
/// # Errors
/// A value that breaks its grammar or its bounds, named with its option.
pub fn lower(
    options: &RunOptions,
    machine: &Machine,
    rules: Vec<DeviceRule>,
    origins: &mut Origins,
) -> Result<Resources<'static>> {
    Ok(Resources {
        devices: rules,
        memory: memory(options, machine, origins)?,
        cpu: cpu(options, machine, origins)?,
        pids: pids(options, origins)?,
        block_io: block_io(options, origins)?,
        ..Resources::default()
    })
}

/// A size as the specification writes it. Our sizes fit by their grammar.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A size, or -1 for no limit.
fn size_or_none(text: &str) -> Parsed<Option<u64>> {
    if text == "-1" {
        Ok(None)
    } else {
        size(text).map(Some)
    }
}

fn memory(
    options: &RunOptions,
    machine: &Machine,
    origins: &mut Origins,
) -> Result<Option<Memory>> {
    let limit = memory_limit(options, origins)?;
    let memory = Memory {
        limit: limit.map(signed),
        swap: swap(options, limit, machine, origins)?,
        reservation: reservation(options, limit, origins)?.map(signed),
        swappiness: Given::new("--memory-swappiness", options.memory_swappiness.as_ref())
            .map(|given| given.parse("memory.swappiness", origins, |text| unsigned(text, 0, 100)))
            .transpose()?,
        disable_oom_killer: options.oom_kill_disable.then_some(true),
        ..Memory::default()
    };
    if options.oom_kill_disable {
        origins.flag(
            "linux.resources.memory.disableOOMKiller",
            "--oom-kill-disable",
        );
    }
    Ok((memory != Memory::default()).then_some(memory))
}

fn memory_limit(options: &RunOptions, origins: &mut Origins) -> Result<Option<u64>> {
    let Some(given) = Given::new("--memory", options.memory.as_ref()) else {
        return Ok(None);
    };
    match given.parse("memory.limit", origins, size)? {
        0 => Ok(None),
        bytes if bytes < MEMORY_MIN => given.refuse(Fault::usage("less than the least limit, 6m")),
        bytes => Ok(Some(bytes)),
    }
}

/// `--memory-swap`: memory and swap together; with `--memory` alone twice that, as Docker has it.
fn swap(
    options: &RunOptions,
    limit: Option<u64>,
    machine: &Machine,
    origins: &mut Origins,
) -> Result<Option<i64>> {
    let Some(given) = Given::new("--memory-swap", options.memory_swap.as_ref()) else {
        return Ok(limit
            .filter(|_| machine.swap_limit)
            .map(|bytes| signed(bytes.saturating_mul(2))));
    };
    let total = given.parse("memory.swap", origins, size_or_none)?;
    match (total, limit) {
        (None, _) => Ok(Some(-1)),
        (Some(0), Some(bytes)) => Ok(machine
            .swap_limit
            .then_some(signed(bytes.saturating_mul(2)))),
        (Some(0), None) => Ok(None),
        (Some(_), None) => given.refuse(Fault::usage("needs --memory too")),
        (Some(total), Some(bytes)) if total < bytes => given.refuse(Fault::usage(
            "less than --memory; it counts memory and swap together",
        )),
        (Some(total), Some(_)) => Ok(Some(signed(total))),
    }
}

fn reservation(
    options: &RunOptions,
    limit: Option<u64>,
    origins: &mut Origins,
) -> Result<Option<u64>> {
    let Some(given) = Given::new("--memory-reservation", options.memory_reservation.as_ref())
    else {
        return Ok(None);
    };
    match (given.parse("memory.reservation", origins, size)?, limit) {
        (0, _) => Ok(None),
        (bytes, Some(limit)) if bytes > limit => given.refuse(Fault::usage("more than --memory")),
        (bytes, _) => Ok(Some(bytes)),
    }
}

fn cpu(
    options: &RunOptions,
    machine: &Machine,
    origins: &mut Origins,
) -> Result<Option<Cpu<'static>>> {
    let mut cpu = Cpu::default();
    let high = i64::MAX.unsigned_abs();
    if let Some(given) = Given::new("--cpus", options.cpus.as_ref()) {
        (cpu.quota, cpu.period) = share(given, machine, origins)?;
    }
    if let Some(given) = Given::new("--cpu-shares", options.cpu_shares.as_ref()) {
        // The kernel's bounds are 2 and 262144; Docker takes any and the kernel moves it inside.
        let shares = given.parse("cpu.shares", origins, |text| unsigned(text, 0, high))?;
        cpu.shares = (shares != 0).then(|| shares.clamp(2, 262_144));
    }
    if let Some(given) = Given::new("--cpu-period", options.cpu_period.as_ref()) {
        cpu.period = Some(given.parse("cpu.period", origins, |text| {
            unsigned(text, 1000, 1_000_000)
        })?);
    }
    if let Some(given) = Given::new("--cpu-quota", options.cpu_quota.as_ref()) {
        cpu.quota = Some(given.parse("cpu.quota", origins, quota)?);
    }
    if let Some(given) = Given::new("--cpu-rt-period", options.cpu_rt_period.as_ref()) {
        cpu.realtime_period = Some(given.parse("cpu.realtimePeriod", origins, |text| {
            unsigned(text, 1, high)
        })?);
    }
    if let Some(given) = Given::new("--cpu-rt-runtime", options.cpu_rt_runtime.as_ref()) {
        cpu.realtime_runtime = Some(given.parse("cpu.realtimeRuntime", origins, |text| {
            integer(text, 0, i64::MAX)
        })?);
    }
    cpu.cpus = set(
        "--cpuset-cpus",
        options.cpuset_cpus.as_ref(),
        "cpu.cpus",
        origins,
    )?;
    cpu.mems = set(
        "--cpuset-mems",
        options.cpuset_mems.as_ref(),
        "cpu.mems",
        origins,
    )?;
    Ok((cpu != Cpu::default()).then_some(cpu))
}

/// `--cpu-quota`: at least a millisecond, or -1 for no limit.
fn quota(text: &str) -> Parsed<i64> {
    if text == "-1" {
        Ok(-1)
    } else {
        integer(text, 1000, i64::MAX)
    }
}

/// `--cpus` as a quota of [`PERIOD`].
fn share(
    given: Given<'_>,
    machine: &Machine,
    origins: &mut Origins,
) -> Result<(Option<i64>, Option<u64>)> {
    let nano = given.parse("cpu.quota", origins, nano_cpus)?;
    if nano == 0 {
        return Ok((None, None));
    }
    if nano < NANO / 100 || nano > u64::from(machine.cpus).saturating_mul(NANO) {
        let bounds = format!(
            "not from 0.01 to {}, the processors of this machine",
            machine.cpus
        );
        return given.refuse(Fault::usage(bounds));
    }
    Ok((Some(signed(nano / (NANO / PERIOD))), Some(PERIOD)))
}

fn set(
    option: &'static str,
    text: Option<&String>,
    place: &str,
    origins: &mut Origins,
) -> Result<Option<Str<'static>>> {
    let Some(given) = Given::new(option, text) else {
        return Ok(None);
    };
    Ok(Some(given.parse(place, origins, list)?.to_owned().into()))
}

/// `--pids-limit`: 0 and -1 are no limit.
fn pids(options: &RunOptions, origins: &mut Origins) -> Result<Option<Pids>> {
    let Some(given) = Given::new("--pids-limit", options.pids_limit.as_ref()) else {
        return Ok(None);
    };
    let limit = given.parse("pids.limit", origins, |text| integer(text, -1, i64::MAX))?;
    Ok(Some(Pids {
        limit: Some(if limit == 0 { -1 } else { limit }),
    }))
}

fn block_io(options: &RunOptions, origins: &mut Origins) -> Result<Option<BlockIo>> {
    let Some(given) = Given::new("--blkio-weight", options.blkio_weight.as_ref()) else {
        return Ok(None);
    };
    let weight = given.parse("blockIO.weight", origins, |text| {
        match unsigned(text, 0, 1000) {
            Ok(n) if n == 0 || n >= 10 => Ok(n),
            _ => Err(Fault::usage("not a weight from 10 to 1000")),
        }
    })?;
    let weight = u16::try_from(weight).ok().filter(|weight| *weight > 0);
    Ok(weight.map(|_| BlockIo {
        weight,
        ..BlockIo::default()
    }))
}

/// The container's cgroup: below `--cgroup-parent`, else below `/stockade`.
pub(super) fn cgroup(asked: &Asked<'_>, origins: &mut Origins) -> Result<Option<String>> {
    let id = &asked.machine.id;
    let Some(text) = asked
        .options
        .cgroup_parent
        .as_deref()
        .filter(|text| !text.is_empty())
    else {
        // An ordinary user's are where that user may make some, if anywhere.
        let roots = asked.machine.ordinary_user.is_none();
        return Ok(roots.then(|| format!("/stockade/{id}")));
    };
    origins.option("linux.cgroupsPath", "--cgroup-parent", text);
    if text.ends_with(".slice") && !text.contains('/') || text.contains(':') {
        let fault =
            Fault::unsupported("systemd's slices: not built yet").hint("a path, such as apps/web");
        return Err(fault).of("--cgroup-parent", text);
    }
    let path =
        crate::app::value::name::absolute(&format!("/{text}")).of("--cgroup-parent", text)?;
    Ok(Some(if path == "/" {
        format!("/{id}")
    } else {
        format!("{path}/{id}")
    }))
}

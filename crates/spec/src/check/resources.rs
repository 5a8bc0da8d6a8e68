//! `linux.resources`.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use core::fmt;

use super::linux::{MAX_MAJOR, MAX_MINOR};
use super::{conflict, entry, fail, interface, invalid, numbers, within};
use crate::text::Short;
use crate::{
    Access, BlockIo, Cpu, DeviceRule, DeviceRuleType, Error, HugepageLimit, Kind, Memory, Network,
    Resources, ThrottleDevice, WeightDevice,
};

/// The most tasks that a pids limit can name (`PID_MAX_LIMIT` of `linux/threads.h`, 64 bits).
const MAX_TASKS: i64 = 4 << 20;

impl Resources<'_> {
    /// Checks the resources alone, as `update` gets them.
    pub fn check(&self) -> Result<(), Error> {
        check(self)
    }
}

pub(super) fn check(resources: &Resources<'_>) -> Result<(), Error> {
    for (index, rule) in resources.devices.iter().enumerate() {
        device(rule, index)?;
    }
    resources.memory.as_ref().map_or(Ok(()), memory)?;
    resources.cpu.as_ref().map_or(Ok(()), cpu)?;
    if let Some(limit) = resources.pids.and_then(|pids| pids.limit) {
        within(limit, -1..=MAX_TASKS, "linux.resources.pids.limit")?;
    }
    resources.block_io.as_ref().map_or(Ok(()), block_io)?;
    huge_pages(&resources.hugepage_limits)?;
    resources.network.as_ref().map_or(Ok(()), network)?;
    for device in resources.rdma.keys() {
        if device.is_empty() || device.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return invalid(
                entry("linux.resources.rdma", device),
                "not the name of an RDMA device",
            );
        }
    }
    resources.unified.keys().try_for_each(|file| unified(file))
}

fn device(rule: &DeviceRule, index: usize) -> Result<(), Error> {
    let place = format_args!("linux.resources.devices[{index}]");
    if rule.access == Access::default() {
        return fail(
            Kind::Missing,
            format_args!("{place}.access"),
            "needs at least one of the letters `r`, `w` and `m`",
        );
    }
    for (field, number, last) in [
        ("major", rule.major, MAX_MAJOR),
        ("minor", rule.minor, MAX_MINOR),
    ] {
        let Some(number) = number else { continue };
        within(
            number,
            -1..=i64::from(last),
            format_args!("{place}.{field}"),
        )?;
        // The kernel takes `a` for all devices and ignores numbers beside it.
        if number != -1 && rule.kind == DeviceRuleType::All {
            return conflict(
                format_args!("{place}.{field}"),
                "a rule for all types of devices cannot have a number",
            );
        }
    }
    Ok(())
}

fn memory(memory: &Memory) -> Result<(), Error> {
    for (field, bytes) in [
        ("limit", memory.limit),
        ("reservation", memory.reservation),
        ("swap", memory.swap),
        ("kernel", memory.kernel),
        ("kernelTCP", memory.kernel_tcp),
    ] {
        if bytes.is_some_and(|bytes| bytes < -1) {
            let message = "must be a number of bytes, or -1 for no limit";
            return invalid(format_args!("linux.resources.memory.{field}"), message);
        }
    }
    if let Some(swappiness) = memory.swappiness {
        within(swappiness, 0..=100, "linux.resources.memory.swappiness")?;
    }
    swap(memory)
}

/// `swap` is the limit of memory and swap together, so it is nothing without the limit of memory, and
/// never less. 0 is, in both, how encoders in Go write "absent".
fn swap(memory: &Memory) -> Result<(), Error> {
    let Some(swap) = memory.swap.filter(|swap| *swap > 0) else {
        return Ok(());
    };
    let wrong = match memory.limit.filter(|limit| *limit != 0) {
        None => "the limit of memory and swap needs one of memory, too".to_string(),
        Some(-1) => "is less than the limit of memory, which is none".to_string(),
        Some(limit) if swap < limit => format!("is less than the limit of memory, {limit}"),
        Some(_) => return Ok(()),
    };
    conflict("linux.resources.memory.swap", wrong)
        .map_err(|error: Error| error.hint("swap is the sum of memory and swap; -1 is no limit"))
}

fn cpu(cpu: &Cpu<'_>) -> Result<(), Error> {
    // The kernel's bounds (`kernel/sched`); 0 is, in all three, how encoders in Go write "absent".
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        within(shares, 2..=262_144, "linux.resources.cpu.shares")?;
    }
    if let Some(period) = cpu.period.filter(|period| *period != 0) {
        within(period, 1_000..=1_000_000, "linux.resources.cpu.period")?;
    }
    let quota = cpu.quota.filter(|quota| *quota != 0);
    if quota.is_some_and(|quota| quota < -1 || (1..1_000).contains(&quota)) {
        return invalid(
            "linux.resources.cpu.quota",
            "must be at least 1000 microseconds, or -1 for no limit",
        );
    }
    if let (Some(burst), Some(quota)) =
        (cpu.burst, quota.and_then(|quota| u64::try_from(quota).ok()))
        && burst > quota
    {
        return conflict(
            "linux.resources.cpu.burst",
            format_args!("is more than the quota, {quota}"),
        );
    }
    realtime(cpu)?;
    numbers(cpu.cpus.as_ref(), "linux.resources.cpu.cpus")?;
    numbers(cpu.mems.as_ref(), "linux.resources.cpu.mems")?;
    cpu.idle.map_or(Ok(()), |idle| {
        within(idle, 0..=1, "linux.resources.cpu.idle")
    })
}

fn realtime(cpu: &Cpu<'_>) -> Result<(), Error> {
    const PLACE: &str = "linux.resources.cpu.realtimeRuntime";
    let Some(runtime) = cpu.realtime_runtime else {
        return Ok(());
    };
    if runtime < -1 {
        return invalid(
            PLACE,
            "must be a number of microseconds, or -1 for no limit",
        );
    }
    match (cpu.realtime_period, u64::try_from(runtime)) {
        (Some(period), Ok(runtime)) if period != 0 && runtime > period => conflict(
            PLACE,
            format_args!("is more than the realtimePeriod, {period}"),
        ),
        _ => Ok(()),
    }
}

fn block_io(io: &BlockIo) -> Result<(), Error> {
    let place = format_args!("linux.resources.blockIO");
    weight(io.weight, format_args!("{place}.weight"))?;
    weight(io.leaf_weight, format_args!("{place}.leafWeight"))?;
    for (index, device) in io.weight_device.iter().enumerate() {
        let WeightDevice {
            major,
            minor,
            weight: outer,
            leaf_weight,
        } = *device;
        let place = format_args!("{place}.weightDevice[{index}]");
        block_device(major, minor, place)?;
        weight(outer, format_args!("{place}.weight"))?;
        weight(leaf_weight, format_args!("{place}.leafWeight"))?;
    }
    for (field, devices) in [
        ("throttleReadBpsDevice", &io.throttle_read_bps_device),
        ("throttleWriteBpsDevice", &io.throttle_write_bps_device),
        ("throttleReadIOPSDevice", &io.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", &io.throttle_write_iops_device),
    ] {
        for (index, ThrottleDevice { major, minor, .. }) in devices.iter().enumerate() {
            block_device(*major, *minor, format_args!("{place}.{field}[{index}]"))?;
        }
    }
    Ok(())
}

fn block_device(major: u32, minor: u32, place: fmt::Arguments<'_>) -> Result<(), Error> {
    within(major, 0..=MAX_MAJOR, format_args!("{place}.major"))?;
    within(minor, 0..=MAX_MINOR, format_args!("{place}.minor"))
}

fn weight(weight: Option<u16>, place: fmt::Arguments<'_>) -> Result<(), Error> {
    match weight {
        None | Some(0) => Ok(()),
        Some(weight) => within(weight, 10..=1000, place),
    }
}

fn huge_pages(limits: &[HugepageLimit<'_>]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for (index, limit) in limits.iter().enumerate() {
        let place = format_args!("linux.resources.hugepageLimits[{index}].pageSize");
        let size = Short(&limit.page_size);
        let Some(bytes) = limit.page_bytes() else {
            return invalid(
                place,
                format_args!("`{size}` is not a size such as 64KB, 2MB or 1GB"),
            );
        };
        if !seen.insert(bytes) {
            return conflict(place, format_args!("{size} is there twice"));
        }
    }
    Ok(())
}

fn network(network: &Network<'_>) -> Result<(), Error> {
    network
        .priorities
        .iter()
        .enumerate()
        .try_for_each(|(index, one)| {
            interface(
                &one.name,
                format_args!("linux.resources.network.priorities[{index}].name"),
            )
        })
}

/// A key is the name of a file in the container's cgroup. Those of the cgroup itself are the runtime's,
/// but for its limits.
fn unified(file: &str) -> Result<(), Error> {
    const PLACE: &str = "linux.resources.unified";
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let controller = file
        .split_once('.')
        .map(|(controller, rest)| (controller, rest.is_empty()));
    if !file.chars().all(allowed) || !matches!(controller, Some((name, false)) if !name.is_empty())
    {
        return invalid(
            entry(PLACE, file),
            "not the name of a cgroup's file, such as memory.high",
        );
    }
    if file.starts_with("cgroup.")
        && !matches!(
            file,
            "cgroup.max.depth" | "cgroup.max.descendants" | "cgroup.pressure"
        )
    {
        return fail(
            Kind::Unknown,
            entry(PLACE, file),
            "is the runtime's to write",
        );
    }
    Ok(())
}

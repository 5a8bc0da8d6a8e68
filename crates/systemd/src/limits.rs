//! A container's limits as systemd's properties.
//!
//! Every limit is written to its file by the cgroup crate, exactly. systemd is told of those that it has a
//! property for, because it writes its own idea of a unit's files again when it is reloaded.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cgroup::devices::{Device, Policy, Rule};
use cgroup::{Lowered, Setting, Version};
use spec::Resources;

use crate::error::{Error, Result};
use crate::property::{Property, Value};

/// systemd's `infinity`.
const INFINITY: u64 = u64::MAX;

/// The properties that say what `lowered` writes.
///
/// # Errors
/// When a set of processors or memory nodes is none.
pub fn properties(lowered: &Lowered<'_>) -> Result<Vec<Property>> {
    let mut out = Vec::new();
    for setting in &lowered.settings {
        let version = lowered.leaves.get(setting.leaf).map(|leaf| leaf.version);
        match version {
            Some(Version::V2) => v2(setting, &mut out)?,
            Some(Version::V1) => v1(setting, &lowered.settings, &mut out),
            None => {}
        }
    }
    // Of two that say the same, as of a limit and a unified key, the later counts.
    let mut seen: Vec<Property> = Vec::with_capacity(out.len());
    for property in out {
        seen.retain(|earlier| earlier.name != property.name);
        seen.push(property);
    }
    Ok(seen)
}

fn v2(setting: &Setting<'_>, out: &mut Vec<Property>) -> Result<()> {
    let value = setting.value.trim();
    let mut number = |name: &'static str| {
        if let Some(number) = amount(value) {
            out.push(Property::new(name, Value::U64(number)));
        }
    };
    match &*setting.file {
        "memory.max" => number("MemoryMax"),
        "memory.high" => number("MemoryHigh"),
        "memory.low" => number("MemoryLow"),
        "memory.min" => number("MemoryMin"),
        "memory.swap.max" => number("MemorySwapMax"),
        "pids.max" => number("TasksMax"),
        "cpu.weight" => number("CPUWeight"),
        "io.weight" => {
            let weight = value.strip_prefix("default").unwrap_or(value).trim();
            if let Some(weight) = amount(weight) {
                out.push(Property::new("IOWeight", Value::U64(weight)));
            }
        }
        // systemd 252 has idle as a weight of its own.
        "cpu.idle" if value == "1" => out.push(Property::new("CPUWeight", Value::U64(0))),
        "cpu.max" => {
            let mut words = value.split(' ');
            let quota = words.next().and_then(amount);
            let period = words.next().and_then(amount).unwrap_or(100_000);
            out.extend(quota.map(|quota| per_second(quota, period)));
            out.push(Property::new("CPUQuotaPeriodUSec", Value::U64(period)));
        }
        "cpuset.cpus" => out.push(set("AllowedCPUs", setting)?),
        "cpuset.mems" => out.push(set("AllowedMemoryNodes", setting)?),
        _ => {}
    }
    Ok(())
}

fn v1(setting: &Setting<'_>, all: &[Setting<'_>], out: &mut Vec<Property>) {
    let value = setting.value.trim();
    let name = match &*setting.file {
        "memory.limit_in_bytes" => "MemoryLimit",
        "cpu.shares" => "CPUShares",
        "blkio.weight" | "blkio.bfq.weight" => "BlockIOWeight",
        "pids.max" => "TasksMax",
        "cpu.cfs_quota_us" => {
            let period = all.iter().find(|other| other.file == "cpu.cfs_period_us");
            let period = period.and_then(|period| amount(period.value.trim()));
            if let Some(quota) = amount(value) {
                out.push(per_second(quota, period.unwrap_or(100_000)));
            }
            return;
        }
        _ => return,
    };
    out.extend(amount(value).map(|number| Property::new(name, Value::U64(number))));
}

/// A number of a cgroup's file; `max` and v1's -1 are infinity.
fn amount(text: &str) -> Option<u64> {
    match text {
        "max" | "-1" => Some(INFINITY),
        _ => text.parse().ok(),
    }
}

/// Microseconds of processor time a second. systemd counts in hundredths of a processor, so that the quota is
/// rounded up to one, or what it writes would be less than what was asked for.
fn per_second(quota: u64, period: u64) -> Property {
    const STEP: u128 = 10_000;
    let value = if quota == INFINITY {
        INFINITY
    } else {
        let exact = u128::from(quota) * 1_000_000 / u128::from(period.max(1));
        u64::try_from(exact.div_ceil(STEP) * STEP).unwrap_or(INFINITY)
    };
    Property::new("CPUQuotaPerSecUSec", Value::U64(value))
}

/// A list such as `0-3,7` as a mask of bytes, the lowest bit first.
fn set(name: &'static str, setting: &Setting<'_>) -> Result<Property> {
    let mask = mask(setting.value.trim());
    let mask = mask.ok_or_else(|| {
        Error::bad(
            setting.place,
            format!("{:?} is not a list such as 0-3,7", setting.value),
        )
    })?;
    Ok(Property::new(name, Value::Bytes(mask)))
}

fn mask(list: &str) -> Option<Vec<u8>> {
    /// More processors than any kernel is built for.
    const LARGEST: usize = 1 << 16;
    let mut mask = Vec::new();
    for part in list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > LARGEST {
            return None;
        }
        if mask.len() <= last / 8 {
            mask.resize(last / 8 + 1, 0);
        }
        (first..=last).for_each(|bit| mask[bit / 8] |= 1 << (bit % 8));
    }
    Some(mask)
}

/// The device policy. systemd's words are coarser than the configuration's: what they allow is what any rule
/// allows, and the exact policy is enforced beside it. `names` is the text of `/proc/devices`.
///
/// # Errors
/// When a device number is outside what Linux can have.
pub fn device_properties(resources: &Resources<'_>, names: &str) -> Result<Vec<Property>> {
    let policy = Policy::of_container(&resources.devices).map_err(|error| Error {
        place: error.place,
        ..Error::new(error.what)
    })?;
    let mut rules: Vec<Value> = Vec::new();
    if !policy.allow {
        for rule in policy.rules.iter().filter(|rule| rule.allow) {
            for (device, all, group) in [
                (Device::Char, "char-*", "char-"),
                (Device::Block, "block-*", "block-"),
            ] {
                if [device, Device::Any].contains(&rule.device)
                    && let Some(node) = node(rule, device, all, group, names)
                {
                    rules.push(Value::Pair(node, rule.access.letters().into()));
                }
            }
        }
    }
    let word = if policy.allow { "auto" } else { "strict" };
    Ok(Vec::from([
        Property::new("DevicePolicy", Value::text(word)),
        Property::new(
            "DeviceAllow",
            Value::List {
                of: "(ss)",
                items: rules,
            },
        ),
    ]))
}

/// How systemd calls the devices of a rule: by number, by the name of a major number, or all. It cannot say a
/// minor number of every major one, so that is all of them; a major number without a name it cannot say at all.
fn node(rule: &Rule, device: Device, all: &str, group: &str, names: &str) -> Option<String> {
    let Some(major) = rule.major else {
        return Some(all.into());
    };
    if let Some(minor) = rule.minor {
        let kind = if device == Device::Char {
            "char"
        } else {
            "block"
        };
        return Some(format!("/dev/{kind}/{major}:{minor}"));
    }
    let (chars, blocks) = names.split_once("Block devices:").unwrap_or((names, ""));
    let section = if device == Device::Char {
        chars
    } else {
        blocks
    };
    let name = section.lines().find_map(|line| {
        let (number, name) = line.trim().split_once(' ')?;
        (number.parse() == Ok(major)).then_some(name.trim())
    })?;
    Some([group, name].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::{Access, DeviceRule, DeviceRuleType};

    const NAMES: &str =
        "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n136 other\n";

    #[test]
    fn masks() {
        assert_eq!(mask("0-3,9"), Some(Vec::from([0x0f, 0x02])));
        assert_eq!(mask(""), Some(Vec::new()));
        for bad in ["x", "3-1", "-1", "0-99999999", "1-"] {
            assert_eq!(mask(bad), None, "{bad}");
        }
    }

    #[test]
    fn quotas_are_rounded_up() {
        let per = |quota, period| per_second(quota, period).value;
        assert_eq!(per(50_000, 100_000), Value::U64(500_000));
        assert_eq!(per(1_001, 100_000), Value::U64(20_000));
        assert_eq!(per(INFINITY, 100_000), Value::U64(INFINITY));
        assert_eq!(per(1, 0), Value::U64(1_000_000));
    }

    #[test]
    fn devices_by_number_and_by_name() {
        let rule = |kind, major, minor| DeviceRule {
            allow: true,
            kind,
            major,
            minor,
            access: Access::READ,
        };
        let resources = Resources {
            devices: Vec::from([
                rule(DeviceRuleType::Block, Some(8), None),
                rule(DeviceRuleType::Block, Some(8), Some(1)),
                rule(DeviceRuleType::Char, Some(200), None),
            ]),
            ..Resources::default()
        };
        let properties = device_properties(&resources, NAMES).expect("properties");
        assert_eq!(properties[0].value, Value::text("strict"));
        let Value::List { items, .. } = &properties[1].value else {
            panic!("a list")
        };
        let has =
            |node: &str, access: &str| items.contains(&Value::Pair(node.into(), access.into()));
        assert!(has("block-sd", "r") && has("/dev/block/8:1", "r") && has("char-pts", "rwm"));
        assert!(has("/dev/char/1:3", "rwm") && has("char-*", "m") && has("block-*", "m"));
        assert!(
            !items
                .iter()
                .any(|item| matches!(item, Value::Pair(node, _) if node.contains("200")))
        );
    }
}

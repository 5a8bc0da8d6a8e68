//! v2's keys on v1: which files they become, with which values. Pure, but for what v1 says now.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::parse::{Limit, block_device, count_limit, number, pair, size, size_limit};
use super::{bad, refused};
use crate::error::{Error, Result};
use crate::lower::decimal;

/// A file and what is written to it.
pub(super) type Write = (Cow<'static, str>, String);
/// What a file of the cgroup says now; none where there is no such file.
pub(super) type Now<'n> = &'n dyn Fn(&str) -> Option<String>;

/// What v1 says where there is no limit: the largest number of pages, in bytes.
const NO_LIMIT: u64 = 1 << 62;
const MEMORY: &str = "memory.limit_in_bytes";
const BOTH: &str = "memory.memsw.limit_in_bytes";

/// What cgroup v1 has nothing for, and why.
const ONLY_V2: &[(&str, &str)] = &[
    (
        "memory.high",
        "nothing there slows a cgroup down before memory.max kills",
    ),
    (
        "memory.min",
        "it keeps no memory at all costs; memory.low becomes its soft limit",
    ),
    ("memory.swap.high", "nothing there slows swapping down"),
    ("memory.zswap.max", "it does not count compressed swap"),
    (
        "memory.zswap.writeback",
        "it does not count compressed swap",
    ),
    ("memory.oom.group", "it kills one process at a time"),
    (
        "memory.reclaim",
        "it has memory.force_empty, which takes back all it can",
    ),
    ("io.latency", "it has no targets of latency"),
    ("io.cost.qos", "it has no cost model"),
    ("io.cost.model", "it has no cost model"),
    ("cpu.weight.nice", "set cpu.weight"),
    (
        "cpuset.cpus.partition",
        "it has cpuset.cpu_exclusive and cpuset.sched_load_balance",
    ),
    (
        "cpuset.cpus.exclusive",
        "it has cpuset.cpu_exclusive, for all of a cgroup's processors",
    ),
];

/// What only cgroup v1 has, and v2's word for it.
const ONLY_V1: &[(&str, &str)] = &[
    (MEMORY, "memory.max"),
    (BOTH, "memory.swap.max, which is swap alone"),
    ("memory.soft_limit_in_bytes", "memory.low"),
    ("memory.force_empty", "memory.reclaim"),
    ("cpu.shares", "cpu.weight: 100 is 1024 shares"),
    ("cpu.cfs_quota_us", "cpu.max=\"QUOTA PERIOD\""),
    ("cpu.cfs_period_us", "cpu.max=\"QUOTA PERIOD\""),
    ("cpu.cfs_burst_us", "cpu.max.burst"),
    ("freezer.state", "stockade cgroup freeze"),
    ("devices.allow", "stockade cgroup devices"),
    ("devices.deny", "stockade cgroup devices"),
    ("blkio.weight", "io.weight"),
    ("blkio.bfq.weight", "io.bfq.weight"),
    ("blkio.throttle.read_bps_device", "io.max"),
    ("blkio.throttle.write_bps_device", "io.max"),
    ("blkio.throttle.read_iops_device", "io.max"),
    ("blkio.throttle.write_iops_device", "io.max"),
];

/// Why a key cannot be had on v1, where that is known.
pub(super) fn why_not_v1(key: &str) -> Option<Error> {
    let (_, why) = ONLY_V2.iter().find(|(known, _)| *known == key)?;
    Some(refused(format!("{key}: cgroup v1 has no such thing")).hint(*why))
}

/// What v2 calls a key of v1, where that is known.
pub(super) fn why_not_v2(key: &str) -> Option<Error> {
    let (_, instead) = ONLY_V1.iter().find(|(known, _)| *known == key)?;
    Some(refused(format!("{key}: only cgroup v1 has it")).hint(format!("v2 has {instead}")))
}

/// The value as v2's file takes it: sizes in bytes, devices by number.
pub(super) fn v2(key: &str, value: &str) -> Result<String> {
    Ok(match key {
        "memory.max" | "memory.high" | "memory.low" | "memory.min" | "memory.swap.max"
        | "memory.swap.high" | "memory.zswap.max" => size_limit(key, value)?.v2(),
        "pids.max" => count_limit(key, value)?.v2(),
        "cpu.weight" => decimal(number(key, value, 1, 10_000)?),
        "cpu.max" => {
            let (quota, period) = bandwidth(key, value)?;
            let mut text = quota.v2();
            if let Some(period) = period {
                text.push(' ');
                text.push_str(&decimal(period));
            }
            text
        }
        "io.max" => {
            let (device, rates) = rates(key, value)?;
            let rate = |(name, limit): &(&str, Limit)| [" ", name, "=", &limit.v2()].concat();
            rates.iter().map(rate).fold(device, |text, one| text + &one)
        }
        _ if is_size_of_pages(key) => size_limit(key, value)?.v2(),
        _ => value.into(),
    })
}

/// The files that a key of v2 becomes on v1; none where it is no key that is translated.
pub(super) fn v1(key: &str, value: &str, now: Now<'_>) -> Result<Option<Vec<Write>>> {
    let one = |file: &'static str, value: String| Vec::from([(Cow::Borrowed(file), value)]);
    Ok(Some(match key {
        "memory.max" => memory(key, size_limit(key, value)?, now)?,
        "memory.swap.max" => swap(key, size_limit(key, value)?, now)?,
        "memory.low" => one("memory.soft_limit_in_bytes", size_limit(key, value)?.v1()),
        "pids.max" => one("pids.max", count_limit(key, value)?.v2()),
        "cpu.weight" => one(
            "cpu.shares",
            decimal(shares(number(key, value, 1, 10_000)?)),
        ),
        "cpu.max" => {
            let (quota, period) = bandwidth(key, value)?;
            let mut writes = Vec::new();
            writes.extend(period.map(|n| ("cpu.cfs_period_us".into(), decimal(n))));
            writes.push(("cpu.cfs_quota_us".into(), quota.v1()));
            writes
        }
        "cpu.max.burst" => one(
            "cpu.cfs_burst_us",
            decimal(number(key, value, 0, u64::MAX)?),
        ),
        "io.max" => throttles(key, value)?,
        "io.weight" | "io.bfq.weight" => weights(key, value, now)?,
        "io.prio.class" => one("blkio.prio.class", value.into()),
        _ if is_size_of_pages(key) => {
            let file = [key.strip_suffix(".max").unwrap_or(key), ".limit_in_bytes"].concat();
            Vec::from([(file.into(), size_limit(key, value)?.v1())])
        }
        _ => return Ok(None),
    }))
}

/// `hugetlb.2MB.max`, `hugetlb.2MB.rsvd.max`.
fn is_size_of_pages(key: &str) -> bool {
    key.starts_with("hugetlb.") && key.ends_with(".max")
}

/// What the kernel itself makes of a v2 weight: 1024 shares of 100 (`sched_weight_from_cgroup`).
pub(super) fn shares(weight: u64) -> u64 {
    (weight * 1024 + 50) / 100
}

/// The way back.
pub(super) fn weight(shares: u64) -> u64 {
    (shares * 100 + 512) / 1024
}

/// v1 limits memory, and memory with swap: swap alone, which is what v2's words say, stays as it is.
fn memory(key: &str, limit: Limit, now: Now<'_>) -> Result<Vec<Write>> {
    let mut writes = Vec::from([(MEMORY.into(), limit.v1())]);
    if let (Some(both), Some(before)) = (finite(now, BOTH), finite(now, MEMORY)) {
        let swap = both.saturating_sub(before);
        let Limit::At(limit) = limit else {
            return Err(refused(format!(
                "{key}=max: memory.swap.max is {swap} here, and cgroup v1 cannot limit swap alone"
            ))
            .hint("set memory.swap.max=max first"));
        };
        writes.push((BOTH.into(), decimal(limit.saturating_add(swap))));
    }
    Ok(writes)
}

fn swap(key: &str, limit: Limit, now: Now<'_>) -> Result<Vec<Write>> {
    if now(BOTH).is_none() {
        return Err(refused(format!("{key}: this kernel does not count swap")));
    }
    let value = match (limit, finite(now, MEMORY)) {
        (Limit::Max, _) => Limit::Max,
        (Limit::At(swap), Some(memory)) => Limit::At(memory.saturating_add(swap)),
        (Limit::At(_), None) => {
            return Err(refused(format!("{key}: cgroup v1 cannot limit swap alone"))
                .hint("set memory.max first: v1 limits memory and swap together"));
        }
    };
    Ok(Vec::from([(BOTH.into(), value.v1())]))
}

/// A limit of v1 that is one.
pub(super) fn finite(now: Now<'_>, file: &str) -> Option<u64> {
    let n = now(file)?.trim().parse::<u64>().ok()?;
    (n < NO_LIMIT).then_some(n)
}

/// `QUOTA [PERIOD]`, in microseconds.
fn bandwidth(key: &str, value: &str) -> Result<(Limit, Option<u64>)> {
    let mut words = value.split_ascii_whitespace();
    let (quota, period) = (words.next().unwrap_or(""), words.next());
    let period = period.map(|text| number(key, text, 1000, 1_000_000));
    if words.next().is_some() {
        return Err(bad(format!("{key}={value}: must be \"QUOTA [PERIOD]\"")));
    }
    Ok((count_limit(key, quota)?, period.transpose()?))
}

type Rates<'v> = Vec<(&'v str, Limit)>;

/// `DEVICE rbps=… wbps=… riops=… wiops=…`.
fn rates<'v>(key: &str, value: &'v str) -> Result<(String, Rates<'v>)> {
    let mut words = value.split_ascii_whitespace();
    let device = block_device(key, words.next().unwrap_or(""))?;
    let mut rates = Vec::new();
    for word in words {
        let (name, text) = pair(key, word)?;
        let limit = match (name, text) {
            ("rbps" | "wbps" | "riops" | "wiops", "max") => Limit::Max,
            ("rbps" | "wbps", text) => Limit::At(
                size(text).ok_or_else(|| bad(format!("{key}: {word}: must be bytes a second")))?,
            ),
            ("riops" | "wiops", text) => Limit::At(number(key, text, 1, u64::MAX)?),
            _ => {
                return Err(bad(format!(
                    "{key}: {name}: must be rbps, wbps, riops or wiops"
                )));
            }
        };
        rates.push((name, limit));
    }
    if rates.is_empty() {
        return Err(bad(format!(
            "{key}={value}: must be \"DEVICE rbps=N wbps=N riops=N wiops=N\", or some of these"
        )));
    }
    Ok((device, rates))
}

fn throttles(key: &str, value: &str) -> Result<Vec<Write>> {
    let (device, rates) = rates(key, value)?;
    let write = |(name, limit): (&str, Limit)| -> Write {
        let file = match name {
            "rbps" => "blkio.throttle.read_bps_device",
            "wbps" => "blkio.throttle.write_bps_device",
            "riops" => "blkio.throttle.read_iops_device",
            _ => "blkio.throttle.write_iops_device",
        };
        // v1 has 0 for no limit.
        let n = match limit {
            Limit::Max => 0,
            Limit::At(n) => n,
        };
        (file.into(), [&device, " ", &decimal(n)].concat())
    };
    Ok(rates.into_iter().map(write).collect())
}

/// `[default] N`, or `DEVICE N`. BFQ's weights, 1 to 1000, are the same on both; `io.weight`'s range is 1 to 10000
/// with 100 in its midst, as BFQ's is: a tenth of the distance above 100, so that 100 stays 100.
fn weights(key: &str, value: &str, now: Now<'_>) -> Result<Vec<Write>> {
    let mut words: Vec<&str> = value.split_ascii_whitespace().collect();
    if words.first() == Some(&"default") {
        words.remove(0);
    }
    let (device, weight) = match words[..] {
        [weight] => (None, weight),
        [device, weight] => (Some(block_device(key, device)?), weight),
        _ => return Err(bad(format!("{key}={value}: must be \"[DEVICE] WEIGHT\""))),
    };
    let weight = match key {
        "io.weight" => bfq_weight(number(key, weight, 1, 10_000)?),
        _ => number(key, weight, 1, 1000)?,
    };
    let bfq = now("blkio.bfq.weight").is_some();
    if !bfq && now("blkio.weight").is_none() {
        return Err(
            refused(format!("{key}: no scheduler with weights is there"))
                .hint("weights on cgroup v1 take the BFQ scheduler"),
        );
    }
    let (file, value) = match (bfq, device) {
        (true, None) => ("blkio.bfq.weight", decimal(weight)),
        (false, None) => ("blkio.weight", decimal(weight.max(10))),
        (true, Some(device)) => (
            "blkio.bfq.weight_device",
            [&device, " ", &decimal(weight)].concat(),
        ),
        (false, Some(device)) => (
            "blkio.weight_device",
            [&device, " ", &decimal(weight.max(10))].concat(),
        ),
    };
    Ok(Vec::from([(file.into(), value)]))
}

/// BFQ's weight for `io.weight`: the same up to 100, and from there to 1000 as that goes to 10000.
fn bfq_weight(weight: u64) -> u64 {
    match weight {
        0..=100 => weight,
        above => 100 + (above - 100) / 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn of(key: &str, value: &str, now: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        let now = |file: &str| {
            let found = now.iter().find(|(known, _)| *known == file);
            found.map(|(_, text)| (*text).to_string())
        };
        let writes = v1(key, value, &now)?.expect("a key that is translated");
        Ok(writes.into_iter().map(|(f, v)| (f.into(), v)).collect())
    }

    #[track_caller]
    fn becomes(key: &str, value: &str, now: &[(&str, &str)], wanted: &[(&str, &str)]) {
        let found = of(key, value, now).expect(key);
        let found: Vec<_> = found.iter().map(|(f, v)| (&**f, &**v)).collect();
        assert_eq!(found, wanted, "{key}={value}");
    }

    #[test]
    fn plain_keys() {
        let soft = "memory.soft_limit_in_bytes";
        becomes("memory.max", "64M", &[], &[(MEMORY, "67108864")]);
        becomes("memory.max", "max", &[], &[(MEMORY, "-1")]);
        becomes("memory.low", "1K", &[], &[(soft, "1024")]);
        becomes("pids.max", "max", &[], &[("pids.max", "max")]);
        becomes("cpu.weight", "100", &[], &[("cpu.shares", "1024")]);
        becomes("cpu.weight", "1", &[], &[("cpu.shares", "10")]);
        becomes("cpu.max.burst", "5", &[], &[("cpu.cfs_burst_us", "5")]);
        let file = "hugetlb.2MB.rsvd.limit_in_bytes";
        becomes("hugetlb.2MB.rsvd.max", "2M", &[], &[(file, "2097152")]);
        for weight in 1..=10_000 {
            assert_eq!(super::weight(shares(weight)), weight);
        }
    }

    #[test]
    fn bandwidth_is_two_files() {
        let (period, quota) = ("cpu.cfs_period_us", "cpu.cfs_quota_us");
        becomes("cpu.max", "max", &[], &[(quota, "-1")]);
        becomes("cpu.max", "5000", &[], &[(quota, "5000")]);
        let both = [(period, "20000"), (quota, "5000")];
        becomes("cpu.max", "5000 20000", &[], &both);
    }

    #[test]
    fn swap_is_memory_and_swap_together() {
        let now = [(MEMORY, "1000\n"), (BOTH, "1500\n")];
        let more = [(MEMORY, "4000"), (BOTH, "4500")];
        becomes("memory.max", "4000", &now, &more);
        becomes("memory.swap.max", "0", &now, &[(BOTH, "1000")]);
        becomes("memory.swap.max", "max", &now, &[(BOTH, "-1")]);
        let none = [
            (MEMORY, "9223372036854771712"),
            (BOTH, "9223372036854771712"),
        ];
        becomes("memory.max", "4000", &none, &[(MEMORY, "4000")]);
        assert!(of("memory.swap.max", "5", &none).is_err(), "swap alone");
        assert!(of("memory.swap.max", "5", &[]).is_err(), "not counted");
        assert!(of("memory.max", "max", &now).is_err(), "swap alone");
    }

    #[test]
    fn block_devices() {
        becomes(
            "io.max",
            "8:16 rbps=1M wiops=max",
            &[],
            &[
                ("blkio.throttle.read_bps_device", "8:16 1048576"),
                ("blkio.throttle.write_iops_device", "8:16 0"),
            ],
        );
        let bfq = [("blkio.bfq.weight", "100")];
        becomes(
            "io.weight",
            "default 100",
            &bfq,
            &[("blkio.bfq.weight", "100")],
        );
        becomes("io.weight", "10000", &bfq, &[("blkio.bfq.weight", "1000")]);
        let device = [("blkio.bfq.weight_device", "8:0 7")];
        becomes("io.bfq.weight", "8:0 7", &bfq, &device);
        becomes(
            "io.weight",
            "5",
            &[("blkio.weight", "")],
            &[("blkio.weight", "10")],
        );
        assert!(of("io.weight", "5", &[]).is_err());
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for (key, value) in [
            ("memory.max", "lots"),
            ("memory.max", "-1"),
            ("cpu.weight", "0"),
            ("cpu.weight", "10001"),
            ("cpu.max", ""),
            ("cpu.max", "1 2 3"),
            ("cpu.max", "5000 1"),
            ("pids.max", "1K"),
            ("io.max", "8:0"),
            ("io.max", "8:0 speed=1"),
            ("io.max", "8:0 riops=1M"),
            ("io.weight", "1 2 3"),
        ] {
            assert!(
                of(key, value, &[("blkio.weight", "")]).is_err(),
                "{key}={value}"
            );
        }
        assert!(why_not_v1("memory.high").is_some() && why_not_v1("memory.max").is_none());
        assert!(why_not_v2("cpu.shares").is_some() && why_not_v2("cpu.weight").is_none());
    }

    #[test]
    fn v2_gets_its_own_words_with_plain_numbers() {
        assert_eq!(v2("memory.high", "1M").as_deref(), Ok("1048576"));
        assert_eq!(v2("cpu.max", "5000  20000").as_deref(), Ok("5000 20000"));
        assert_eq!(v2("cpu.max", "max").as_deref(), Ok("max"));
        let io = v2("io.max", "8:0 rbps=1M wiops=max");
        assert_eq!(io.as_deref(), Ok("8:0 rbps=1048576 wiops=max"));
        assert_eq!(v2("cpuset.cpus", "0-1").as_deref(), Ok("0-1"));
    }
}

//! Processor time, and which processors.

use alloc::string::String;

use spec::{Cpu, Place, Str};

use super::number::decimal;
use super::{Absent, Home, Lowering, Version, only_v1};
use crate::controller::Controller;
use crate::error::{Error, Result};

const SHARES: Place = Place::field("linux.resources.cpu.shares");
const QUOTA: Place = Place::field("linux.resources.cpu.quota");
const PERIOD: Place = Place::field("linux.resources.cpu.period");
const BURST: Place = Place::field("linux.resources.cpu.burst");
const IDLE: Place = Place::field("linux.resources.cpu.idle");
const RT_RUNTIME: Place = Place::field("linux.resources.cpu.realtimeRuntime");
const RT_PERIOD: Place = Place::field("linux.resources.cpu.realtimePeriod");
const CPUS: Place = Place::field("linux.resources.cpu.cpus");
const MEMS: Place = Place::field("linux.resources.cpu.mems");

/// The kernel's own default, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;

/// Whether anything but the choice of processors is asked.
pub(super) fn is_about_time(cpu: &Cpu<'_>) -> bool {
    cpu.shares.is_some_and(|n| n != 0)
        || cpu.quota.is_some_and(|n| n != 0)
        || cpu.period.is_some_and(|n| n != 0)
        || cpu.burst.is_some()
        || cpu.idle.is_some()
        || cpu.realtime_runtime.is_some_and(|n| n != 0)
        || cpu.realtime_period.is_some_and(|n| n != 0)
}

impl<'r> Lowering<'r, '_, '_> {
    pub(super) fn cpuset(&mut self, cpu: &'r Cpu<'_>) -> Result<()> {
        for (list, file, place) in [
            (&cpu.cpus, "cpuset.cpus", CPUS),
            (&cpu.mems, "cpuset.mems", MEMS),
        ] {
            let Some(list) = list
                .as_ref()
                .map(Str::as_str)
                .filter(|list| !list.is_empty())
            else {
                continue;
            };
            if !is_list(list) {
                return Err(Error::bad(
                    place,
                    "must be numbers and ranges, such as \"0-3,7\"",
                ));
            }
            let home = self.home(Controller::Cpuset, place)?;
            self.set(home, file, list, place);
        }
        Ok(())
    }

    pub(super) fn cpu(&mut self, cpu: &Cpu<'_>) -> Result<()> {
        let idle = match cpu.idle {
            None => None,
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(_) => return Err(Error::bad(IDLE, "must be 0 or 1")),
        };
        // An idle cgroup has no weight to set: leave idleness before, enter it after.
        if idle == Some(false) {
            self.idle("0")?;
        }
        if let Some(shares) = cpu.shares.filter(|n| *n != 0) {
            self.shares(shares)?;
        }
        if idle == Some(true) {
            self.idle("1")?;
        }
        self.bandwidth(cpu)?;
        if let Some(burst) = cpu.burst {
            let home = self.home(Controller::Cpu, BURST)?;
            let setting = self.set(
                home,
                home.version.pick("cpu.cfs_burst_us", "cpu.max.burst"),
                decimal(burst),
                BURST,
            );
            setting.interlocked = true;
            if burst == 0 {
                setting.absent = Absent::Ignored;
            }
        }
        self.realtime(cpu)
    }

    fn idle(&mut self, value: &'static str) -> Result<()> {
        let home = self.home(Controller::Cpu, IDLE)?;
        let setting = self.set(home, "cpu.idle", value, IDLE);
        if value == "0" {
            setting.absent = Absent::Ignored;
        }
        Ok(())
    }

    fn shares(&mut self, shares: u64) -> Result<()> {
        let home = self.home(Controller::Cpu, SHARES)?;
        match home.version {
            // The kernel would move such a value into its range without a word.
            Version::V1 if !(2..=262_144).contains(&shares) => {
                return Err(Error::bad(SHARES, "must be between 2 and 262144"));
            }
            Version::V1 => self.set(home, "cpu.shares", decimal(shares), SHARES),
            Version::V2 => self.set(
                home,
                "cpu.weight",
                decimal(weight_of_shares(shares)),
                SHARES,
            ),
        };
        Ok(())
    }

    /// `quota` of each `period`; v2 has both in one file.
    fn bandwidth(&mut self, cpu: &Cpu<'_>) -> Result<()> {
        let (quota, period) = (
            cpu.quota.filter(|n| *n != 0),
            cpu.period.filter(|n| *n != 0),
        );
        let place = if quota.is_some() { QUOTA } else { PERIOD };
        if quota.is_none() && period.is_none() {
            return Ok(());
        }
        let quota = quota.map(|n| u64::try_from(n).ok());
        let home = self.home(Controller::Cpu, place)?;
        match home.version {
            Version::V1 => self.bandwidth_v1(home, quota, period),
            Version::V2 => {
                let mut value: String = quota.flatten().map_or_else(|| "max".into(), decimal);
                value.push(' ');
                value.push_str(&decimal(period.unwrap_or(DEFAULT_PERIOD)));
                self.set(home, "cpu.max", value, place).interlocked = true;
            }
        }
        Ok(())
    }

    fn bandwidth_v1(&mut self, home: Home, quota: Option<Option<u64>>, period: Option<u64>) {
        if let Some(period) = period {
            self.set(home, "cpu.cfs_period_us", decimal(period), PERIOD)
                .interlocked = true;
        }
        if let Some(quota) = quota {
            let value = quota.map_or_else(|| "-1".into(), decimal);
            self.set(home, "cpu.cfs_quota_us", value, QUOTA).interlocked = true;
        }
    }

    fn realtime(&mut self, cpu: &Cpu<'_>) -> Result<()> {
        if let Some(period) = cpu.realtime_period.filter(|n| *n != 0) {
            let home = self.realtime_home(RT_PERIOD)?;
            self.set(home, "cpu.rt_period_us", decimal(period), RT_PERIOD)
                .interlocked = true;
        }
        if let Some(runtime) = cpu.realtime_runtime.filter(|n| *n != 0) {
            let home = self.realtime_home(RT_RUNTIME)?;
            let value = u64::try_from(runtime).map_or_else(|_| "-1".into(), decimal);
            self.set(home, "cpu.rt_runtime_us", value, RT_RUNTIME)
                .interlocked = true;
        }
        Ok(())
    }

    fn realtime_home(&mut self, place: Place) -> Result<Home> {
        let home = self.home(Controller::Cpu, place)?;
        match home.version {
            Version::V1 => Ok(home),
            Version::V2 => Err(only_v1(
                place,
                "cgroup v2 has no budget of real-time scheduling",
            )),
        }
    }
}

/// Whether `list` is of the form that cpuset(7) calls "list format": `0-4,9`.
fn is_list(list: &str) -> bool {
    let number =
        |text: &str| (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    list.split(',').all(|range| match range.split_once('-') {
        Some((from, to)) => number(from) && number(to),
        None => number(range),
    })
}

/// v2's `cpu.weight` (1 to 10000, default 100) for v1's `cpu.shares` (2 to 262144, default 1024).
///
/// The curve that the OCI runtimes and the kubelet agree on now: quadratic in the logarithm, through both
/// minima, both defaults and both maxima, `10^((l² + 125 l) / 612 - 7 / 34)` with `l = log2(shares)`,
/// rounded up. (The older straight line gave a default container a weight of 39.)
pub fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = log2(shares);
            let exponent = l * (l + 125.0) / 612.0 - 7.0 / 34.0;
            round_up(exp2(exponent * core::f64::consts::LOG2_10))
        }
    }
}

/// The base-2 logarithm of a number from 1 to 2^18, to about 1e-13.
///
/// Digit by digit: squaring the mantissa doubles the logarithm, whose integer part is the next digit.
fn log2(n: u64) -> f64 {
    let whole = n.ilog2();
    let mut mantissa = small(n) / small(1 << whole);
    let (mut value, mut digit) = (f64::from(whole), 0.5);
    for _ in 0..48 {
        mantissa *= mantissa;
        if mantissa >= 2.0 {
            mantissa /= 2.0;
            value += digit;
        }
        digit /= 2.0;
    }
    value
}

/// 2 to the power of `x`, for `x` from 0 to 14: the series of e^(x ln 2 / 16), then squared four times.
fn exp2(x: f64) -> f64 {
    let y = x * core::f64::consts::LN_2 / 16.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while k < 24.0 {
        term *= y / k;
        sum += term;
        k += 1.0;
    }
    for _ in 0..4 {
        sum *= sum;
    }
    sum
}

fn small(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// The least whole number that is not below `x`, as exactly as `x` is known; `x` is at most 10000.
fn round_up(x: f64) -> u64 {
    let (mut low, mut high) = (1u64, 10_000u64);
    while low < high {
        let middle = low.midpoint(high);
        if small(middle) < x - 1e-8 {
            low = middle + 1
        } else {
            high = middle
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_formula() {
        for shares in 3..262_144u32 {
            let l = f64::from(shares).log2();
            let exact = 10f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0);
            let expected = (exact - 1e-8).ceil();
            assert_eq!(
                small(weight_of_shares(shares.into())),
                expected,
                "{shares} {exact}"
            );
        }
        let points = [
            (0, 1),
            (2, 1),
            (1024, 100),
            (262_144, 10_000),
            (1 << 20, 10_000),
        ];
        for (shares, weight) in points {
            assert_eq!(weight_of_shares(shares), weight);
        }
    }

    #[test]
    fn lists() {
        for good in ["0", "0-3", "0,2-5,31"] {
            assert!(is_list(good), "{good}");
        }
        for bad in ["", ",", "0-", "-1", "0-1-2", "a", "0 1", "0\n", "+1", "0xf"] {
            assert!(!is_list(bad), "{bad}");
        }
    }
}

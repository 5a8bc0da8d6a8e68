//! Numbers, sizes and shares of a processor. The whole text is the number, or it is refused.

use std::str::FromStr;

use crate::error::{Fault, Parsed};

/// A number of nothing but ASCII digits: no sign, no blanks.
pub fn digits<T: FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A whole number from `low` to `high`, with an optional minus sign.
pub fn integer(text: &str, low: i64, high: i64) -> Parsed<i64> {
    let magnitude: Option<i128> = digits(text.strip_prefix('-').unwrap_or(text));
    let value = magnitude.map(|n| if text.starts_with('-') { -n } else { n });
    value
        .and_then(|n| i64::try_from(n).ok())
        .filter(|n| (low..=high).contains(n))
        .ok_or_else(|| Fault::usage(format!("not a whole number from {low} to {high}")))
}

/// A whole number from `low` to `high`.
pub fn unsigned(text: &str, low: u64, high: u64) -> Parsed<u64> {
    digits(text)
        .filter(|n| (low..=high).contains(n))
        .ok_or_else(|| Fault::usage(format!("not a whole number from {low} to {high}")))
}

/// An octal mode of at most 07777.
pub fn mode(text: &str) -> Parsed<u32> {
    let octal = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let value = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    value
        .filter(|m| *m <= 0o7777)
        .ok_or_else(|| Fault::usage("not an octal mode, such as 1777"))
}

/// `whole.fraction` as the two runs of digits; either may be empty, not both.
fn decimal(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit());
    (plain && whole.len() + fraction.len() > 0).then_some((whole, fraction))
}

/// `number * unit`, rounded down; none when it does not fit.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = decimal(number)?;
    if fraction.len() > 18 {
        return None;
    }
    let joined: u128 = digits(&format!("{whole}{fraction}"))?;
    let places = u32::try_from(fraction.len()).ok()?;
    Some(joined.checked_mul(unit)? / 10u128.pow(places))
}

const SIZE: &str = "not a size";
const SIZE_HINT: &str = "bytes, or a number with b, k, m, g, t or p, such as 512m";

/// The multiplier of a size's suffix: one of `b k m g t p`, then perhaps `b` or `ib`.
fn unit(suffix: &str) -> Option<u128> {
    let lower = suffix.to_ascii_lowercase();
    let letter = match lower.as_str() {
        "" | "b" => return Some(1),
        text => text
            .strip_suffix("ib")
            .or(text.strip_suffix('b'))
            .unwrap_or(text),
    };
    let power = ["k", "m", "g", "t", "p"]
        .iter()
        .position(|l| *l == letter)?;
    Some(1 << (10 * (power + 1)))
}

/// A size in bytes: `1048576`, `512m`, `1.5g`, `2GiB`; units are powers of 1024.
pub fn size(text: &str) -> Parsed<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let spaced = suffix.strip_prefix(' ').filter(|rest| !rest.is_empty());
    unit(spaced.unwrap_or(suffix))
        .and_then(|unit| scaled(number, unit))
        .and_then(|bytes| i64::try_from(bytes).ok())
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(|| Fault::usage(SIZE).hint(SIZE_HINT))
}

/// A number of processors in billionths: `1.5` is 1,500,000,000. At most nine decimals.
pub fn nano_cpus(text: &str) -> Parsed<u64> {
    let exact = decimal(text).is_some_and(|(_, fraction)| fraction.len() <= 9);
    exact
        .then(|| scaled(text, 1_000_000_000))
        .flatten()
        .and_then(|n| u64::try_from(n).ok())
        .ok_or_else(|| Fault::usage("not a number of processors").hint("such as 1.5"))
}

/// A list of small numbers and ranges: `0-3,5`. Returned as it is.
pub fn list(text: &str) -> Parsed<&str> {
    let fine = |part: &str| match part.split_once('-') {
        None => digits::<u16>(part).is_some(),
        Some((low, high)) => match (digits::<u16>(low), digits::<u16>(high)) {
            (Some(low), Some(high)) => low <= high,
            _ => false,
        },
    };
    if text.split(',').all(fine) {
        Ok(text)
    } else {
        Err(Fault::usage("not a list of numbers and ranges").hint("such as 0-3,5"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker_reads_them() {
        let cases = [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32K", 32 << 10),
            ("32kb", 32 << 10),
            ("32Kb", 32 << 10),
            ("32KiB", 32 << 10),
            ("32 m", 32 << 20),
            ("32.5k", 33_280),
            ("0.3 K", 307),
            (".3kB", 307),
            ("512m", 512 << 20),
            ("1.5g", 3 << 29),
            ("2T", 2 << 40),
            ("1p", 1 << 50),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size() {
        for text in [
            "", "m", "hello", ".", "-1", "+1", "1e3", "1 ", " 1", "1  m", "32bm", "32mm",
        ] {
            assert!(size(text).is_err(), "{text:?}");
        }
        for text in [
            "32i",
            "32ib",
            "1..5",
            "0x10",
            "9223372036854775808",
            "8192p",
            "١",
        ] {
            assert!(size(text).is_err(), "{text:?}");
        }
        assert_eq!(size("9223372036854775807"), Ok(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn processors() {
        assert_eq!(nano_cpus("1.5"), Ok(1_500_000_000));
        assert_eq!(nano_cpus(".5"), Ok(500_000_000));
        assert_eq!(nano_cpus("2"), Ok(2_000_000_000));
        assert_eq!(nano_cpus("0.000000001"), Ok(1));
        for text in [
            "",
            "-1",
            "1,5",
            "0.0000000001",
            "1e2",
            "99999999999999999999",
        ] {
            assert!(nano_cpus(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_and_bounds() {
        for text in ["0", "0-3", "0-3,5,7-7"] {
            assert_eq!(list(text), Ok(text));
        }
        for text in ["", "3-1", "0,", "a", "0-", "-1", "0 1"] {
            assert!(list(text).is_err(), "{text:?}");
        }
        assert_eq!(integer("-1000", -1000, 1000), Ok(-1000));
        assert!(integer("--1", -5, 5).is_err() && integer("-", -5, 5).is_err());
        assert!(integer("1001", -1000, 1000).is_err() && integer("+1", 0, 5).is_err());
        assert_eq!(mode("1777"), Ok(0o1777));
        assert!(mode("8").is_err() && mode("").is_err() && mode("17777").is_err());
    }
}

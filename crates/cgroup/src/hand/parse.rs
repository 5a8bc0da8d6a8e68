//! Values as people write them.

use alloc::format;
use alloc::string::String;

use sys::rustix::fs::{FileType, major, minor, stat};

use super::bad;
use crate::error::Result;
use crate::lower::decimal;

/// What the kernel's files say for no limit.
pub(super) const MAX: &str = "max";

/// A limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Max,
    At(u64),
}

impl Limit {
    /// As v2's files have it.
    pub(super) fn v2(self) -> String {
        match self {
            Self::Max => MAX.into(),
            Self::At(n) => decimal(n),
        }
    }

    /// As v1's files have it.
    pub(super) fn v1(self) -> String {
        match self {
            Self::Max => "-1".into(),
            Self::At(n) => decimal(n),
        }
    }
}

/// A number of digits alone, from `low` to `high`.
pub(super) fn number(key: &str, text: &str, low: u64, high: u64) -> Result<u64> {
    digits(text)
        .filter(|n| (low..=high).contains(n))
        .ok_or_else(|| {
            bad(format!(
                "{key}={text}: must be a number from {low} to {high}"
            ))
        })
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A number of bytes: digits, and perhaps K, M, G, T, P or E for powers of 1024, with or without `B` or `iB`.
pub fn size(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    let unit = unit.to_ascii_uppercase();
    let power = match unit.strip_suffix("IB").or(unit.strip_suffix('B')) {
        _ if unit == "B" => 0,
        short => match short.unwrap_or(&unit) {
            "" if unit.is_empty() => 0,
            "K" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            "P" => 50,
            "E" => 60,
            _ => return None,
        },
    };
    digits(count)?.checked_mul(1u64 << power)
}

/// `max` or a size.
pub(super) fn size_limit(key: &str, text: &str) -> Result<Limit> {
    limit(text, size)
        .ok_or_else(|| bad(format!("{key}={text}: must be max, or bytes such as 512M")))
}

/// `max` or a number.
pub(super) fn count_limit(key: &str, text: &str) -> Result<Limit> {
    limit(text, digits).ok_or_else(|| bad(format!("{key}={text}: must be max or a number")))
}

fn limit(text: &str, number: impl Fn(&str) -> Option<u64>) -> Option<Limit> {
    match text {
        MAX => Some(Limit::Max),
        _ => number(text).map(Limit::At),
    }
}

/// `MAJOR:MINOR`, or the path of a block device: the former.
pub(super) fn block_device(key: &str, text: &str) -> Result<String> {
    let numbers = || {
        let (major, minor) = text.split_once(':')?;
        digits(major)?;
        digits(minor)?;
        Some(String::from(text))
    };
    if !text.starts_with('/') {
        return numbers()
            .ok_or_else(|| bad(format!("{key}: {text:?} is neither MAJOR:MINOR nor a path")));
    }
    let found = stat(text).map_err(|errno| sys::Error::new("stat", text, errno))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::BlockDevice {
        return Err(bad(format!("{key}: {text} is not a block device")));
    }
    let (major, minor) = (major(found.st_rdev), minor(found.st_rdev));
    Ok([&decimal(major.into()), ":", &decimal(minor.into())].concat())
}

/// A key of a text such as `rbps=1M wiops=max`, and its value.
pub(super) fn pair<'t>(key: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    text.split_once('=')
        .ok_or_else(|| bad(format!("{key}: {text:?} is no KEY=VALUE")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("10B", 10),
            ("1k", 1024),
            ("64M", 64 << 20),
            ("64MB", 64 << 20),
            ("2GiB", 2 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in [
            "", "M", "-1", "+1", "1.5G", "1 M", "1iB", "1MM", "16E", "1x",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn limits_and_devices() {
        assert_eq!(size_limit("k", "max"), Ok(Limit::Max));
        assert_eq!(size_limit("k", "1M"), Ok(Limit::At(1 << 20)));
        assert!(count_limit("k", "1M").is_err() && count_limit("k", "-1").is_err());
        assert_eq!(block_device("k", "8:0").as_deref(), Ok("8:0"));
        for text in ["8", "8:", "a:b", "/dev/null", "/nosuch"] {
            assert!(block_device("k", text).is_err(), "{text}");
        }
    }
}

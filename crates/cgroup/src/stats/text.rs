//! The few formats that files of figures have.

use alloc::string::String;

use sys::Errno;

use super::{Source, Stall};
use crate::error::Result;
use crate::file;

/// What v1 says where there is no limit: the largest number of pages, in bytes.
const NO_LIMIT: u64 = 1 << 62;

impl Source<'_> {
    /// A file's text; none where there is no such file, or its counting is switched off.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match file::read(self.dir, name) {
            Ok(text) => Ok(Some(text)),
            Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV) => Ok(None),
            Err(errno) => Err(file::error("read", name, &self.leaf.dir(), errno)),
        }
    }

    /// A file that holds one number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.text(name)?.and_then(|text| text.trim().parse().ok()))
    }

    /// A file that holds a limit; none for `max` too.
    pub(super) fn limit(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.number(name)?.filter(|n| *n < NO_LIMIT))
    }
}

/// The number after `key` in a text of `key number` lines.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// All pairs of a text of `key number` lines.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse().ok()?))
    })
}

/// `major:minor`.
pub(super) fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A line of a pressure file: `some avg10=0.12 avg60=0.00 avg300=0.00 total=345`.
pub(super) fn stall(text: &str, which: &str) -> Option<Stall> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(which)?.strip_prefix(' '))?;
    let field = |name: &str| {
        line.split(' ')
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    Some(Stall {
        avg10: hundredths(field("avg10")?)?,
        avg60: hundredths(field("avg60")?)?,
        avg300: hundredths(field("avg300")?)?,
        total: field("total")?.parse().ok()?,
    })
}

/// `12.34` as 1234.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.')?;
    if part.len() != 2 {
        return None;
    }
    whole
        .parse::<u32>()
        .ok()?
        .checked_mul(100)?
        .checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "usage_usec 12\nuser_usec 5\nuser 7\n";
        assert_eq!(keyed(text, "user"), Some(7));
        assert_eq!(keyed(text, "usage"), None);
        assert_eq!(pairs(text).count(), 3);
        assert_eq!(device("8:16"), Some((8, 16)));
        let pressure = "some avg10=1.05 avg60=0.00 avg300=99.99 total=345\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
        let some = Stall {
            avg10: 105,
            avg60: 0,
            avg300: 9999,
            total: 345,
        };
        assert_eq!(stall(pressure, "some"), Some(some));
        assert_eq!(stall(pressure, "full").map(|s| s.total), Some(1));
    }
}

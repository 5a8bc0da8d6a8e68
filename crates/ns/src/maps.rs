//! Maps of a new user namespace's ids (user_namespaces(7)).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::process::{getgid, getuid};

use crate::accounts::{Accounts, number};
use crate::error::{Error, Result};
use crate::options::Parsed;

/// `count` ids from `inner` on are those from `outer` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first id inside.
    pub inner: u32,
    /// The first id outside.
    pub outer: u32,
    /// How many.
    pub count: u32,
}

/// What maps a kind of id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// What the caller's own id is inside.
    pub own: Option<u32>,
    /// Ranges beside that.
    pub ranges: Vec<Range>,
}

/// The maps of users and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps {
    /// Of users.
    pub users: Map,
    /// Of groups.
    pub groups: Map,
}

impl Maps {
    /// As the options say, in their order: the last one counts.
    ///
    /// # Errors
    /// Ids and ranges that are none.
    pub fn find(parsed: &Parsed<'_>) -> Result<Self> {
        let mut maps = Self::default();
        for (name, value) in parsed.all() {
            let value = value.unwrap_or("");
            let wrong = |error: Error| Error::new(format!("--{name} {value}: {}", error.message));
            match name {
                "map-root-user" => (maps.users.own, maps.groups.own) = (Some(0), Some(0)),
                "map-current-user" => {
                    maps.users.own = Some(getuid().as_raw());
                    maps.groups.own = Some(getgid().as_raw());
                }
                "map-user" => {
                    let id = Accounts::read().and_then(|accounts| accounts.user_id(value));
                    maps.users.own = Some(id.map_err(wrong)?);
                }
                "map-group" => {
                    let id = Accounts::read().and_then(|accounts| accounts.group_id(value));
                    maps.groups.own = Some(id.map_err(wrong)?);
                }
                "map-auto" => {
                    maps.users.ranges = Vec::from([subordinate("/etc/subuid")?]);
                    maps.groups.ranges = Vec::from([subordinate("/etc/subgid")?]);
                }
                "map-users" => add(&mut maps.users.ranges, value, "/etc/subuid").map_err(wrong)?,
                "map-groups" => {
                    add(&mut maps.groups.ranges, value, "/etc/subgid").map_err(wrong)?
                }
                _ => {}
            }
        }
        Ok(maps)
    }
}

impl Map {
    /// The map's lines. Where the own id lies among a range's, the range goes on around it, and its last id is
    /// not used.
    pub fn lines(&self, outer: u32) -> Vec<Range> {
        let Some(own) = self.own else {
            return self.ranges.clone();
        };
        let mut lines = Vec::from([Range {
            inner: own,
            outer,
            count: 1,
        }]);
        for range in &self.ranges {
            lines.extend(around(*range, own));
        }
        lines
    }
}

/// The two parts of a range without the id `inner`.
fn around(range: Range, inner: u32) -> impl Iterator<Item = Range> {
    let before = inner.checked_sub(range.inner).filter(|n| *n < range.count);
    let (low, high) = match before {
        None => (range, None),
        Some(count) => {
            let rest = Range {
                inner: inner.saturating_add(1),
                outer: range.outer.saturating_add(count),
                count: range.count - count - 1,
            };
            (Range { count, ..range }, Some(rest))
        }
    };
    [Some(low), high]
        .into_iter()
        .flatten()
        .filter(|part| part.count > 0)
}

/// As the kernel takes them.
pub fn text(lines: &[Range]) -> String {
    let mut text = String::new();
    for line in lines {
        text += &format!("{} {} {}\n", line.inner, line.outer, line.count);
    }
    text
}

fn add(ranges: &mut Vec<Range>, value: &str, subordinates: &str) -> Result<()> {
    if value == "auto" {
        *ranges = Vec::from([subordinate(subordinates)?]);
        return Ok(());
    }
    ranges.push(range(value)?);
    Ok(())
}

/// `INNER:OUTER:COUNT`, or, as older versions of unshare have it, `OUTER,INNER,COUNT`.
fn range(text: &str) -> Result<Range> {
    let wrong = || Error::new("not INNER:OUTER:COUNT, OUTER,INNER,COUNT or auto");
    let commas = text.contains(',');
    let mut parts = text.split(if commas { ',' } else { ':' }).map(number);
    let (first, second, count) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(wrong());
    }
    let part = |part: Option<Option<u32>>| part.flatten().ok_or_else(wrong);
    let (first, second, count) = (part(first)?, part(second)?, part(count)?);
    let (inner, outer) = if commas {
        (second, first)
    } else {
        (first, second)
    };
    let fits = |start: u32| count > 0 && start.checked_add(count).is_some();
    if !fits(inner) || !fits(outer) {
        return Err(Error::new("a range of no ids, or beyond the last one"));
    }
    Ok(Range {
        inner,
        outer,
        count,
    })
}

/// The caller's first range in subuid(5) or subgid(5), mapped from 0 on.
fn subordinate(path: &str) -> Result<Range> {
    let accounts = Accounts::read()?;
    let id = format!("{}", getuid().as_raw());
    let name = accounts.user(&id).map_or("", |user| user.name);
    let text = sys::file::read_text(path)?;
    let own = |line: &&str| {
        let user = line.split(':').next().unwrap_or("");
        !user.is_empty() && (user == name || user == id)
    };
    let mut fields = text.lines().find(own).unwrap_or("").split(':').skip(1);
    match (
        fields.next().and_then(number),
        fields.next().and_then(number),
    ) {
        (Some(outer), Some(count)) if count > 0 => Ok(Range {
            inner: 0,
            outer,
            count,
        }),
        _ => Err(Error::new(format!("{path} has no range for user {id}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inner: u32, outer: u32, count: u32) -> Range {
        Range {
            inner,
            outer,
            count,
        }
    }

    #[test]
    fn ranges_in_both_orders() {
        assert_eq!(range("0:100000:10"), Ok(of(0, 100_000, 10)));
        assert_eq!(range("100000,0,10"), Ok(of(0, 100_000, 10)));
        for wrong in [
            "",
            "1:2",
            "1:2:3:4",
            "1:2:0",
            "1:-2:3",
            "0:4294967290:10",
            "1,2:3",
        ] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_goes_on_around_the_own_id() {
        let map = |own| Map {
            own: Some(own),
            ranges: Vec::from([of(0, 100, 10)]),
        };
        assert_eq!(map(0).lines(7), [of(0, 7, 1), of(1, 100, 9)]);
        assert_eq!(map(3).lines(7), [of(3, 7, 1), of(0, 100, 3), of(4, 103, 6)]);
        assert_eq!(map(9).lines(7), [of(9, 7, 1), of(0, 100, 9)]);
        assert_eq!(map(20).lines(7), [of(20, 7, 1), of(0, 100, 10)]);
        assert_eq!(text(&map(0).lines(7)), "0 7 1\n1 100 9\n");
    }
}

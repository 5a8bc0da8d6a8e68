//! Users and groups by name, from passwd(5) and group(5) as they are in the root at hand.
//!
//! Digits are always a number: a user whose name is "0" is nobody's user here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::Errno;
use sys::file;

use crate::error::{Error, Result};

/// The databases of one root. A missing file is an empty one.
#[derive(Debug, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

/// A user of passwd(5).
#[derive(Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// The name.
    pub name: &'a str,
    /// The number.
    pub id: u32,
    /// The number of the group that the user is in at login.
    pub group: u32,
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group` of the root that this process has now.
    ///
    /// # Errors
    /// Files that are there and cannot be read.
    pub fn read() -> Result<Self> {
        Ok(Self {
            passwd: text_or_none("/etc/passwd")?,
            group: text_or_none("/etc/group")?,
        })
    }

    /// From the files' texts.
    pub fn of(passwd: &str, group: &str) -> Self {
        Self {
            passwd: passwd.into(),
            group: group.into(),
        }
    }

    fn users(&self) -> impl Iterator<Item = User<'_>> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _, id, group) = (
                fields.next()?,
                fields.next()?,
                fields.next()?,
                fields.next()?,
            );
            Some(User {
                name,
                id: id.parse().ok()?,
                group: group.parse().ok()?,
            })
        })
    }

    /// The user of this name or number; where a number is not in the database, none.
    pub fn user(&self, text: &str) -> Option<User<'_>> {
        match number(text) {
            Some(id) => self.users().find(|user| user.id == id),
            None => self.users().find(|user| user.name == text),
        }
    }

    /// The number of a user, by name or number.
    ///
    /// # Errors
    /// A name that nobody has, and what is no number that a user can have.
    pub fn user_id(&self, text: &str) -> Result<u32> {
        number(text)
            .or_else(|| self.user(text).map(|user| user.id))
            .ok_or_else(|| Error::new(format!("no user {text:?}")))
    }

    /// The number of a group, by name or number.
    ///
    /// # Errors
    /// A name that no group has, and what is no number that a group can have.
    pub fn group_id(&self, text: &str) -> Result<u32> {
        let by_name = || {
            let mut groups = self.group.lines().filter_map(group_fields);
            groups.find(|(name, ..)| *name == text)
        };
        number(text)
            .or_else(|| by_name().map(|(_, id, _)| id))
            .ok_or_else(|| Error::new(format!("no group {text:?}")))
    }

    /// The groups of a user at login: its own, and those that list it (getgrouplist(3)).
    pub fn groups_of(&self, user: &User<'_>, own: u32) -> Vec<u32> {
        let mut found = Vec::from([own]);
        for (_, id, members) in self.group.lines().filter_map(group_fields) {
            if members.split(',').any(|member| member == user.name) && !found.contains(&id) {
                found.push(id);
            }
        }
        found
    }
}

fn group_fields(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
    Some((name, id.parse().ok()?, fields.next().unwrap_or("")))
}

fn text_or_none(path: &str) -> Result<String> {
    match file::read_text(path) {
        Ok(text) => Ok(text),
        Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR) => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

/// An id as digits: not 2^32-1, which the kernel takes for "none". `+7` is coreutils' way to say that it is a
/// number.
pub fn number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let accounts = Accounts::of(
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/:/bin/sh\n12:x:77:77::/:\nbroken\n",
            "users:x:100:\nwheel:x:10:bob,ann\nfake:x:11:anna\n",
        );
        let ann = accounts.user("ann").unwrap();
        assert_eq!((ann.id, ann.group), (1000, 100));
        assert_eq!(accounts.groups_of(&ann, 100), [100, 10]);
        assert_eq!(accounts.user("1000"), Some(ann));
        assert_eq!(accounts.user_id("12"), Ok(12), "digits are a number");
        assert_eq!(accounts.user_id("+5"), Ok(5));
        assert_eq!(accounts.group_id("wheel"), Ok(10));
        for wrong in ["nosuch", "", "-1", "4294967295", "4294967296", "0x1"] {
            assert!(accounts.user_id(wrong).is_err(), "{wrong}");
            assert!(accounts.group_id(wrong).is_err(), "{wrong}");
        }
    }
}

//! `--user`, `--group-add`: names and numbers. Digits are a number, never looked up as a name.

use super::number::digits;
use crate::error::{Fault, Parsed};

/// A user or a group, by number or by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// A number.
    Id(u32),
    /// A name to look up in the container's root.
    Name(&'a str),
}

/// `USER[:GROUP]`; an empty user is number 0, an empty group is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRequest<'a> {
    /// The user.
    pub user: Who<'a>,
    /// The group, where one was named.
    pub group: Option<Who<'a>>,
}

/// `NAME|UID[:GROUP|GID]`
pub fn user(text: &str) -> Parsed<UserRequest<'_>> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, group),
        None => (text, ""),
    };
    Ok(UserRequest {
        user: if user.is_empty() {
            Who::Id(0)
        } else {
            who(user)?
        },
        group: if group.is_empty() {
            None
        } else {
            Some(who(group)?)
        },
    })
}

/// One user or group. Nothing but digits is a number; signs and blanks are refused.
pub fn who(text: &str) -> Parsed<Who<'_>> {
    if let Some(id) = digits::<u64>(text) {
        return match u32::try_from(id) {
            Ok(id) if id != u32::MAX => Ok(Who::Id(id)),
            _ => Err(Fault::usage(format!(
                "{text} is not an id (0 to {})",
                u32::MAX - 1
            ))),
        };
    }
    let all_digits = text.bytes().all(|b| b.is_ascii_digit());
    let bad = |c: char| c == ':' || c.is_control() || c.is_whitespace();
    if text.is_empty() || all_digits || text.starts_with(['+', '-']) || text.contains(bad) {
        return Err(Fault::usage(format!(
            "{text:?} is neither an id nor a name"
        )));
    }
    Ok(Who::Name(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        let parts = |text| user(text).map(|u| (u.user, u.group));
        assert_eq!(parts("1000"), Ok((Who::Id(1000), None)));
        assert_eq!(parts("1000:100"), Ok((Who::Id(1000), Some(Who::Id(100)))));
        assert_eq!(
            parts("www-data:adm"),
            Ok((Who::Name("www-data"), Some(Who::Name("adm"))))
        );
        assert_eq!(parts(":100"), Ok((Who::Id(0), Some(Who::Id(100)))));
        assert_eq!(parts("bob:"), Ok((Who::Name("bob"), None)));
        assert_eq!(parts("4294967294"), Ok((Who::Id(4_294_967_294), None)));
    }

    #[test]
    fn numbers_out_of_bounds_are_not_names() {
        for text in [
            "4294967295",
            "4294967296",
            "-1",
            "+1",
            "18446744073709551616",
            "1:-1",
            "1:2:3",
            "a b",
        ] {
            assert!(user(text).is_err(), "{text:?}");
        }
        assert_eq!(who("0001"), Ok(Who::Id(1)));
        assert_eq!(who("1a"), Ok(Who::Name("1a")));
    }
}

//! Which device nodes a container may open and make.
//!
//! Everything is denied until a rule allows it; a later rule overrides an earlier one, access by access.
//! After the configuration's rules come those that every container gets.

use alloc::string::String;
use alloc::vec::Vec;

use spec::{Access, DeviceRule, DeviceRuleType, Place};

use crate::error::{Error, Result};
use crate::lower::decimal;

const RULES: &str = "linux.resources.devices";

/// Linux' device numbers have 12 bits of major number and 20 of minor (`MINORBITS`).
const MAJORS: i32 = 0xfff;
const MINORS: i32 = 0xf_ffff;

/// What kind of device a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Either.
    Any,
    /// Character devices.
    Char,
    /// Block devices.
    Block,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// The kind of device.
    pub device: Device,
    /// The major number (0 to 4095), or all.
    pub major: Option<i32>,
    /// The minor number (0 to 1048575), or all.
    pub minor: Option<i32>,
    /// What it allows or denies.
    pub access: Access,
    /// Where it comes from.
    pub place: Place,
}

/// What is allowed before any rule, and the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether a device that no rule matches may be used.
    pub allow: bool,
    /// The rules; a later one overrides an earlier one.
    pub rules: Vec<Rule>,
}

/// What every container may do: make any node (which says nothing about opening it), and use the
/// devices that hold nothing of the host: memory devices, its own terminals.
const EVERY_CONTAINER: [(Device, Option<i32>, Option<i32>, Access); 10] = [
    (Device::Any, None, None, Access::MKNOD),
    (Device::Char, Some(1), Some(3), Access::ALL), // null
    (Device::Char, Some(1), Some(5), Access::ALL), // zero
    (Device::Char, Some(1), Some(7), Access::ALL), // full
    (Device::Char, Some(1), Some(8), Access::ALL), // random
    (Device::Char, Some(1), Some(9), Access::ALL), // urandom
    (Device::Char, Some(5), Some(0), Access::ALL), // tty
    (Device::Char, Some(5), Some(1), Access::ALL), // console
    (Device::Char, Some(5), Some(2), Access::ALL), // ptmx
    (Device::Char, Some(136), None, Access::ALL),  // pts/*
];

impl Policy {
    /// The policy of a container with these rules.
    ///
    /// # Errors
    /// When a device number is outside what Linux can have.
    pub fn of_container(rules: &[DeviceRule]) -> Result<Self> {
        let mut policy = Self {
            allow: false,
            rules: Vec::with_capacity(rules.len() + EVERY_CONTAINER.len()),
        };
        for (i, rule) in rules.iter().enumerate() {
            policy.add(Rule::of(rule, Place::item(RULES, i))?);
        }
        for (device, major, minor, access) in EVERY_CONTAINER {
            policy.add(Rule {
                allow: true,
                device,
                major,
                minor,
                access,
                place: Place::field(RULES),
            });
        }
        Ok(policy)
    }

    /// Whether there is nothing to enforce.
    pub fn allows_everything(&self) -> bool {
        self.allow && self.rules.is_empty()
    }

    /// Adds a rule, leaving out what has no effect: rules that it overrides, and rules that say what is
    /// true anyway.
    pub(crate) fn add(&mut self, rule: Rule) {
        if rule.is_everything() {
            self.allow = rule.allow;
            self.rules.clear();
            return;
        }
        self.rules
            .retain(|earlier| !(rule.covers(earlier) && rule.access.contains(earlier.access)));
        if !(self.rules.is_empty() && rule.allow == self.allow) {
            self.rules.push(rule);
        }
    }

    /// The whole policy in one word, `-,+*:*m,+c1:3rwm`: policies with the same word are the same.
    pub fn word(&self) -> String {
        let sign = |allow| if allow { "+" } else { "-" };
        let mut word = String::from(sign(self.allow));
        for rule in &self.rules {
            let kind = match rule.device {
                Device::Any => "*",
                Device::Char => "c",
                Device::Block => "b",
            };
            let (major, minor) = (text_of(rule.major), text_of(rule.minor));
            for part in [
                ",",
                sign(rule.allow),
                kind,
                &major,
                ":",
                &minor,
                rule.access.letters(),
            ] {
                word.push_str(part);
            }
        }
        word
    }

    /// The writes that make a v1 `devices` cgroup enforce this.
    ///
    /// v1 keeps a default and a list of exceptions; a rule that takes back a part of an exception cannot
    /// be expressed.
    ///
    /// # Errors
    /// When there is such a rule.
    pub fn v1_writes(&self) -> Result<Vec<V1Write>> {
        let (reset, except) = if self.allow {
            ("devices.allow", "devices.deny")
        } else {
            ("devices.deny", "devices.allow")
        };
        let mut exceptions: Vec<Rule> = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            for one in rule.by_device() {
                if one.allow == self.allow {
                    take_back(&mut exceptions, &one)?;
                } else {
                    exceptions.push(one);
                }
            }
        }
        let first = V1Write {
            file: reset,
            value: "a".into(),
            place: Place::field(RULES),
        };
        let rest = exceptions
            .iter()
            .filter(|rule| rule.access != Access::default());
        let rest = rest.map(|rule| V1Write {
            file: except,
            value: rule.v1_line(),
            place: rule.place,
        });
        Ok(core::iter::once(first).chain(rest).collect())
    }
}

/// A write to a v1 `devices` cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V1Write {
    /// `devices.allow` or `devices.deny`.
    pub file: &'static str,
    /// The line.
    pub value: String,
    /// The rule that asked for it.
    pub place: Place,
}

/// Removes what `rule` covers from the exceptions that earlier rules made.
fn take_back(exceptions: &mut [Rule], rule: &Rule) -> Result<()> {
    for exception in exceptions {
        if rule.covers(exception) {
            exception.access = difference(exception.access, rule.access);
        } else if rule.overlaps(exception)
            && difference(exception.access, rule.access) != exception.access
        {
            return Err(Error::unsupported(
                rule.place,
                "takes back a part of an earlier rule, which cgroup v1 cannot express",
            ));
        }
    }
    Ok(())
}

fn difference(from: Access, what: Access) -> Access {
    [Access::READ, Access::WRITE, Access::MKNOD]
        .into_iter()
        .filter(|one| from.contains(*one) && !what.contains(*one))
        .fold(Access::default(), Access::union)
}

impl Rule {
    fn of(rule: &DeviceRule, place: Place) -> Result<Self> {
        let device = match rule.kind {
            DeviceRuleType::All => Device::Any,
            DeviceRuleType::Char => Device::Char,
            DeviceRuleType::Block => Device::Block,
        };
        // What a rule without letters means is not said; everywhere it means all of them.
        let access = if rule.access == Access::default() {
            Access::ALL
        } else {
            rule.access
        };
        let major = number(rule.major, MAJORS, place.at("major"))?;
        let minor = number(rule.minor, MINORS, place.at("minor"))?;
        Ok(Self {
            allow: rule.allow,
            device,
            major,
            minor,
            access,
            place,
        })
    }

    fn is_everything(&self) -> bool {
        let all = self.major.is_none() && self.minor.is_none() && self.access == Access::ALL;
        all && self.device == Device::Any
    }

    /// The same for character and for block devices: v1 has no rule for both with numbers.
    fn by_device(&self) -> impl Iterator<Item = Self> {
        let both = [Device::Char, Device::Block];
        let rule = *self;
        both.into_iter()
            .filter(move |device| [Device::Any, *device].contains(&rule.device))
            .map(move |device| Self { device, ..rule })
    }

    fn covers(&self, other: &Self) -> bool {
        let part = |wide: Option<i32>, narrow| wide.is_none() || wide == narrow;
        self.device == other.device
            && part(self.major, other.major)
            && part(self.minor, other.minor)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let meet = |a: Option<i32>, b: Option<i32>| a.is_none() || b.is_none() || a == b;
        self.device == other.device
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
    }

    /// As v1's files take it: a line, or one for each kind of device.
    pub(crate) fn v1_lines(&self) -> Vec<String> {
        match self.is_everything() {
            true => Vec::from(["a".into()]),
            false => self.by_device().map(|one| one.v1_line()).collect(),
        }
    }

    fn v1_line(&self) -> String {
        let letter = if self.device == Device::Block {
            "b "
        } else {
            "c "
        };
        let (major, minor) = (text_of(self.major), text_of(self.minor));
        [letter, &major, ":", &minor, " ", self.access.letters()].concat()
    }
}

/// A device number, or `*` for all.
fn text_of(number: Option<i32>) -> String {
    number
        .and_then(|n| u64::try_from(n).ok())
        .map_or_else(|| "*".into(), decimal)
}

fn number(n: Option<i64>, largest: i32, place: Place) -> Result<Option<i32>> {
    match n {
        None | Some(-1) => Ok(None),
        Some(n) => match i32::try_from(n) {
            Ok(n) if (0..=largest).contains(&n) => Ok(Some(n)),
            _ => Err(Error::bad(place, "no device has such a number")),
        },
    }
}

//! Which device nodes the processes of a cgroup may use: v1's file, or a program on v2.
//!
//! A program cannot be read back. So the policy that it was made of is kept beside it, word for word, as an
//! extended attribute of the cgroup's directory that only root may write.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spec::{Access, Place};
use sys::rustix::fs::{
    FileType, XattrFlags, fgetxattr, fremovexattr, fsetxattr, major, minor, stat,
};
use sys::{Errno, OwnedFd};

use super::{Target, bad, open};
use crate::bpf::device_program;
use crate::control::{Deadline, pause};
use crate::controller::Controller;
use crate::devices::{Device, Policy, Rule};
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Leaf, Version};
use crate::tree::Group;
use crate::walk;

const ATTRIBUTE: &str = "trusted.stockade.devices";
const RULES: Place = Place::field("");

/// Rules to add: each allows or denies.
#[derive(Clone, Debug, Default)]
pub struct DeviceRules(Vec<Rule>);

impl DeviceRules {
    /// Adds a rule: `a`, or a kind (`c`, `b` or `a`), numbers (`MAJOR:MINOR`, each perhaps `*`) and what is meant
    /// (`r` open for reading, `w` for writing, `m` mknod); or the path of a device node and what is meant.
    ///
    /// # Errors
    /// A text that is no rule.
    pub fn add(&mut self, allow: bool, text: &str) -> Result<()> {
        let rule = rule(allow, text).ok_or_else(|| {
            bad(format!(
                "{text:?}: no rule for devices: a, \"c 1:3 rwm\", \"b 8:* r\" or \"/dev/null rw\""
            ))
        })?;
        self.0.push(rule);
        Ok(())
    }
}

fn rule(allow: bool, text: &str) -> Option<Rule> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (device, major, minor, letters) = match words[..] {
        ["a"] => (Device::Any, None, None, "rwm"),
        [path] if path.starts_with('/') => node(path, "rwm")?,
        [path, letters] if path.starts_with('/') => node(path, letters)?,
        [kind, numbers] => by_number(kind, numbers, "rwm")?,
        [kind, numbers, letters] => by_number(kind, numbers, letters)?,
        _ => return None,
    };
    Some(Rule {
        allow,
        device,
        major,
        minor,
        access: access(letters)?,
        place: RULES,
    })
}

type Named<'t> = (Device, Option<i32>, Option<i32>, &'t str);

fn by_number<'t>(kind: &str, numbers: &str, letters: &'t str) -> Option<Named<'t>> {
    let device = match kind {
        "a" => Device::Any,
        "c" => Device::Char,
        "b" => Device::Block,
        _ => return None,
    };
    let (major, minor) = numbers.split_once(':')?;
    Some((device, one(major, 0xfff)?, one(minor, 0xf_ffff)?, letters))
}

/// A number, or all.
fn one(text: &str, most: i32) -> Option<Option<i32>> {
    if text == "*" {
        return Some(None);
    }
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let n = text.parse::<i32>().ok().filter(|n| plain && *n <= most)?;
    Some(Some(n))
}

fn node<'t>(path: &str, letters: &'t str) -> Option<Named<'t>> {
    let found = stat(path).ok()?;
    let device = match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice => Device::Char,
        FileType::BlockDevice => Device::Block,
        _ => return None,
    };
    let number = |n: u32| i32::try_from(n).ok();
    let (major, minor) = (number(major(found.st_rdev))?, number(minor(found.st_rdev))?);
    Some((device, Some(major), Some(minor), letters))
}

fn access(letters: &str) -> Option<Access> {
    let mut access = Access::default();
    for letter in letters.chars() {
        let one = match letter {
            'r' => Access::READ,
            'w' => Access::WRITE,
            'm' => Access::MKNOD,
            _ => return None,
        };
        if access.contains(one) {
            return None;
        }
        access = access.union(one);
    }
    (access != Access::default()).then_some(access)
}

impl Target {
    /// Adds rules to its policy, which begins with all devices allowed. It holds beside those of the cgroups
    /// above it.
    ///
    /// # Errors
    /// When it is in no hierarchy that has such a policy, has one of somebody else's, or the kernel refuses.
    pub fn restrict_devices(&self, rules: &DeviceRules) -> Result<()> {
        self.not_root("restricted")?;
        let leaf = self.device_leaf()?;
        let group = Group::open(Vec::from([leaf.clone()]))?;
        match leaf.version {
            Version::V1 => restrict_v1(leaf, &group.dirs[0], rules),
            Version::V2 => restrict_v2(leaf, &group, rules),
        }
    }

    /// Its policy, a rule a line in v1's words, the default first (`allow a`); none where there is none.
    ///
    /// # Errors
    /// When it is in no hierarchy that has such a policy.
    pub fn devices(&self) -> Result<Option<Vec<String>>> {
        let leaf = self.device_leaf()?;
        if leaf.version == Version::V1 {
            let list = file::read(open(leaf)?, "devices.list");
            let list = list.map_err(|e| file::error("read", "devices.list", &leaf.dir(), e))?;
            if list.trim() == "a *:* rwm" {
                return Ok(None);
            }
            let lines = list.lines().map(|line| format!("allow {line}"));
            return Ok(Some(
                core::iter::once(String::from("deny a"))
                    .chain(lines)
                    .collect(),
            ));
        }
        let dir = sys::file::open(&leaf.dir(), walk::FLAGS)?;
        match kept(&dir)? {
            Some(policy) => Ok(Some(lines(&policy))),
            None if Group::open(Vec::from([leaf.clone()]))?.has_device_program()? => {
                Err(foreign(leaf))
            }
            None => Ok(None),
        }
    }

    /// Where the policy is: v1's hierarchy, or else v2's.
    fn device_leaf(&self) -> Result<&Leaf> {
        let v1 = |leaf: &&Leaf| leaf.controllers.has(Controller::Devices);
        let found = self.leaves.iter().find(v1);
        let unified = || self.leaves.iter().find(|leaf| leaf.version == Version::V2);
        found.or_else(unified).ok_or_else(|| {
            Error::state(format!(
                "{}: in no hierarchy that has device policies",
                self.name
            ))
            .hint("v2's, or v1's devices")
        })
    }
}

fn restrict_v1(leaf: &Leaf, dir: &OwnedFd, rules: &DeviceRules) -> Result<()> {
    for rule in &rules.0 {
        let name = match rule.allow {
            true => "devices.allow",
            false => "devices.deny",
        };
        for line in rule.v1_lines() {
            write_v1(leaf, dir, name, &line)?;
        }
    }
    Ok(())
}

/// All devices at once are allowed or denied only where no cgroup is below; one that was just removed still
/// counts for a moment.
fn write_v1(leaf: &Leaf, dir: &OwnedFd, name: &'static str, line: &str) -> Result<()> {
    let deadline = Deadline::after(1000);
    loop {
        let Err(errno) = file::write(dir, name, line) else {
            return Ok(());
        };
        let error = file::write_error(name, line, &leaf.dir(), errno);
        if line != "a" || errno != Errno::INVAL {
            return Err(error);
        }
        let below = sys::file::open(&leaf.dir(), walk::FLAGS)?;
        if walk::children(&below).is_ok_and(|children| !children.is_empty()) {
            return Err(error.hint("cgroup v1 takes this only while no cgroup is below"));
        }
        if deadline.left().is_none() {
            return Err(error);
        }
        pause(2_000_000);
    }
}

fn restrict_v2(leaf: &Leaf, group: &Group, rules: &DeviceRules) -> Result<()> {
    let dir = sys::file::open(&leaf.dir(), walk::FLAGS)?;
    let mut policy = match kept(&dir)? {
        Some(policy) => policy,
        None if group.has_device_program()? => return Err(foreign(leaf)),
        None => Policy {
            allow: true,
            rules: Vec::new(),
        },
    };
    for rule in &rules.0 {
        policy.add(*rule);
    }
    let program = match policy.allows_everything() {
        true => Vec::new(),
        false => device_program(&policy)?,
    };
    let failed = |call, errno| Error::from(sys::Error::new(call, &leaf.dir(), errno));
    group.replace_devices(&program)?;
    let kept = match policy.allows_everything() {
        true => match fremovexattr(&dir, ATTRIBUTE) {
            Err(Errno::NODATA) => Ok(()),
            done => done,
        },
        false => fsetxattr(
            &dir,
            ATTRIBUTE,
            policy.word().as_bytes(),
            XattrFlags::empty(),
        ),
    };
    kept.map_err(|errno| {
        // Without its text it could never be added to: better none than that.
        _ = group.replace_devices(&[]);
        failed("setxattr", errno)
    })
}

fn foreign(leaf: &Leaf) -> Error {
    Error::state(format!(
        "{}: its device program is not of `stockade cgroup devices`, and cannot be read",
        leaf.dir()
    ))
    .hint("a container's is set by its configuration: see `stockade update`")
}

/// The policy that is kept at a directory.
fn kept(dir: &OwnedFd) -> Result<Option<Policy>> {
    let mut text = [0u8; 4096];
    let length = match fgetxattr(dir, ATTRIBUTE, &mut text) {
        Ok(length) => length,
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(errno) => return Err(sys::Error::new("getxattr", ATTRIBUTE, errno).into()),
    };
    let word = core::str::from_utf8(&text[..length]).ok();
    let policy = word.and_then(policy_of);
    let policy = policy.ok_or_else(|| bad(format!("damaged: the attribute {ATTRIBUTE}")))?;
    Ok(Some(policy))
}

/// A policy from its word, [`Policy::word`].
fn policy_of(word: &str) -> Option<Policy> {
    let mut parts = word.split(',');
    let sign = |text: &str| match text {
        "+" => Some(true),
        "-" => Some(false),
        _ => None,
    };
    let mut policy = Policy {
        allow: sign(parts.next()?)?,
        rules: Vec::new(),
    };
    for part in parts {
        let (allow, rest) = part.split_at_checked(1)?;
        let (kind, rest) = rest.split_at_checked(1)?;
        let kind = if kind == "*" { "a" } else { kind };
        let end = rest.find(|c: char| c.is_ascii_lowercase())?;
        let (numbers, letters) = rest.split_at(end);
        let text = [kind, " ", numbers, " ", letters].concat();
        policy.rules.push(rule(sign(allow)?, &text)?);
    }
    Some(policy)
}

/// A policy as people read it.
fn lines(policy: &Policy) -> Vec<String> {
    let word = |allow| if allow { "allow" } else { "deny" };
    let mut lines = Vec::from([format!("{} a", word(policy.allow))]);
    for rule in &policy.rules {
        for line in rule.v1_lines() {
            lines.push(format!("{} {line}", word(rule.allow)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[(bool, &str)]) -> Policy {
        let mut policy = Policy {
            allow: true,
            rules: Vec::new(),
        };
        for (allow, text) in texts {
            policy.add(rule(*allow, text).expect("a rule"));
        }
        policy
    }

    #[test]
    fn a_policy_is_the_same_after_it_was_kept() {
        for texts in [
            &[(false, "a")][..],
            &[(false, "b 8:* w"), (true, "b 8:1 w")],
            &[
                (false, "a"),
                (true, "c 1:3 rwm"),
                (true, "a *:* m"),
                (true, "c 136:* rw"),
            ],
        ] {
            let policy = rules(texts);
            assert_eq!(policy_of(&policy.word()), Some(policy));
        }
        for word in [
            "", "x", "+,", "+,+", "+,+c", "+,+c1:3", "+,+c1:3x", "+,?c1:3r",
        ] {
            assert_eq!(policy_of(word), None, "{word}");
        }
    }

    #[test]
    fn rules_are_v1s_or_name_a_node() {
        let null = rule(true, "/dev/null rw").expect("a node");
        assert_eq!(
            (null.device, null.major, null.minor),
            (Device::Char, Some(1), Some(3))
        );
        assert_eq!(rule(true, "c 1:3"), rule(true, "c 1:3 rwm"));
        for text in [
            "",
            "x",
            "c",
            "c 1",
            "c 1:",
            "c 1:3 q",
            "c 1:3 rr",
            "c 1:-3 r",
            "c 4096:0 r",
            "c 1:3 r w",
            "/etc/passwd r",
            "c +1:3 r",
        ] {
            assert_eq!(rule(true, text), None, "{text:?}");
        }
        let policy = rules(&[(false, "a"), (true, "c 1:3 rw")]);
        assert_eq!(lines(&policy), ["deny a", "allow c 1:3 rw"]);
    }
}

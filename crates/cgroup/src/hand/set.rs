//! Setting a value by v2's name, wherever its controller is.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::{Errno, OwnedFd};

use super::translate::{self, Write};
use super::{Target, bad, open, refused};
use crate::controller::{Controller, Controllers};
use crate::error::{Error, Result};
use crate::file;
use crate::layout::Layout;
use crate::lower::{Leaf, Version};
use crate::tree::enable_controllers;

/// A write that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Where.
    pub version: Version,
    /// The file.
    pub file: String,
    /// What was written.
    pub value: String,
}

/// What commands do better than a write.
const COMMANDS: &[(&str, &str)] = &[
    ("cgroup.procs", "move"),
    ("cgroup.threads", "move"),
    ("cgroup.freeze", "freeze"),
    ("cgroup.kill", "kill"),
];
/// Files of v2's core that are set by writing.
const CORE: [&str; 5] = [
    "cgroup.max.depth",
    "cgroup.max.descendants",
    "cgroup.pressure",
    "cgroup.subtree_control",
    "cgroup.type",
];

impl Target {
    /// Sets `key`, by v2's name or one that only v1 has: what was written where.
    ///
    /// # Errors
    /// A value without a meaning, a key that the version does not have, and what the kernel refuses.
    pub fn set(&self, layout: &Layout, key: &str, value: &str) -> Result<Vec<Done>> {
        self.not_root("limited")?;
        let (leaf, dir) = self.home(layout, key)?;
        let writes = match leaf.version {
            Version::V2 => {
                if let Some(error) = translate::why_not_v2(key) {
                    return Err(error);
                }
                enable_controllers(&leaf, &dir)?;
                Vec::from([(Cow::Owned(key.into()), translate::v2(key, value)?)])
            }
            Version::V1 => v1_writes(&leaf, &dir, key, value)?,
        };
        write_all(key, &leaf, &dir, writes)
    }

    /// The directory that has the controller of `key`.
    fn home(&self, layout: &Layout, key: &str) -> Result<(Leaf, OwnedFd)> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
        let (prefix, _) = key
            .split_once('.')
            .filter(|(_, rest)| !rest.is_empty() && key.bytes().all(plain) && !key.contains(".."))
            .ok_or_else(|| bad(format!("{key:?}: not the name of a setting")))?;
        if let Some((_, command)) = COMMANDS.iter().find(|(known, _)| *known == key) {
            return Err(bad(format!("{key}: use `stockade cgroup {command}`")));
        }
        if prefix == "cgroup" {
            return self.core(key);
        }
        let one = Controller::named(prefix)
            .ok_or_else(|| bad(format!("{key}: no controller is called {prefix}")))?;
        let on_v1 = layout.v1_with(one);
        let hierarchy = on_v1.or_else(|| layout.unified_with(one));
        let hierarchy = hierarchy
            .ok_or_else(|| refused(format!("{key}: this host has no controller {prefix}")))?;
        let mut found = self.leaves.iter();
        let leaf = found.find(|leaf| leaf.mount == hierarchy.mount);
        let leaf = leaf.ok_or_else(|| self.not_there(one))?;
        let leaf = match leaf.version {
            Version::V1 => leaf.clone(),
            Version::V2 => Leaf {
                controllers: Controllers::of(one),
                ..leaf.clone()
            },
        };
        let dir = open(&leaf).map_err(|error| match error.errno {
            Errno::NOENT => self.not_there(one),
            _ => error.into(),
        })?;
        Ok((leaf, dir))
    }

    fn not_there(&self, one: Controller) -> Error {
        let name = one.v2_name();
        Error::state(format!("{}: not in the hierarchy of {name}", self.name)).hint(format!(
            "`stockade cgroup create --controllers {name}` makes it there"
        ))
    }

    fn core(&self, key: &str) -> Result<(Leaf, OwnedFd)> {
        if !CORE.contains(&key) {
            return Err(bad(format!("{key}: not a setting")));
        }
        let leaf = self.leaves.iter().find(|leaf| leaf.version == Version::V2);
        let leaf = leaf.ok_or_else(|| refused(format!("{key}: cgroup v1 has no such thing")))?;
        Ok((leaf.clone(), open(leaf)?))
    }
}

fn v1_writes(leaf: &Leaf, dir: &OwnedFd, key: &str, value: &str) -> Result<Vec<Write>> {
    let now = |name: &str| file::read(dir, name).ok();
    if let Some(error) = translate::why_not_v1(key) {
        return Err(error);
    }
    if let Some(writes) = translate::v1(key, value, &now)? {
        return Ok(writes);
    }
    // The same name on both, or v1's own: net_cls.classid, memory.swappiness.
    match file::open(dir, key, sys::rustix::fs::OFlags::WRONLY) {
        Err(Errno::NOENT) => Err(refused(format!(
            "{key}: cgroup v1, where this host has the controller {}, has no such thing",
            leaf.name()
        ))),
        _ => Ok(Vec::from([(Cow::Owned(key.into()), value.into())])),
    }
}

/// Makes the writes. One that the kernel refuses because of another (a limit and the one above it) is made
/// again after that.
fn write_all(key: &str, leaf: &Leaf, dir: &OwnedFd, writes: Vec<Write>) -> Result<Vec<Done>> {
    let write = |(name, value): &Write| file::write(dir, name, value);
    let mut again = Vec::new();
    for one in &writes {
        match write(one) {
            Err(Errno::INVAL) if writes.len() > 1 => again.push(one),
            done => done.map_err(|errno| error(key, leaf, one, errno))?,
        }
    }
    for one in again {
        write(one).map_err(|errno| error(key, leaf, one, errno))?;
    }
    let done = |(file, value): Write| Done {
        version: leaf.version,
        file: file.into(),
        value,
    };
    Ok(writes.into_iter().map(done).collect())
}

fn error(key: &str, leaf: &Leaf, (name, value): &Write, errno: Errno) -> Error {
    let error = file::write_error(name, value, &leaf.dir(), errno);
    match **name == *key {
        true => error,
        false => Error {
            what: format!("{key}: {}", error.what).into(),
            ..error
        },
    }
}

//! All namespaces that can be seen from here: by the processes in them, by the files that they are pinned to,
//! and by being above or the owner of such.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sys::rustix::fs::{CWD, Dir, OFlags, fstat, readlinkat};
use sys::{AsFd, OwnedFd, file, namespace};

use crate::error::{Error, Result};
use crate::kind::{ALL, Kind, PID, USER};

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its number: the inode in nsfs, as in `/proc/PID/ns`.
    pub id: u64,
    /// Its kind.
    pub kind: Kind,
    /// The user namespace that owns it, where that can be seen.
    pub owner: Option<u64>,
    /// The namespace above it, of user and process namespaces, where that can be seen.
    pub parent: Option<u64>,
    /// The processes in it, in ascending order.
    pub processes: Vec<u32>,
    /// The files that it is pinned to, in this mount namespace.
    pub pins: Vec<String>,
}

/// Namespaces by number.
type Found = BTreeMap<u64, Namespace>;

/// Looks for all of them. What belongs to processes that this one may not look at is left out, as in lsns(8).
///
/// # Errors
/// When `/proc` cannot be read.
pub fn list() -> Result<Vec<Namespace>> {
    let mut found = Found::new();
    for pid in processes()? {
        for kind in ALL {
            let path = format!("/proc/{pid}/ns/{}", kind.name);
            if let Some(id) = linked(&path) {
                let open = || file::open(&path, OFlags::RDONLY).ok();
                add(&mut found, id, kind, open).processes.push(pid);
            }
        }
    }
    for (id, kind, path) in pinned(&file::read_text("/proc/self/mountinfo")?) {
        let open = || file::open(&path, OFlags::RDONLY).ok();
        add(&mut found, id, kind, open).pins.push(path.clone());
    }
    Ok(found.into_values().collect())
}

/// The entry of a namespace, made when it is first seen; `open` opens it then, for its relations, which are
/// entries too.
fn add(
    found: &mut Found,
    id: u64,
    kind: Kind,
    open: impl FnOnce() -> Option<OwnedFd>,
) -> &mut Namespace {
    if !found.contains_key(&id) {
        let opened = open().filter(|namespace| number(namespace) == Some(id));
        let owner = opened.as_ref().and_then(namespace::owner);
        let parent = opened.as_ref().and_then(namespace::parent);
        let mut relation = |relative: Option<OwnedFd>, kind| {
            let relative = relative?;
            let id = number(&relative)?;
            add_relative(found, id, kind, relative);
            Some(id)
        };
        let (owner, parent) = (relation(owner, USER), relation(parent, kind));
        let new = Namespace {
            id,
            kind,
            owner,
            parent,
            processes: Vec::new(),
            pins: Vec::new(),
        };
        found.insert(id, new);
    }
    found.entry(id).or_insert_with(|| Namespace {
        id,
        kind,
        owner: None,
        parent: None,
        processes: Vec::new(),
        pins: Vec::new(),
    })
}

/// As [`add`], for what is open already. The chain above ends with this process's own namespaces; `dyn`, as a
/// closure type that holds itself would have no end.
fn add_relative(found: &mut Found, id: u64, kind: Kind, opened: OwnedFd) {
    let open: &dyn Fn() -> Option<OwnedFd> = &|| opened.as_fd().try_clone_to_owned().ok();
    add(found, id, kind, open);
}

fn number(namespace: &OwnedFd) -> Option<u64> {
    fstat(namespace).ok().map(|found| found.st_ino)
}

/// The numbers of all processes.
fn processes() -> Result<Vec<u32>> {
    let directory = file::open("/proc", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let entries = Dir::new(directory).map_err(|errno| Error::kernel("/proc", errno))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|errno| Error::kernel("/proc", errno))?;
        let name = entry.file_name().to_str().unwrap_or("");
        numbers.extend(name.parse::<u32>().ok());
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number in a link such as `net:[4026531840]`; none where it cannot be read.
fn linked(path: &str) -> Option<u64> {
    let text = readlinkat(CWD, path, Vec::new()).ok()?;
    name(text.to_str().ok()?).map(|(_, id)| id)
}

/// The kind and number of `net:[4026531840]`.
fn name(text: &str) -> Option<(Kind, u64)> {
    let (kind, rest) = text.split_once(":[")?;
    let kind = ALL.into_iter().find(|known| known.name == kind)?;
    Some((kind, rest.strip_suffix(']')?.parse().ok()?))
}

/// The namespaces that are mounted on files: number, kind and file (proc_pid_mountinfo(5)).
fn pinned(mountinfo: &str) -> Vec<(u64, Kind, String)> {
    let one = |line: &str| {
        let (mount, rest) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let (kind, id) = name(root).filter(|_| rest.starts_with("nsfs "))?;
        Some((id, kind, unescape(point)))
    };
    mountinfo.lines().filter_map(one).collect()
}

/// Blanks and backslashes are octal numbers there.
fn unescape(text: &str) -> String {
    let mut plain = text.to_string();
    for (octal, meant) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        plain = plain.replace(octal, meant);
    }
    plain
}

/// Whether a kind has parents: users' and processes'.
pub fn has_parents(kind: Kind) -> bool {
    kind == USER || kind == PID
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_mountinfo() {
        let text = "24 1 0:4 net:[4026532001] /run/netns/a\\040b rw shared:1 - nsfs nsfs rw\n\
                    25 1 0:5 / /proc rw - proc proc rw\n26 1 0:4 odd:[1] /x rw - nsfs nsfs rw\n";
        let found = pinned(text);
        assert_eq!(found.len(), 1);
        let (id, kind, path) = &found[0];
        assert_eq!(
            (*id, kind.name, path.as_str()),
            (4_026_532_001, "net", "/run/netns/a b")
        );
    }

    #[test]
    fn this_processes_own_are_there() {
        let all = list().unwrap();
        let me = std::process::id();
        for kind in ALL {
            let own = all
                .iter()
                .filter(|found| found.kind == kind && found.processes.contains(&me));
            assert_eq!(own.count(), 1, "{}", kind.name);
        }
        let net = all
            .iter()
            .find(|found| found.kind.name == "net" && found.processes.contains(&me));
        let owner = net.unwrap().owner;
        assert!(owner.is_none_or(|id| all.iter().any(|found| found.id == id)));
    }
}

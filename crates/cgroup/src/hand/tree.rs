//! The cgroups below one, merged over the hierarchies, with what they use.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;

use sys::OwnedFd;

use super::Target;
use crate::error::Result;
use crate::file;
use crate::lower::{Leaf, Version};
use crate::walk;

/// What a cgroup uses, with all below it; none where it is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processor time, in microseconds.
    pub cpu: Option<u64>,
    /// Tasks.
    pub tasks: Option<u64>,
    /// Bytes read from and written to block devices.
    pub io: Option<u64>,
}

/// A cgroup in the tree.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    /// Its name; of the uppermost, what was asked for.
    pub name: String,
    /// Its path below the uppermost.
    pub path: String,
    /// The hierarchies that it is in: `unified`, or v1's by their first controller.
    pub hierarchies: Vec<&'static str>,
    /// The processes in it, without those below.
    pub processes: Vec<u32>,
    /// What it uses.
    pub used: Use,
    /// The cgroups right below it, by name.
    pub children: Vec<Branch>,
}

/// A directory of a hierarchy.
type Place<'t> = (&'t Leaf, OwnedFd);

impl Target {
    /// The cgroup and those below it, `depth` levels. What goes meanwhile is left out.
    ///
    /// # Errors
    /// When the uppermost cannot be read.
    pub fn branches(&self, depth: usize) -> Result<Branch> {
        let mut places = Vec::new();
        for leaf in &self.leaves {
            places.push((leaf, sys::file::open(&leaf.dir(), walk::FLAGS)?));
        }
        Ok(branch(self.name.clone(), String::new(), &places, depth))
    }

    /// What it uses.
    ///
    /// # Errors
    /// `ENOENT` when it is gone.
    pub fn used(&self) -> Result<Use> {
        let mut used = Use::default();
        for leaf in &self.leaves {
            add_use(&mut used, leaf, &sys::file::open(&leaf.dir(), walk::FLAGS)?);
        }
        Ok(used)
    }
}

fn branch(name: String, path: String, places: &[Place<'_>], depth: usize) -> Branch {
    let mut here = Branch {
        name,
        path,
        ..Branch::default()
    };
    let mut below: BTreeMap<CString, Vec<Place<'_>>> = BTreeMap::new();
    for (leaf, dir) in places {
        here.hierarchies.push(hierarchy(leaf));
        here.processes.extend(processes(dir));
        add_use(&mut here.used, leaf, dir);
        if depth == 0 {
            continue;
        }
        for name in walk::children(dir).unwrap_or_default() {
            if let Ok(opened) = walk::open(dir, &name) {
                below.entry(name).or_default().push((leaf, opened));
            }
        }
    }
    here.processes.sort_unstable();
    here.processes.dedup();
    for (name, places) in below {
        let name = name.to_string_lossy().into_owned();
        let path = [&here.path, "/", &name].concat();
        here.children
            .push(branch(name, path, &places, depth.saturating_sub(1)));
    }
    here
}

fn hierarchy(leaf: &Leaf) -> &'static str {
    leaf.name()
}

fn processes(dir: &OwnedFd) -> Vec<u32> {
    // A threaded cgroup has no such list; its processes are in that of its domain.
    let list = file::read(dir, "cgroup.procs").unwrap_or_default();
    list.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid != 0)
        .collect()
}

fn add_use(used: &mut Use, leaf: &Leaf, dir: &OwnedFd) {
    let number = |name| file::read(dir, name).ok()?.trim().parse::<u64>().ok();
    let one = match leaf.version {
        Version::V1 => Use {
            memory: number("memory.usage_in_bytes"),
            cpu: number("cpuacct.usage").map(|ns| ns / 1000),
            tasks: number("pids.current"),
            io: file::read(dir, "blkio.throttle.io_service_bytes_recursive")
                .ok()
                .map(|text| v1_io(&text)),
        },
        Version::V2 => Use {
            memory: number("memory.current"),
            cpu: file::read(dir, "cpu.stat").ok().and_then(|text| {
                let line = text.lines().find_map(|l| l.strip_prefix("usage_usec "));
                line?.trim().parse().ok()
            }),
            tasks: number("pids.current"),
            io: file::read(dir, "io.stat").ok().map(|text| v2_io(&text)),
        },
    };
    // Of a hybrid host's two counts of processor time the one of v1, where the processes are for sure.
    used.memory = one.memory.or(used.memory);
    used.cpu = one.cpu.or(used.cpu);
    used.tasks = one.tasks.or(used.tasks);
    used.io = one.io.or(used.io);
}

/// Lines such as `8:0 Read 4096`.
fn v1_io(text: &str) -> u64 {
    let bytes = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let act = words.next()?;
        let count = words.next()?.parse::<u64>().ok()?;
        ["Read", "Write"].contains(&act).then_some(count)
    };
    text.lines().filter_map(bytes).sum()
}

/// Lines such as `8:0 rbytes=1 wbytes=2 rios=3 …`.
fn v2_io(text: &str) -> u64 {
    let words = text.split([' ', '\n']);
    let bytes = |word: &str| {
        let count = word
            .strip_prefix("rbytes=")
            .or(word.strip_prefix("wbytes="));
        count?.parse::<u64>().ok()
    };
    words.filter_map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_devices() {
        assert_eq!(
            v1_io("8:0 Read 5\n8:0 Write 7\n8:0 Sync 12\n8:0 Total 12\nTotal 12\n"),
            12
        );
        assert_eq!(
            v2_io("8:0 rbytes=1 wbytes=2 rios=9\n8:16 rbytes=4 wbytes=8 dbytes=9\n"),
            15
        );
    }
}

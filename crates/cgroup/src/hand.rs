//! Cgroups by hand: one path in all hierarchies of the host, and v2's words for what is set there.
//!
//! A [`Target`] is where a path leads: one directory on v2, one in each hierarchy on v1 and hybrid hosts.
//! Nothing here belongs to a container, and nothing is recorded: the kernel's directories are all there is.

mod act;
mod delegate;
mod devices;
mod figures;
mod parse;
mod read_back;
mod set;
mod translate;
mod tree;
mod watch;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::OwnedFd;
use sys::rustix::fs::OFlags;

use crate::controller::{Controller, Controllers};
use crate::error::{Error, Kind, Result};
use crate::layout::{Hierarchy, Layout, components};
use crate::lower::{Leaf, Version};
use crate::tree::Group;

pub use devices::DeviceRules;
pub use figures::{Counter, Unit};
pub use parse::size;
pub use read_back::InForce;
pub use set::Done;
pub use tree::{Branch, Use};
pub use watch::{Event, Trigger, Watch};

/// Which hierarchies a command is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those that have one of these controllers.
    pub controllers: Controllers,
    /// The v2 hierarchy, on a hybrid host.
    pub unified: bool,
}

impl Selection {
    /// Reads `cpu,memory,unified`, in the words of either version.
    ///
    /// # Errors
    /// A word that is no controller.
    pub fn parse(list: &str) -> Result<Self> {
        let mut selection = Self::default();
        for word in list.split(',') {
            match (word, Controller::named(word)) {
                ("unified", _) => selection.unified = true,
                (_, Some(one)) => selection.controllers = selection.controllers.with(one),
                _ => return Err(bad(format!("{word:?}: not a controller"))),
            }
        }
        Ok(selection)
    }
}

/// A cgroup: its directory in each hierarchy.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was asked for.
    pub name: String,
    /// One for each hierarchy; the v2 one first.
    pub leaves: Vec<Leaf>,
}

impl Target {
    /// Where `text` leads in the hierarchies of `only`, or in all but systemd's own.
    ///
    /// A path counts from the root of each hierarchy, with or without a slash before it; `.` and what begins
    /// with `./` count from this process's own cgroups (the layout must know them); the path of a directory in
    /// a cgroup file system means that hierarchy alone.
    ///
    /// # Errors
    /// A path that leads upwards, a controller that this host lacks, and a host without cgroups.
    pub fn find(layout: &Layout, text: &str, only: Option<Selection>) -> Result<Self> {
        let hierarchies = hierarchies(layout, only)?;
        let (hierarchies, path) = in_file_system(hierarchies, text);
        let own = path == "." || path.starts_with("./");
        let path = components(&[path]).map_err(|error| bad(format!("{text}: {}", error.what)))?;
        let leaf = |(hierarchy, version): (&Hierarchy, Version)| Leaf {
            version,
            controllers: match version {
                Version::V1 => hierarchy.controllers,
                Version::V2 => Controllers::NONE,
            },
            mount: hierarchy.mount.clone(),
            path: match own {
                true => joined(hierarchy.own.as_deref().unwrap_or(""), &path),
                false => path.clone(),
            },
            shared: 0,
        };
        let leaves: Vec<Leaf> = hierarchies.into_iter().map(leaf).collect();
        if leaves.is_empty() {
            return Err(refused("this host has no cgroups at /sys/fs/cgroup"));
        }
        let name = String::from(text);
        Ok(Self { name, leaves })
    }

    /// Whether it is the root, of which most files are missing.
    pub fn is_root(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.path.is_empty())
    }

    /// The same, without the hierarchies in which there is no such cgroup.
    ///
    /// # Errors
    /// When there is none in any.
    pub fn existing(mut self) -> Result<Self> {
        self.leaves.retain(|leaf| open(leaf).is_ok());
        if self.leaves.is_empty() {
            return Err(Error::state(format!("{}: no such cgroup", self.name)));
        }
        Ok(self)
    }

    /// Opens its directories.
    ///
    /// # Errors
    /// `ENOENT` when one is gone.
    pub fn open(&self) -> Result<Group> {
        Group::open(self.leaves.clone())
    }

    /// Refuses the root, of which `what` cannot be done.
    fn not_root(&self, what: &str) -> Result<()> {
        match self.is_root() {
            true => Err(Error::state(format!("the root cannot be {what}"))),
            false => Ok(()),
        }
    }

    /// Makes it, with what is missing above it. On v2 the controllers of `only` are enabled for it; without
    /// them those that count use, where the cgroups above can enable them.
    ///
    /// # Errors
    /// When it is there already in all of its hierarchies, or the kernel refuses; nothing is left then.
    pub fn create(&self, only: Option<Selection>) -> Result<Group> {
        self.not_root("made")?;
        if self.leaves.iter().all(|leaf| open(leaf).is_ok()) {
            return Err(Error::state(format!("{}: is there already", self.name)));
        }
        let wanted = only.map(|only| only.controllers);
        let mut leaves = self.leaves.clone();
        for leaf in leaves.iter_mut().filter(|l| l.version == Version::V2) {
            leaf.controllers = wanted.unwrap_or_default();
        }
        let group = Group::create_beside(leaves)?;
        if wanted.is_none() {
            group.enable_what_counts();
        }
        Ok(group)
    }
}

/// The controllers whose figures people want to see.
const COUNTING: [Controller; 5] = [
    Controller::Cpu,
    Controller::Cpuset,
    Controller::Io,
    Controller::Memory,
    Controller::Pids,
];

impl Group {
    /// Enables, in the cgroups above a v2 leaf, what is to be had of the controllers that count. What is not to
    /// be had is told by whoever sets a limit.
    fn enable_what_counts(&self) {
        for (leaf, dir) in self.leaves.iter().zip(&self.dirs) {
            for one in COUNTING {
                let leaf = Leaf {
                    controllers: Controllers::of(one),
                    ..leaf.clone()
                };
                if leaf.version == Version::V2 {
                    _ = crate::tree::enable_controllers(&leaf, dir);
                }
            }
        }
    }
}

fn bad(what: impl Into<Cow<'static, str>>) -> Error {
    Error::plain(Kind::BadConfig, what)
}

fn refused(what: impl Into<Cow<'static, str>>) -> Error {
    Error::plain(Kind::Unsupported, what)
}

fn open(leaf: &Leaf) -> sys::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    sys::file::open(&leaf.dir(), flags)
}

fn joined(own: &str, path: &str) -> String {
    [own.trim_end_matches('/'), path].concat()
}

type Found<'l> = Vec<(&'l Hierarchy, Version)>;

/// The hierarchies that are selected; v2's first.
fn hierarchies(layout: &Layout, only: Option<Selection>) -> Result<Found<'_>> {
    let unified = layout.unified.iter().map(|one| (one, Version::V2));
    let all = unified.chain(layout.v1.iter().map(|one| (one, Version::V1)));
    let Some(only) = only else {
        let own_of_systemd = Controllers::of(Controller::Systemd);
        return Ok(all
            .filter(|(one, _)| one.controllers != own_of_systemd)
            .collect());
    };
    for one in only.controllers.iter() {
        if layout.v1_with(one).is_none() && layout.unified_with(one).is_none() {
            let name = one.v2_name();
            return Err(refused(format!("this host has no controller {name}")));
        }
    }
    let is_wanted = |(one, version): &(&Hierarchy, Version)| {
        let has_one = !one.controllers.common(only.controllers).is_empty();
        has_one || (only.unified && *version == Version::V2)
    };
    Ok(all.filter(is_wanted).collect())
}

/// The hierarchy in whose file system the path `text` is, and the path in there; else all, and the text.
fn in_file_system<'l, 't>(hierarchies: Found<'l>, text: &'t str) -> (Found<'l>, &'t str) {
    let below = |hierarchy: &Hierarchy| {
        let rest = text.strip_prefix(&*hierarchy.mount)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    let found = hierarchies
        .iter()
        .find_map(|one| below(one.0).map(|rest| (*one, rest)));
    match found {
        Some((one, rest)) => (Vec::from([one]), rest),
        None => (hierarchies, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hybrid() -> Layout {
        let hierarchy = |mount: &'static str, controllers, own: &str| Hierarchy {
            mount: mount.into(),
            controllers: Controllers::parse(controllers, ','),
            own: Some(own.into()),
        };
        Layout {
            unified: Some(hierarchy("/sys/fs/cgroup/unified", "hugetlb", "/u")),
            v1: Vec::from([
                hierarchy("/sys/fs/cgroup/cpu", "cpu,cpuacct", "/"),
                hierarchy("/sys/fs/cgroup/memory", "memory", "/m"),
                hierarchy("/sys/fs/cgroup/systemd", "systemd", "/s"),
            ]),
        }
    }

    fn dirs(text: &str, only: Option<&str>) -> Vec<String> {
        let only = only.map(|list| Selection::parse(list).expect("controllers"));
        let target = Target::find(&hybrid(), text, only).expect("a target");
        target.leaves.iter().map(Leaf::dir).collect()
    }

    #[test]
    fn a_path_is_one_in_every_hierarchy_but_systemds() {
        let all = [
            "/sys/fs/cgroup/unified/a/b",
            "/sys/fs/cgroup/cpu/a/b",
            "/sys/fs/cgroup/memory/a/b",
        ];
        assert_eq!(dirs("a/b", None), all);
        assert_eq!(dirs("//a/./b/", None), all);
        assert_eq!(dirs("a/b", Some("memory")), all[2..]);
        assert_eq!(dirs("a/b", Some("cpuacct,unified")), all[..2]);
        assert_eq!(dirs("/sys/fs/cgroup/memory/a/b", None), all[2..]);
        assert_eq!(dirs("a", Some("systemd")), ["/sys/fs/cgroup/systemd/a"]);
    }

    #[test]
    fn a_dot_is_this_processes_own() {
        let all = [
            "/sys/fs/cgroup/unified/u/x",
            "/sys/fs/cgroup/cpu/x",
            "/sys/fs/cgroup/memory/m/x",
        ];
        assert_eq!(dirs("./x", None), all);
        assert_eq!(dirs(".", Some("memory")), ["/sys/fs/cgroup/memory/m"]);
    }

    #[test]
    fn what_leads_elsewhere_or_is_not_there_is_refused() {
        let layout = hybrid();
        for text in ["..", "a/../b", "./..", "a\nb"] {
            assert!(Target::find(&layout, text, None).is_err(), "{text:?}");
        }
        assert!(Selection::parse("memory,nosuch").is_err());
        let only = Selection::parse("rdma").expect("a controller");
        let error = Target::find(&layout, "a", Some(only)).expect_err("no rdma");
        assert_eq!(error.what, "this host has no controller rdma");
        let root = Target::find(&layout, "/", None).expect("the root");
        assert!(root.is_root() && root.create(None).is_err());
    }
}

//! From `linux.resources` to directories and writes. Pure: the host is known through a [`Layout`].
//!
//! Where things go. On v2 everything is in the one hierarchy. On a hybrid host the v2 hierarchy carries
//! the device policy, freezing and killing, and a v1 hierarchy is touched only for a limit that it
//! alone can hold. On pure v1 the `devices` and `freezer` hierarchies are always used.
//!
//! Nothing is dropped silently: a value that this layout cannot honour is an error that names its
//! field, and the few that are ignored by agreement of all runtimes leave a [`Note`].

mod cpu;
mod io;
mod memory;
mod number;
mod rest;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use spec::{Place, Resources};
use sys::bpf::Insn;

use crate::bpf;
use crate::controller::{Controller, Controllers};
use crate::devices::Policy;
use crate::error::{Error, Result};
use crate::layout::{Hierarchy, Layout, Mode};

pub use cpu::weight_of_shares;
pub(crate) use number::decimal;

/// What a container's cgroups should be.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r, 'a> {
    /// The cgroup's path from the root of each hierarchy, as [`crate::layout::place`] makes it.
    pub path: &'r str,
    /// How many leading components of `path` are shared by many containers, and stay when it goes.
    pub shared: usize,
    /// `path` counts, in each hierarchy, from where this process's own cgroup is: beside it on v2,
    /// below it on v1. The layout must know ([`Layout::find_with_own`]).
    pub beside_own: bool,
    /// The limits.
    pub resources: &'r Resources<'a>,
    /// Controllers that are wanted for their counters even where no limit needs them. Those that the
    /// host lacks are left out.
    pub counted: Controllers,
}

/// Which generation a directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// cgroup v1.
    V1,
    /// cgroup v2.
    V2,
}

/// A container's cgroup in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The hierarchy's generation.
    pub version: Version,
    /// On v1 all controllers of the hierarchy; on v2 those that must be enabled for this cgroup.
    pub controllers: Controllers,
    /// The hierarchy's mount point.
    pub mount: Cow<'static, str>,
    /// The cgroup below it, starting with `/`.
    pub path: String,
    /// How many leading components of `path` stay when the cgroup is removed.
    pub shared: usize,
}

impl Leaf {
    /// Its absolute directory.
    pub fn dir(&self) -> String {
        [&self.mount, self.path.as_str()].concat()
    }

    /// Its hierarchy's name in records and messages: `unified`, or v1's controllers.
    pub fn name(&self) -> &'static str {
        match self.version {
            Version::V2 => "unified",
            Version::V1 => self
                .controllers
                .iter()
                .next()
                .map_or("", Controller::v1_name),
        }
    }
}

/// One write to one file of a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<'r> {
    /// Which of [`Lowered::leaves`].
    pub leaf: usize,
    /// The file's name.
    pub file: Cow<'r, str>,
    /// What is written, by one write(2).
    pub value: Cow<'r, str>,
    /// The field that asked for it.
    pub place: Place,
    /// What happens where the kernel has no such file.
    pub absent: Absent,
    /// Whether the kernel's answer depends on neighbouring settings (a limit and the one above it), so
    /// that a refused write is tried again after them.
    pub interlocked: bool,
    /// A file whose number must not be larger than `value`, or the write is refused.
    pub above: Option<&'static str>,
}

/// What happens to a setting whose file does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It fails.
    Fails,
    /// Nothing: the value is what a kernel without this file does anyway.
    Ignored,
    /// Another file takes another value.
    Instead {
        /// The file's name.
        file: &'static str,
        /// Its value.
        value: String,
    },
}

/// Something that is not done, by agreement of all runtimes, and that a reader may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The field.
    pub place: Place,
    /// Why nothing is done.
    pub what: &'static str,
}

/// Directories, writes and a device program: everything that a [`Request`] comes to on a [`Layout`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered<'r> {
    /// The directories; the v2 one first where there is one.
    pub leaves: Vec<Leaf>,
    /// The writes, in order.
    pub settings: Vec<Setting<'r>>,
    /// The device policy as a program for the v2 leaf; empty where v1 settings carry it, and where
    /// every device is allowed.
    pub devices: Vec<Insn>,
    /// The policy that `devices` enforces, in one word ([`Policy::word`]).
    pub device_policy: String,
    /// What is left undone.
    pub notes: Vec<Note>,
}

/// The controllers that a request needs, which is what [`Layout::find`] wants to know.
pub fn wanted(request: &Request<'_, '_>) -> Controllers {
    let resources = request.resources;
    let mut set = request.counted;
    let mut add = |condition: bool, one: Controller| {
        if condition {
            set = set.with(one);
        }
    };
    add(resources.memory.is_some(), Controller::Memory);
    if let Some(cpu) = &resources.cpu {
        add(cpu.cpus.is_some() || cpu.mems.is_some(), Controller::Cpuset);
        add(cpu::is_about_time(cpu), Controller::Cpu);
    }
    add(resources.pids.is_some(), Controller::Pids);
    add(resources.block_io.is_some(), Controller::Io);
    add(!resources.hugepage_limits.is_empty(), Controller::Hugetlb);
    add(!resources.rdma.is_empty(), Controller::Rdma);
    if let Some(network) = &resources.network {
        add(network.class_id.is_some(), Controller::NetCls);
        add(!network.priorities.is_empty(), Controller::NetPrio);
    }
    for key in resources.unified.keys() {
        if let Some(one) = key.split('.').next().and_then(Controller::named) {
            add(true, one);
        }
    }
    set
}

/// Turns a request into directories and writes for a host of this layout.
///
/// # Errors
/// When a value has no meaning or this layout cannot honour it; the error names the field.
pub fn lower<'r>(request: &Request<'r, '_>, layout: &Layout) -> Result<Lowered<'r>> {
    let mut to = Lowering {
        layout,
        request: *request,
        out: Lowered::default(),
    };
    to.base()?;
    let resources = request.resources;
    if let Some(cpu) = &resources.cpu {
        to.cpuset(cpu)?;
        to.cpu(cpu)?;
    }
    if let Some(memory) = &resources.memory {
        to.memory(memory)?;
    }
    if let Some(pids) = &resources.pids {
        to.pids(pids)?;
    }
    if let Some(io) = &resources.block_io {
        to.io(io)?;
    }
    to.hugetlb(&resources.hugepage_limits)?;
    to.rdma(&resources.rdma)?;
    if let Some(network) = &resources.network {
        to.network(network)?;
    }
    to.unified_keys(&resources.unified)?;
    to.devices()?;
    Ok(to.out)
}

/// The work in progress.
struct Lowering<'r, 'a, 'l> {
    layout: &'l Layout,
    request: Request<'r, 'a>,
    out: Lowered<'r>,
}

/// Where a controller's files are.
#[derive(Clone, Copy)]
struct Home {
    leaf: usize,
    version: Version,
}

impl<'r> Lowering<'r, '_, '_> {
    /// The directories that every container has.
    fn base(&mut self) -> Result<()> {
        let layout = self.layout;
        if let Some(unified) = &layout.unified {
            self.leaf_in(unified, Version::V2);
        } else if layout.mode() == Mode::V1 {
            for one in [Controller::Devices, Controller::Freezer] {
                if let Some(hierarchy) = layout.v1_with(one) {
                    self.leaf_in(hierarchy, Version::V1);
                }
            }
        } else {
            return Err(Error::unsupported(
                Place::field("linux.cgroupsPath"),
                "no cgroup file system is mounted at /sys/fs/cgroup",
            ));
        }
        for one in self.request.counted.iter() {
            _ = self.find_home(one);
        }
        Ok(())
    }

    /// Where `controller` is, taking its hierarchy into use.
    fn home(&mut self, controller: Controller, place: Place) -> Result<Home> {
        self.find_home(controller).ok_or_else(|| {
            let names = [
                "this host has no cgroup controller \"",
                controller.v2_name(),
                "\"",
            ];
            Error::unsupported(place, names.concat())
        })
    }

    fn find_home(&mut self, controller: Controller) -> Option<Home> {
        let layout = self.layout;
        if let Some(hierarchy) = layout.v1_with(controller) {
            let leaf = self.leaf_in(hierarchy, Version::V1);
            return Some(Home {
                leaf,
                version: Version::V1,
            });
        }
        let leaf = self.leaf_in(layout.unified_with(controller)?, Version::V2);
        let enabled = &mut self.out.leaves[leaf].controllers;
        *enabled = enabled.with(controller);
        Some(Home {
            leaf,
            version: Version::V2,
        })
    }

    /// The number of this container's directory in `hierarchy`, which is added if it is not there yet.
    fn leaf_in(&mut self, hierarchy: &Hierarchy, version: Version) -> usize {
        let leaves = &mut self.out.leaves;
        if let Some(found) = leaves.iter().position(|leaf| leaf.mount == hierarchy.mount) {
            return found;
        }
        let base = match self.request.beside_own {
            true => hierarchy.beside_own(),
            false => "",
        };
        leaves.push(Leaf {
            version,
            controllers: match version {
                Version::V1 => hierarchy.controllers,
                Version::V2 => Controllers::NONE,
            },
            mount: hierarchy.mount.clone(),
            path: [base, self.request.path].concat(),
            shared: self.request.shared + base.matches('/').count(),
        });
        leaves.len() - 1
    }

    /// Adds a write, and gives it back for what is unusual about it.
    fn set(
        &mut self,
        home: Home,
        file: impl Into<Cow<'r, str>>,
        value: impl Into<Cow<'r, str>>,
        place: Place,
    ) -> &mut Setting<'r> {
        self.out.settings.push(Setting {
            leaf: home.leaf,
            file: file.into(),
            value: value.into(),
            place,
            absent: Absent::Fails,
            interlocked: false,
            above: None,
        });
        let last = self.out.settings.len() - 1;
        &mut self.out.settings[last]
    }

    fn note(&mut self, place: Place, what: &'static str) {
        self.out.notes.push(Note { place, what });
    }

    fn devices(&mut self) -> Result<()> {
        let policy = Policy::of_container(&self.request.resources.devices)?;
        if self.layout.unified.is_some() {
            if !policy.allows_everything() {
                self.out.devices = bpf::device_program(&policy)?;
                self.out.device_policy = policy.word();
            }
            return Ok(());
        }
        let place = Place::field("linux.resources.devices");
        let home = self.home(Controller::Devices, place)?;
        for write in policy.v1_writes()? {
            self.set(home, write.file, write.value, write.place);
        }
        Ok(())
    }
}

/// The error for a field that only the other generation has.
fn only_v1(place: Place, words: &'static str) -> Error {
    Error::unsupported(place, words).hint("leave the field out on a cgroup v2 host")
}

impl Version {
    /// v1's word on v1, v2's on v2.
    fn pick(self, v1: &'static str, v2: &'static str) -> &'static str {
        match self {
            Self::V1 => v1,
            Self::V2 => v2,
        }
    }
}

//! `linux`: what only Linux has, but for `resources` and `seccomp`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::closed::{self, closed};
use crate::config::empty;
use crate::seccomp::Seccomp;
use crate::text::{is_default, is_false, null_is_default, optional};
use crate::{Map, Resources, Str};

/// `linux`: what only Linux has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux<'a> {
    /// Which users of the host a new user namespace has.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub uid_mappings: Vec<IdMap>,
    /// Which groups of the host a new user namespace has.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub gid_mappings: Vec<IdMap>,
    /// Kernel parameters, by names such as `net.ipv4.ip_forward`.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "empty"
    )]
    pub sysctl: Map<'a, Str<'a>>,
    /// What the container may use.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources<'a>>,
    /// Where its cgroup is: a path, or `slice:prefix:name` for systemd.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub cgroups_path: Option<Str<'a>>,
    /// The namespaces it does not share with the runtime; no type twice.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub namespaces: Vec<Namespace<'a>>,
    /// Device nodes to make, beside the default ones.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub devices: Vec<Device<'a>>,
    /// Network interfaces to move into the container, by their names on the host.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "empty"
    )]
    pub net_devices: Map<'a, NetDevice<'a>>,
    /// The system call filter.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp<'a>>,
    /// How mounts propagate to and from the root.
    #[serde(
        default,
        deserialize_with = "closed::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub rootfs_propagation: Option<Propagation>,
    /// Paths that nobody inside can read.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub masked_paths: Vec<Str<'a>>,
    /// Paths that nobody inside can write.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub readonly_paths: Vec<Str<'a>>,
    /// The SELinux context of the mounts.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub mount_label: Option<Str<'a>>,
    /// Cache and memory bandwidth by Intel's RDT.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdt<'a>>,
    /// On which NUMA nodes memory is allocated.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy<'a>>,
    /// As which machine the kernel presents itself.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality<'a>>,
    /// What a new time namespace adds to the clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_offsets: Option<TimeOffsets>,
}

impl<'a> Linux<'a> {
    /// The namespace of a type, if the configuration asks for one.
    pub fn namespace(&self, kind: NamespaceType) -> Option<&Namespace<'a>> {
        self.namespaces
            .iter()
            .find(|namespace| namespace.kind == kind)
    }
}

/// One of `linux.namespaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace<'a> {
    /// What it is a namespace of.
    #[serde(rename = "type")]
    pub kind: NamespaceType,
    /// The file of an existing one, an absolute path of the runtime; absent: a new one.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<Str<'a>>,
}

impl Namespace<'_> {
    /// A new namespace of a type.
    pub const fn new(kind: NamespaceType) -> Self {
        Self { kind, path: None }
    }
}

closed! {
    /// What a namespace is of (`namespaces(7)`).
    pub enum NamespaceType ("namespace type") {
        /// Process ids.
        Pid = "pid",
        /// Network devices, addresses, ports.
        Network = "network",
        /// Mounts.
        Mount = "mount",
        /// System V IPC and POSIX message queues.
        Ipc = "ipc",
        /// Host and domain name.
        Uts = "uts",
        /// Users, groups and capabilities.
        User = "user",
        /// The view of the cgroup tree.
        Cgroup = "cgroup",
        /// The clocks that count from boot.
        Time = "time",
    }
}

/// A range of ids of a user namespace or of a mount (`user_namespaces(7)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// The first id inside.
    #[serde(rename = "containerID")]
    pub container: u32,
    /// The first id outside.
    #[serde(rename = "hostID")]
    pub host: u32,
    /// How many ids; at least one.
    pub size: u32,
}

/// `linux.timeOffsets`. There are offsets for these two clocks only (`time_namespaces(7)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeOffsets {
    /// For `CLOCK_MONOTONIC` and its coarse and raw relatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic: Option<TimeOffset>,
    /// For `CLOCK_BOOTTIME` and its alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boottime: Option<TimeOffset>,
}

/// What is added to a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// Seconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secs: i64,
    /// Nanoseconds on top, fewer than 10^9.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nanosecs: u32,
}

/// One of `linux.devices`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device<'a> {
    /// Its absolute path inside.
    #[serde(borrow)]
    pub path: Str<'a>,
    /// What kind of node it is.
    #[serde(rename = "type")]
    pub kind: DeviceType,
    /// The major number; of no meaning for a FIFO.
    #[serde(default)]
    pub major: u32,
    /// The minor number; of no meaning for a FIFO.
    #[serde(default)]
    pub minor: u32,
    /// `st_mode`; some encoders leave the file type in. See [`Device::permissions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<u32>,
    /// Its owner inside; root if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group inside; root's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

impl Device<'_> {
    /// The permission bits: `0o666` if the configuration says nothing, as runtimes have it.
    pub fn permissions(&self) -> u32 {
        self.file_mode.map_or(0o666, |mode| mode & 0o7777)
    }
}

closed! {
    /// What kind of node a device is.
    pub enum DeviceType ("device type") {
        /// A character device.
        Char = "c",
        /// A block device.
        Block = "b",
        /// A character device, by another name.
        Unbuffered = "u",
        /// A FIFO.
        Fifo = "p",
    }
}

/// One of `linux.netDevices`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice<'a> {
    /// Its name inside; the same as outside if absent.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<Str<'a>>,
}

closed! {
    /// How mount events travel (`mount_namespaces(7)`). The specification lists the plain names; every
    /// runtime takes the recursive ones too, and engines write them.
    pub enum Propagation ("mount propagation") {
        /// Not at all.
        Private = "private",
        /// In both directions.
        Shared = "shared",
        /// Inwards only.
        Slave = "slave",
        /// Not at all, and the mount cannot be bound elsewhere.
        Unbindable = "unbindable",
        /// `private` for all mounts below.
        RPrivate = "rprivate",
        /// `shared` for all mounts below.
        RShared = "rshared",
        /// `slave` for all mounts below.
        RSlave = "rslave",
        /// `unbindable` for all mounts below.
        RUnbindable = "runbindable",
    }
}

impl Propagation {
    /// Whether it is for all mounts below, too.
    pub const fn is_recursive(self) -> bool {
        matches!(
            self,
            Self::RPrivate | Self::RShared | Self::RSlave | Self::RUnbindable
        )
    }

    /// The same for this one mount only.
    #[must_use]
    pub const fn single(self) -> Self {
        match self {
            Self::Private | Self::RPrivate => Self::Private,
            Self::Shared | Self::RShared => Self::Shared,
            Self::Slave | Self::RSlave => Self::Slave,
            Self::Unbindable | Self::RUnbindable => Self::Unbindable,
        }
    }
}

/// `linux.intelRdt`: a class of service of the `resctrl` file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntelRdt<'a> {
    /// The name of the class; the container's id if absent, `/` for the default class.
    #[serde(
        borrow,
        rename = "closID",
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub clos_id: Option<Str<'a>>,
    /// Lines for its `schemata` file.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub schemata: Vec<Str<'a>>,
    /// A line about the L3 cache.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub l3_cache_schema: Option<Str<'a>>,
    /// A line about memory bandwidth.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub mem_bw_schema: Option<Str<'a>>,
    /// Whether there is a monitoring group of its own.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_false"
    )]
    pub enable_monitoring: bool,
}

/// `linux.memoryPolicy` (`set_mempolicy(2)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy<'a> {
    /// The policy.
    pub mode: MemoryPolicyMode,
    /// The nodes, such as `0-3,7`.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub nodes: Option<Str<'a>>,
    /// Flags.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub flags: Vec<MemoryPolicyFlag>,
}

closed! {
    /// A NUMA memory policy.
    pub enum MemoryPolicyMode ("memory policy") {
        /// The system's.
        Default = "MPOL_DEFAULT",
        /// Only on the nodes.
        Bind = "MPOL_BIND",
        /// Page by page over the nodes.
        Interleave = "MPOL_INTERLEAVE",
        /// Page by page over the nodes, by weight.
        WeightedInterleave = "MPOL_WEIGHTED_INTERLEAVE",
        /// First on the node.
        Preferred = "MPOL_PREFERRED",
        /// First on the nodes.
        PreferredMany = "MPOL_PREFERRED_MANY",
        /// On the node of the processor.
        Local = "MPOL_LOCAL",
    }
}

impl MemoryPolicyMode {
    /// The kernel's number (`linux/mempolicy.h`).
    pub const fn number(self) -> u32 {
        match self {
            Self::Default => 0,
            Self::Preferred => 1,
            Self::Bind => 2,
            Self::Interleave => 3,
            Self::Local => 4,
            Self::PreferredMany => 5,
            Self::WeightedInterleave => 6,
        }
    }
}

closed! {
    /// A flag of `set_mempolicy(2)`.
    pub enum MemoryPolicyFlag ("memory policy flag") {
        /// Pages may move to the node that uses them.
        NumaBalancing = "MPOL_F_NUMA_BALANCING",
        /// Node numbers count within the allowed ones.
        RelativeNodes = "MPOL_F_RELATIVE_NODES",
        /// Node numbers are not remapped.
        StaticNodes = "MPOL_F_STATIC_NODES",
    }
}

impl MemoryPolicyFlag {
    /// The kernel's bit (`linux/mempolicy.h`).
    pub const fn bit(self) -> u32 {
        match self {
            Self::NumaBalancing => 1 << 13,
            Self::RelativeNodes => 1 << 14,
            Self::StaticNodes => 1 << 15,
        }
    }
}

/// `linux.personality` (`personality(2)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personality<'a> {
    /// The execution domain.
    pub domain: PersonalityDomain,
    /// The specification defines no flag; [`Spec::check`](crate::Spec::check) refuses any.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub flags: Vec<Str<'a>>,
}

closed! {
    /// An execution domain.
    pub enum PersonalityDomain ("personality domain") {
        /// The machine as it is.
        Linux = "LINUX",
        /// A 32-bit machine.
        Linux32 = "LINUX32",
    }
}

impl PersonalityDomain {
    /// The kernel's number (`linux/personality.h`).
    pub const fn number(self) -> u32 {
        match self {
            Self::Linux => 0,
            Self::Linux32 => 8,
        }
    }
}

//! `linux.resources`: what the container may use, in the words of cgroup v1, which the specification
//! speaks.

use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::closed::{self, closed};
use crate::config::empty;
use crate::text::{Short, is_default, null_is_default, optional};
use crate::{Map, Str};

/// `linux.resources`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources<'a> {
    /// Which devices may be used; a later rule overrides an earlier one.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub devices: Vec<DeviceRule>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Processor time, and which processors.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu<'a>>,
    /// The number of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<Pids>,
    /// Block devices.
    #[serde(rename = "blockIO", default, skip_serializing_if = "Option::is_none")]
    pub block_io: Option<BlockIo>,
    /// Huge pages, by size.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hugepage_limits: Vec<HugepageLimit<'a>>,
    /// How packets are marked.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network<'a>>,
    /// RDMA, by device.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "empty"
    )]
    pub rdma: Map<'a, Rdma>,
    /// Files of cgroup v2 and what is written to them.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "empty"
    )]
    pub unified: Map<'a, Str<'a>>,
}

/// One of `linux.resources.devices`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// Which kind of device; absent: all.
    #[serde(
        rename = "type",
        default,
        deserialize_with = "rule_type",
        skip_serializing_if = "is_default"
    )]
    pub kind: DeviceRuleType,
    /// The major number; absent or -1: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// The minor number; absent or -1: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// What may be done, or may not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub access: Access,
}

closed! {
    /// Which kind of device a rule is for.
    pub enum DeviceRuleType ("device type") {
        /// All.
        All = "a",
        /// Character devices.
        Char = "c",
        /// Block devices.
        Block = "b",
    }
}

fn rule_type<'de, D: Deserializer<'de>>(from: D) -> Result<DeviceRuleType, D::Error> {
    Ok(closed::optional(from)?.unwrap_or_default())
}

/// What may be done with a device: any of `r`, `w` and `m`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access(u8);

impl Access {
    /// Reading.
    pub const READ: Self = Self(1);
    /// Writing.
    pub const WRITE: Self = Self(2);
    /// Making a node.
    pub const MKNOD: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    const LETTERS: [(char, Self); 3] = [('r', Self::READ), ('w', Self::WRITE), ('m', Self::MKNOD)];

    /// The access of some letters; none for a letter that is not one of the three or is there twice.
    pub fn from_letters(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::default(), |access, letter| {
            let (_, one) = Self::LETTERS
                .into_iter()
                .find(|(known, _)| *known == letter)?;
            (!access.contains(one)).then_some(access.union(one))
        })
    }

    /// Its letters, in the order `rwm`.
    pub const fn letters(self) -> &'static str {
        ["", "r", "w", "rw", "m", "rm", "wm", "rwm"][self.0 as usize]
    }

    /// Whether all of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letters())
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.letters())
    }
}

impl<'de> Deserialize<'de> for Access {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(AccessVisitor)
    }
}

struct AccessVisitor;

impl Visitor<'_> for AccessVisitor {
    type Value = Access;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("some of the letters `r`, `w` and `m`")
    }

    fn visit_str<E: Error>(self, letters: &str) -> Result<Access, E> {
        Access::from_letters(letters).ok_or_else(|| {
            E::custom(format_args!(
                "unknown device access `{}`, expected some of the letters `r`, `w` and `m`",
                Short(letters)
            ))
        })
    }
}

/// `linux.resources.memory`, in bytes; -1 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The limit of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// What is left to it when memory is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<i64>,
    /// The limit of memory and swap together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<i64>,
    /// Deprecated; the limit of kernel memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<i64>,
    /// The limit of the kernel's TCP buffers.
    #[serde(rename = "kernelTCP", default, skip_serializing_if = "Option::is_none")]
    pub kernel_tcp: Option<i64>,
    /// How eagerly the kernel swaps, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swappiness: Option<u64>,
    /// Whether tasks wait, instead of being killed, when memory is out.
    #[serde(
        rename = "disableOOMKiller",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub disable_oom_killer: Option<bool>,
    /// Whether the limits hold for everything below, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_hierarchy: Option<bool>,
    /// Whether an update is refused that sets the limit below the use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_before_update: Option<bool>,
}

/// `linux.resources.cpu`; times are microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cpu<'a> {
    /// The weight beside others, 2 to 262144; 0 is as if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
    /// The time in each period; less than 1 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
    /// The time that may be saved up beyond the quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// The period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
    /// The time of real-time scheduling in each of its periods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_runtime: Option<i64>,
    /// The period of real-time scheduling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_period: Option<u64>,
    /// The processors, such as `0-3,7`.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub cpus: Option<Str<'a>>,
    /// The memory nodes, such as `0-1`.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub mems: Option<Str<'a>>,
    /// 1: runs only when nothing else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<i64>,
}

/// `linux.resources.pids`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// The number of tasks; -1, 0 or absent is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// `linux.resources.blockIO`; weights are 10 to 1000, and 0 is as if absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockIo {
    /// The weight beside others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// The weight of its own tasks beside its child cgroups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_weight: Option<u16>,
    /// Weights by device.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub weight_device: Vec<WeightDevice>,
    /// Bytes read per second, by device.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub throttle_read_bps_device: Vec<ThrottleDevice>,
    /// Bytes written per second, by device.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub throttle_write_bps_device: Vec<ThrottleDevice>,
    /// Reads per second, by device.
    #[serde(
        rename = "throttleReadIOPSDevice",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub throttle_read_iops_device: Vec<ThrottleDevice>,
    /// Writes per second, by device.
    #[serde(
        rename = "throttleWriteIOPSDevice",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub throttle_write_iops_device: Vec<ThrottleDevice>,
}

/// The weights of one block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightDevice {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// The weight beside others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// The weight of its own tasks beside its child cgroups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_weight: Option<u16>,
}

/// A rate of one block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleDevice {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// The rate per second; 0 is no limit.
    #[serde(default)]
    pub rate: u64,
}

/// One of `linux.resources.hugepageLimits`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HugepageLimit<'a> {
    /// The size of a page, such as `2MB`.
    #[serde(borrow)]
    pub page_size: Str<'a>,
    /// The limit in bytes.
    pub limit: u64,
}

impl HugepageLimit<'_> {
    /// The size of a page in bytes, if `page_size` is one: a number without leading zero, then `KB`,
    /// `MB` or `GB`, which are powers of 1024 here, as in the names of the kernel's files.
    pub fn page_bytes(&self) -> Option<u64> {
        let (number, unit) = self
            .page_size
            .split_at_checked(self.page_size.len().checked_sub(2)?)?;
        let shift = match unit {
            "KB" => 10,
            "MB" => 20,
            "GB" => 30,
            _ => return None,
        };
        let number = crate::ranges::number(number).filter(|_| !number.starts_with('0'))?;
        Some(u64::from(number) << shift)
    }
}

/// `linux.resources.network`: cgroup v1's `net_cls` and `net_prio`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network<'a> {
    /// The class of its packets.
    #[serde(rename = "classID", default, skip_serializing_if = "Option::is_none")]
    pub class_id: Option<u32>,
    /// Priorities by interface.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub priorities: Vec<InterfacePriority<'a>>,
}

/// The priority of the packets that leave by one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePriority<'a> {
    /// The interface.
    #[serde(borrow)]
    pub name: Str<'a>,
    /// The priority.
    pub priority: u32,
}

/// The limits of one RDMA device; absent is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rdma {
    /// Open handles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hca_handles: Option<u32>,
    /// Objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hca_objects: Option<u32>,
}

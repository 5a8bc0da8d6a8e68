//! How a container fares: one set of figures for v1, hybrid and v2 hosts.
//!
//! What the host does not count for this container is `None`: on hybrid and v1 hosts a container is
//! only in the hierarchies that its limits need (see [`crate::Request::counted`]).

mod text;
mod v1;
mod v2;

use alloc::string::String;
use alloc::vec::Vec;

use sys::OwnedFd;

use crate::error::Result;
use crate::lower::{Leaf, Version};
use crate::tree::Group;

/// All figures of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time.
    pub cpu: Option<Cpu>,
    /// Memory and swap.
    pub memory: Option<Memory>,
    /// Tasks.
    pub pids: Option<Pids>,
    /// Block devices.
    pub io: Option<Vec<DeviceIo>>,
    /// Huge pages, by size.
    pub hugetlb: Vec<Hugetlb>,
    /// How much its tasks waited for processors, memory and block devices.
    pub pressure: AllPressure,
}

/// Processor time, in microseconds since the cgroup was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// All of it.
    pub usage: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// What is told where its time is limited.
    pub throttling: Option<Throttling>,
}

/// How a limit of processor time was felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which it ran.
    pub periods: u64,
    /// Periods in which it used up its quota.
    pub throttled_periods: u64,
    /// Microseconds for which its tasks were held.
    pub throttled: u64,
}

/// Memory, in bytes; what lies in cgroups below is included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Memory in use, the page cache included.
    pub usage: u64,
    /// The most that was in use.
    pub peak: Option<u64>,
    /// Its limit.
    pub limit: Option<u64>,
    /// Swap in use.
    pub swap: Option<u64>,
    /// The limit of swap; on v1 that of memory and swap less that of memory.
    pub swap_limit: Option<u64>,
    /// Page cache that nobody has used lately, which the kernel takes back first. What people call the
    /// memory in use is [`Memory::usage`] without it.
    pub inactive_file: u64,
    /// How often the limit was hit.
    pub limit_hits: u64,
    /// How often memory was out.
    pub ooms: Option<u64>,
    /// Processes killed because memory was out.
    pub oom_kills: u64,
    /// `memory.stat` as the kernel has it, for those who know its words.
    pub detail: Vec<(String, u64)>,
}

/// Tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pids {
    /// How many there are.
    pub current: u64,
    /// Their limit.
    pub limit: Option<u64>,
}

/// Use of one block device, since the cgroup was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceIo {
    /// The device's major number.
    pub major: u32,
    /// The device's minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Huge pages of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hugetlb {
    /// The size, such as `2MB`.
    pub size: String,
    /// Bytes in use.
    pub usage: u64,
    /// The most that was in use, which only v1 tells.
    pub peak: Option<u64>,
    /// Their limit.
    pub limit: Option<u64>,
    /// How often the limit was hit.
    pub limit_hits: u64,
}

/// Pressure on each resource that can be waited for; only v2 hierarchies tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllPressure {
    /// Processors.
    pub cpu: Option<Pressure>,
    /// Memory.
    pub memory: Option<Pressure>,
    /// Block devices.
    pub io: Option<Pressure>,
}

/// The time that tasks stood waiting for a resource (Documentation/accounting/psi.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Stall,
    /// All tasks waited.
    pub full: Stall,
}

/// Shares of time, in hundredths of a per cent, over the last seconds; and the sum in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// Over 10 seconds.
    pub avg10: u32,
    /// Over 60 seconds.
    pub avg60: u32,
    /// Over 300 seconds.
    pub avg300: u32,
    /// In all, in microseconds.
    pub total: u64,
}

impl Group {
    /// The container's figures now.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        for (leaf, dir) in self.leaves.iter().zip(&self.dirs) {
            let source = Source { leaf, dir };
            match leaf.version {
                Version::V1 => v1::add(&source, &mut stats)?,
                Version::V2 => v2::add(&source, &mut stats)?,
            }
        }
        Ok(stats)
    }
}

/// Where figures are read.
struct Source<'g> {
    leaf: &'g Leaf,
    dir: &'g OwnedFd,
}

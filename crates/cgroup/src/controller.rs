//! The kernel's resource controllers, and sets of them.

use core::fmt;

/// A resource controller, or one of the two hierarchies that are wanted without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Controller {
    /// CPU time: weight, bandwidth, real-time budget.
    Cpu,
    /// CPU time used (v1 only; v2 counts without a controller).
    Cpuacct,
    /// CPUs and memory nodes.
    Cpuset,
    /// Memory and swap.
    Memory,
    /// Device nodes (v1 only; v2 has BPF programs).
    Devices,
    /// Stopping and resuming (v1 only; v2 does it without a controller).
    Freezer,
    /// Block devices (`blkio` on v1, `io` on v2).
    Io,
    /// The number of tasks.
    Pids,
    /// Huge pages.
    Hugetlb,
    /// Class of network packets (v1 only).
    NetCls,
    /// Priority of network packets (v1 only).
    NetPrio,
    /// Scope of performance counters (v2 does it without a controller).
    PerfEvent,
    /// RDMA handles.
    Rdma,
    /// Scalar resources such as encryption keys.
    Misc,
    /// Not a controller: systemd's own v1 hierarchy, `name=systemd`.
    Systemd,
}

impl Controller {
    /// All of them, in the order of a [`Controllers`] set.
    pub const ALL: [Self; 15] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Memory,
        Self::Devices,
        Self::Freezer,
        Self::Io,
        Self::Pids,
        Self::Hugetlb,
        Self::NetCls,
        Self::NetPrio,
        Self::PerfEvent,
        Self::Rdma,
        Self::Misc,
        Self::Systemd,
    ];

    /// Its name on cgroup v1, as in `/proc/self/cgroup` and as its directory is called.
    pub const fn v1_name(self) -> &'static str {
        match self {
            Self::Io => "blkio",
            other => other.v2_name(),
        }
    }

    /// Its name on cgroup v2, as in `cgroup.controllers`; for those that only v1 has, v1's.
    pub const fn v2_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Memory => "memory",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Io => "io",
            Self::Pids => "pids",
            Self::Hugetlb => "hugetlb",
            Self::NetCls => "net_cls",
            Self::NetPrio => "net_prio",
            Self::PerfEvent => "perf_event",
            Self::Rdma => "rdma",
            Self::Misc => "misc",
            Self::Systemd => "systemd",
        }
    }

    /// The controller of that name, in either version's words; `name=systemd` is accepted.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix("name=").unwrap_or(name);
        Self::ALL
            .into_iter()
            .find(|c| c.v2_name() == name || c.v1_name() == name)
    }
}

/// A set of controllers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Controllers(u16);

impl Controllers {
    /// The set with nothing in it.
    pub const NONE: Self = Self(0);

    /// The set of one.
    pub const fn of(one: Controller) -> Self {
        Self(1 << one as u16)
    }

    /// Whether `one` is in it.
    pub const fn has(self, one: Controller) -> bool {
        self.0 & Self::of(one).0 != 0
    }

    /// The set with `one` added.
    pub const fn with(self, one: Controller) -> Self {
        Self(self.0 | Self::of(one).0)
    }

    /// All that are in either.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All that are in both.
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// All that are in this one only.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Controller> {
        Controller::ALL.into_iter().filter(move |c| self.has(*c))
    }

    /// Those named in `list`; names that are not known here are left out, for there is no use for them.
    pub fn parse(list: &str, separator: char) -> Self {
        list.split(separator)
            .filter_map(|name| Controller::named(name.trim()))
            .fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, one) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(one.v2_name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

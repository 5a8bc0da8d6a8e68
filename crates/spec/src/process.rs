//! `process`: what runs in the container, and with which rights.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::text::{is_default, is_false, null_is_default, optional};
use crate::{Capabilities, Str};

/// `process`: what runs in the container, and with which rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process<'a> {
    /// Whether its standard streams are a new terminal.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_false"
    )]
    pub terminal: bool,
    /// The size of that terminal; ignored without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// As whom it runs.
    #[serde(default)]
    pub user: User,
    /// The command and its arguments; at least the command.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub args: Vec<Str<'a>>,
    /// The whole environment, `NAME=VALUE`.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<Str<'a>>,
    /// The working directory, an absolute path inside.
    #[serde(borrow)]
    pub cwd: Str<'a>,
    /// The capabilities it has. Absent means none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities<'a>>,
    /// Resource limits; no kind twice.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub rlimits: Vec<Rlimit>,
    /// Whether `execve` can no longer give privileges (`PR_SET_NO_NEW_PRIVS`).
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_false"
    )]
    pub no_new_privileges: bool,
    /// The AppArmor profile.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub apparmor_profile: Option<Str<'a>>,
    /// `oom_score_adj`, -1000 to 1000; left alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// How it is scheduled; left alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// The SELinux label.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub selinux_label: Option<Str<'a>>,
    /// The priority of its I/O; left alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// On which processors `exec` runs.
    #[serde(
        borrow,
        default,
        rename = "execCPUAffinity",
        skip_serializing_if = "Option::is_none"
    )]
    pub exec_cpu_affinity: Option<CpuAffinity<'a>>,
}

/// `process.consoleSize`, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Lines.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// `process.user`: ids as the container's user namespace has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user.
    #[serde(default)]
    pub uid: u32,
    /// The group.
    #[serde(default)]
    pub gid: u32,
    /// The umask, at most `0o777`; left alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// The supplementary groups.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub additional_gids: Vec<u32>,
}

/// One of `process.rlimits`; `u64::MAX` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// What is limited.
    #[serde(rename = "type")]
    pub kind: RlimitKind,
    /// Up to what the process may raise `soft`.
    pub hard: u64,
    /// What the kernel enforces.
    pub soft: u64,
}

closed! {
    /// What a resource limit is about (`getrlimit(2)`).
    pub enum RlimitKind ("resource limit") {
        /// Bytes of address space.
        As = "RLIMIT_AS",
        /// Bytes of a core file.
        Core = "RLIMIT_CORE",
        /// Seconds of processor time.
        Cpu = "RLIMIT_CPU",
        /// Bytes of the data segment.
        Data = "RLIMIT_DATA",
        /// Bytes of a file.
        Fsize = "RLIMIT_FSIZE",
        /// File locks.
        Locks = "RLIMIT_LOCKS",
        /// Bytes of locked memory.
        Memlock = "RLIMIT_MEMLOCK",
        /// Bytes in POSIX message queues of the user.
        Msgqueue = "RLIMIT_MSGQUEUE",
        /// 20 minus the lowest nice value.
        Nice = "RLIMIT_NICE",
        /// The highest file descriptor plus one.
        Nofile = "RLIMIT_NOFILE",
        /// Processes of the user.
        Nproc = "RLIMIT_NPROC",
        /// Bytes of resident memory; without effect.
        Rss = "RLIMIT_RSS",
        /// The highest real-time priority.
        Rtprio = "RLIMIT_RTPRIO",
        /// Microseconds of real-time processor time without a blocking call.
        Rttime = "RLIMIT_RTTIME",
        /// Pending signals of the user.
        Sigpending = "RLIMIT_SIGPENDING",
        /// Bytes of stack.
        Stack = "RLIMIT_STACK",
    }
}

/// `process.scheduler` (`sched_setattr(2)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// The policy.
    pub policy: SchedulerPolicy,
    /// The nice value, -20 to 19.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nice: i32,
    /// The priority under the real-time policies, 1 to 99.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// Flags.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub flags: Vec<SchedulerFlag>,
    /// Nanoseconds in each period, under the deadline policy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runtime: u64,
    /// Nanoseconds from a period's begin to its deadline.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deadline: u64,
    /// Nanoseconds of a period.
    #[serde(default, skip_serializing_if = "is_default")]
    pub period: u64,
}

closed! {
    /// A scheduling policy (`sched(7)`).
    pub enum SchedulerPolicy ("scheduling policy") {
        /// The usual one.
        Other = "SCHED_OTHER",
        /// Real time, first in first out.
        Fifo = "SCHED_FIFO",
        /// Real time, round robin.
        RoundRobin = "SCHED_RR",
        /// For batch work.
        Batch = "SCHED_BATCH",
        /// Reserved; no kernel has it.
        Iso = "SCHED_ISO",
        /// When nothing else runs.
        Idle = "SCHED_IDLE",
        /// Earliest deadline first.
        Deadline = "SCHED_DEADLINE",
    }
}

impl SchedulerPolicy {
    /// The kernel's number (`linux/sched.h`).
    pub const fn number(self) -> u32 {
        match self {
            Self::Other => 0,
            Self::Fifo => 1,
            Self::RoundRobin => 2,
            Self::Batch => 3,
            Self::Iso => 4,
            Self::Idle => 5,
            Self::Deadline => 6,
        }
    }
}

closed! {
    /// A flag of `sched_setattr(2)`.
    pub enum SchedulerFlag ("scheduler flag") {
        /// Children start with the usual policy.
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        /// Takes processor time that other deadline threads leave.
        Reclaim = "SCHED_FLAG_RECLAIM",
        /// Sends SIGXCPU when the runtime is overrun.
        DlOverrun = "SCHED_FLAG_DL_OVERRUN",
        /// Leaves the policy as it is.
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        /// Leaves the parameters as they are.
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        /// Sets a minimum utilisation.
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        /// Sets a maximum utilisation.
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

impl SchedulerFlag {
    /// The kernel's bit (`linux/sched.h`).
    pub const fn bit(self) -> u64 {
        match self {
            Self::ResetOnFork => 0x01,
            Self::Reclaim => 0x02,
            Self::DlOverrun => 0x04,
            Self::KeepPolicy => 0x08,
            Self::KeepParams => 0x10,
            Self::UtilClampMin => 0x20,
            Self::UtilClampMax => 0x40,
        }
    }
}

/// `process.ioPriority` (`ioprio_set(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// The class.
    pub class: IoClass,
    /// The level within the class, 0 (highest) to 7. The idle class has none.
    #[serde(default)]
    pub priority: i32,
}

closed! {
    /// A class of I/O priority.
    pub enum IoClass ("I/O priority class") {
        /// Real time.
        RealTime = "IOPRIO_CLASS_RT",
        /// The usual one.
        BestEffort = "IOPRIO_CLASS_BE",
        /// When nobody else needs the disk.
        Idle = "IOPRIO_CLASS_IDLE",
    }
}

impl IoClass {
    /// The kernel's number (`linux/ioprio.h`).
    pub const fn number(self) -> u32 {
        match self {
            Self::RealTime => 1,
            Self::BestEffort => 2,
            Self::Idle => 3,
        }
    }
}

/// `process.execCPUAffinity`: lists of processors, such as `0-3,7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuAffinity<'a> {
    /// Before the process enters the container's cgroup.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub initial: Option<Str<'a>>,
    /// Afterwards.
    #[serde(
        rename = "final",
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub last: Option<Str<'a>>,
}

//! Numbers of the kernel that stand here are those of its headers, as the `libc` crate has them.

use spec::mount::{attribute, superblock};
use spec::{MemoryPolicyFlag, MemoryPolicyMode, SchedulerFlag, SchedulerPolicy};

#[test]
fn mounts() {
    for (ours, theirs) in [
        (attribute::RDONLY, libc::MOUNT_ATTR_RDONLY),
        (attribute::NOSUID, libc::MOUNT_ATTR_NOSUID),
        (attribute::NODEV, libc::MOUNT_ATTR_NODEV),
        (attribute::NOEXEC, libc::MOUNT_ATTR_NOEXEC),
        (attribute::ATIME, libc::MOUNT_ATTR__ATIME),
        (attribute::RELATIME, libc::MOUNT_ATTR_RELATIME),
        (attribute::NOATIME, libc::MOUNT_ATTR_NOATIME),
        (attribute::STRICTATIME, libc::MOUNT_ATTR_STRICTATIME),
        (attribute::NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
        (attribute::NOSYMFOLLOW, libc::MOUNT_ATTR_NOSYMFOLLOW),
        (superblock::RDONLY, libc::MS_RDONLY),
        (superblock::SYNCHRONOUS, libc::MS_SYNCHRONOUS),
        (superblock::MANDLOCK, libc::MS_MANDLOCK),
        (superblock::DIRSYNC, libc::MS_DIRSYNC),
        (superblock::SILENT, libc::MS_SILENT),
        (superblock::I_VERSION, libc::MS_I_VERSION),
        (superblock::LAZYTIME, libc::MS_LAZYTIME),
    ] {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn scheduling() {
    for (ours, theirs) in [
        (SchedulerPolicy::Other, libc::SCHED_OTHER),
        (SchedulerPolicy::Fifo, libc::SCHED_FIFO),
        (SchedulerPolicy::RoundRobin, libc::SCHED_RR),
        (SchedulerPolicy::Batch, libc::SCHED_BATCH),
        (SchedulerPolicy::Idle, libc::SCHED_IDLE),
        (SchedulerPolicy::Deadline, libc::SCHED_DEADLINE),
    ] {
        assert_eq!(i64::from(ours.number()), i64::from(theirs), "{ours}");
    }
    for (ours, theirs) in [
        (SchedulerFlag::ResetOnFork, libc::SCHED_FLAG_RESET_ON_FORK),
        (SchedulerFlag::Reclaim, libc::SCHED_FLAG_RECLAIM),
        (SchedulerFlag::DlOverrun, libc::SCHED_FLAG_DL_OVERRUN),
        (SchedulerFlag::KeepPolicy, libc::SCHED_FLAG_KEEP_POLICY),
        (SchedulerFlag::KeepParams, libc::SCHED_FLAG_KEEP_PARAMS),
        (SchedulerFlag::UtilClampMin, libc::SCHED_FLAG_UTIL_CLAMP_MIN),
        (SchedulerFlag::UtilClampMax, libc::SCHED_FLAG_UTIL_CLAMP_MAX),
    ] {
        assert_eq!(i128::from(ours.bit()), i128::from(theirs), "{ours}");
    }
}

#[test]
fn memory_policies() {
    for (ours, theirs) in [
        (MemoryPolicyMode::Default, libc::MPOL_DEFAULT),
        (MemoryPolicyMode::Preferred, libc::MPOL_PREFERRED),
        (MemoryPolicyMode::Bind, libc::MPOL_BIND),
        (MemoryPolicyMode::Interleave, libc::MPOL_INTERLEAVE),
        (MemoryPolicyMode::Local, libc::MPOL_LOCAL),
    ] {
        assert_eq!(i64::from(ours.number()), i64::from(theirs), "{ours}");
    }
    for (ours, theirs) in [
        (MemoryPolicyFlag::NumaBalancing, libc::MPOL_F_NUMA_BALANCING),
        (MemoryPolicyFlag::RelativeNodes, libc::MPOL_F_RELATIVE_NODES),
        (MemoryPolicyFlag::StaticNodes, libc::MPOL_F_STATIC_NODES),
    ] {
        assert_eq!(i64::from(ours.bit()), i64::from(theirs), "{ours}");
    }
}

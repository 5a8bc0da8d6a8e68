//! System calls as the container's child program makes them: no allocation, no library, bare
//! descriptors. Used as a source file by that program, which is compiled by itself.
//!
//! Descriptors are plain numbers here: the program never closes what it did not open, and ends in
//! execve(2), where close-on-exec does the rest.

use core::ffi::CStr;

use crate::raw;
use crate::raw::Outcome;

/// A result whose error is an errno.
pub type Result<T> = core::result::Result<T, i32>;
/// A descriptor's number.
pub type Fd = i32;

/// The working directory as a descriptor.
pub const AT_FDCWD: Fd = -100;

/// System call numbers that differ between machines.
#[cfg(target_arch = "x86_64")]
pub mod nr {
    #![allow(missing_docs)]
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const MMAP: usize = 9;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16;
    pub const GETPID: usize = 39;
    pub const SENDFILE: usize = 40;
    pub const SOCKET: usize = 41;
    pub const SENDMSG: usize = 46;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const FCNTL: usize = 72;
    pub const GETCWD: usize = 79;
    pub const CHDIR: usize = 80;
    pub const FCHDIR: usize = 81;
    pub const UMASK: usize = 95;
    pub const SETPGID: usize = 109;
    pub const SETSID: usize = 112;
    pub const SETGROUPS: usize = 116;
    pub const SETRESUID: usize = 117;
    pub const SETRESGID: usize = 119;
    pub const CAPSET: usize = 126;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const PERSONALITY: usize = 135;
    pub const FSTATFS: usize = 138;
    pub const PIVOT_ROOT: usize = 155;
    pub const PRCTL: usize = 157;
    pub const CHROOT: usize = 161;
    pub const MOUNT: usize = 165;
    pub const UMOUNT2: usize = 166;
    pub const SETHOSTNAME: usize = 170;
    pub const SETDOMAINNAME: usize = 171;
    pub const SCHED_SETAFFINITY: usize = 203;
    pub const EXIT_GROUP: usize = 231;
    pub const SET_MEMPOLICY: usize = 238;
    pub const KEYCTL: usize = 250;
    pub const IOPRIO_SET: usize = 251;
    pub const OPENAT: usize = 257;
    pub const MKDIRAT: usize = 258;
    pub const MKNODAT: usize = 259;
    pub const FCHMOD: usize = 91;
    pub const FCHOWNAT: usize = 260;
    pub const NEWFSTATAT: usize = 262;
    pub const SYMLINKAT: usize = 266;
    pub const READLINKAT: usize = 267;
    pub const UNSHARE: usize = 272;
    pub const ACCEPT4: usize = 288;
    pub const DUP3: usize = 292;
    pub const PRLIMIT64: usize = 302;
    pub const SETNS: usize = 308;
    pub const SCHED_SETATTR: usize = 314;
    pub const SECCOMP: usize = 317;
    pub const STATX: usize = 332;
    pub const GETDENTS64: usize = 217;
}

/// System call numbers that differ between machines.
#[cfg(target_arch = "aarch64")]
pub mod nr {
    #![allow(missing_docs)]
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const CLOSE: usize = 57;
    pub const MMAP: usize = 222;
    pub const RT_SIGACTION: usize = 134;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const IOCTL: usize = 29;
    pub const GETPID: usize = 172;
    pub const SENDFILE: usize = 71;
    pub const SOCKET: usize = 198;
    pub const SENDMSG: usize = 211;
    pub const CLONE: usize = 220;
    pub const EXECVE: usize = 221;
    pub const WAIT4: usize = 260;
    pub const KILL: usize = 129;
    pub const FCNTL: usize = 25;
    pub const GETCWD: usize = 17;
    pub const CHDIR: usize = 49;
    pub const FCHDIR: usize = 50;
    pub const UMASK: usize = 166;
    pub const SETPGID: usize = 154;
    pub const SETSID: usize = 157;
    pub const SETGROUPS: usize = 159;
    pub const SETRESUID: usize = 147;
    pub const SETRESGID: usize = 149;
    pub const CAPSET: usize = 91;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const PERSONALITY: usize = 92;
    pub const FSTATFS: usize = 44;
    pub const PIVOT_ROOT: usize = 41;
    pub const PRCTL: usize = 167;
    pub const CHROOT: usize = 51;
    pub const MOUNT: usize = 40;
    pub const UMOUNT2: usize = 39;
    pub const SETHOSTNAME: usize = 161;
    pub const SETDOMAINNAME: usize = 162;
    pub const SCHED_SETAFFINITY: usize = 122;
    pub const EXIT_GROUP: usize = 94;
    pub const SET_MEMPOLICY: usize = 237;
    pub const KEYCTL: usize = 219;
    pub const IOPRIO_SET: usize = 30;
    pub const OPENAT: usize = 56;
    pub const MKDIRAT: usize = 34;
    pub const MKNODAT: usize = 33;
    pub const FCHMOD: usize = 52;
    pub const FCHOWNAT: usize = 54;
    pub const NEWFSTATAT: usize = 79;
    pub const SYMLINKAT: usize = 36;
    pub const READLINKAT: usize = 78;
    pub const UNSHARE: usize = 97;
    pub const ACCEPT4: usize = 242;
    pub const DUP3: usize = 24;
    pub const PRLIMIT64: usize = 261;
    pub const SETNS: usize = 268;
    pub const SCHED_SETATTR: usize = 274;
    pub const SECCOMP: usize = 277;
    pub const STATX: usize = 291;
    pub const GETDENTS64: usize = 61;
}

/// System call numbers that are the same everywhere (424 and up).
pub mod nr_common {
    #![allow(missing_docs)]
    pub const OPEN_TREE: usize = 428;
    pub const MOVE_MOUNT: usize = 429;
    pub const FSOPEN: usize = 430;
    pub const FSCONFIG: usize = 431;
    pub const FSMOUNT: usize = 432;
    pub const CLOSE_RANGE: usize = 436;
    pub const LANDLOCK_CREATE_RULESET: usize = 444;
    pub const LANDLOCK_RESTRICT_SELF: usize = 446;
    pub const OPENAT2: usize = 437;
    pub const MOUNT_SETATTR: usize = 442;
}

/// Flags, as the kernel's headers name them.
pub mod flags {
    #![allow(missing_docs)]
    pub const O_RDONLY: u64 = 0;
    pub const O_WRONLY: u64 = 1;
    pub const O_RDWR: u64 = 2;
    pub const O_CREAT: u64 = 0o100;
    pub const O_EXCL: u64 = 0o200;
    pub const O_NOCTTY: u64 = 0o400;
    #[cfg(target_arch = "x86_64")]
    pub const O_DIRECTORY: u64 = 0o200_000;
    #[cfg(target_arch = "x86_64")]
    pub const O_NOFOLLOW: u64 = 0o400_000;
    #[cfg(target_arch = "aarch64")]
    pub const O_DIRECTORY: u64 = 0o40_000;
    #[cfg(target_arch = "aarch64")]
    pub const O_NOFOLLOW: u64 = 0o100_000;
    pub const O_CLOEXEC: u64 = 0o2_000_000;
    pub const O_PATH: u64 = 0o10_000_000;
    pub const RESOLVE_NO_XDEV: u64 = 1;
    pub const RESOLVE_NO_MAGICLINKS: u64 = 2;
    pub const RESOLVE_NO_SYMLINKS: u64 = 4;
    pub const RESOLVE_BENEATH: u64 = 8;
    pub const RESOLVE_IN_ROOT: u64 = 16;
    pub const MS_RDONLY: u64 = 1;
    pub const MS_NOSUID: u64 = 2;
    pub const MS_NODEV: u64 = 4;
    pub const MS_NOEXEC: u64 = 8;
    pub const MS_REMOUNT: u64 = 32;
    pub const MS_NOSYMFOLLOW: u64 = 256;
    pub const MS_NOATIME: u64 = 1024;
    pub const MS_NODIRATIME: u64 = 2048;
    pub const MS_BIND: u64 = 4096;
    pub const MS_MOVE: u64 = 8192;
    pub const MS_REC: u64 = 16384;
    pub const MS_SLAVE: u64 = 1 << 19;
    pub const MS_RELATIME: u64 = 1 << 21;
    pub const MS_STRICTATIME: u64 = 1 << 24;
    pub const ST_NOSYMFOLLOW: u64 = 0x2000;
    pub const AT_EMPTY_PATH: u64 = 0x1000;
    pub const AT_RECURSIVE: u64 = 0x8000;
    pub const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
    pub const OPEN_TREE_CLONE: u64 = 1;
    pub const OPEN_TREE_CLOEXEC: u64 = O_CLOEXEC;
    pub const MOVE_MOUNT_F_EMPTY_PATH: u64 = 4;
    pub const MOVE_MOUNT_T_EMPTY_PATH: u64 = 0x40;
    pub const MNT_DETACH: u64 = 2;
    pub const MOUNT_ATTR_RDONLY: u64 = 1;
    pub const MOUNT_ATTR_ATIME: u64 = 0x70;
    pub const MOUNT_ATTR_NOATIME: u64 = 0x10;
    pub const MOUNT_ATTR_STRICTATIME: u64 = 0x20;
    pub const MOUNT_ATTR_NODIRATIME: u64 = 0x80;
    pub const MOUNT_ATTR_NOSYMFOLLOW: u64 = 0x20_0000;
    pub const S_IFMT: u32 = 0o170_000;
    pub const S_IFDIR: u32 = 0o040_000;
    pub const S_IFREG: u32 = 0o100_000;
    pub const PROC_SUPER_MAGIC: i64 = 0x9fa0;
    pub const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;
}

/// Errnos that the child looks at.
pub mod errno {
    #![allow(missing_docs)]
    pub const EPERM: i32 = 1;
    pub const ENOENT: i32 = 2;
    pub const ESRCH: i32 = 3;
    pub const EINTR: i32 = 4;
    pub const EIO: i32 = 5;
    pub const E2BIG: i32 = 7;
    pub const ECHILD: i32 = 10;
    pub const EAGAIN: i32 = 11;
    pub const EACCES: i32 = 13;
    pub const EBUSY: i32 = 16;
    pub const EEXIST: i32 = 17;
    pub const EXDEV: i32 = 18;
    pub const ENODEV: i32 = 19;
    pub const ENOTDIR: i32 = 20;
    pub const EINVAL: i32 = 22;
    pub const EROFS: i32 = 30;
    pub const EPIPE: i32 = 32;
    pub const ENAMETOOLONG: i32 = 36;
    pub const ENOSYS: i32 = 38;
    pub const ELOOP: i32 = 40;
    pub const EOPNOTSUPP: i32 = 95;
}

/// The argument of openat2(2).
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// What the child wants to know of a file.
#[derive(Clone, Copy)]
pub struct Status {
    /// Type and permissions.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The device that a node stands for.
    pub device: u64,
}

/// The argument of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct MountAttributes {
    /// Attributes to set.
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// One propagation flag, or 0.
    pub propagation: u64,
    /// The user namespace for an idmapped mount.
    pub user_namespace: u64,
}

macro_rules! call {
    ($number:expr $(, $arg:expr)*) => {
        // SAFETY: every pointer argument below is derived from a live reference whose length is
        // passed along or that ends in NUL, as the call expects; numbers cannot break memory.
        unsafe { syscall!($number $(, $arg)*) }
    };
}
macro_rules! syscall {
    ($number:expr $(, $arg:expr)* $(,)?) => {{
        let given = [$($arg as usize),*];
        let mut args = [0usize; 6];
        let mut i = 0;
        while i < given.len() { args[i] = given[i]; i += 1; }
        raw::syscall($number, args)
    }};
}

fn descriptor(outcome: Outcome) -> Result<Fd> {
    outcome.map(|fd| fd as Fd)
}

fn done(outcome: Outcome) -> Result<()> {
    outcome.map(drop)
}

/// openat2(2). Flags get `O_CLOEXEC`.
pub fn openat2(dir: Fd, path: &CStr, flags: u64, mode: u64, resolve: u64) -> Result<Fd> {
    let how = OpenHow {
        flags: flags | flags::O_CLOEXEC,
        mode,
        resolve,
    };
    loop {
        let got = descriptor(call!(
            nr_common::OPENAT2,
            dir,
            path.as_ptr(),
            &raw const how,
            24
        ));
        if got != Err(errno::EAGAIN) {
            return got;
        }
    }
}

/// openat(2). Flags get `O_CLOEXEC`.
pub fn openat(dir: Fd, path: &CStr, flags: u64, mode: u64) -> Result<Fd> {
    descriptor(call!(
        nr::OPENAT,
        dir,
        path.as_ptr(),
        flags | flags::O_CLOEXEC,
        mode
    ))
}

/// close(2).
pub fn close(fd: Fd) {
    let _ = call!(nr::CLOSE, fd);
}

/// read(2).
pub fn read(fd: Fd, bytes: &mut [u8]) -> Result<usize> {
    loop {
        match call!(nr::READ, fd, bytes.as_mut_ptr(), bytes.len()) {
            Err(errno::EINTR) => {}
            other => return other,
        }
    }
}

/// write(2).
pub fn write(fd: Fd, bytes: &[u8]) -> Result<usize> {
    call!(nr::WRITE, fd, bytes.as_ptr(), bytes.len())
}

/// fstat(2).
pub fn fstat(fd: Fd) -> Result<Status> {
    // struct stat is 144 bytes on x86-64 and 128 on arm64.
    let mut raw = [0u64; 18];
    done(call!(
        nr::NEWFSTATAT,
        fd,
        c"".as_ptr(),
        raw.as_mut_ptr(),
        flags::AT_EMPTY_PATH
    ))?;
    #[cfg(target_arch = "x86_64")]
    let status = Status {
        mode: raw[3] as u32,
        uid: (raw[3] >> 32) as u32,
        gid: raw[4] as u32,
        device: raw[5],
    };
    #[cfg(target_arch = "aarch64")]
    let status = Status {
        mode: raw[2] as u32,
        uid: raw[3] as u32,
        gid: (raw[3] >> 32) as u32,
        device: raw[4],
    };
    Ok(status)
}

/// The magic number of the file system that `fd` is on.
pub fn fs_magic(fd: Fd) -> Result<i64> {
    let mut raw = [0i64; 16];
    done(call!(nr::FSTATFS, fd, raw.as_mut_ptr()))?;
    Ok(raw[0])
}

/// The flags of the mount that `fd` is on: `ST_…` of statfs(2).
pub fn mount_flags(fd: Fd) -> Result<u64> {
    let mut raw = [0u64; 16];
    done(call!(nr::FSTATFS, fd, raw.as_mut_ptr()))?;
    Ok(raw[10])
}

/// The number of the mount that `fd` is on, as `/proc/self/mountinfo` has it (statx(2), Linux 5.8).
pub fn mount_id(fd: Fd) -> Result<u64> {
    const STATX_MNT_ID: usize = 0x1000;
    let mut raw = [0u64; 32];
    done(call!(
        nr::STATX,
        fd,
        c"".as_ptr(),
        flags::AT_EMPTY_PATH,
        STATX_MNT_ID,
        raw.as_mut_ptr()
    ))?;
    Ok(raw[18])
}

/// mkdirat(2).
pub fn mkdirat(dir: Fd, path: &CStr, mode: u32) -> Result<()> {
    done(call!(nr::MKDIRAT, dir, path.as_ptr(), mode))
}

/// mknodat(2).
pub fn mknodat(dir: Fd, path: &CStr, mode: u32, device: u64) -> Result<()> {
    done(call!(nr::MKNODAT, dir, path.as_ptr(), mode, device))
}

/// symlinkat(2).
pub fn symlinkat(text: &CStr, dir: Fd, path: &CStr) -> Result<()> {
    done(call!(nr::SYMLINKAT, text.as_ptr(), dir, path.as_ptr()))
}

/// fchownat(2) on the last component itself.
pub fn chownat(dir: Fd, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    let flags = flags::AT_SYMLINK_NOFOLLOW | flags::AT_EMPTY_PATH;
    done(call!(nr::FCHOWNAT, dir, path.as_ptr(), uid, gid, flags))
}

/// fchmod(2).
pub fn fchmod(fd: Fd, mode: u32) -> Result<()> {
    done(call!(nr::FCHMOD, fd, mode))
}

/// getdents64(2).
pub fn getdents(dir: Fd, bytes: &mut [u8]) -> Result<usize> {
    call!(nr::GETDENTS64, dir, bytes.as_mut_ptr(), bytes.len())
}

/// readlinkat(2): how many bytes.
pub fn readlinkat(dir: Fd, path: &CStr, bytes: &mut [u8]) -> Result<usize> {
    call!(
        nr::READLINKAT,
        dir,
        path.as_ptr(),
        bytes.as_mut_ptr(),
        bytes.len()
    )
}

/// sendfile(2) of at most `count` bytes.
pub fn sendfile(out: Fd, input: Fd, count: usize) -> Result<usize> {
    call!(nr::SENDFILE, out, input, 0, count)
}

/// fchdir(2).
pub fn fchdir(fd: Fd) -> Result<()> {
    done(call!(nr::FCHDIR, fd))
}

/// chdir(2).
pub fn chdir(path: &CStr) -> Result<()> {
    done(call!(nr::CHDIR, path.as_ptr()))
}

/// chroot(2).
pub fn chroot(path: &CStr) -> Result<()> {
    done(call!(nr::CHROOT, path.as_ptr()))
}

/// getcwd(2): length with the NUL. A path outside the root starts with `(unreachable)`.
pub fn getcwd(bytes: &mut [u8]) -> Result<usize> {
    call!(nr::GETCWD, bytes.as_mut_ptr(), bytes.len())
}

fn optional(text: Option<&CStr>) -> usize {
    text.map_or(0, |t| t.as_ptr() as usize)
}

/// mount(2).
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Result<()> {
    let (source, kind, data) = (optional(source), optional(kind), optional(data));
    done(call!(nr::MOUNT, source, target.as_ptr(), kind, flags, data))
}

/// umount2(2).
pub fn umount(target: &CStr, flags: u64) -> Result<()> {
    done(call!(nr::UMOUNT2, target.as_ptr(), flags))
}

/// pivot_root(2).
pub fn pivot_root(new: &CStr, old: &CStr) -> Result<()> {
    done(call!(nr::PIVOT_ROOT, new.as_ptr(), old.as_ptr()))
}

/// open_tree(2) of a detached copy.
pub fn open_tree(dir: Fd, path: &CStr, recursive: bool) -> Result<Fd> {
    let mut how = flags::OPEN_TREE_CLONE | flags::OPEN_TREE_CLOEXEC;
    if path.is_empty() {
        how |= flags::AT_EMPTY_PATH;
    }
    if recursive {
        how |= flags::AT_RECURSIVE;
    }
    descriptor(call!(nr_common::OPEN_TREE, dir, path.as_ptr(), how))
}

/// move_mount(2) from a descriptor onto a descriptor.
pub fn move_mount(tree: Fd, target: Fd) -> Result<()> {
    let how = flags::MOVE_MOUNT_F_EMPTY_PATH | flags::MOVE_MOUNT_T_EMPTY_PATH;
    let empty = c"".as_ptr();
    done(call!(
        nr_common::MOVE_MOUNT,
        tree,
        empty,
        target,
        empty,
        how
    ))
}

/// mount_setattr(2) on a descriptor.
pub fn mount_setattr(fd: Fd, recursive: bool, attributes: &MountAttributes) -> Result<()> {
    let how = flags::AT_EMPTY_PATH | if recursive { flags::AT_RECURSIVE } else { 0 };
    let attributes: *const MountAttributes = attributes;
    done(call!(
        nr_common::MOUNT_SETATTR,
        fd,
        c"".as_ptr(),
        how,
        attributes,
        32
    ))
}

/// Whether there is mount_setattr(2): Linux 5.12.
pub fn has_mount_setattr() -> bool {
    let asked: Outcome = call!(nr_common::MOUNT_SETATTR, AT_FDCWD, c"".as_ptr(), 0, 0, 0);
    asked != Err(errno::ENOSYS)
}

/// A detached mount of file system `kind` with its default options.
pub fn detached_mount(kind: &CStr, attributes: u64) -> Result<Fd> {
    const CREATE: usize = 6;
    let context = descriptor(call!(nr_common::FSOPEN, kind.as_ptr(), 1))?;
    let made = done(call!(nr_common::FSCONFIG, context, CREATE, 0, 0, 0))
        .and_then(|()| descriptor(call!(nr_common::FSMOUNT, context, 1, attributes)));
    close(context);
    made
}

/// setns(2).
pub fn setns(fd: Fd, types: u64) -> Result<()> {
    done(call!(nr::SETNS, fd, types))
}

/// unshare(2).
pub fn unshare(types: u64) -> Result<()> {
    done(call!(nr::UNSHARE, types))
}

/// sethostname(2).
pub fn sethostname(name: &[u8]) -> Result<()> {
    done(call!(nr::SETHOSTNAME, name.as_ptr(), name.len()))
}

/// setdomainname(2).
pub fn setdomainname(name: &[u8]) -> Result<()> {
    done(call!(nr::SETDOMAINNAME, name.as_ptr(), name.len()))
}

/// prlimit64(2) on this process.
pub fn set_limit(resource: u64, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    done(call!(nr::PRLIMIT64, 0, resource, limit.as_ptr(), 0))
}

/// personality(2).
pub fn personality(persona: u64) -> Result<()> {
    done(call!(nr::PERSONALITY, persona))
}

/// sched_setattr(2) on this process; `attributes` starts with its own size.
pub fn sched_setattr(attributes: &[u8]) -> Result<()> {
    done(call!(nr::SCHED_SETATTR, 0, attributes.as_ptr(), 0))
}

/// sched_setaffinity(2) on this process.
pub fn sched_setaffinity(mask: &[u8]) -> Result<()> {
    done(call!(nr::SCHED_SETAFFINITY, 0, mask.len(), mask.as_ptr()))
}

/// ioprio_set(2) on this process.
pub fn ioprio_set(priority: u64) -> Result<()> {
    done(call!(nr::IOPRIO_SET, 1, 0, priority))
}

/// set_mempolicy(2); `nodes` is a bit mask of whole 8-byte words.
pub fn set_mempolicy(mode: u64, nodes: &[u8]) -> Result<()> {
    done(call!(
        nr::SET_MEMPOLICY,
        mode,
        nodes.as_ptr(),
        nodes.len() * 8 + 1
    ))
}

/// setsid(2).
pub fn setsid() -> Result<()> {
    done(call!(nr::SETSID))
}

/// setpgid(2) of this process to a group of its own.
pub fn own_process_group() -> Result<()> {
    done(call!(nr::SETPGID, 0, 0))
}

/// getpid(2).
pub fn getpid() -> i32 {
    call!(nr::GETPID).unwrap_or(0) as i32
}

/// keyctl(KEYCTL_JOIN_SESSION_KEYRING): the new keyring's serial.
pub fn join_session_keyring(name: &CStr) -> Result<usize> {
    call!(nr::KEYCTL, 1, name.as_ptr())
}

/// setgroups(2) with a list of 4-byte ids.
pub fn setgroups(ids: &[u8]) -> Result<()> {
    done(call!(nr::SETGROUPS, ids.len() / 4, ids.as_ptr()))
}

/// setresuid(2), all three.
pub fn setuid(uid: u32) -> Result<()> {
    done(call!(nr::SETRESUID, uid, uid, uid))
}

/// setresgid(2), all three.
pub fn setgid(gid: u32) -> Result<()> {
    done(call!(nr::SETRESGID, gid, gid, gid))
}

/// umask(2).
pub fn umask(mask: u32) {
    let _ = call!(nr::UMASK, mask);
}

/// prctl(2) with numbers only.
pub fn prctl(option: u64, a: u64, b: u64) -> Result<usize> {
    call!(nr::PRCTL, option, a, b, 0, 0)
}

/// capset(2), version 3, on this process.
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let header = [0x2008_0522u32, 0];
    let low = |set: u64| set as u32;
    let high = |set: u64| (set >> 32) as u32;
    let data = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    done(call!(nr::CAPSET, header.as_ptr(), data.as_ptr()))
}

/// seccomp(SECCOMP_SET_MODE_FILTER): 0, or the listener. `program` is a list of 8-byte instructions.
pub fn seccomp(flags: u64, program: &[u8]) -> Result<Fd> {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const u8,
    }
    let Ok(len) = u16::try_from(program.len() / 8) else {
        return Err(errno::EINVAL);
    };
    let program = Program {
        len,
        filter: program.as_ptr(),
    };
    descriptor(call!(nr::SECCOMP, 1, flags, &raw const program))
}

/// close_range(2) from `first` up: close-on-exec.
pub fn cloexec_from(first: u64) -> Result<()> {
    done(call!(nr_common::CLOSE_RANGE, first, u32::MAX, 4))
}

/// Clears or sets close-on-exec.
pub fn set_cloexec(fd: Fd, on: bool) -> Result<()> {
    done(call!(nr::FCNTL, fd, 2, usize::from(on)))
}

/// Keeps this process and those it starts from sockets with abstract names that others made (landlock(7), since Linux
/// 6.12). Says whether the kernel can.
pub fn scope_abstract_sockets() -> Result<bool> {
    const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
    // struct landlock_ruleset_attr: what is handled of files, of the network, and the scopes.
    let attributes = [0u64, 0, SCOPE_ABSTRACT_UNIX_SOCKET];
    let (at, size) = (attributes.as_ptr(), size_of_val(&attributes));
    let ruleset = match call!(nr_common::LANDLOCK_CREATE_RULESET, at, size, 0) {
        // Kernels without landlock, with it switched off, and with one that knows of no scopes.
        Err(errno::ENOSYS | errno::EOPNOTSUPP | errno::E2BIG | errno::EINVAL) => return Ok(false),
        other => other? as Fd,
    };
    let done = call!(nr_common::LANDLOCK_RESTRICT_SELF, ruleset, 0);
    close(ruleset);
    done.map(|_| true)
}

/// Closes all descriptors from `first` up.
pub fn close_from(first: u64) {
    let _ = call!(nr_common::CLOSE_RANGE, first, u32::MAX, 0);
}

/// dup3(2) without flags: the copy survives execve(2).
pub fn dup_to(old: Fd, new: Fd) -> Result<()> {
    done(call!(nr::DUP3, old, new, 0))
}

/// accept4(2), close-on-exec.
pub fn accept(socket: Fd) -> Result<Fd> {
    loop {
        match descriptor(call!(nr::ACCEPT4, socket, 0, 0, 0o2_000_000)) {
            Err(errno::EINTR) => {}
            other => return other,
        }
    }
}

/// socket(2) of the internet family for interface requests.
pub fn interface_socket() -> Result<Fd> {
    descriptor(call!(nr::SOCKET, 2, 2 | 0o2_000_000, 0))
}

/// ioctl(2) with a buffer.
pub fn ioctl_bytes(fd: Fd, request: u64, bytes: &mut [u8]) -> Result<usize> {
    call!(nr::IOCTL, fd, request, bytes.as_mut_ptr())
}

/// ioctl(2) with a number.
pub fn ioctl(fd: Fd, request: u64, number: u64) -> Result<usize> {
    call!(nr::IOCTL, fd, request, number)
}

/// Sends `bytes` and, where given, a descriptor over a Unix socket.
pub fn send(socket: Fd, bytes: &[u8], descriptor: Option<Fd>) -> Result<()> {
    const RIGHTS: [u32; 2] = [1, 1];
    let vector = [bytes.as_ptr() as usize, bytes.len()];
    let mut control = [0u64; 3];
    control[0] = 20;
    control[1] = u64::from(RIGHTS[0]) | u64::from(RIGHTS[1]) << 32;
    control[2] = descriptor.map_or(0, |fd| u64::from(fd as u32));
    let (control_at, control_len) = if descriptor.is_some() {
        (control.as_ptr() as usize, 24)
    } else {
        (0, 0)
    };
    let message = [
        0usize,
        0,
        vector.as_ptr() as usize,
        1,
        control_at,
        control_len,
        0,
    ];
    const NO_SIGNAL: usize = 0x4000;
    done(call!(nr::SENDMSG, socket, message.as_ptr(), NO_SIGNAL))
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    done(call!(nr::KILL, pid, signal))
}

/// fork, as clone(2) does it: 0 in the new process.
pub fn fork() -> Result<i32> {
    const SIGCHLD: usize = 17;
    call!(nr::CLONE, SIGCHLD, 0, 0, 0, 0).map(|pid| pid as i32)
}

/// fork, with this process's parent as the new one's: its pid and pidfd, both 0 in the new process.
pub fn fork_beside() -> Result<(i32, Fd)> {
    const CLONE_PIDFD: usize = 0x1000;
    const CLONE_PARENT: usize = 0x8000;
    let mut pidfd: Fd = 0;
    let made = call!(
        nr::CLONE,
        CLONE_PARENT | CLONE_PIDFD,
        0,
        &raw mut pidfd,
        0,
        0
    )?;
    Ok((made as i32, pidfd))
}

/// wait4(2): process and status.
pub fn wait(pid: i32, options: u64) -> Result<(i32, i32)> {
    let mut status = 0i32;
    let got = call!(nr::WAIT4, pid, &raw mut status, options, 0)?;
    Ok((got as i32, status))
}

/// Blocks all signals (`true`) or none.
pub fn block_signals(all: bool) {
    let set = if all { u64::MAX } else { 0 };
    let _ = call!(nr::RT_SIGPROCMASK, 2, &raw const set, 0, 8);
}

/// Resets every signal to its default action.
pub fn default_signals() {
    let action = [0usize; 4];
    for signal in (1..=64).filter(|s| *s != 9 && *s != 19) {
        let _ = call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8);
    }
}

/// Waits for any blocked signal, at most `milliseconds` (for ever where `None`).
pub fn wait_signal(milliseconds: Option<u64>) -> Result<i32> {
    let set = u64::MAX;
    let time = milliseconds.map(|ms| [ms / 1000, ms % 1000 * 1_000_000]);
    let time_at = time.as_ref().map_or(0, |t| t.as_ptr() as usize);
    call!(nr::RT_SIGTIMEDWAIT, &raw const set, 0, time_at, 8).map(|signal| signal as i32)
}

/// Waits for any blocked signal, or only looks for one: its number, and whether kill(2) sent it from outside of this
/// process's pid namespace.
pub fn wait_signal_from(waits: bool) -> Result<(i32, bool)> {
    const SI_USER: i32 = 0;
    let set = u64::MAX;
    // siginfo_t: si_signo, si_errno, si_code, and after a gap si_pid. Nobody but the kernel says SI_USER to others.
    let mut information = [0i32; 32];
    let at = information.as_mut_ptr();
    let no_time = [0u64; 2];
    let time_at = if waits { 0 } else { no_time.as_ptr() as usize };
    let signal = call!(nr::RT_SIGTIMEDWAIT, &raw const set, at, time_at, 8)?;
    let outside = information[2] == SI_USER && information[4] == 0;
    Ok((signal as i32, outside))
}

/// execve(2) with arrays of addresses that end in 0. Returns only to fail.
///
/// # Safety
/// `arguments` and `environment` must be addresses of arrays of pointers to NUL-terminated texts,
/// each array closed by a null pointer, all alive until the call returns.
pub unsafe fn execve(path: &CStr, arguments: usize, environment: usize) -> i32 {
    // SAFETY: the caller vouches for the arrays, `path` ends in NUL.
    match unsafe { syscall!(nr::EXECVE, path.as_ptr(), arguments, environment) } {
        Err(errno) => errno,
        Ok(_) => 0,
    }
}

/// exit_group(2).
pub fn exit(code: i32) -> ! {
    loop {
        let _ = call!(nr::EXIT_GROUP, code);
    }
}

/// Maps `len` bytes of `fd`, shared, writable, and all of it present: the address.
pub fn map_shared(fd: Fd, len: usize) -> Result<usize> {
    const READ_WRITE: usize = 3;
    const SHARED_POPULATED: usize = 0x8001;
    call!(nr::MMAP, 0, len, READ_WRITE, SHARED_POPULATED, fd, 0)
}

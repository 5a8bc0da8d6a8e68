//! Starting the container's first process.
//!
//! clone3(2) shares the memory and holds the parent until the new process has executed the child
//! program from its memory file: no page table is copied, however large the parent, and nothing of the
//! host's own binary ever enters the container (CVE-2019-5736).

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{CStr, c_void};

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::error::{Error, OnCall, Result};
use crate::file::write_all;
use crate::raw;
use crate::syscall;

const CLONE_VM: u64 = 0x100;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;
const SIGCHLD: u64 = 17;
/// What the new process needs before it has memory of its own. Every page that is touched is a fault.
const STACK: usize = 8 * 1024;
const MOST_ARGUMENTS: usize = 8;
const MOST_KEPT: usize = 256;

/// How to start a process.
#[derive(Debug)]
pub struct Launch<'l> {
    /// The program: an executable file.
    pub program: BorrowedFd<'l>,
    /// Its arguments, its name first; at most seven.
    pub arguments: &'l [&'l CStr],
    /// Descriptors that it keeps at their numbers, besides those without close-on-exec.
    pub keep: &'l [BorrowedFd<'l>],
    /// `CLONE_NEW…` flags.
    pub namespaces: u64,
    /// The v2 cgroup that it is born in.
    pub cgroup: Option<BorrowedFd<'l>>,
}

/// A process that was started.
#[derive(Debug)]
pub struct Started {
    /// Its number, as this process sees it.
    pub pid: Pid,
    /// Its descriptor: what signals and waiting should go by.
    pub pidfd: OwnedFd,
}

/// The argument of clone3(2).
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What the new process needs to know while it still runs in the parent's memory.
#[repr(C)]
struct Handover {
    program: i32,
    arguments: [*const u8; MOST_ARGUMENTS],
    keep: *const i32,
    keep_count: usize,
    keep_capabilities: bool,
    errno: i32,
}

/// Puts `bytes` into a sealed memory file that can be executed and never changed again.
///
/// # Errors
/// `EACCES` where `vm.memfd_noexec` forbids executable memory files.
pub fn sealed_program(name: &str, bytes: &[u8]) -> Result<OwnedFd> {
    const EXEC: u32 = 0x10;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let wanted = flags | MemfdFlags::from_bits_retain(EXEC);
    let file = match memfd_create(name, wanted) {
        // Before Linux 6.3 all memory files are executable.
        Err(Errno::INVAL) => memfd_create(name, flags),
        other => other,
    }
    .on("memfd_create", name)?;
    write_all(&file, bytes, name)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals).on("fcntl(F_ADD_SEALS)", name)?;
    Ok(file)
}

/// An unsealed memory file with `bytes`, for both sides of a launch to read and write.
pub fn shared_file(name: &str, bytes: &[u8]) -> Result<OwnedFd> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC).on("memfd_create", name)?;
    write_all(&file, bytes, name)?;
    Ok(file)
}

/// Starts the process. When this returns, it has executed its program.
///
/// # Errors
/// clone3(2)'s, or the execveat(2) that followed; no process is left then.
pub fn launch(launch: &Launch<'_>) -> Result<Started> {
    let mut keep = [-1i32; MOST_KEPT];
    if launch.keep.len() > keep.len() || launch.arguments.len() >= MOST_ARGUMENTS {
        return Err(Error::new(
            "clone3",
            "too many descriptors or arguments",
            Errno::INVAL,
        ));
    }
    for (slot, fd) in keep.iter_mut().zip(launch.keep) {
        *slot = fd.as_raw_fd();
    }
    let mut handover = Handover {
        program: launch.program.as_raw_fd(),
        arguments: [core::ptr::null(); MOST_ARGUMENTS],
        keep: keep.as_ptr(),
        keep_count: launch.keep.len(),
        keep_capabilities: launch.namespaces & CLONE_NEWUSER != 0,
        errno: 0,
    };
    for (slot, text) in handover.arguments.iter_mut().zip(launch.arguments) {
        *slot = text.as_ptr().cast();
    }
    let mut pidfd = -1i32;
    let mut stack = core::mem::MaybeUninit::<[u128; STACK / 16]>::uninit();
    let arguments = CloneArguments {
        flags: launch.namespaces
            | CLONE_VM
            | CLONE_VFORK
            | CLONE_PIDFD
            | if launch.cgroup.is_some() {
                CLONE_INTO_CGROUP
            } else {
                0
            },
        pidfd: &raw mut pidfd as u64,
        exit_signal: SIGCHLD,
        stack: stack.as_mut_ptr() as u64,
        stack_size: STACK as u64,
        cgroup: launch
            .cgroup
            .map_or(0, |fd| u64::from(fd.as_raw_fd().unsigned_abs())),
        ..CloneArguments::default()
    };
    // SAFETY: `arguments` is a valid clone_args; the stack is ours and unused, and CLONE_VFORK keeps
    // this frame alive and still until the new process has left this memory. `enter` only makes
    // system calls.
    let outcome = unsafe { clone3_into(&arguments, (&raw mut handover).cast(), enter) };
    finish(outcome, pidfd, handover.errno)
}

/// A child of ours that begins with `enter` on the given stack, in our memory.
///
/// # Safety
/// The stack is unused memory of that size; `enter` makes system calls only, and `handover` is what it takes.
pub(crate) unsafe fn clone_shared(
    stack: u64,
    stack_size: u64,
    handover: *mut c_void,
    enter: Enter,
) -> (raw::Outcome, i32) {
    let mut pidfd = -1i32;
    let arguments = CloneArguments {
        flags: CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
        pidfd: &raw mut pidfd as u64,
        exit_signal: SIGCHLD,
        stack,
        stack_size,
        ..CloneArguments::default()
    };
    // SAFETY: the caller's; CLONE_VFORK keeps this frame alive and still.
    let outcome = unsafe { clone3_into(&arguments, handover, enter) };
    (outcome, pidfd)
}

/// What [`clone_shared`] came to, and the errno that the child left of executing `program`.
pub(crate) fn finish_as(
    (outcome, pidfd): (raw::Outcome, i32),
    errno: i32,
    program: &str,
) -> Result<Started> {
    finish(outcome, pidfd, errno).map_err(|error| match error.call {
        "execveat" => Error::new("execve", program, error.errno),
        _ => error,
    })
}

/// Where a child of ours begins.
pub(crate) type Enter = extern "C" fn(*mut c_void) -> !;

fn finish(outcome: raw::Outcome, pidfd: i32, errno: i32) -> Result<Started> {
    let pid = outcome.map_err(|errno| Error::new("clone3", "", Errno::from_raw_os_error(errno)))?;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error::new("clone3", "", Errno::INVAL))?;
    // SAFETY: the kernel stored a new descriptor there, close-on-exec, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    if errno != 0 {
        crate::process::reap(&pidfd);
        return Err(Error::new(
            "execveat",
            "the child program",
            Errno::from_raw_os_error(errno),
        ));
    }
    Ok(Started { pid, pidfd })
}

/// Makes a copy of this process, which goes on from here: in the copy, none. Only for a process of one
/// thread, as nothing but the calling thread is copied, and locks of others would be held for ever.
///
/// # Errors
/// clone(2)'s.
pub fn fork() -> Result<Option<Started>> {
    let mut pidfd = -1i32;
    // SAFETY: a copy with memory of its own, on its copy of this stack; the kernel writes the descriptor
    // before the call returns in the parent.
    let outcome = unsafe {
        syscall!(
            libc::SYS_clone,
            CLONE_PIDFD | SIGCHLD,
            0,
            &raw mut pidfd,
            0,
            0
        )
    };
    match outcome {
        Ok(0) => Ok(None),
        outcome => finish(outcome, pidfd, 0).map(Some),
    }
}

/// Executes this program anew in this process, with an empty environment. Returns only to fail: the
/// errno.
pub fn execute_self(words: &[&str]) -> i32 {
    let texts: Vec<CString> = words
        .iter()
        .filter_map(|word| CString::new(*word).ok())
        .collect();
    let mut arguments: Vec<*const u8> = texts.iter().map(|text| text.as_ptr().cast()).collect();
    arguments.push(core::ptr::null());
    let empty: [*const u8; 1] = [core::ptr::null()];
    let path = c"/proc/self/exe";
    // SAFETY: both arrays end in null and point to texts that live through the call.
    let outcome = unsafe {
        syscall!(
            libc::SYS_execve,
            path.as_ptr(),
            arguments.as_ptr(),
            empty.as_ptr()
        )
    };
    outcome.err().unwrap_or(0)
}

/// What the new process does first, on its own stack but in the parent's memory.
extern "C" fn enter(handover: *mut c_void) -> ! {
    // SAFETY: the parent waits and does not touch the handover meanwhile; all pointers in it are
    // alive. Only system calls are made.
    unsafe {
        let handover = &mut *handover.cast::<Handover>();
        for i in 0..handover.keep_count {
            const F_SETFD: usize = 2;
            let _ = syscall!(libc::SYS_fcntl, *handover.keep.add(i), F_SETFD, 0);
        }
        if handover.keep_capabilities {
            make_capabilities_ambient();
        }
        let empty: [*const u8; 1] = [core::ptr::null()];
        let outcome = syscall!(
            libc::SYS_execveat,
            handover.program,
            c"".as_ptr(),
            handover.arguments.as_ptr(),
            empty.as_ptr(),
            libc::AT_EMPTY_PATH
        );
        handover.errno = outcome.err().unwrap_or(libc::ENOEXEC);
        loop {
            let _ = syscall!(libc::SYS_exit_group, 125);
        }
    }
}

/// Lets a program that this thread executes keep the capabilities that this thread has, whoever it runs as.
pub fn keep_capabilities() {
    // SAFETY: system calls on this thread's credentials only.
    unsafe { make_capabilities_ambient() }
}

/// A process in a new user namespace has all capabilities there but, until its maps are written, no
/// user id; execve(2) takes the capabilities of everybody who is not root, except ambient ones. What
/// fails here shows in the first act that needs a capability.
///
/// # Safety
/// Makes system calls on this thread's credentials only; for the process between clone3 and execve.
unsafe fn make_capabilities_ambient() {
    const VERSION_3: u32 = 0x2008_0522;
    const PR_CAP_AMBIENT_RAISE: usize = 2;
    const LAST: usize = 63;
    let header = [VERSION_3, 0];
    // Effective, permitted, inheritable; the low words first, then the high ones.
    let mut sets = [0u32; 6];
    // SAFETY: the header and the two structures that version 3 has, both alive.
    unsafe {
        let _ = syscall!(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr());
        (sets[2], sets[5]) = (sets[1], sets[4]);
        let _ = syscall!(libc::SYS_capset, header.as_ptr(), sets.as_ptr());
        for capability in 0..=LAST {
            let raise = PR_CAP_AMBIENT_RAISE;
            let raised = syscall!(
                libc::SYS_prctl,
                libc::PR_CAP_AMBIENT,
                raise,
                capability,
                0,
                0
            );
            if raised.is_err() {
                break;
            }
        }
    }
}

/// clone3(2) whose child calls `enter`.
///
/// # Safety
/// `arguments` must ask for CLONE_VM and CLONE_VFORK and name an unused stack.
unsafe fn clone3_into(
    arguments: &CloneArguments,
    handover: *mut c_void,
    enter: Enter,
) -> raw::Outcome {
    let value: isize;
    let arguments: *const CloneArguments = arguments;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the parent's registers but rax, rcx and r11 are kept by the kernel; the child starts on
    // its own stack and never returns from `enter`.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => value,
            in("rdi") arguments, in("rsi") size_of::<CloneArguments>(),
            in("r12") handover, in("r13") enter,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: svc keeps all registers but x0; the child starts on its own stack and never returns.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, #0",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3, inlateout("x0") arguments as isize => value,
            in("x1") size_of::<CloneArguments>(),
            in("x20") handover, in("x21") enter,
            lateout("x30") _,
        );
    }
    if (-4095..0).contains(&value) {
        Err((-value) as i32)
    } else {
        Ok(value as usize)
    }
}

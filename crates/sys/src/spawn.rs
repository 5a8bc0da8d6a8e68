//! Starting another program, with the streams, environment and directory that are given.
//!
//! As in [`crate::launch`] the new process shares this one's memory until it has executed its program, so
//! that a small process stays small and nothing is copied.

use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::launch::{self, Started};
use crate::syscall;

/// Descriptors that are handed over are first moved up here, out of each other's way.
const ABOVE: usize = 16;
const STACK: usize = 8 * 1024;
const STREAMS: usize = 3;
const MOST: usize = 8;

/// How to start a program.
#[derive(Debug)]
pub struct Spawn<'s> {
    /// The program's path.
    pub program: &'s CStr,
    /// Its arguments, its name first.
    pub arguments: &'s [&'s CStr],
    /// Its environment, as `NAME=value`.
    pub environment: &'s [&'s CStr],
    /// Its descriptors 0, 1, 2 and so on: at least three, at most eight. All others are closed.
    pub descriptors: &'s [BorrowedFd<'s>],
    /// Its working directory, where it is not ours.
    pub directory: Option<BorrowedFd<'s>>,
    /// It leads a session of its own.
    pub session: bool,
}

#[repr(C)]
struct Handover {
    program: *const u8,
    arguments: *const *const u8,
    environment: *const *const u8,
    descriptors: [i32; MOST],
    count: usize,
    directory: i32,
    session: bool,
    errno: i32,
}

/// Starts the program, with no signal blocked. When this returns, it has been executed.
///
/// # Errors
/// clone3(2)'s, those of handing over, or execve(2)'s; no process is left then.
pub fn spawn(spawn: &Spawn<'_>) -> Result<Started> {
    let count = spawn.descriptors.len();
    if !(STREAMS..=MOST).contains(&count) {
        return Err(Error::new("clone3", "descriptors", Errno::INVAL));
    }
    let mut descriptors = [-1; MOST];
    for (slot, fd) in descriptors.iter_mut().zip(spawn.descriptors) {
        *slot = fd.as_raw_fd();
    }
    let (arguments, environment) = (closed(spawn.arguments), closed(spawn.environment));
    let mut handover = Handover {
        program: spawn.program.as_ptr().cast(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        descriptors,
        count,
        directory: spawn.directory.map_or(-1, |fd| fd.as_raw_fd()),
        session: spawn.session,
        errno: 0,
    };
    let mut stack = core::mem::MaybeUninit::<[u128; STACK / 16]>::uninit();
    // SAFETY: the stack is ours and unused; the arrays live until the program was executed; `enter` only
    // makes system calls.
    let started = unsafe {
        launch::clone_shared(
            stack.as_mut_ptr() as u64,
            STACK as u64,
            (&raw mut handover).cast(),
            enter,
        )
    };
    launch::finish_as(
        started,
        handover.errno,
        spawn.program.to_str().unwrap_or("program"),
    )
}

/// Executes a program in the place of this process. Returns only to fail: the kernel's answer.
pub fn execute(program: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> Errno {
    let (arguments, environment) = (closed(arguments), closed(environment));
    // SAFETY: both arrays end in null and point to texts that live through the call.
    let outcome = unsafe {
        syscall!(
            libc::SYS_execve,
            program.as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr()
        )
    };
    outcome.map_or_else(Errno::from_raw_os_error, |_| Errno::INVAL)
}

/// The list as execve(2) takes it.
fn closed(texts: &[&CStr]) -> Vec<*const u8> {
    let ends = core::iter::once(core::ptr::null());
    texts
        .iter()
        .map(|text| text.as_ptr().cast())
        .chain(ends)
        .collect()
}

/// What the new process does first, on its own stack but in the parent's memory.
extern "C" fn enter(handover: *mut core::ffi::c_void) -> ! {
    // SAFETY: the parent waits and does not touch the handover meanwhile; all pointers in it are alive.
    unsafe {
        let handover = &mut *handover.cast::<Handover>();
        handover.errno = hand_over(handover).err().unwrap_or(libc::ENOEXEC);
        loop {
            let _ = syscall!(libc::SYS_exit_group, 125);
        }
    }
}

/// Returns only to fail.
///
/// # Safety
/// As for [`enter`].
unsafe fn hand_over(handover: &Handover) -> core::result::Result<(), i32> {
    const F_DUPFD_CLOEXEC: usize = 1030;
    let none: u64 = 0;
    // SAFETY: the caller's; numbers, and pointers that the parent keeps alive.
    unsafe {
        let mut moved = [0usize; MOST];
        let given = handover.descriptors.iter().take(handover.count);
        for (slot, from) in moved.iter_mut().zip(given) {
            *slot = syscall!(libc::SYS_fcntl, *from, F_DUPFD_CLOEXEC, ABOVE)?;
        }
        for (number, from) in moved.iter().enumerate().take(handover.count) {
            syscall!(libc::SYS_dup3, *from, number, 0)?;
        }
        if handover.directory >= 0 {
            syscall!(libc::SYS_fchdir, handover.directory)?;
        }
        if handover.session {
            syscall!(libc::SYS_setsid, 0)?;
        }
        syscall!(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            0,
            8
        )?;
        // Those that somebody let us inherit, too; before Linux 5.9 only ours, which are close-on-exec.
        let _ = syscall!(libc::SYS_close_range, handover.count, u32::MAX, 0);
        syscall!(
            libc::SYS_execve,
            handover.program,
            handover.arguments,
            handover.environment
        )?;
    }
    Ok(())
}

//! Processes by descriptor: whether one lives, waiting for its end, signals.

use alloc::format;
use alloc::string::String;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use rustix::time::Timespec;

use crate::error::{OnCall, Result};
use crate::syscall;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// As a shell tells it: the status, or 128 and the signal.
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// Waits for a child of ours to end, and reaps it.
///
/// # Errors
/// `ECHILD` when it is none.
pub fn wait(pidfd: impl AsFd) -> Result<Ended> {
    let status = retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED))
        .on("waitid", "")?;
    Ok(status.map_or(Ended::Code(0), |status| {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ended::Code(code),
            (None, Some(signal)) => Ended::Signal(signal),
            (None, None) => Ended::Code(0),
        }
    }))
}

/// Reaps a child that ended or is about to; nothing if it is none of ours.
pub fn reap(pidfd: impl AsFd) {
    let _ = wait(pidfd);
}

/// A descriptor for a process, or none where there is no such process.
pub fn open(pid: Pid) -> Result<Option<OwnedFd>> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::SRCH | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno).on("pidfd_open", &format!("{}", pid.as_raw_nonzero())),
    }
}

/// Sends a signal. Says whether there was a process to get it.
pub fn signal(pidfd: impl AsFd, signal: Signal) -> Result<bool> {
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno).on("pidfd_send_signal", ""),
    }
}

/// Sends a signal by number, real-time ones too. Says whether there was a process to get it.
pub fn send(pidfd: impl AsFd, number: i32) -> Result<bool> {
    let fd = pidfd.as_fd().as_raw_fd();
    // SAFETY: numbers only, and a null siginfo.
    match unsafe { syscall!(libc::SYS_pidfd_send_signal, fd, number, 0, 0) } {
        Ok(_) => Ok(true),
        Err(libc::ESRCH) => Ok(false),
        Err(errno) => Err(Errno::from_raw_os_error(errno)).on("pidfd_send_signal", ""),
    }
}

/// Waits until the process ended, at most `milliseconds` (for ever where `None`). Says whether it did.
pub fn wait_ended(pidfd: impl AsFd, milliseconds: Option<u32>) -> Result<bool> {
    let timeout = milliseconds.map(|ms| Timespec {
        tv_sec: i64::from(ms / 1000),
        tv_nsec: i64::from(ms % 1000) * 1_000_000,
    });
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    let n = retry_on_intr(|| poll(&mut polled, timeout.as_ref())).on("poll", "")?;
    Ok(n > 0)
}

/// The number of a process by its descriptor, as `/proc` has it (`pidfd_open(2)`, fdinfo).
///
/// # Errors
/// `ESRCH` where it has been reaped, or is not visible here.
pub fn number(pidfd: impl AsFd) -> Result<Pid> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_fd().as_raw_fd());
    let text = crate::file::read_text(&path)?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    let number = number.and_then(|number| number.trim().parse().ok());
    number
        .and_then(Pid::from_raw)
        .ok_or_else(|| crate::Error::new("fdinfo", &path, Errno::SRCH))
}

/// Takes a copy of another process's descriptor (`pidfd_getfd(2)`).
///
/// # Errors
/// `EBADF` where there is none of this number, `EPERM` without the right to trace the process.
pub fn take_descriptor(pidfd: impl AsFd, number: u32) -> Result<OwnedFd> {
    // SAFETY: numbers only.
    let taken = unsafe { syscall!(libc::SYS_pidfd_getfd, pidfd.as_fd().as_raw_fd(), number, 0) };
    let taken = taken.map_err(|errno| {
        crate::Error::new("pidfd_getfd", "process", Errno::from_raw_os_error(errno))
    })?;
    // SAFETY: a descriptor that the kernel has just made for us. It is below 2^31.
    Ok(unsafe { OwnedFd::from_raw_fd(taken as i32) })
}

/// Whether descriptors can be taken from a process: Linux 5.6, and the right to trace it.
pub fn may_take_from(pidfd: impl AsFd) -> bool {
    const NONE_HAS_IT: u32 = 1 << 30;
    let taken = take_descriptor(pidfd, NONE_HAS_IT);
    taken.is_err_and(|error| error.errno == Errno::BADF)
}

/// What tells one process from a later one with the same number: the time it started, in clock ticks
/// since boot (`/proc/PID/stat`, field 22), and whether it has ended but is not yet reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Clock ticks since boot.
    pub start: u64,
    /// It is a zombie, or dying.
    pub dead: bool,
}

/// Reads a process's identity; none where there is no such process.
pub fn identity(pid: u32) -> Result<Option<Identity>> {
    let text = match crate::file::read_text(&format!("/proc/{pid}/stat")) {
        Ok(text) => text,
        Err(error) if matches!(error.errno, Errno::NOENT | Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(parse_stat(&text))
}

/// The name, in parentheses, may itself hold spaces and parentheses; fields are counted behind it.
fn parse_stat(text: &str) -> Option<Identity> {
    let rest = text.get(text.rfind(')')? + 2..)?;
    let dead = matches!(rest.as_bytes().first()?, b'Z' | b'X' | b'x');
    let start = rest.split(' ').nth(19)?.parse().ok()?;
    Some(Identity { start, dead })
}

/// The file that stands for a process's namespace.
pub fn namespace_path(pid: u32, name: &str) -> String {
    format!("/proc/{pid}/ns/{name}")
}

#[cfg(test)]
mod tests {
    use super::{Identity, parse_stat};

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) Z (b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 999 8";
        assert_eq!(
            parse_stat(text),
            Some(Identity {
                start: 12345,
                dead: false
            })
        );
    }
}

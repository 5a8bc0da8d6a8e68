//! Signals as things to read: blocked, and taken from a descriptor, signalfd(2).

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, read, retry_on_intr};

use crate::error::{OnCall, Result};
use crate::syscall;

/// The kernel's highest signal number.
const HIGHEST: i32 = 64;
/// The size of the kernel's signal set, in bytes.
const SET_SIZE: usize = 8;
/// The size of signalfd(2)'s record, in bytes.
const RECORD_SIZE: usize = 128;
/// In the place of a descriptor: make a new one.
const NEW: i32 = -1;

/// A set of signals, as the kernel has it: signal `n` is bit `n - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set(u64);

impl Set {
    /// No signal.
    pub const EMPTY: Self = Self(0);

    /// Every signal that somebody else may send, of which this process is to live on: not those that
    /// cannot be blocked, not those that tell of a fault of our own, and not the two that C
    /// libraries keep for themselves.
    pub const OTHERS: Self = Self(u64::MAX)
        .without(libc::SIGKILL)
        .without(libc::SIGSTOP)
        .without(libc::SIGSEGV)
        .without(libc::SIGBUS)
        .without(libc::SIGFPE)
        .without(libc::SIGILL)
        .without(libc::SIGTRAP)
        .without(libc::SIGABRT)
        .without(libc::SIGSYS)
        .without(32)
        .without(33);

    /// The set and `signal`. What is no signal is not added.
    pub const fn with(self, signal: i32) -> Self {
        Self(self.0 | bit(signal))
    }

    /// The set less `signal`.
    pub const fn without(self, signal: i32) -> Self {
        Self(self.0 & !bit(signal))
    }

    /// Whether `signal` is in the set.
    pub const fn has(self, signal: i32) -> bool {
        self.0 & bit(signal) != 0
    }
}

const fn bit(signal: i32) -> u64 {
    if signal >= 1 && signal <= HIGHEST {
        1 << (signal - 1)
    } else {
        0
    }
}

/// Adds `set` to the calling thread's blocked signals; returns those blocked before.
pub fn block(set: Set) -> Result<Set> {
    mask(libc::SIG_BLOCK, set)
}

/// Makes `set` the calling thread's blocked signals; returns those blocked before.
pub fn set_blocked(set: Set) -> Result<Set> {
    mask(libc::SIG_SETMASK, set)
}

fn mask(how: i32, set: Set) -> Result<Set> {
    let mut before = 0u64;
    // SAFETY: both pointers are to eight bytes that live through the call, the size that is given.
    let outcome = unsafe {
        syscall!(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set.0,
            &raw mut before,
            SET_SIZE
        )
    };
    outcome
        .map(|_| Set(before))
        .map_err(Errno::from_raw_os_error)
        .on("rt_sigprocmask", "")
}

/// Makes writing to a pipe that nobody reads fail with `EPIPE` instead of ending the process.
pub fn ignore_broken_pipe() {
    const IGNORE: u64 = 1;
    // The kernel's sigaction: handler, flags, restorer, mask.
    let action = [IGNORE, 0, 0, 0];
    // SAFETY: the kernel reads an action of this size; to ignore a signal runs no code of ours. It
    // fails for no number of a signal that can be ignored.
    let _ = unsafe {
        syscall!(
            libc::SYS_rt_sigaction,
            libc::SIGPIPE,
            action.as_ptr(),
            core::ptr::null::<u64>(),
            SET_SIZE
        )
    };
}

/// Sends `signal` to the calling thread.
pub fn raise(signal: i32) -> Result<()> {
    let (process, thread) = (rustix::process::getpid(), rustix::thread::gettid());
    // SAFETY: the call takes numbers only; it reaches no memory.
    let outcome = unsafe {
        syscall!(
            libc::SYS_tgkill,
            process.as_raw_nonzero().get(),
            thread.as_raw_nonzero().get(),
            signal
        )
    };
    outcome
        .map(drop)
        .map_err(Errno::from_raw_os_error)
        .on("tgkill", "")
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Who sent it, where a process did; else 0.
    pub sender: u32,
}

/// Signals that are blocked and read instead, while this lives. Children inherit what is blocked, so
/// it has to be dropped, or their mask set, before one is made.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
    before: Set,
}

impl Signals {
    /// Blocks the signals of `set` in the calling thread, and opens a descriptor that reads them.
    ///
    /// In a process of several threads the others have to have them blocked too.
    pub fn open(set: Set) -> Result<Self> {
        let before = block(set)?;
        match signalfd(set) {
            Ok(descriptor) => Ok(Self { descriptor, before }),
            Err(error) => {
                let _ = set_blocked(before); // the error that there is says more
                Err(error)
            }
        }
    }

    /// The next signal, if one is pending; never waits.
    pub fn take(&self) -> Result<Option<Received>> {
        let mut record = [0u8; RECORD_SIZE];
        match retry_on_intr(|| read(&self.descriptor, &mut record[..])) {
            Ok(RECORD_SIZE) => Ok(Some(received(&record))),
            Ok(_) => Err(Errno::IO).on("read", "signalfd"),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno).on("read", "signalfd"),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = set_blocked(self.before); // it can fail on a bad pointer or operation only
    }
}

fn signalfd(set: Set) -> Result<OwnedFd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the pointer is to eight bytes that live through the call, the size that is given.
    let outcome = unsafe { syscall!(libc::SYS_signalfd4, NEW, &raw const set.0, SET_SIZE, flags) };
    let number = outcome
        .map_err(Errno::from_raw_os_error)
        .on("signalfd4", "")?;
    let number = i32::try_from(number)
        .map_err(|_| Errno::BADF)
        .on("signalfd4", "")?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The fields of `struct signalfd_siginfo` that we use: ssi_signo at byte 0, ssi_pid at 12.
fn received(record: &[u8; RECORD_SIZE]) -> Received {
    let word = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
    Received {
        signal: i32::from_ne_bytes(word(0)),
        sender: u32::from_ne_bytes(word(12)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_bits() {
        let set = Set::EMPTY.with(1).with(64);
        assert!(set.has(1) && set.has(64) && !set.has(2) && !set.has(0) && !set.has(65));
        assert_eq!(
            set.without(64).with(0).with(65).with(-1),
            Set::EMPTY.with(1)
        );
        assert!(
            !Set::OTHERS.has(libc::SIGKILL)
                && Set::OTHERS.has(libc::SIGTERM)
                && Set::OTHERS.has(64)
        );
    }

    #[test]
    fn a_blocked_signal_is_read() {
        let signals = Signals::open(Set::EMPTY.with(libc::SIGUSR1).with(libc::SIGUSR2)).unwrap();
        assert_eq!(signals.take().unwrap(), None);
        raise(libc::SIGUSR2).unwrap();
        let got = signals.take().unwrap().unwrap();
        let me = rustix::process::getpid().as_raw_nonzero().get();
        assert_eq!(
            (got.signal, i32::try_from(got.sender)),
            (libc::SIGUSR2, Ok(me))
        );
        assert_eq!(signals.take().unwrap(), None);
    }

    #[test]
    fn the_mask_is_restored() {
        let before = block(Set::EMPTY).unwrap();
        let signals = Signals::open(Set::OTHERS).unwrap();
        assert!(block(Set::EMPTY).unwrap().has(libc::SIGTERM));
        drop(signals);
        assert_eq!(block(Set::EMPTY).unwrap(), before);
    }
}

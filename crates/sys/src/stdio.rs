//! The three descriptors that every process is born with.

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};

use crate::error::{OnCall, Result};

/// Standard input.
pub fn input() -> BorrowedFd<'static> {
    standard(0)
}

/// Standard output.
pub fn output() -> BorrowedFd<'static> {
    standard(1)
}

/// Standard error.
pub fn error() -> BorrowedFd<'static> {
    standard(2)
}

/// When the number is not open, the kernel answers `EBADF` to each use; nothing of ours ever opens
/// 0, 1 or 2 for another purpose, as the binary sees to it that they are open when it starts.
fn standard(number: i32) -> BorrowedFd<'static> {
    // SAFETY: the number is not -1, and is never closed while the process lives.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Lets a terminal pass a newline as it is, without a carriage return before it (`ONLCR` of termios(3)).
pub fn end_lines_in_newline(master: impl AsFd) -> Result<()> {
    let mut mode = tcgetattr(&master).on("tcgetattr", "the terminal")?;
    mode.output_modes.remove(OutputModes::ONLCR);
    tcsetattr(&master, OptionalActions::Now, &mode).on("tcsetattr", "the terminal")
}

/// Whether standard output is a terminal.
pub fn output_is_terminal() -> bool {
    tcgetattr(output()).is_ok()
}

/// A descriptor that this process was started with and that its command line names; from now on
/// close-on-exec. None where the number is not open, or is a standard stream.
pub fn inherited(number: i32) -> Option<OwnedFd> {
    if number <= 2 {
        return None;
    }
    // SAFETY: nothing else in this process knows the number: it was handed over on the command line,
    // for this one use, before anything was opened.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    if fcntl_setfd(&descriptor, FdFlags::CLOEXEC).is_err() {
        // It is not open: there is nothing to close.
        core::mem::forget(descriptor);
        return None;
    }
    Some(descriptor)
}

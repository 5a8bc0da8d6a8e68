//! The three descriptors that every process is born with.

use rustix::fd::BorrowedFd;

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

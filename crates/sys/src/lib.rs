//! The kernel, one file for each of its facilities; the only crate with `unsafe` code.
//!
//! Everything here works without a C library having been initialised, because the OCI commands run
//! before (and instead of) it: `no_std`, raw system calls through `rustix`, no thread-local state.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bpf;
pub mod error;
pub mod file;
pub mod heap;
pub mod initial;
pub mod launch;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod overlay;
pub mod process;
pub mod raw;
pub mod root;
pub mod seccomp;
pub mod signal;
pub mod signal_name;
pub mod socket;
pub mod spawn;
pub mod stdio;
pub mod time;

pub use error::{Error, Result};
pub use rustix;
pub use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
pub use rustix::io::Errno;

/// Ends the process, without anything that a library would do before (exit_group(2)).
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: a number only; it does not return.
        let _ = unsafe { syscall!(libc::SYS_exit_group, code) };
    }
}

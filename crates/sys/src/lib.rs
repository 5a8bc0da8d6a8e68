//! The kernel, one file for each of its facilities; the only crate with `unsafe` code.
//!
//! Everything here works without a C library having been initialised, because the OCI commands run
//! before (and instead of) it: `no_std`, raw system calls through `rustix`, no thread-local state.
#![no_std]
extern crate alloc;

pub mod bpf;
pub mod error;
pub mod file;
pub mod raw;
pub mod root;

pub use error::{Error, Result};
pub use rustix;
pub use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
pub use rustix::io::Errno;

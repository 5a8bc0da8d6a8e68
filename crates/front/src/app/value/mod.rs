//! The grammar of option values, Docker's: pure functions from text to meaning.
//!
//! None of them knows the option that it parses for; the caller adds that to the fault.

pub mod capability;
pub mod device;
pub mod env;
pub mod keys;
pub mod mount;
pub mod name;
pub mod namespace;
pub mod number;
pub mod restart;
pub mod security;
pub mod signal;
pub mod sysctl;
pub mod ulimit;
pub mod user;

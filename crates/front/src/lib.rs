//! What people write, lowered to a runtime specification.
#![forbid(unsafe_code)]

pub mod app;
pub mod error;
pub mod jail;
#[cfg(test)]
mod scratch;
pub mod seccomp_default;

pub use error::{Error, Fault, Kind, Result};

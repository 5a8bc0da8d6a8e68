//! The child program's bytes, as the build script compiled them.

/// A static executable; see `crates/child/src/program`.
pub(crate) const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/child-program"));

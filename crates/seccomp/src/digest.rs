//! (next)
/// Digest.
pub struct Digest;
/// d
pub fn digest() {}

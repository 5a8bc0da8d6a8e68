//! What the tests of this crate share: libseccomp, and the meaning of profiles told a second time.
#![allow(dead_code, reason = "no test uses all of it")]

pub mod fuzz;
pub mod model;
pub mod oracle;

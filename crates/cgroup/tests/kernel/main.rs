//! Cgroups on the real kernel: as root, on whatever layout this host has.
//!
//! Every test makes cgroups of its own name and removes them, also when it fails.
//! The rigs run the same tests on v2 with all controllers.
#![allow(
    unreachable_pub,
    reason = "a test's modules are its own; pub says what they offer one another"
)]

mod devices;
mod figures;
mod limits;
mod lives;
mod rig;

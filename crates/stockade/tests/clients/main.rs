//! Real clients on the built binary: Podman, Docker, containerd and its CRI, as Debian packages them.
//!
//! Each test has a [`rig::Rig`]: a machine within the machine, whose daemons, networks, cgroups and files
//! end with it. Where a package is missing, a test fails in CI, and says so elsewhere.
#![allow(
    unreachable_pub,
    reason = "a test's modules are its own; pub says what they offer one another"
)]

mod containerd;
mod cri;
mod docker;
mod grpc;
mod podman;
mod rig;

//! The OCI commands on the real kernel, through the built binary. Containers are made and removed for
//! real; tests that cannot be root say so and pass.
#![allow(
    unreachable_pub,
    reason = "a test's modules are its own; pub says what they offer one another"
)]

mod checkpoint;
mod commands;
mod configs;
mod crash;
mod damaged;
mod exec;
mod harness;
mod hooks;
mod hostile;
mod killed;
mod mounts;
mod namespaces;
mod network;
mod old_kernel;
mod privileges;
mod rootless;
mod seccomp;
mod settings;
mod systemd;
mod terminal;
mod verbs;

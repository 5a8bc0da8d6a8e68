//! Cgroups: one vocabulary over v1, hybrid and v2 hosts. It speaks v2's words and maps them.
//!
//! In the order of a container's life: [`layout`] says what the host has, [`lower`](mod@lower) (pure)
//! turns the configuration's resources into directories and writes, [`tree`] makes, enters, limits and
//! removes them, [`devices`] and [`bpf`] restrict device nodes, [`control`] freezes and kills,
//! [`stats`] and [`events`] tell how the container fares. [`hand`] is for cgroups that are no container's.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bpf;
pub mod control;
pub mod controller;
pub mod devices;
pub mod enter;
pub mod error;
pub mod events;
mod file;
pub mod hand;
pub mod layout;
pub mod lower;
mod permitted;
mod policy;
pub mod remove;
pub mod stats;
pub mod tree;
mod update;
mod walk;

pub use control::Deadline;
pub use controller::{Controller, Controllers};
pub use enter::Entry;
pub use error::{Error, Kind, Result};
pub use events::OomWatch;
pub use layout::{Hierarchy, Layout, Mode};
pub use lower::{Leaf, Lowered, Note, Request, Setting, Version, lower, wanted};
pub use remove::remove;
pub use stats::Stats;
pub use tree::Group;

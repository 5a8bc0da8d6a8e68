//! systemd's side of a container's cgroup: a transient scope, asked for over D-Bus.
//!
//! On a host that systemd runs, the tree of cgroups is systemd's, and who wants one asks for it. [`name`] turns
//! `slice:prefix:name` into a unit and its place in the tree, [`property`] is what a unit is given, [`limits`] turns
//! a container's limits into properties so that systemd does not undo them, and [`requests`] asks. Below that is as
//! much of D-Bus as it takes: [`wire`] and [`message`] are pure, [`bus`] talks.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod annotation;
pub mod bus;
mod error;
pub mod limits;
pub mod message;
pub mod name;
pub mod property;
pub mod requests;
pub mod wire;

pub use bus::Side;
pub use error::{Error, Result};
pub use name::Unit;
pub use property::{Property, Value};
pub use requests::Systemd;

//! Networks: jails that share the host's addresses, aliases on interfaces, tunnels between namespaces.
//!
//! [`shared`] confines the sockets of a cgroup's processes to addresses, without a network namespace.
//! [`alias`] gives an interface an address for as long as a jail lives. [`veth`] makes a pair of devices, one
//! in each of two network namespaces. [`address`] reads what people write for addresses.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod address;
pub mod alias;
pub mod error;
pub mod shared;
pub mod veth;

pub use address::{Address, Prefixed};
pub use alias::{Alias, Given};
pub use error::{Error, Result};

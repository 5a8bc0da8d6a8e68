//! FreeBSD's jails: jail.conf(5), the parameters of jail(8), and what they come to as a Spec.

mod command_line;
pub mod conf;
mod filter;
pub mod limits;
mod lower;
mod mounts;
pub mod parameter;
mod privilege;
mod values;

pub use command_line::{Operation, Request, Switches, Wanted, parse};
pub use lower::{Family, Host, Lowered, Network, lower};
pub use parameter::{PARAMETERS, Parameter};
pub use privilege::Permissions;
pub use values::{Value, Values};

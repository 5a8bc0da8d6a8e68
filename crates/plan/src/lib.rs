//! From a specification and facts about the host to a plan: every step in order, before any is done.
//!
//! Pure: no file, environment or clock is looked at here. All choice is made here; the steps have no
//! conditions but what can only be known inside the container (whether a path exists, what it is).
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod describe;
mod encode;
mod error;
mod hook;
mod labels;
mod mounts;
mod namespaces;
mod order;
mod process;
mod propagation;
mod request;
mod step;

pub use encode::{Script, Slots, encode};
pub use error::Error;
pub use hook::hook;
pub use labels::check_labels;
pub use mounts::DEFAULT_DEVICES;
pub use order::{plan, plan_confined_hook, plan_exec};
pub use request::{Act, Exec, Facts, Overlay, Program, Request, Root};
pub use step::{
    Answer, ChildAct, Copied, EnterRoot, HookKind, HostAct, Launch, Origin, Plan, Slot, Step,
};

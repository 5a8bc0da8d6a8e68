//! The verbs: create, start, run, exec, kill, pause, delete, list. The only writer of state.
//!
//! Whether a container lives is answered by the kernel (a pid with its start time, a descriptor, a
//! held lock), never by what a file says. Verbs are synchronous.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod child_program;
mod control;
mod create;
mod criu;
mod delete;
mod error;
mod exec;
mod facts;
pub mod fault;
mod foreign;
mod hooks;
mod idmap;
mod launching;
mod list;
mod listener;
mod mapping_program;
mod net_devices;
mod options;
mod prepare;
mod processes;
mod record;
mod report;
mod rootless;
mod scope;
mod seccomp_cache;
mod split;
mod start;
mod state_dir;
mod sub_cgroup;
mod teardown;

pub use create::{Launched, plan_of, run_or_create, timestamp_now};
#[cfg(fuzzing)]
pub use criu::is_answer;
pub use criu::{CgroupsMode, CheckpointOptions, CriuOptions, RestoreOptions, Restored};
pub use error::{Error, Kind, Result};
pub use exec::{ExecOptions, Executed};
pub use options::{Options, Terminal, keeper};
pub use plan;
pub use record::{Record, Status};
pub use rootless::Rootless;
pub use seccomp_cache::unknown_calls;
pub use state_dir::StateDir;

use alloc::string::String;

/// Where containers' states are kept.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The state directory, absolute; each container is a directory in it.
    pub state_root: String,
    /// Whether cgroups that may not be made are done without.
    pub rootless: Rootless,
}

impl Engine {
    /// States below `state_root`, which is absolute.
    pub fn new(state_root: impl Into<String>) -> Self {
        Self {
            state_root: state_root.into(),
            rootless: Rootless::Auto,
        }
    }
}

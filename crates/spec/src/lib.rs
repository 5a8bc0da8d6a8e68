//! OCI runtime-spec types and checks. Pure: no file system, environment or clock.
//!
//! Everything borrows from the text of `config.json`; an error names the field that it is about.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod caps;
mod check;
mod closed;
pub mod config;
mod default;
mod error;
pub mod id;
pub mod linux;
mod locate;
mod map;
pub mod mount;
pub mod parse;
mod place;
pub mod process;
pub mod ranges;
pub mod resources;
mod rootless;
pub mod seccomp;
pub mod state;
mod strict;
pub mod sysctl;
mod text;

pub use caps::{CapSet, Capabilities};
pub use config::{Hook, Hooks, Root, Spec};
pub use default::{MASKED_PATHS, READONLY_PATHS, default_spec};
pub use error::{Error, Kind};
pub use linux::{
    Device, DeviceType, IdMap, IntelRdt, Linux, MemoryPolicy, MemoryPolicyFlag, MemoryPolicyMode,
    Namespace, NamespaceType, NetDevice, Personality, PersonalityDomain, Propagation, TimeOffset,
    TimeOffsets,
};
pub use map::Map;
pub use mount::Mount;
pub use place::Place;
pub use process::{
    ConsoleSize, CpuAffinity, IoClass, IoPriority, Process, Rlimit, RlimitKind, Scheduler,
    SchedulerFlag, SchedulerPolicy, User,
};
pub use resources::{
    Access, BlockIo, Cpu, DeviceRule, DeviceRuleType, HugepageLimit, InterfacePriority, Memory,
    Network, Pids, Rdma, Resources, ThrottleDevice, WeightDevice,
};
pub use rootless::make_rootless;
pub use state::{OCI_VERSION, ProcessState, State, Status};
pub use text::Str;

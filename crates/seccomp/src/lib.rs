//! From the `linux.seccomp` section of a container's configuration to the kernel's program.
//!
//! [`compile`] is a pure function: profile and machine in, classic BPF out. What rules mean together,
//! and where that differs from libseccomp, is in `docs/seccomp.md`.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod abi;
mod assemble;
mod blake2;
mod compare;
mod compile;
mod digest;
mod interpret;
mod multiplex;
mod numbers;
mod outcome;
mod program;
mod rules;
mod tree;

pub use abi::{Abi, is_known, names};
pub use compile::{Compiled, Kernel, compile};
pub use digest::{Digest, digest};
pub use interpret::{Call, run};
pub use program::{Encoded, Flags, Instruction, MAX_INSTRUCTIONS, Program, Unusable};

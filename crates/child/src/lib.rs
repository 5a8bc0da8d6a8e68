//! The script that a container's first process runs: its format, and how one is written.
//!
//! The program that runs it (`main.rs` and what it includes) is no part of this library: the engine's
//! build script compiles it by itself, because it has no standard library, no allocator and its own
//! entry point. Both sides share [`op`].
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod op;
pub mod script;

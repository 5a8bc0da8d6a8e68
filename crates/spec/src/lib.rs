//! OCI runtime-spec types and checks. Pure: no file system, environment or clock.
//!
//! Everything borrows from the text of `config.json`; an error names the field that it is about.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod place;

pub use place::Place;

//! `linux.seccomp` to the kernel's program: what is compiled is what the kernel would take, ends, and
//! decides on every call; so does whatever is taken from the cache of programs.
#![no_main]

#[path = "../../crates/seccomp/tests/support/fuzz.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| support::fuzz_profile(bytes));

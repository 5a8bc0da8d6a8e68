//! Entry.
#[allow(dead_code, reason = "main is being written")]
mod cli;

fn main() {}

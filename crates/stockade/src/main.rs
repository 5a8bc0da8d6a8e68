//! Entry.
#[allow(dead_code, unused_imports, reason = "main is being written")]
mod cli;
#[allow(dead_code, reason = "main is being written")]
mod output;
#[allow(dead_code, reason = "main is being written")]
mod terminal;

fn main() {}

//! The binary: dispatch by program name and verb, and all printing.

#[allow(dead_code, unused_imports, reason = "main is being written")]
mod cli;
mod entry;
mod oci;
#[allow(dead_code, reason = "main is being written")]
mod output;
#[allow(dead_code, reason = "main is being written")]
mod terminal;

use oci::oci_early;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if entry::is_oci(&words) {
        std::process::exit(oci::run(&words));
    }
}

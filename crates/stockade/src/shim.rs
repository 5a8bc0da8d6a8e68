//! containerd's shim: its way to the process's own descriptors.

use sys::file::write_all;
use sys::stdio;

/// Runs the shim; `words` begin with the program's name.
pub(crate) fn run(words: &[&str]) -> i32 {
    let outcome = ::shim::main(words.get(1..).unwrap_or(&[]), crate::oci::features);
    let _ = write_all(stdio::output(), &outcome.out, "standard output");
    if let Some(mut line) = outcome.err {
        line.push('\n');
        let _ = write_all(stdio::error(), line.as_bytes(), "standard error");
    }
    outcome.code
}

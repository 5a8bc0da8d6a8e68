//! The OCI commands' way to the process's own descriptors.

use ::oci::{Library, Outcome};
use sys::file::write_all;
use sys::stdio;

use crate::entry;

/// The words after `stockade oci`, or after the runtime's name.
fn own_words<'w, 'a>(words: &'w [&'a str]) -> &'w [&'a str] {
    let skipped = if words.first().is_some_and(|name| entry::is_runtime(name)) { 1 } else { 2 };
    words.get(skipped..).unwrap_or(&[])
}

/// Runs a command before the C library is there: its exit status, or none when it takes the library.
pub(crate) fn oci_early(words: &[&str]) -> Option<i32> {
    match ::oci::main(own_words(words), None) {
        Outcome::Done { code, out, err } => Some(print(code, &out, err)),
        Outcome::NeedsLibrary => None,
    }
}

/// Runs a command with the library: the rare ones that copy a terminal.
pub(crate) fn run(words: &[&str]) -> i32 {
    match ::oci::main(own_words(words), Some(&Attendant)) {
        Outcome::Done { code, out, err } => print(code, &out, err),
        Outcome::NeedsLibrary => 125,
    }
}

/// Output that nobody reads is no failure of the command.
fn print(code: i32, out: &[u8], err: Option<String>) -> i32 {
    let _ = write_all(stdio::output(), out, "standard output");
    if let Some(mut line) = err {
        line.push('\n');
        let _ = write_all(stdio::error(), line.as_bytes(), "standard error");
    }
    code
}

struct Attendant;

impl Library for Attendant {
    fn attend(&self, _master: sys::OwnedFd, _pidfd: &sys::OwnedFd) -> Result<i32, String> {
        Err("terminals are not attended yet".into())
    }
}

//! `stockade chroot` and the commands of `stockade ns` that execute another one.

use sys::file::write_all;
use sys::stdio;

/// Runs a command before the C library is there: its exit status, or none where its help is wanted, which
/// takes the library.
pub(crate) fn early(words: &[&str]) -> Option<i32> {
    match ns::main(words) {
        ns::Outcome::Done(code, message) => {
            if let Some(mut line) = message {
                line.push('\n');
                // A line that nobody can read is no failure of the command.
                let _ = write_all(stdio::error(), line.as_bytes(), "standard error");
            }
            Some(code)
        }
        ns::Outcome::Help => None,
    }
}

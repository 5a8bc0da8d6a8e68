//! Printing to somebody who may have had enough.

use std::io::{ErrorKind, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Failure, Outcome};

/// Whoever reads standard output has gone away.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Prints a text. A reader that is gone (`| head`) is no failure of ours: the rest is dropped.
pub(crate) fn out(text: &str) -> Outcome<()> {
    let mut stdout = stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            READER_GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        other => other.map_err(|error| Failure::new(format!("write to standard output: {error}"))),
    }
}

/// Asks whether to go on; whoever says neither `y` nor `yes` does not want to.
pub(crate) fn confirmed(what: &str) -> Outcome<bool> {
    out(&format!("{what}\nGo on? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Whether what is printed is read by nobody any more.
pub(crate) fn is_reader_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// Prints all failures but the first, which decides how the command ends.
pub(crate) fn first_of(failures: Vec<Failure>) -> Outcome<()> {
    let mut failures = failures.into_iter();
    let first = failures.next();
    for other in failures {
        eprintln!("{other}");
    }
    first.map_or(Ok(()), Err)
}

//! The OCI runtime's command line, as runc has it: `create start run exec state kill delete list ps
//! pause resume update spec features`.
//!
//! It runs before, and instead of, the C library: it parses its own few options, touches few pages,
//! and prints nothing; what is to be printed is in the [`Outcome`].
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod arguments;
mod bundle;
mod control;
mod exec;
mod features;
mod global;
mod lifecycle;
mod listing;
mod log;
mod run;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};

pub use arguments::Arguments;
pub use run::{forward_until_end, plan};

/// What a command comes to.
#[derive(Debug)]
pub enum Outcome {
    /// It is done: exit status, standard output, a line for standard error.
    Done {
        /// The exit status.
        code: i32,
        /// What goes to standard output.
        out: Vec<u8>,
        /// What goes to standard error, without a newline.
        err: Option<String>,
    },
    /// It cannot be done here: a terminal has to be copied, which takes the library. Nothing was done.
    NeedsLibrary,
}

/// A command's success: its exit status and its output.
#[derive(Debug, Default)]
pub(crate) struct Success {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) needs_library: bool,
}

impl Success {
    pub(crate) fn text(out: impl Into<Vec<u8>>) -> Self {
        Self {
            out: out.into(),
            ..Self::default()
        }
    }

    pub(crate) fn code(code: i32) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }
}

/// Runs one command. `words` are the words after the program's name; `library` says whether the C
/// library is there.
pub fn main(words: &[&str], library: Option<&dyn Library>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let global = match global::parse(&mut arguments) {
        Ok(global) => global,
        Err(error) => return failed(&error, None),
    };
    match dispatch(&global, &mut arguments, library) {
        Ok(success) if success.needs_library => Outcome::NeedsLibrary,
        Ok(success) => Outcome::Done {
            code: success.code,
            out: success.out,
            err: None,
        },
        Err(error) => failed(&error, Some(&global)),
    }
}

/// What the commands need of the C library's side: copying between a terminal and the user's.
pub trait Library {
    /// Copies until the process ends; gives its exit status.
    fn attend(
        &self,
        master: sys::OwnedFd,
        pidfd: &sys::OwnedFd,
    ) -> core::result::Result<i32, String>;
}

fn dispatch(
    global: &global::Global<'_>,
    arguments: &mut Arguments<'_>,
    library: Option<&dyn Library>,
) -> Result<Success> {
    if let Some(page) = &global.page {
        return Ok(Success::text(page.as_str()));
    }
    let Some(verb) = arguments.word() else {
        return Ok(Success::text(HELP));
    };
    if arguments.asks_for_help(verb) {
        return Ok(Success::text(HELP));
    }
    match verb {
        "create" => run::create(global, arguments),
        "run" => run::run(global, arguments, library),
        "start" => lifecycle::start(global, arguments),
        "delete" => lifecycle::delete(global, arguments),
        "state" => listing::state(global, arguments),
        "list" => listing::list(global, arguments),
        "ps" => listing::ps(global, arguments),
        "kill" => control::kill(global, arguments),
        "pause" => control::pause(global, arguments),
        "resume" => control::resume(global, arguments),
        "update" => control::update(global, arguments),
        "exec" => exec::exec(global, arguments, library),
        "spec" => bundle::write_spec(arguments),
        "features" => Ok(Success::text(features::json())),
        "help" => Ok(Success::text(HELP)),
        "checkpoint" | "restore" | "events" => Err(Error::new(
            Kind::Unsupported,
            format!("{verb}: not supported yet"),
        )),
        _ => Err(usage(format!("no such command: {verb}"))),
    }
}

pub(crate) fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::BadConfig, message).hint("see `stockade oci help`")
}

fn failed(error: &Error, global: Option<&global::Global<'_>>) -> Outcome {
    if let Some(global) = global {
        log::write(global, error);
    }
    let mut text = format!("stockade: {error}");
    if let Some(hint) = &error.hint {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    let code = if matches!(error.exit_code(), 126 | 127) {
        error.exit_code()
    } else {
        1
    };
    Outcome::Done {
        code,
        out: Vec::new(),
        err: Some(text),
    }
}

const HELP: &str = "\
Usage: stockade oci [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]

OCI runtime commands, with runc's options (also by the program names runc and crun).

Commands:
  create CONTAINER         make a container of a bundle; its payload waits for start
  run CONTAINER            create and start, and wait for the end
  start CONTAINER          let a created container's payload run
  exec CONTAINER CMD…      run one more process in a container
  state CONTAINER          print the container's state
  list                     list containers
  ps CONTAINER             list a container's processes
  kill CONTAINER [SIGNAL]  send a signal (default TERM)
  pause, resume CONTAINER  freeze and thaw
  update CONTAINER         change limits
  delete CONTAINER         remove a container
  spec                     write a default config.json
  features                 print what this build supports

Global options:
  --root DIR               where states are kept (default /run/stockade)
  --log FILE               write errors there, too
  --log-format text|json   the log's format
  --debug                  accepted; there is no debug log
  --version                print the version
";

//! The OCI runtime's command line, as runc has it: `create start run exec state kill delete list ps
//! pause resume update events spec features`.
//!
//! It runs before, and instead of, the C library: it parses its own few options, touches few pages,
//! and prints nothing itself; what is to be printed is in the [`Outcome`], or is handed to the [`Caller`].
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod arguments;
mod bundle;
mod control;
mod criu;
mod events;
mod exec;
mod features;
mod figures;
mod global;
mod help;
mod lifecycle;
mod listing;
mod log;
mod processes;
mod run;
mod update;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

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

/// Who runs a command: the binary, before the C library is there or with it.
pub trait Caller {
    /// What the command was called by: `runc`, `crun`, `stockade oci`.
    fn program(&self) -> &str;

    /// Prints at once, for commands that go on.
    fn print(&self, stream: Stream, bytes: &[u8]);

    /// What takes the C library; none before that is there.
    fn library(&self) -> Option<&dyn Library>;
}

/// A stream of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What takes the C library's side.
pub trait Library {
    /// Copies between a terminal and the user's until the process ends.
    fn attend(
        &self,
        master: sys::OwnedFd,
        pidfd: &sys::OwnedFd,
    ) -> core::result::Result<(), String>;

    /// What ps(1) prints when called with these options.
    fn ps(&self, options: &[&str]) -> core::result::Result<String, String>;
}

/// Runs one command. `words` are the words after the program's name.
pub fn main(words: &[&str], caller: &dyn Caller) -> Outcome {
    let mut arguments = Arguments::new(words);
    let global = match global::parse(&mut arguments) {
        Ok(global) => global,
        Err(error) => return failed(&error, 1, None),
    };
    if let Err(error) = global.log.check() {
        return failed(&error, 1, None);
    }
    let verb = arguments.word().unwrap_or("help");
    match dispatch(&global, verb, &mut arguments, caller) {
        Ok(success) if success.needs_library => Outcome::NeedsLibrary,
        Ok(success) => Outcome::Done {
            code: success.code,
            out: success.out,
            err: None,
        },
        // A command that a container runs may end with 1 itself.
        Err(error) => failed(&error, if verb == "exec" { 255 } else { 1 }, Some(&global)),
    }
}

/// How many sockets, from descriptor 3 up, are handed to this very process (sd_listen_fds(3)).
pub(crate) fn listen_fds() -> u32 {
    let number = |name| sys::initial::variable(name)?.parse::<u32>().ok();
    let own = || sys::rustix::process::getpid().as_raw_nonzero().get();
    match number("LISTEN_PID") {
        Some(pid) if i64::from(pid) == i64::from(own()) => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

/// The log has the command: one that turns out to need the C library is carried out once more.
static TOLD: AtomicBool = AtomicBool::new(false);

fn dispatch(
    global: &global::Global<'_>,
    verb: &str,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    if let Some(page) = page(global, verb, arguments, caller.program())? {
        return Ok(Success::text(page));
    }
    let library = caller.library();
    if !TOLD.swap(true, Ordering::Relaxed) {
        global.log.debug(caller, || {
            format!(
                "{verb} {:?}, states in {}",
                arguments.words_left(),
                global.engine.state_root
            )
        });
    }
    match verb {
        "create" => run::create(global, arguments, caller),
        "run" => run::run(global, arguments, caller),
        "start" => lifecycle::start(global, arguments),
        "delete" => lifecycle::delete(global, arguments),
        "state" => listing::state(global, arguments),
        "list" => listing::list(global, arguments, caller),
        "ps" => processes::ps(global, arguments, library),
        "kill" => control::kill(global, arguments),
        "pause" => control::pause(global, arguments),
        "resume" => control::resume(global, arguments),
        "update" => update::update(global, arguments, caller),
        "events" => events::events(global, arguments, caller),
        "exec" => exec::exec(global, arguments, caller),
        "spec" => bundle::write_spec(arguments),
        "features" => features::features(arguments),
        "checkpoint" => criu::checkpoint(global, arguments),
        "restore" => criu::restore(global, arguments),
        _ => Err(usage(format!("no such command: {verb}"))),
    }
}

/// The page that is asked for in the place of a command.
fn page(
    global: &global::Global<'_>,
    verb: &str,
    arguments: &mut Arguments<'_>,
    program: &str,
) -> Result<Option<String>> {
    let of = match (global.asks, verb) {
        (Some(global::Asks::Version), _) => return Ok(Some(global::version(program))),
        (Some(global::Asks::Help), _) => None,
        (None, "help" | "h") => arguments.word(),
        (None, verb) if arguments.asks_for_help(verb) => Some(verb),
        (None, _) => return Ok(None),
    };
    match of {
        None => Ok(Some(help::of_all(program))),
        Some(verb) => match help::of_command(program, verb) {
            Some(page) => Ok(Some(page)),
            None => Err(usage(format!("No help topic for '{verb}'"))),
        },
    }
}

pub(crate) fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::BadConfig, message).hint("see `stockade oci help`")
}

fn failed(error: &Error, code: i32, global: Option<&global::Global<'_>>) -> Outcome {
    if let Some(global) = global {
        global.log.error(error);
    }
    Outcome::Done {
        code,
        out: Vec::new(),
        err: Some(format!("stockade: {}", log::words_of(error))),
    }
}

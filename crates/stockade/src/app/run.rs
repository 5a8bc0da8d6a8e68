//! `run` and `attach`.

use container::{Channel, Store};
use front::app::{Origins, RunOptions};

use super::attach::{Left, Seat, Wish};
use super::create::{self, Made};
use super::failure::{Failure, Outcome};
use super::print;
use crate::cli;

/// `run`.
pub(crate) fn run(store: &Store, options: &RunOptions) -> Outcome<i32> {
    if options.detach
        && options.rm
        && options
            .restart
            .as_deref()
            .is_some_and(|policy| policy != "no")
    {
        return Err(Failure::new("--rm: conflicts with --restart"));
    }
    let attached = !options.detach;
    let tty = options.tty && attached && options.interactive;
    if tty && !crate::terminal::is_terminal(sys::stdio::input()) {
        return Err(Failure::new("the input device is not a TTY"));
    }
    let made = create::create(store, options)?;
    if !attached {
        start_or_remove(store, &made, false)?;
        print::out(&format!("{}\n", made.id))?;
        return Ok(0);
    }
    let wish = Wish {
        id: &made.id,
        tty: made.settings.tty,
        input: made.settings.interactive,
        keys: options.detach_keys.as_deref(),
        forward: options.sig_proxy.as_deref() != Some("false"),
    };
    let seat = Seat::take(&wish).inspect_err(|_| {
        // Nothing of it has run, and nobody was told of it.
        remove(store, &made);
    })?;
    let streams = start_or_remove(store, &made, true)?;
    // The container runs meanwhile. What cannot be removed now is for the next one.
    let _ = store.sweep();
    match seat.attend(store, &wish, streams)? {
        Left::Code(code) => Ok(code),
        Left::Detached => Ok(0),
    }
}

/// Starts a container that was just made. As with Docker, one that cannot be started stays, unless it
/// is to be removed when it ends.
fn start_or_remove(store: &Store, made: &Made, attach: bool) -> Outcome<container::Attached> {
    container::start(store, &made.id, attach).map_err(|error| {
        if made.settings.auto_remove {
            remove(store, made);
        }
        in_options(error, &made.origins).into()
    })
}

/// Removes a container of which nothing has run.
fn remove(store: &Store, made: &Made) {
    let _ = store.remove(&made.id);
    store.remove_anonymous(&made.settings.volumes);
}

/// A complaint about a field of the configuration that nobody wrote, in words of the option that did.
fn in_options(mut error: engine::Error, origins: &Origins) -> engine::Error {
    let message = &error.message;
    let field = message.strip_prefix("config.json: ").unwrap_or(message);
    if let Some((place, what)) = field.split_once(": ") {
        let option = origins.of(place);
        if option.starts_with("--") {
            error.message = format!("{option}: {what}");
        }
    }
    error
}

/// `attach`.
pub(crate) fn attach(store: &Store, request: &cli::Attach) -> Outcome<i32> {
    let id = store.find(&request.container)?;
    let directory = store.open(&id)?;
    let settings = directory.settings()?;
    match store.engine.inspect(&id) {
        Ok((_, engine::Status::Running)) => {}
        Ok((_, engine::Status::Paused)) => {
            return Err(Failure::new(format!(
                "container {} is paused: unpause it first",
                settings.name
            )));
        }
        _ => {
            return Err(Failure::new(format!(
                "container {} does not run",
                settings.name
            )));
        }
    }
    let wish = Wish {
        id: &id,
        tty: settings.tty,
        input: settings.interactive && !request.no_stdin,
        keys: request
            .detach_keys
            .as_deref()
            .or(settings.detach_keys.as_deref()),
        forward: request.sig_proxy.as_deref() != Some("false"),
    };
    let seat = Seat::take(&wish)?;
    let streams = Channel::open(&directory)?;
    match seat.attend(store, &wish, streams)? {
        Left::Code(code) => Ok(code),
        Left::Detached => Ok(0),
    }
}

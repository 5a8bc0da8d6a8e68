//! Being attached: the user's streams, terminal and signals on one side, a container's on the other.

use container::{Attached, Ended, Store};
use sys::rustix::termios::Winsize;
use sys::signal::Signals;
use sys::{AsFd, OwnedFd};

use super::failure::{Failure, Outcome};
use crate::terminal::detach::{DEFAULT, DetachKeys};
use crate::terminal::relay::{self, Events, Finish, Input, Relay, Streams, User};
use crate::terminal::{Raw, give_back, is_terminal, set_size};

/// What a person who attaches wants.
pub(crate) struct Wish<'w> {
    /// The container.
    pub(crate) id: &'w str,
    /// It has a terminal.
    pub(crate) tty: bool,
    /// Standard input is attached.
    pub(crate) input: bool,
    /// What leaves it.
    pub(crate) keys: Option<&'w str>,
    /// Signals go to the container.
    pub(crate) forward: bool,
}

/// How being attached ended.
pub(crate) enum Left {
    /// The payload ended with this exit status.
    Code(i32),
    /// The person left; the container goes on.
    Detached,
}

/// The user's side, made ready before the container is started.
pub(crate) struct Seat {
    signals: Signals,
    raw: Option<Raw>,
    keys: DetachKeys,
}

impl Seat {
    /// Blocks signals and, for a terminal, makes the user's own raw.
    pub(crate) fn take(wish: &Wish<'_>) -> Outcome<Self> {
        let raw = wish.tty && wish.input && is_terminal(sys::stdio::input());
        if wish.tty && wish.input && !raw {
            return Err(Failure::new("the input device is not a TTY"));
        }
        let keys = DetachKeys::parse(wish.keys.unwrap_or(DEFAULT)).map_err(Failure::new)?;
        let signals = relay::signals(raw)?;
        let raw = if raw {
            Some(Raw::enter(sys::stdio::input())?)
        } else {
            None
        };
        Ok(Self { signals, raw, keys })
    }

    /// Carries everything between the two sides until the container ends or the person leaves.
    pub(crate) fn attend(
        self,
        store: &Store,
        wish: &Wish<'_>,
        attached: Attached,
    ) -> Outcome<Left> {
        let window = if wish.tty {
            attached.input.as_ref().map(clone).transpose()?
        } else {
            None
        };
        let input = attached.input.filter(|_| wish.input);
        let input = input.map(|fd| {
            if wish.tty {
                Input::Terminal(fd)
            } else {
                Input::Pipe(fd)
            }
        });
        let streams = Streams {
            input,
            output: attached.output,
            error: attached.error,
        };
        let relay = Relay {
            signals: &self.signals,
            raw: self.raw.as_ref(),
            detach: self.keys,
            forward: wish.forward,
            process: None,
        };
        let mut events = Container {
            store,
            id: wish.id,
            window,
        };
        let finish = relay.run(User::standard(wish.input), streams, &mut events)?;
        give_back();
        drop(self.raw);
        match finish {
            Finish::Detached => Ok(Left::Detached),
            Finish::Signal(number) => Ok(Left::Code(128 + number)),
            Finish::Closed => match attached.channel.wait()? {
                Ended::Code(code) => Ok(Left::Code(code)),
                Ended::MonitorGone => Err(Failure::new(
                    "the container's monitor was killed; how the container ends is not known",
                )),
            },
        }
    }
}

fn clone(fd: &OwnedFd) -> Outcome<OwnedFd> {
    let cloned = fd.as_fd().try_clone_to_owned();
    cloned.map_err(|errno| sys::Error::new("dup", "terminal", errno).into())
}

/// The container that signals and window sizes go to.
struct Container<'c> {
    store: &'c Store,
    id: &'c str,
    window: Option<OwnedFd>,
}

impl Events for Container<'_> {
    fn signal(&mut self, number: i32) -> sys::Result<()> {
        // One that ended meanwhile does not need it.
        let _ = self.store.engine.kill(self.id, number, false);
        Ok(())
    }

    fn resized(&mut self, size: Winsize) -> sys::Result<()> {
        if let Some(window) = &self.window {
            let _ = set_size(window, size);
        }
        Ok(())
    }
}

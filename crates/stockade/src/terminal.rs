//! The user's terminal: its raw mode and its size.
//!
//! A raw terminal must never be left behind. A [`Raw`] gives the terminal back when it is dropped;
//! [`give_back`] does it for those who end without dropping anything: a panic (which aborts), for
//! which a hook is set, and `process::exit`, before which it must be called. Signals do not end the
//! process while the terminal is raw: they are read (see [`relay`]).

pub(crate) mod detach;
pub(crate) mod relay;

use std::panic;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use sys::error::OnCall;
use sys::rustix::io::fcntl_dupfd_cloexec;
use sys::rustix::termios::{self, OptionalActions, Termios, Winsize};
use sys::{AsFd, Errno, OwnedFd, Result};

/// The terminal that is raw, and how it was before.
static RAW: Mutex<Option<Saved>> = Mutex::new(None);
/// The hook for panics is set once.
static HOOK: Once = Once::new();

#[derive(Debug)]
struct Saved {
    terminal: OwnedFd,
    before: Termios,
}

impl Saved {
    /// A terminal that has gone away needs nothing back, so there is no error.
    fn give_back(&self) {
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }

    fn make_raw(&self) -> Result<()> {
        let mut mode = self.before.clone();
        mode.make_raw();
        termios::tcsetattr(&self.terminal, OptionalActions::Now, &mode)
            .on("tcsetattr", "the terminal")
    }
}

/// A terminal in raw mode: bytes pass as they are typed, and none of them is a signal.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    /// Makes a terminal raw. A process can have one such terminal at a time.
    ///
    /// # Errors
    /// `ENOTTY` when it is no terminal, `EBUSY` when another is raw.
    pub(crate) fn enter(terminal: impl AsFd) -> Result<Self> {
        HOOK.call_once(|| {
            let next = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                next(info);
            }));
        });
        let mut raw = lock();
        if raw.is_some() {
            return Err(Errno::BUSY).on("tcsetattr", "the terminal");
        }
        let before = termios::tcgetattr(&terminal).on("tcgetattr", "the terminal")?;
        let terminal = fcntl_dupfd_cloexec(&terminal, 3).on("fcntl", "the terminal")?;
        let saved = Saved { terminal, before };
        saved.make_raw()?;
        *raw = Some(saved);
        Ok(Self(()))
    }

    /// The terminal's size; `None` when it has gone away.
    pub(crate) fn size(&self) -> Option<Winsize> {
        lock().as_ref().and_then(|saved| size(&saved.terminal).ok())
    }

    /// Runs `meanwhile` with the terminal as it was before, then makes it raw again: for job control.
    ///
    /// # Errors
    /// When the terminal cannot be made raw again.
    pub(crate) fn suspended(&self, meanwhile: impl FnOnce()) -> Result<()> {
        give_back_kept();
        meanwhile();
        lock().as_ref().map_or(Ok(()), Saved::make_raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        give_back();
    }
}

/// The lock, which nobody holds for long; what a panicking thread left in it is still right.
fn lock() -> MutexGuard<'static, Option<Saved>> {
    RAW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a raw terminal back as it was, if there is one. To be called before `process::exit`.
pub(crate) fn give_back() {
    // A panic may happen where the lock is held: then what there is to save is not saved yet, or is
    // being given back.
    if let Ok(mut raw) = RAW.try_lock()
        && let Some(saved) = raw.take()
    {
        saved.give_back();
    }
}

fn give_back_kept() {
    if let Some(saved) = lock().as_ref() {
        saved.give_back();
    }
}

/// Whether it is a terminal.
pub(crate) fn is_terminal(descriptor: impl AsFd) -> bool {
    termios::isatty(descriptor)
}

/// A window's size in characters (and pixels, where the terminal knows).
pub(crate) fn size(terminal: impl AsFd) -> Result<Winsize> {
    termios::tcgetwinsize(terminal).on("ioctl", "TIOCGWINSZ")
}

/// Sets a window's size; the terminal's foreground processes get SIGWINCH if it changed.
pub(crate) fn set_size(terminal: impl AsFd, size: Winsize) -> Result<()> {
    termios::tcsetwinsize(terminal, size).on("ioctl", "TIOCSWINSZ")
}

/// What tests need to know of terminals.
#[cfg(test)]
mod tests {
    use sys::rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use sys::rustix::termios::LocalModes;

    use super::*;

    /// Only one terminal can be raw, so tests that make one raw take turns.
    pub(super) static TURN: Mutex<()> = Mutex::new(());

    /// The two ends of a new pseudo-terminal: the master, and the terminal.
    pub(super) fn pair() -> (OwnedFd, OwnedFd) {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = ioctl_tiocgptpeer(&master, flags).unwrap();
        (master, terminal)
    }

    fn is_cooked(terminal: &OwnedFd) -> bool {
        let modes = termios::tcgetattr(terminal).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (_master, terminal) = pair();
        let raw = Raw::enter(&terminal).unwrap();
        assert!(!is_cooked(&terminal));
        assert_eq!(Raw::enter(&terminal).unwrap_err().errno, Errno::BUSY);
        raw.suspended(|| assert!(is_cooked(&terminal))).unwrap();
        assert!(!is_cooked(&terminal));
        drop(raw);
        assert!(is_cooked(&terminal));
    }

    #[test]
    fn a_panic_gives_the_terminal_back_first() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (_master, terminal) = pair();
        let raw = Raw::enter(&terminal).unwrap();
        let cooked = std::thread::scope(|scope| {
            let hooked = scope.spawn(|| {
                let _ = panic::catch_unwind(|| panic!("on purpose"));
                is_cooked(&terminal)
            });
            hooked.join().unwrap()
        });
        assert!(cooked);
        drop(raw);
    }

    #[test]
    fn what_is_no_terminal_is_refused() {
        let (read, _write) = sys::rustix::pipe::pipe().unwrap();
        assert!(!is_terminal(&read));
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(Raw::enter(&read).unwrap_err().errno, Errno::NOTTY);
    }

    #[test]
    fn sizes_go_across() {
        let (master, terminal) = pair();
        set_size(
            &master,
            Winsize {
                ws_row: 24,
                ws_col: 81,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .unwrap();
        assert_eq!(size(&terminal).unwrap().ws_col, 81);
    }
}

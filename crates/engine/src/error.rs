//! What goes wrong in a verb: whose fault it is, one line of words, and a hint if we know one.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use sys::Errno;

/// The result of a verb.
pub type Result<T> = core::result::Result<T, Error>;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The configuration is wrong.
    BadConfig,
    /// This host or build cannot.
    Unsupported,
    /// There is no such container.
    NotFound,
    /// The container's state does not allow it.
    WrongState,
    /// There is one already, or somebody else is at it.
    Busy,
    /// The kernel refused.
    Kernel(Errno),
    /// The payload's program is not there (exit status 127).
    CommandNotFound,
    /// The payload's program cannot be executed (exit status 126).
    CommandNotRunnable,
    /// It should not have happened.
    Bug,
}

/// What a system call that is not there means.
pub(crate) const OLD_KERNEL: &str = "Linux 5.10 or later is needed: docs/kernels.md";

/// A failed verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose fault it is.
    pub kind: Kind,
    /// One line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<Cow<'static, str>>,
}

impl Error {
    /// An error of `kind`. Control characters, which come from documents and paths, stay out of the line.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.contains(char::is_control) {
            message = printable(&message);
        }
        Self {
            kind,
            message,
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Adds what to do about it, where it is not the kernel that is too old.
    pub(crate) fn hint_unless_old(self, hint: &'static str) -> Self {
        if self.kind == Kind::Kernel(Errno::NOSYS) {
            return self;
        }
        self.hint(hint)
    }

    /// Puts `place` in front of the message.
    pub fn at(self, place: &dyn fmt::Display) -> Self {
        Self {
            message: format!("{place}: {}", self.message),
            ..self
        }
    }

    /// The exit status that tells of it: 125, 126 or 127, as Docker and chroot(1) use them.
    pub const fn exit_code(&self) -> i32 {
        match self.kind {
            Kind::CommandNotFound => 127,
            Kind::CommandNotRunnable => 126,
            _ => 125,
        }
    }
}

fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        let made = Self::new(Kind::Kernel(error.errno), error.to_string());
        match error.errno {
            Errno::NOSYS if error.call == sys::mount::TRANSLATE => {
                made.hint("translated owners (idmapped mounts) take Linux 5.12")
            }
            Errno::NOSYS => made.hint(OLD_KERNEL),
            _ => made,
        }
    }
}

impl From<spec::Error> for Error {
    fn from(error: spec::Error) -> Self {
        let made = Self::new(Kind::BadConfig, format!("config.json: {error}"));
        Self {
            hint: error.hint.map(Cow::Borrowed),
            ..made
        }
    }
}

impl From<plan::Error> for Error {
    fn from(error: plan::Error) -> Self {
        let kind = if error.unsupported {
            Kind::Unsupported
        } else {
            Kind::BadConfig
        };
        let made = Self::new(kind, format!("config.json: {error}"));
        Self {
            hint: error.hint,
            ..made
        }
    }
}

impl From<cgroup::Error> for Error {
    fn from(error: cgroup::Error) -> Self {
        let kind = match (error.kind, error.errno) {
            (cgroup::Kind::BadConfig, _) => Kind::BadConfig,
            (cgroup::Kind::Unsupported, _) => Kind::Unsupported,
            (_, Some(errno)) => Kind::Kernel(errno),
            _ => Kind::WrongState,
        };
        let made = Self::new(kind, error.to_string());
        Self {
            hint: error.hint,
            ..made
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_says_stays_in_the_line() {
        let said = "ociVersion: `1\u{7f}.3\u{1b}[31m\n` is not a semantic version";
        let error = Error::new(Kind::BadConfig, said);
        let shown = r"ociVersion: `1\u{7f}.3\u{1b}[31m\n` is not a semantic version";
        assert_eq!(error.to_string(), shown);
    }
}

//! One line about what failed, and the exit status where it is a particular one.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use sys::Errno;
use sys::error::describe;

/// The result of a command, or of a part of one.
pub type Result<T> = core::result::Result<T, Error>;

/// A failure.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// The exit status; none is the command's own for failures.
    pub code: Option<i32>,
    /// What failed, on what, and why.
    pub message: String,
    /// What may help.
    pub hint: Option<&'static str>,
}

impl Error {
    /// A failure in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            hint: None,
        }
    }

    /// The kernel's refusal of `what`.
    pub fn kernel(what: &str, errno: Errno) -> Self {
        let (name, words) = describe(errno);
        Self::new(format!("{what}: {words} ({name})"))
    }

    /// With an exit status of its own.
    pub fn code(mut self, code: i32) -> Self {
        self.code.get_or_insert(code);
        self
    }

    /// With a hint.
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Error {}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        Self::new(error.to_string())
    }
}

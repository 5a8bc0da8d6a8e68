//! What failed, and what would help.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use sys::Errno;

/// A result of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// A failure: one line, and perhaps what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What failed, on what, and why.
    pub message: String,
    /// What would help.
    pub hint: Option<&'static str>,
    /// The kernel's answer, where it was the kernel that refused.
    pub errno: Option<Errno>,
}

impl Error {
    /// An error that is not the kernel's.
    pub fn new(message: String) -> Self {
        Self {
            message,
            hint: None,
            errno: None,
        }
    }

    /// The same, with what would help.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The same, with what it was about in front.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        Self {
            message: error.to_string(),
            hint: None,
            errno: Some(error.errno),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

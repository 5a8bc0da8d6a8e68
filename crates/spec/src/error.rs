//! What is wrong with a configuration.

use alloc::string::{String, ToString};
use core::fmt;

/// What is wrong with a configuration, and where.
///
/// Displays as `process.user.uid: …`; whoever read the file puts its name in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of mistake it is.
    pub kind: Kind,
    /// The dotted path of the field, such as `mounts[6].options`; empty for the whole document.
    pub place: String,
    /// What is wrong, in words.
    pub message: String,
    /// What to do about it, if that is known.
    pub hint: Option<&'static str>,
}

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The document is not JSON, or not UTF-8, or too large.
    Syntax,
    /// A field that must be there is not.
    Missing,
    /// A value is of the wrong type, out of its range, or not of its grammar.
    Invalid,
    /// A value is not one that this version knows; it is not guessed at.
    Unknown,
    /// Two values contradict each other, or one needs another.
    Conflict,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

impl Error {
    /// An error without a hint.
    pub(crate) fn new(kind: Kind, place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            kind,
            place: place.to_string(),
            message: message.to_string(),
            hint: None,
        }
    }

    /// The same with a hint.
    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }
}

//! A failed command: one line, a hint, an exit status.

use std::fmt;

use crate::output::table::harmless;

/// A failed command.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The exit status, where the error itself decides it (126, 127); else the command's own.
    pub(crate) code: Option<u8>,
    /// One line.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// The result of a command.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            hint: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stockade: {}", harmless(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", harmless(hint)),
            None => Ok(()),
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let code = match error.kind {
            engine::Kind::CommandNotFound => Some(127),
            engine::Kind::CommandNotRunnable => Some(126),
            _ => None,
        };
        Self {
            code,
            message: error.message,
            hint: error.hint.map(String::from),
        }
    }
}

impl From<sys::Error> for Failure {
    fn from(error: sys::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<front::Error> for Failure {
    fn from(error: front::Error) -> Self {
        let hint = (!error.hint.is_empty()).then(|| error.hint.to_owned());
        Self {
            code: None,
            message: format!("{}: {}", error.place, error.message),
            hint,
        }
    }
}

impl From<image::Error> for Failure {
    fn from(error: image::Error) -> Self {
        Self {
            code: None,
            hint: error.hint_text().map(str::to_owned),
            message: error.to_string(),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

//! Why no plan can be made.

use alloc::borrow::Cow;
use core::fmt;

use spec::Place;

/// A configuration that cannot be carried out, and the field that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whether this build or host lacks something (else the configuration is wrong).
    pub unsupported: bool,
    /// The field.
    pub place: Place,
    /// What is wrong.
    pub what: Cow<'static, str>,
    /// What to do about it, if known.
    pub hint: Option<Cow<'static, str>>,
}

impl Error {
    /// The configuration is wrong.
    pub fn bad(place: Place, what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            unsupported: false,
            place,
            what: what.into(),
            hint: None,
        }
    }

    /// This build or host cannot.
    pub fn unsupported(place: Place, what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            unsupported: true,
            place,
            what: what.into(),
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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl core::error::Error for Error {}

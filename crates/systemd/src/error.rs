//! What can go wrong with systemd, in one line.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use spec::Place;
use sys::Errno;

/// The result of asking systemd.
pub type Result<T> = core::result::Result<T, Error>;

/// A failed request, or a configuration that cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The field of the configuration that asked for it.
    pub place: Option<Place>,
    /// What failed, on what, and why; one line.
    pub what: String,
    /// The bus's name for the failure (`org.freedesktop.systemd1.UnitExists`), where it was systemd that refused.
    pub name: Option<String>,
    /// The kernel's answer, where it was the kernel that refused.
    pub errno: Option<Errno>,
    /// What the reader can do about it.
    pub hint: Option<Cow<'static, str>>,
}

impl Error {
    /// A failure in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            place: None,
            what: what.into(),
            name: None,
            errno: None,
            hint: None,
        }
    }

    /// A value of the configuration that has no meaning.
    pub fn bad(place: Place, what: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            ..Self::new(what)
        }
    }

    /// The same error with advice.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Whether systemd gave this reason, without its prefix `org.freedesktop.systemd1.`.
    pub fn is(&self, reason: &str) -> bool {
        let name = self.name.as_deref();
        name.and_then(|name| name.strip_prefix("org.freedesktop.systemd1.")) == Some(reason)
    }

    /// What a peer that breaks the protocol comes to.
    pub(crate) fn protocol(what: &str) -> Self {
        Self::new(alloc::format!("D-Bus: {what}"))
    }
}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        Self {
            errno: Some(error.errno),
            ..Self::new(alloc::format!("D-Bus: {error}"))
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl core::error::Error for Error {}

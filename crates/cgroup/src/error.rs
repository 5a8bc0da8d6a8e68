//! What can go wrong with a cgroup, in one line, with whose fault it is.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use spec::Place;
use sys::Errno;

/// The result of acts on cgroups.
pub type Result<T> = core::result::Result<T, Error>;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The configuration contradicts itself or holds a value that has no meaning.
    BadConfig,
    /// The configuration means something, but not on this host's cgroups.
    Unsupported,
    /// The cgroup is in a state in which this cannot be done: not empty, frozen, still in use.
    WrongState,
    /// The kernel refused.
    Kernel,
}

/// A failed act on a cgroup, or a configuration that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose fault it is.
    pub kind: Kind,
    /// The field of the configuration that asked for it.
    pub place: Option<Place>,
    /// What failed, on what, and why; one line.
    pub what: Cow<'static, str>,
    /// What the reader can do about it.
    pub hint: Option<Cow<'static, str>>,
    /// The kernel's answer, where it was the kernel that refused.
    pub errno: Option<Errno>,
}

impl Error {
    /// A value of the configuration that has no meaning.
    pub fn bad(place: Place, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::BadConfig, Some(place), what.into())
    }

    /// A value of the configuration that this host's cgroups cannot honour.
    pub fn unsupported(place: Place, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unsupported, Some(place), what.into())
    }

    /// An error that no field of a configuration asked for.
    pub(crate) fn plain(kind: Kind, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(kind, None, what.into())
    }

    /// An act that the cgroup's state forbids.
    pub fn state(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::WrongState, None, what.into())
    }

    /// The same error, with the field that asked for the act.
    pub fn from_place(self, place: Option<Place>) -> Self {
        Self {
            place: self.place.or(place),
            ..self
        }
    }

    /// The same error with advice.
    pub fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Whether the kernel answered `errno`.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno == Some(errno)
    }

    fn new(kind: Kind, place: Option<Place>, what: Cow<'static, str>) -> Self {
        Self {
            kind,
            place,
            what,
            hint: None,
            errno: None,
        }
    }
}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        let (name, words) = sys::error::describe(error.errno);
        let mut what = String::from("cgroup: ");
        for part in [error.call, " ", &error.object, ": ", words, " (", name, ")"] {
            what.push_str(part);
        }
        Self {
            errno: Some(error.errno),
            ..Self::new(Kind::Kernel, None, what.into())
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

//! What went wrong: whose fault, with which option or object, why, and what to try.

use std::fmt;

/// The result of lowering something.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The option, file or image says something that cannot be meant.
    Usage,
    /// Well said, but neither built nor possible here.
    Unsupported,
    /// A file, user, device or container that was named is not there.
    NotFound,
    /// The kernel refused a system call.
    Kernel,
}

/// A refusal that does not know yet which option or object it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose fault it is.
    pub kind: Kind,
    /// What is wrong, as a phrase.
    pub message: String,
    /// What to try; may be empty.
    pub hint: &'static str,
}

/// The result of parsing a value.
pub type Parsed<T> = std::result::Result<T, Fault>;

impl Fault {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: "",
        }
    }

    /// A value that breaks its grammar or its bounds.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A value that is understood but not carried out.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// A name that leads nowhere.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The same with a hint.
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// The error about `place`, such as `--memory banana`.
    pub fn at(self, place: impl Into<String>) -> Error {
        Error {
            kind: self.kind,
            place: place.into(),
            message: self.message,
            hint: self.hint,
        }
    }
}

impl From<sys::Error> for Fault {
    fn from(error: sys::Error) -> Self {
        let kind = if error.errno == sys::Errno::NOENT {
            Kind::NotFound
        } else {
            Kind::Kernel
        };
        Self::new(kind, error.to_string())
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Kernel,
        };
        Self::new(kind, words(&error))
    }
}

/// The words and the name of a system call's error, as [`sys::Error`] prints them.
pub(crate) fn words(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => {
            let (name, words) = sys::error::describe(sys::Errno::from_raw_os_error(number));
            format!("{words} ({name})")
        }
        None => error.to_string(),
    }
}

/// An error, printed as one line: `place: message; hint: hint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose fault it is.
    pub kind: Kind,
    /// The option with its value, or the object: `--memory banana`, `/srv/root`.
    pub place: String,
    /// What is wrong, as a phrase.
    pub message: String,
    /// What to try; may be empty.
    pub hint: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, "; hint: {}", self.hint)
        }
    }
}

impl std::error::Error for Error {}

/// Adds to a bare fault the option or the object that it is about.
pub trait About<T> {
    /// The fault as an error about `place`, which is made only when needed.
    fn about(self, place: impl FnOnce() -> String) -> Result<T>;

    /// The fault as an error about the option `option` with the value `value`.
    fn of(self, option: &str, value: &str) -> Result<T>;
}

impl<T, F: Into<Fault>> About<T> for std::result::Result<T, F> {
    fn about(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|fault| fault.into().at(place()))
    }

    fn of(self, option: &str, value: &str) -> Result<T> {
        self.about(|| asked(option, value))
    }
}

/// A word of somebody's in a line of ours: as it is, or quoted where it has control characters or blanks.
pub(crate) fn shown(word: &str) -> String {
    if word.is_empty() || word.contains(|c: char| c.is_control() || c.is_whitespace()) {
        format!("{word:?}")
    } else {
        word.to_owned()
    }
}

/// An option and its value as they were typed; control characters and blanks are shown quoted.
pub fn asked(option: &str, value: &str) -> String {
    format!("{option} {}", shown(value))
}

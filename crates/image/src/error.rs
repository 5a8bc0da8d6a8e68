//! What can go wrong with an image, in one line: the object, what is wrong with it, perhaps a hint.

use std::fmt;

/// The result of an image operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The image or archive is malformed, hostile, or not what its digest says.
    BadImage,
    /// It is valid, but something in it is not supported here.
    Unsupported,
    /// It is larger than a limit allows.
    TooLarge,
    /// There is no such image, platform, file or layer.
    NotFound,
    /// The request does not say enough: several images answer to it.
    Ambiguous,
    /// It is in use.
    Busy,
    /// It belongs to somebody else.
    Denied,
    /// The kernel refused a call.
    System,
}

/// A failed image operation.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    /// From the outermost object inwards: source, layer, entry.
    objects: Vec<String>,
    problem: String,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: Kind, problem: impl Into<String>) -> Self {
        Self {
            kind,
            objects: Vec::new(),
            problem: problem.into(),
            hint: None,
        }
    }

    pub(crate) fn bad(problem: impl Into<String>) -> Self {
        Self::new(Kind::BadImage, problem)
    }

    pub(crate) fn unsupported(problem: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, problem)
    }

    pub(crate) fn too_large(problem: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, problem)
    }

    pub(crate) fn not_found(problem: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, problem)
    }

    /// The same failure, of this object; the call nearest to the failure comes first.
    pub(crate) fn of(mut self, object: impl fmt::Display) -> Self {
        self.objects.insert(0, object.to_string());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whose fault it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the user may do about it, where that is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    /// One line, without the hint; control characters from the image are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for object in &self.objects {
            write!(f, "{}: ", Escaped(object))?;
        }
        write!(f, "{}", Escaped(&self.problem))
    }
}

impl std::error::Error for Error {}

impl From<sys::Error> for Error {
    fn from(error: sys::Error) -> Self {
        let kind = match error.errno {
            sys::Errno::NOENT => Kind::NotFound,
            _ => Kind::System,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<std::io::Error> for Error {
    /// A failure of ours that went through `Read` comes out as it was; what the kernel did not say is
    /// about the bytes that were read.
    fn from(error: std::io::Error) -> Self {
        if let Some(inner) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
        {
            return inner.clone();
        }
        match error.raw_os_error() {
            Some(number) => {
                let (name, words) = sys::error::describe(sys::Errno::from_raw_os_error(number));
                Self::new(Kind::System, format!("{words} ({name})"))
            }
            None if error.kind() == std::io::ErrorKind::UnexpectedEof => Self::bad("cut off"),
            None => Self::bad(error.to_string()),
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// Adds the object to a failure on its way up.
pub(crate) trait Of<T> {
    /// The failure is one of `object`, which is made into text only when there is a failure.
    fn of<D: fmt::Display>(self, object: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Of<T> for std::result::Result<T, E> {
    fn of<D: fmt::Display>(self, object: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().of(object()))
    }
}

/// Text that may come from an image, made fit for one line of a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(char::is_control) {
            match part.chars().next_back() {
                Some(last) if last.is_control() => {
                    let plain = part.len() - last.len_utf8();
                    write!(f, "{}{}", &part[..plain], last.escape_default())?;
                }
                _ => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Bytes of a path from an image as text for a message, shortened when long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    if bytes.len() <= MOST {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    format!("{}…", String::from_utf8_lossy(&bytes[..MOST]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stand_outermost_first_and_control_characters_cannot_reach_a_terminal() {
        let error = Error::bad("has \x1b[31m in it")
            .of("etc/\nx")
            .of("layer 2")
            .hint("none");
        assert_eq!(
            error.to_string(),
            "layer 2: etc/\\nx: has \\u{1b}[31m in it"
        );
        assert_eq!(error.hint_text(), Some("none"));
    }
}

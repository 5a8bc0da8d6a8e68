//! Container ids.

use core::fmt;

/// The longest id, in bytes.
///
/// An id becomes a file name with something before and after it (`ID.json.tmp`, a cgroup `stockade-ID`, a
/// systemd unit `stockade-ID.scope`), and both file and unit names end at 255 bytes. 192 leaves 63 for
/// that; engines use 64 to 76 for theirs.
pub const MAX_LEN: usize = 192;

/// Why a text is not a container id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is empty.
    Empty,
    /// It is longer than [`MAX_LEN`].
    Long,
    /// It begins with something else than a letter, a digit or `_`: `-` would look like an option, and
    /// `.` could be the directory or its parent.
    First(char),
    /// There is a character in it that is none of letters, digits and `_.+-`; a slash, say.
    Character(char),
}

/// Checks that a text is a container id, `[A-Za-z0-9_][A-Za-z0-9_.+-]*` of at most [`MAX_LEN`] bytes.
///
/// What passes is one component of a path, never `.` or `..`, and nothing that a shell, a unit file or
/// an option parser reads otherwise. Every verb checks, those that only look or delete too.
pub fn check(id: &str) -> Result<(), Invalid> {
    if id.len() > MAX_LEN {
        return Err(Invalid::Long);
    }
    let mut characters = id.chars();
    match characters.next() {
        None => return Err(Invalid::Empty),
        Some(first) if !(first.is_ascii_alphanumeric() || first == '_') => {
            return Err(Invalid::First(first));
        }
        Some(_) => {}
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-');
    characters
        .find(|c| !allowed(*c))
        .map_or(Ok(()), |c| Err(Invalid::Character(c)))
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a container id may not be empty"),
            Self::Long => write!(f, "a container id may not be longer than {MAX_LEN} bytes"),
            Self::First(c) => write!(
                f,
                "a container id begins with a letter, a digit or `_`, not with {c:?}"
            ),
            Self::Character(c) => {
                write!(
                    f,
                    "a container id has only letters, digits and `_.+-`; {c:?} is none of them"
                )
            }
        }
    }
}

impl core::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for id in [
            "a",
            "0",
            "_",
            "a.b+c-d_e",
            "A..",
            "9-",
            &"x".repeat(MAX_LEN),
        ] {
            assert_eq!(check(id), Ok(()), "{id}");
        }
        for (id, why) in [
            ("", Invalid::Empty),
            (".", Invalid::First('.')),
            ("..", Invalid::First('.')),
            ("-f", Invalid::First('-')),
            ("/etc", Invalid::First('/')),
            ("+", Invalid::First('+')),
            ("é", Invalid::First('é')),
            ("a/b", Invalid::Character('/')),
            ("a b", Invalid::Character(' ')),
            ("a\0", Invalid::Character('\0')),
            ("a\n", Invalid::Character('\n')),
            ("aé", Invalid::Character('é')),
            (&"x".repeat(MAX_LEN + 1), Invalid::Long),
        ] {
            assert_eq!(check(id), Err(why), "{id:?}");
        }
    }
}

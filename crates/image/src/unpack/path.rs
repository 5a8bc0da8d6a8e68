//! Paths from an archive, taken apart into components that are safe to hand to the kernel.

use sys::root::entry::NAME_MAX;

use crate::error::{Error, Result};

/// What begins the name of a whiteout (OCI image-spec, layer: "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
/// The name of the entry that hides all that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Where an entry of an archive belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The root directory itself.
    Root,
    /// The entry `name` of the directory `parent`.
    Entry {
        parent: Vec<&'a [u8]>,
        name: &'a [u8],
    },
    /// Nothing of lower layers is seen by this name in this directory.
    Whiteout {
        parent: Vec<&'a [u8]>,
        name: &'a [u8],
    },
    /// Nothing of lower layers is seen in this directory.
    Opaque { directory: Vec<&'a [u8]> },
}

/// Takes the path of an entry apart. A leading slash and `.` mean nothing; `..` is refused.
pub(super) fn place(path: &[u8]) -> Result<Place<'_>> {
    let mut parent = components(path)?;
    let Some(name) = parent.pop() else {
        return Ok(Place::Root);
    };
    if parent
        .iter()
        .any(|component| component.starts_with(WHITEOUT))
    {
        return Err(Error::bad("path: leads through a whiteout"));
    }
    if name == OPAQUE {
        return Ok(Place::Opaque { directory: parent });
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Place::Entry { parent, name }),
        Some(b"" | b"." | b"..") => Err(Error::bad("whiteout: not of a plain name")),
        Some(hidden) if hidden.starts_with(WHITEOUT) => {
            Err(Error::unsupported("whiteout: of a name that is itself one"))
        }
        Some(hidden) => Ok(Place::Whiteout {
            parent,
            name: hidden,
        }),
    }
}

/// The components of a path as an archive has it, which may not contain `..`.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    let parts: Vec<&[u8]> = split(path).collect();
    if parts.contains(&&b".."[..]) {
        return Err(Error::bad("path: contains \"..\""));
    }
    if parts.iter().any(|part| part.len() > NAME_MAX) {
        return Err(Error::bad(format!(
            "path: a name of more than {NAME_MAX} bytes"
        )));
    }
    Ok(parts)
}

/// Splits a path at its slashes, without empty parts and `.`.
pub(super) fn split(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}

/// Whether a name is reserved for whiteouts.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(WHITEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whiteout_is_of_one_plain_name() {
        let parent = || vec![&b"a"[..]];
        assert_eq!(
            place(b"a/b").unwrap(),
            Place::Entry {
                parent: parent(),
                name: b"b"
            }
        );
        assert_eq!(
            place(b"/./a//b/").unwrap(),
            Place::Entry {
                parent: parent(),
                name: b"b"
            }
        );
        assert_eq!(
            place(b"a/.wh.b").unwrap(),
            Place::Whiteout {
                parent: parent(),
                name: b"b"
            }
        );
        assert_eq!(
            place(b"a/.wh..b").unwrap(),
            Place::Whiteout {
                parent: parent(),
                name: b".b"
            }
        );
        assert_eq!(
            place(b"a/.wh..wh..opq").unwrap(),
            Place::Opaque {
                directory: parent()
            }
        );
        assert_eq!(place(b"./").unwrap(), Place::Root);
        for bad in [
            &b"a/.wh."[..],
            b"a/.wh..",
            b"a/.wh...",
            b".wh..wh.plnk",
            b".wh.a/b",
            b"../a",
            b"a/..",
            b"a/../../b",
            b"..",
        ] {
            assert!(place(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(place(&[b'x'; 256]).is_err());
    }
}

//! The 512-byte header of an entry.

use super::{BLOCK, Time};
use crate::error::{Error, Result};

/// Where a field stands in a header block.
type Field = std::ops::Range<usize>;

const NAME: Field = 0..100;
const MODE: Field = 100..108;
const UID: Field = 108..116;
const GID: Field = 116..124;
const SIZE: Field = 124..136;
const MTIME: Field = 136..148;
const CHECKSUM: Field = 148..156;
const TYPE: usize = 156;
const LINK: Field = 157..257;
const MAGIC: Field = 257..265;
const MAJOR: Field = 329..337;
const MINOR: Field = 337..345;
const PREFIX: Field = 345..500;
/// Schily's star has a shorter prefix, and says so at the end of the block.
const STAR_PREFIX: Field = 345..476;
const STAR_MAGIC: Field = 508..512;

/// Which of the layouts a header has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Seventh edition Unix: no magic, no prefix, no devices.
    V7,
    Ustar,
    Star,
    Gnu,
}

/// A header block whose checksum is right.
pub(super) struct Header {
    pub(super) block: [u8; BLOCK],
    layout: Layout,
}

impl Header {
    pub(super) fn parse(block: [u8; BLOCK]) -> Result<Self> {
        check_sum(&block)?;
        let layout = match &block[MAGIC] {
            b"ustar\x0000" if &block[STAR_MAGIC] == b"tar\0" => Layout::Star,
            b"ustar  \0" => Layout::Gnu,
            magic if magic.starts_with(b"ustar\0") => Layout::Ustar,
            _ => Layout::V7,
        };
        Ok(Self { block, layout })
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.block[TYPE]
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.layout == Layout::Gnu
    }

    /// The path, with the prefix that some layouts have.
    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = match self.layout {
            Layout::Ustar => text(&self.block[PREFIX]),
            Layout::Star => text(&self.block[STAR_PREFIX]),
            Layout::V7 | Layout::Gnu => b"",
        };
        let name = text(&self.block[NAME]);
        if prefix.is_empty() {
            name.to_vec()
        } else {
            [prefix, name].join(&b'/')
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.block[LINK]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32> {
        // Some writers put the file type's bits here too.
        let mode = self.unsigned(MODE, "mode")? & 0o7777;
        u32::try_from(mode).map_err(|_| Error::bad("mode: out of range"))
    }

    pub(super) fn uid(&self) -> Result<u64> {
        self.unsigned(UID, "uid")
    }

    pub(super) fn gid(&self) -> Result<u64> {
        self.unsigned(GID, "gid")
    }

    pub(super) fn size(&self) -> Result<u64> {
        self.unsigned(SIZE, "size")
    }

    pub(super) fn mtime(&self) -> Result<Time> {
        let seconds = number(&self.block[MTIME], "mtime")?;
        Ok(Time {
            seconds,
            nanoseconds: 0,
        })
    }

    pub(super) fn device(&self) -> Result<(u32, u32)> {
        if self.layout == Layout::V7 {
            return Err(Error::bad("a device in an archive without device numbers"));
        }
        let part = |field: Field, name: &str| {
            u32::try_from(self.unsigned(field, name)?)
                .map_err(|_| Error::bad(format!("{name}: out of range")))
        };
        Ok((part(MAJOR, "device major")?, part(MINOR, "device minor")?))
    }

    fn unsigned(&self, field: Field, name: &str) -> Result<u64> {
        unsigned(&self.block[field], name)
    }
}

/// A field's text, up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    &field[..end]
}

pub(super) fn unsigned(field: &[u8], name: &str) -> Result<u64> {
    u64::try_from(number(field, name)?).map_err(|_| Error::bad(format!("{name}: negative")))
}

/// A number: octal digits amid spaces and NULs, or binary when the first bit is set.
fn number(field: &[u8], name: &str) -> Result<i64> {
    let refuse = || Error::bad(format!("{name}: not a number"));
    let first = *field.first().ok_or_else(refuse)?;
    if first & 0x80 != 0 {
        return binary(field).ok_or_else(|| Error::bad(format!("{name}: out of range")));
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(field.len());
    let end = field
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    field[start..end]
        .iter()
        .try_fold(0_i64, |value, digit| match digit {
            b'0'..=b'7' => value
                .checked_mul(8)
                .and_then(|v| v.checked_add(i64::from(digit - b'0')))
                .ok_or_else(refuse),
            _ => Err(refuse()),
        })
}

/// GNU's binary form: big-endian two's complement whose first bit is the mark and second the sign.
fn binary(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    let negative = first & 0x40 != 0;
    let start = if negative {
        i64::from(first | 0x80) - 256
    } else {
        i64::from(first & 0x3f)
    };
    rest.iter().try_fold(start, |value, &byte| {
        value.checked_mul(256)?.checked_add(i64::from(byte))
    })
}

/// The sum of all bytes with the sum's own field as spaces; some old writers added signed bytes.
fn check_sum(block: &[u8; BLOCK]) -> Result<()> {
    let stated = number(&block[CHECKSUM], "checksum")?;
    let bytes = || {
        block
            .iter()
            .enumerate()
            .map(|(at, &byte)| if CHECKSUM.contains(&at) { b' ' } else { byte })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if stated == unsigned || stated == signed {
        return Ok(());
    }
    Err(Error::bad(
        "header checksum does not match: not a tar archive, or damaged",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary_and_nothing_else() {
        let read = |field: &[u8]| number(field, "n").ok();
        assert_eq!(read(b"0000644\0"), Some(0o644));
        assert_eq!(read(b"   644 \0"), Some(0o644));
        assert_eq!(read(b"\0\0\0\0"), Some(0));
        assert_eq!(read(b"77777777777\0"), Some(0o77_777_777_777));
        assert_eq!(read(&[0x80, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(read(&[0xff; 12]), Some(-1));
        assert_eq!(read(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(
            read(&[
                0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ]),
            None
        );
        for bad in [&b"8"[..], b"-1", b"+1", b"0x1", b"1\x001", b"1 1", b"a"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert!(unsigned(&[0xff; 8], "n").is_err());
    }
}

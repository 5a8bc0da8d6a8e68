//! PAX extended headers: records of `LENGTH KEY=VALUE\n` (POSIX pax, "Extended Header").

use super::Time;
use super::sparse::{self, Region};
use crate::error::{Error, Result, shown};
use crate::limits::Limits;

/// What an extended header says about the entry after it.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

/// GNU's records about a file with holes, versions 0.0, 0.1 and 1.0.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) version: (Option<u64>, Option<u64>),
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Versions before 1.0 have their regions here.
    pub(super) regions: Vec<Region>,
    /// An offset of version 0.0 that waits for its length.
    offset: Option<u64>,
    pub(super) present: bool,
}

impl Records {
    /// Reads all records of the extended header of one entry.
    pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let mut records = Self::default();
        each(bytes, |key, value| records.take(key, value, limits))?;
        if records.sparse.offset.is_some() {
            return Err(Error::bad(
                "GNU.sparse.offset: without a GNU.sparse.numbytes",
            ));
        }
        Ok(records)
    }

    /// Where a key stands twice, the last one counts, as POSIX has it.
    fn take(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<()> {
        match key {
            b"path" => self.path = name(value, "path", limits)?,
            b"linkpath" => self.link = name(value, "linkpath", limits)?,
            b"size" => self.size = optional(value, "size")?,
            b"uid" => self.uid = optional(value, "uid")?,
            b"gid" => self.gid = optional(value, "gid")?,
            b"mtime" => self.mtime = (!value.is_empty()).then(|| time(value)).transpose()?,
            _ => {
                if let Some(attribute) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattr(attribute, value, limits)?;
                } else if let Some(rest) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(rest, value, limits)?;
                }
                // Everything else (atime, ctime, uname, gname, comment, hdrcharset, other vendors'
                // records) says nothing about what is unpacked.
            }
        }
        Ok(())
    }

    fn xattr(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<()> {
        if key.is_empty() || key.len() > 255 || key.contains(&0) {
            return Err(Error::bad(format!(
                "extended attribute {:?}: not a name",
                shown(key)
            )));
        }
        if value.len() > limits.xattr_bytes {
            return Err(Error::too_large(format!(
                "extended attribute {:?}: {} bytes, at most {} are allowed",
                shown(key),
                value.len(),
                limits.xattr_bytes
            )));
        }
        self.xattrs.retain(|(known, _)| known != key);
        self.xattrs.push((key.to_vec(), value.to_vec()));
        Ok(())
    }
}

impl SparseRecords {
    fn take(&mut self, key: &[u8], value: &[u8], limits: &Limits) -> Result<()> {
        self.present = true;
        match key {
            b"major" => self.version.0 = Some(decimal(value, "GNU.sparse.major")?),
            b"minor" => self.version.1 = Some(decimal(value, "GNU.sparse.minor")?),
            b"name" => self.name = name(value, "GNU.sparse.name", limits)?,
            b"size" | b"realsize" => self.size = Some(decimal(value, "GNU.sparse.size")?),
            // The number of regions: they are counted as they come.
            b"numblocks" => {}
            b"offset" => {
                let offset = decimal(value, "GNU.sparse.offset")?;
                if self.offset.replace(offset).is_some() {
                    return Err(Error::bad("GNU.sparse.offset: twice without a numbytes"));
                }
            }
            b"numbytes" => {
                let length = decimal(value, "GNU.sparse.numbytes")?;
                let offset = self.offset.take().ok_or_else(|| {
                    Error::bad("GNU.sparse.numbytes: without a GNU.sparse.offset")
                })?;
                sparse::add(&mut self.regions, Region { offset, length }, limits)?;
            }
            b"map" => self.regions = map(value, limits)?,
            _ => {
                return Err(Error::unsupported(format!(
                    "GNU.sparse.{} is not supported",
                    shown(key)
                )));
            }
        }
        Ok(())
    }
}

/// Version 0.1: `offset,length,offset,length…`.
fn map(value: &[u8], limits: &Limits) -> Result<Vec<Region>> {
    let mut regions = Vec::new();
    let mut numbers = value
        .split(|&byte| byte == b',')
        .filter(|part| !part.is_empty());
    while let Some(offset) = numbers.next() {
        let length = numbers
            .next()
            .ok_or_else(|| Error::bad("GNU.sparse.map: an odd number of values"))?;
        let offset = decimal(offset, "GNU.sparse.map")?;
        let length = decimal(length, "GNU.sparse.map")?;
        sparse::add(&mut regions, Region { offset, length }, limits)?;
    }
    Ok(regions)
}

/// A global header: fine as long as it says nothing about what is unpacked (git writes a comment).
///
/// Most readers of images skip these, POSIX readers apply them: refusing those that matter keeps us
/// from choosing a side.
pub(super) fn check_global(bytes: &[u8]) -> Result<()> {
    each(bytes, |key, _| {
        let matters = matches!(
            key,
            b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"mtime"
        ) || key.starts_with(b"SCHILY.xattr.")
            || key.starts_with(b"GNU.sparse.");
        if matters {
            return Err(Error::unsupported(format!(
                "global header: {:?} for all entries is not supported",
                shown(key)
            )));
        }
        Ok(())
    })
}

/// Calls `take` with each record's key and value; the records must fill `bytes` exactly.
fn each(mut bytes: &[u8], mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
    let malformed = || Error::bad("extended header: a record is malformed");
    while !bytes.is_empty() {
        let space = bytes
            .iter()
            .take(20)
            .position(|&byte| byte == b' ')
            .ok_or_else(malformed)?;
        let length = decimal(&bytes[..space], "extended header")?;
        let length = usize::try_from(length).map_err(|_| malformed())?;
        let record = bytes.get(space + 1..length).ok_or_else(malformed)?;
        let record = record.strip_suffix(b"\n").ok_or_else(malformed)?;
        let equals = record
            .iter()
            .position(|&byte| byte == b'=')
            .ok_or_else(malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() || key.contains(&0) {
            return Err(malformed());
        }
        take(key, value)?;
        bytes = &bytes[length..];
    }
    Ok(())
}

/// An empty value takes the record back.
fn optional(value: &[u8], name: &str) -> Result<Option<u64>> {
    if value.is_empty() {
        Ok(None)
    } else {
        decimal(value, name).map(Some)
    }
}

fn name(value: &[u8], key: &str, limits: &Limits) -> Result<Option<Vec<u8>>> {
    if value.contains(&0) {
        return Err(Error::bad(format!("{key}: contains NUL")));
    }
    if value.len() > limits.path_bytes {
        return Err(Error::too_large(format!(
            "{key}: {} bytes, at most {} are allowed",
            value.len(),
            limits.path_bytes
        )));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

/// Decimal digits and nothing else.
pub(super) fn decimal(digits: &[u8], name: &str) -> Result<u64> {
    let refuse = || Error::bad(format!("{name}: {:?} is not a number", shown(digits)));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(refuse());
    }
    digits
        .iter()
        .try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .ok_or_else(refuse)
}

/// Seconds since 1970, perhaps negative, perhaps with a fraction.
fn time(value: &[u8]) -> Result<Time> {
    let refuse = || Error::bad(format!("mtime: {:?} is not a time", shown(value)));
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let point = digits.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(refuse());
    }
    let seconds = i64::try_from(decimal(whole, "mtime")?).map_err(|_| refuse())?;
    let nanoseconds = (0..9).fold(0_u32, |value, at| {
        value * 10 + u32::from(fraction.get(at).map_or(0, |digit| digit - b'0'))
    });
    Ok(match (negative, nanoseconds) {
        (false, _) => Time {
            seconds,
            nanoseconds,
        },
        (true, 0) => Time {
            seconds: -seconds,
            nanoseconds: 0,
        },
        (true, _) => Time {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
        let body = key.len() + value.len() + 3;
        let mut length = body + 1;
        while body + length.to_string().len() != length {
            length += 1;
        }
        [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
    }

    fn parse(bytes: &[u8]) -> Result<Records> {
        Records::parse(bytes, &Limits::default())
    }

    #[test]
    fn values_hold_any_bytes() {
        let value = b"a\nb=c\0 12 path=/etc/passwd\n";
        let bytes = [
            record(b"SCHILY.xattr.user.\xff", value),
            record(b"path", b"a\nb"),
        ]
        .concat();
        let records = parse(&bytes).unwrap();
        assert_eq!(records.xattrs, [(b"user.\xff".to_vec(), value.to_vec())]);
        assert_eq!(records.path.unwrap(), b"a\nb");
    }

    #[test]
    fn records_that_do_not_add_up_are_refused() {
        for bad in [
            &b"path=x\n"[..],
            b"9 path=x",
            b"0 \n",
            b"5 a=\n\n",
            b"99 path=x\n",
            b"11 path=x\n",
            b"-9 path=x\n",
            b" 9 path=x\n",
            b"9 path=x\n\0",
            b"9 path=x\njunk",
            b"18446744073709551625 path=x\n",
            b"5 =x\n",
            b"7 patx\n",
        ] {
            assert!(parse(bad).is_err(), "{:?}", shown(bad));
        }
        assert!(parse(b"9 path=x\n").is_ok());
        assert!(parse(&record(b"path", b"a\0b")).is_err());
        assert!(parse(&record(b"size", b"-1")).is_err());
        assert!(parse(&record(b"size", b"0x10")).is_err());
        assert!(parse(&record(b"uid", b"1.5")).is_err());
    }

    #[test]
    fn times_are_rounded_down() {
        let at = |seconds, nanoseconds| Time {
            seconds,
            nanoseconds,
        };
        assert_eq!(time(b"12").unwrap(), at(12, 0));
        assert_eq!(time(b"12.5").unwrap(), at(12, 500_000_000));
        assert_eq!(time(b"12.1234567899").unwrap(), at(12, 123_456_789));
        assert_eq!(time(b"-1").unwrap(), at(-1, 0));
        assert_eq!(time(b"-1.25").unwrap(), at(-2, 750_000_000));
        for bad in [
            &b"."[..],
            b"-",
            b"1.-5",
            b"1e3",
            b"1.5.5",
            b"99999999999999999999",
        ] {
            assert!(time(bad).is_err(), "{:?}", shown(bad));
        }
    }

    #[test]
    fn a_global_header_may_comment_but_not_change_entries() {
        assert!(check_global(&record(b"comment", b"commit id")).is_ok());
        for key in [
            &b"path"[..],
            b"size",
            b"SCHILY.xattr.user.x",
            b"GNU.sparse.name",
            b"uid",
        ] {
            assert!(check_global(&record(key, b"1")).is_err());
        }
    }
}

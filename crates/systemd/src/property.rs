//! What a unit is given: names and values, `a(sv)` on the wire.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::wire::Writer;

/// A value with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `x`
    I64(i64),
    /// `t`
    U64(u64),
    /// `s`
    Text(String),
    /// `ay`
    Bytes(Vec<u8>),
    /// `(ss)`
    Pair(String, String),
    /// An array of values of one type.
    List {
        /// That type.
        of: &'static str,
        /// The values.
        items: Vec<Value>,
    },
}

/// A property of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name on the bus (systemd.resource-control(5), org.freedesktop.systemd1(5)).
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: Value,
}

impl Property {
    /// A property.
    pub fn new(name: impl Into<Cow<'static, str>>, value: Value) -> Self {
        Self {
            name: name.into(),
            value,
        }
    }
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// Its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::I32(_) => "i",
            Self::U32(_) => "u",
            Self::I64(_) => "x",
            Self::U64(_) => "t",
            Self::Text(_) => "s",
            Self::Bytes(_) => "ay",
            Self::Pair(..) => "(ss)",
            Self::List { of, .. } => match *of {
                "b" => "ab",
                "i" => "ai",
                "u" => "au",
                "x" => "ax",
                "t" => "at",
                "(ss)" => "a(ss)",
                _ => "as",
            },
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Bool(value) => out.u32(u32::from(*value)),
            Self::I32(value) => out.u32(value.cast_unsigned()),
            Self::U32(value) => out.u32(*value),
            Self::I64(value) => out.u64(value.cast_unsigned()),
            Self::U64(value) => out.u64(*value),
            Self::Text(text) => out.text(text),
            Self::Bytes(bytes) => out.array(1, |out| out.raw(bytes)),
            Self::Pair(one, other) => {
                out.align(8);
                out.text(one);
                out.text(other);
            }
            Self::List { of, items } => {
                let alignment = if matches!(*of, "(ss)" | "x" | "t") {
                    8
                } else {
                    4
                };
                out.array(alignment, |out| {
                    items.iter().for_each(|item| item.write(out))
                });
            }
        }
    }
}

/// Writes properties as `a(sv)`.
pub(crate) fn write_all(properties: &[Property], out: &mut Writer) {
    out.array(8, |out| {
        for property in properties {
            out.align(8);
            out.text(&property.name);
            out.signature(property.value.kind());
            property.value.write(out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_pairs() {
        let mut out = Writer::default();
        let rule = Value::Pair("a".into(), "r".into());
        let property = Property::new(
            "D",
            Value::List {
                of: "(ss)",
                items: Vec::from([rule]),
            },
        );
        write_all(&[property], &mut out);
        let bytes = out.finish();
        // Array of 40 bytes from offset 8: name at 8, signature at 14, the list's length at 24, its pair at 32.
        assert_eq!(bytes[0], 38);
        assert_eq!(&bytes[8..14], b"\x01\0\0\0D\0");
        assert_eq!(&bytes[14..21], b"\x05a(ss)\0");
        assert_eq!(&bytes[24..28], [14, 0, 0, 0]);
        assert_eq!(&bytes[32..], b"\x01\0\0\0a\0\0\0\x01\0\0\0r\0");
    }
}

//! Protocol buffers' wire format, as far as containerd's and criu's messages need it
//! (<https://protobuf.dev/programming-guides/encoding>).
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number, of whatever width.
    Number(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A text.
    ///
    /// # Errors
    /// When it is a number, no UTF-8, or has a NUL in it.
    pub fn text(self) -> Result<String, Malformed> {
        let text = core::str::from_utf8(self.bytes()?).map_err(|_| Malformed)?;
        // No name of a file, a container or a process holds one.
        (!text.contains('\0')).then(|| text.into()).ok_or(Malformed)
    }

    /// Bytes, or a message.
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(Malformed),
        }
    }

    /// A `uint32`.
    pub fn word(self) -> Result<u32, Malformed> {
        match self {
            Self::Number(number) => u32::try_from(number).map_err(|_| Malformed),
            Self::Bytes(_) => Err(Malformed),
        }
    }

    /// A `bool`.
    pub fn flag(self) -> Result<bool, Malformed> {
        match self {
            Self::Number(number) => Ok(number != 0),
            Self::Bytes(_) => Err(Malformed),
        }
    }
}

/// The fields of a message, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// Hands every field to `each`, with its number.
    ///
    /// # Errors
    /// `each`'s own, and when the bytes are no message.
    pub fn each(
        mut self,
        mut each: impl FnMut(u64, Value<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        while !self.0.is_empty() {
            let key = self.varint()?;
            let value = match key & 7 {
                0 => Value::Number(self.varint()?),
                1 => Value::Number(self.fixed(8)?),
                2 => {
                    let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                    Value::Bytes(self.take(length)?)
                }
                5 => Value::Number(self.fixed(4)?),
                _ => return Err(Malformed),
            };
            each(key >> 3, value)?;
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed(&mut self, width: usize) -> Result<u64, Malformed> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

/// A message that is being written. Fields of their type's zero are left out, as the format wants.
#[derive(Clone, Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// An empty one.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A number, or a flag.
    pub fn number(mut self, field: u8, number: impl Into<u64>) -> Self {
        let number = number.into();
        if number != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(number);
        }
        self
    }

    /// A number that is there even when it is zero: a `required` field of proto2.
    pub fn required(mut self, field: u8, number: impl Into<u64>) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(number.into());
        self
    }

    /// A field of type `int64`.
    pub fn signed(self, field: u8, number: i64) -> Self {
        self.number(field, u64::from_ne_bytes(number.to_ne_bytes()))
    }

    /// A text.
    pub fn text(self, field: u8, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Bytes.
    pub fn bytes(self, field: u8, bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return self;
        }
        self.present(field, bytes)
    }

    /// A message, there even when it is empty.
    pub fn message(self, field: u8, message: &Self) -> Self {
        self.present(field, &message.0)
    }

    fn present(mut self, field: u8, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn what_is_written_is_read() {
        let message = Message::new()
            .number(1, 300u32)
            .text(2, "a")
            .message(33, &Message::new().number(1, u64::MAX))
            .number(3, 0u32)
            .number(40, 7u32)
            .text(4, "");
        let mut seen = vec![];
        Fields(&message.0)
            .each(|field, value| {
                seen.push((field, value));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen[0], (1, Value::Number(300)));
        assert_eq!(seen[1], (2, Value::Bytes(b"a")));
        assert_eq!(seen[2].0, 33);
        assert_eq!(seen[3], (40, Value::Number(7)));
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &b"\x0a\x05ab"[..],
            b"\x08",
            b"\x0b",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        ] {
            assert_eq!(
                Fields(bytes).each(|_, _| Ok(())),
                Err(Malformed),
                "{bytes:?}"
            );
        }
    }
}

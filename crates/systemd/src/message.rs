//! Messages: calls as we send them, and what comes back.

use alloc::vec::Vec;

use crate::error::{Error, Result};
use crate::wire::{Reader, Writer};

/// Larger messages are not read. Those about jobs have some hundred bytes.
const LARGEST: usize = 1 << 20;

/// A message's kind, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The answer to a call.
    Return,
    /// The refusal of a call.
    Error,
    /// News.
    Signal,
    /// A call, which we do not answer, or what the future brings.
    Other,
}

/// A call of a method.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    /// The name on the bus.
    pub destination: &'c str,
    /// The object.
    pub path: &'c str,
    /// The interface.
    pub interface: &'c str,
    /// The method.
    pub member: &'c str,
    /// The arguments' types.
    pub signature: &'c str,
}

impl Call<'_> {
    /// The message, as number `serial` of this connection, with its marshalled arguments.
    pub fn encode(&self, serial: u32, body: &[u8]) -> Vec<u8> {
        let mut out = Writer::default();
        // Byte order, a call, no flags, version of the protocol.
        out.raw(&[b'l', 1, 0, 1]);
        out.u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.u32(serial);
        out.array(8, |out| {
            for (field, kind, value) in [
                (1, "o", self.path),
                (2, "s", self.interface),
                (3, "s", self.member),
                (6, "s", self.destination),
            ] {
                out.align(8);
                out.byte(field);
                out.signature(kind);
                out.text(value);
            }
            if !self.signature.is_empty() {
                out.align(8);
                out.byte(8);
                out.signature("g");
                out.signature(self.signature);
            }
        });
        out.align(8);
        out.raw(body);
        out.finish()
    }
}

/// A message that came.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'m> {
    /// Its kind.
    pub kind: Kind,
    /// The serial of the call that it answers; 0 for none.
    pub answers: u32,
    /// The method or signal.
    pub member: &'m str,
    /// The refusal's name.
    pub error: &'m str,
    /// The arguments' types.
    pub signature: &'m str,
    body: &'m [u8],
    big: bool,
}

impl<'m> Message<'m> {
    /// Takes the message at the start of `bytes`, and says how long it was; nothing if it is not all there.
    ///
    /// # Errors
    /// When it is no message, or a very long one.
    pub fn decode(bytes: &'m [u8]) -> Result<Option<(Self, usize)>> {
        let Some(&[order, kind, _, version]) = bytes.first_chunk() else {
            return Ok(None);
        };
        if !matches!(order, b'l' | b'B') || version != 1 {
            return Err(Error::protocol("not a message"));
        }
        if bytes.len() < 16 {
            return Ok(None);
        }
        let big = order == b'B';
        let mut reader = Reader::new(bytes, big);
        reader.u32()?;
        let size = |number: u32| {
            usize::try_from(number)
                .unwrap_or(usize::MAX)
                .min(LARGEST + 1)
        };
        let body = size(reader.u32()?);
        let _serial = reader.u32()?;
        let fields = size(reader.u32()?);
        let start = (16 + fields).next_multiple_of(8);
        if start + body > LARGEST {
            return Err(Error::protocol("a message of more than a megabyte"));
        }
        let Some(all) = bytes.get(..start + body) else {
            return Ok(None);
        };
        let mut message = Self {
            kind: match kind {
                2 => Kind::Return,
                3 => Kind::Error,
                4 => Kind::Signal,
                _ => Kind::Other,
            },
            answers: 0,
            member: "",
            error: "",
            signature: "",
            body: &all[start..],
            big,
        };
        // Positions count from the message's start, so the header's reader goes on.
        message.read_fields(&mut Reader::new(&all[..16 + fields], big))?;
        Ok(Some((message, all.len())))
    }

    fn read_fields(&mut self, reader: &mut Reader<'m>) -> Result<()> {
        for _ in 0..4 {
            reader.u32()?;
        }
        while !reader.is_at_end() {
            reader.align(8)?;
            let field = reader.byte()?;
            match (field, reader.signature()?) {
                (3, "s") => self.member = reader.text()?,
                (4, "s") => self.error = reader.text()?,
                (5, "u") => self.answers = reader.u32()?,
                (8, "g") => self.signature = reader.signature()?,
                (_, "s" | "o") => drop(reader.text()?),
                (_, "u") => drop(reader.u32()?),
                (_, "g") => drop(reader.signature()?),
                _ => return Err(Error::protocol("a header with a field of an unknown type")),
            }
        }
        Ok(())
    }

    /// The arguments.
    pub fn body(&self) -> Reader<'m> {
        Reader::new(self.body, self.big)
    }

    /// A refusal's words: its first argument, or else its name.
    pub fn words(&self) -> &'m str {
        let words = self
            .signature
            .starts_with('s')
            .then(|| self.body().text().ok());
        words.flatten().unwrap_or(self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Call<'_> = Call {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        member: "Hello",
        signature: "",
    };

    #[test]
    fn a_call_is_read_back() {
        let mut body = Writer::default();
        body.text("x");
        let call = Call {
            signature: "s",
            ..HELLO
        };
        let bytes = call.encode(7, &body.finish());
        let (message, len) = Message::decode(&bytes)
            .expect("a message")
            .expect("all of it");
        assert_eq!(len, bytes.len());
        assert_eq!((message.member, message.signature), ("Hello", "s"));
        assert_eq!(message.body().text(), Ok("x"));
    }

    #[test]
    fn a_part_is_waited_for_and_nonsense_is_not() {
        let bytes = HELLO.encode(1, &[]);
        for end in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..end]), Ok(None), "{end}");
        }
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bad = bytes.clone();
                bad[at] = byte;
                let _ = Message::decode(&bad);
            }
        }
        assert!(Message::decode(b"HTTP/1.1 200 OK\r\n").is_err());
        let mut huge = bytes;
        huge[7] = 0xff;
        assert!(Message::decode(&huge).is_err());
    }
}

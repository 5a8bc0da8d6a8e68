//! D-Bus' wire format (D-Bus Specification, "Marshaling"): every value stands at a multiple of its alignment,
//! counted from the start of the message.

use alloc::vec::Vec;

use crate::error::{Error, Result};

/// Writes values, the least significant byte first.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Fills up to a multiple of `alignment`.
    pub fn align(&mut self, alignment: usize) {
        let padded = self.bytes.len().next_multiple_of(alignment);
        self.bytes.resize(padded, 0);
    }

    /// One byte (`y`).
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// 32 bits (`u`, `i`, `b`).
    pub fn u32(&mut self, value: u32) {
        self.align(4);
        self.raw(&value.to_le_bytes());
    }

    /// 64 bits (`t`, `x`).
    pub fn u64(&mut self, value: u64) {
        self.align(8);
        self.raw(&value.to_le_bytes());
    }

    /// A text or an object's path (`s`, `o`), which must hold no NUL.
    pub fn text(&mut self, text: &str) {
        self.u32(length(text.len()));
        self.raw(text.as_bytes());
        self.byte(0);
    }

    /// A signature (`g`), at most 255 bytes.
    pub fn signature(&mut self, signature: &str) {
        self.byte(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.raw(signature.as_bytes());
        self.byte(0);
    }

    /// An array whose elements are aligned to `alignment`, written by `elements`.
    pub fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let at = self.bytes.len() - 4;
        self.align(alignment);
        let start = self.bytes.len();
        elements(self);
        let size = length(self.bytes.len() - start);
        self.bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
}

/// Messages are far below 4 GiB.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Reads values of either byte order, and believes nothing.
#[derive(Clone, Debug)]
pub struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
    big: bool,
}

impl<'m> Reader<'m> {
    /// Reads from the start of `bytes`, whose numbers have the most significant byte first if `big`.
    pub fn new(bytes: &'m [u8], big: bool) -> Self {
        Self { bytes, at: 0, big }
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Skips to a multiple of `alignment`.
    pub fn align(&mut self, alignment: usize) -> Result<()> {
        let to = self.at.next_multiple_of(alignment);
        self.take(to - self.at).map(drop)
    }

    fn take(&mut self, count: usize) -> Result<&'m [u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken =
            taken.ok_or_else(|| Error::protocol("a message ends in the midst of a value"))?;
        self.at += count;
        Ok(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// 32 bits.
    pub fn u32(&mut self) -> Result<u32> {
        self.align(4)?;
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4)?);
        Ok(if self.big {
            u32::from_be_bytes(four)
        } else {
            u32::from_le_bytes(four)
        })
    }

    /// A text or an object's path.
    pub fn text(&mut self) -> Result<&'m str> {
        let len = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.terminated(len)
    }

    /// A signature.
    pub fn signature(&mut self) -> Result<&'m str> {
        let len = usize::from(self.byte()?);
        self.terminated(len)
    }

    fn terminated(&mut self, len: usize) -> Result<&'m str> {
        let text = self.take(len)?;
        let end = self.take(1)?;
        let text = core::str::from_utf8(text)
            .ok()
            .filter(|text| !text.contains('\0') && end == [0]);
        text.ok_or_else(|| Error::protocol("a text that is none"))
    }
}

/// Whether `text` can be sent: the bus closes the connection of who sends a NUL.
pub fn is_sendable(text: &str) -> bool {
    !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_from_the_start() {
        let mut writer = Writer::default();
        writer.byte(1);
        writer.u32(2);
        writer.text("ab");
        writer.u64(3);
        assert_eq!(
            writer.finish(),
            [
                1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, b'a', b'b', 0, 0, 3, 0, 0, 0, 0, 0, 0, 0
            ]
        );
    }

    #[test]
    fn the_length_of_an_array_leaves_out_the_padding_before_its_first_element() {
        let mut writer = Writer::default();
        writer.array(8, |writer| writer.u64(1));
        assert_eq!(
            writer.finish(),
            [8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn what_was_written_is_read_in_either_order() {
        let mut writer = Writer::default();
        writer.signature("as");
        writer.text("x");
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes, false);
        assert_eq!(reader.signature(), Ok("as"));
        assert_eq!(reader.text(), Ok("x"));
        assert_eq!(Reader::new(&[0, 0, 1, 2], true).u32(), Ok(0x102));
    }

    #[test]
    fn what_lies_is_refused() {
        for bad in [
            &[9, 0, 0, 0, b'a', 0][..],
            &[255, 255, 255, 255, b'a', 0],
            &[1, 0, 0, 0, b'a', b'b'],
            &[1, 0, 0, 0, 0, 0],
            &[1, 0, 0, 0, 0xff, 0],
            &[1, 0],
        ] {
            assert!(Reader::new(bad, false).text().is_err(), "{bad:?}");
        }
    }
}

//! The mapped script: bounds-checked views of it, and the report that is its only writable part.

use core::ffi::CStr;

use crate::bare::{self, Fd};
use crate::mapping::Mapping;
use crate::op::{Header, MAGIC, Op, Report, Span};

/// A script that was mapped and found well-formed.
#[derive(Clone, Copy)]
pub struct Script {
    map: Mapping,
    header: Header,
}

impl Script {
    /// Maps the script of `len` bytes in `fd`.
    pub fn map(fd: Fd, len: usize) -> Option<Self> {
        Self::of(Mapping::new(fd, len)?, len)
    }

    /// The script that a mapping of `len` bytes holds, if it is one.
    pub fn of(map: Mapping, len: usize) -> Option<Self> {
        let header: Header = map.read(0)?;
        let ops_end = size_of::<Header>() + header.ops as usize * size_of::<Op>();
        let is_whole = header.magic == MAGIC && header.size as usize == len && ops_end <= len;
        is_whole.then_some(Self { map, header })
    }

    /// The header as it was when the script was mapped.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The op at `index`.
    pub fn op(&self, index: u32) -> Option<Op> {
        if index >= self.header.ops {
            return None;
        }
        self.map
            .read(size_of::<Header>() + index as usize * size_of::<Op>())
    }

    /// Says how far the child is.
    pub fn report(&self, report: Report) {
        self.map
            .write(core::mem::offset_of!(Header, report), report);
    }

    /// Says which descriptor the seccomp listener is.
    pub fn show_listener(&self, listener: Fd) {
        self.map.store(
            core::mem::offset_of!(Header, listener),
            listener.unsigned_abs() + 1,
        );
    }

    /// Whether the parent has taken the listener.
    pub fn is_listener_taken(&self) -> bool {
        self.map.load(core::mem::offset_of!(Header, taken)) != 0
    }

    /// The bytes of a span; none where it lies outside.
    pub fn bytes(&self, span: Span) -> &'static [u8] {
        self.map
            .bytes(span.off as usize, span.len as usize)
            .unwrap_or(&[])
    }

    /// Writes a text and its NUL where the script has room for them.
    pub fn write_text(&self, offset: usize, text: &[u8]) {
        for (at, byte) in text.iter().chain(&[0]).enumerate() {
            self.map.write(offset + at, *byte);
        }
    }

    /// A text of the script; an empty one where the span is malformed.
    pub fn text(&self, span: Span) -> &'static CStr {
        self.map
            .bytes(span.off as usize, span.len as usize + 1)
            .and_then(|bytes| CStr::from_bytes_with_nul(bytes).ok())
            .unwrap_or(c"")
    }

    /// A text, or none where it is empty.
    pub fn some_text(&self, span: Span) -> Option<&'static CStr> {
        let text = self.text(span);
        (!text.is_empty()).then_some(text)
    }

    /// The address of a list, its offsets made addresses. Once for each list.
    pub fn list(&self, span: Span) -> Result<usize, i32> {
        for i in 0..span.len as usize {
            let at = span.off as usize + i * 8;
            let offset: u64 = self.map.read(at).ok_or(bare::errno::EINVAL)?;
            let address = self
                .map
                .address(offset as usize)
                .ok_or(bare::errno::EINVAL)?;
            self.map.write(at, address as u64);
        }
        self.map
            .address(span.off as usize)
            .ok_or(bare::errno::EINVAL)
    }
}

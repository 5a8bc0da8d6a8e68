//! Writing a script.

use alloc::vec::Vec;

use crate::op::{Header, MAGIC, Op, Span};

const HEADER: usize = size_of::<Header>();
const OP: usize = size_of::<Op>();

/// A script in the making: ops first, the bytes that they refer to behind them.
#[derive(Debug, Default)]
pub struct Writer {
    ops: Vec<Op>,
    data: Vec<u8>,
    base: usize,
}

impl Writer {
    /// A writer for at most `capacity` ops.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            ops: Vec::with_capacity(capacity),
            data: Vec::with_capacity(4096),
            base: HEADER + capacity * OP,
        }
    }

    /// Adds a step.
    ///
    /// # Panics
    /// When more are added than the capacity given: the planner counts its steps.
    pub fn op(&mut self, op: Op) {
        assert!(
            HEADER + (self.ops.len() + 1) * OP <= self.base,
            "script has more ops than planned"
        );
        self.ops.push(op);
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are no steps yet.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Adds bytes, aligned for any number.
    pub fn bytes(&mut self, bytes: &[u8]) -> Span {
        self.align();
        let off = self.here();
        self.data.extend_from_slice(bytes);
        Span {
            off,
            len: small(bytes.len()),
        }
    }

    /// Adds a text and its closing NUL.
    pub fn text(&mut self, text: &str) -> Span {
        let off = self.here();
        self.data.extend_from_slice(text.as_bytes());
        self.data.push(0);
        Span {
            off,
            len: small(text.len()),
        }
    }

    /// Adds a text with room behind it for one of `size` bytes and its NUL, which the child writes.
    pub fn room(&mut self, text: &str, size: usize) -> Span {
        let off = self.here();
        let at = self.data.len();
        self.data.extend_from_slice(text.as_bytes());
        self.data.resize(at + size + 1, 0);
        let len = small(size);
        Span { off, len }
    }

    /// Adds a list of texts as execve(2) wants it: an array of addresses (here: offsets) that ends
    /// in 0; `last` is a text that is there already. The span is the array, its length counted in
    /// entries without the closing one.
    pub fn list<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a str> + Clone,
        last: Option<Span>,
    ) -> Span {
        let own = texts.clone().count();
        let count = own + usize::from(last.is_some());
        self.align();
        let off = self.here();
        let at = self.data.len();
        self.data.resize(at + (count + 1) * 8, 0);
        for (i, text) in texts.enumerate() {
            let start = u64::from(self.text(text).off);
            self.data[at + i * 8..at + i * 8 + 8].copy_from_slice(&start.to_ne_bytes());
        }
        if let Some(last) = last {
            let at = at + own * 8;
            self.data[at..at + 8].copy_from_slice(&u64::from(last.off).to_ne_bytes());
        }
        Span {
            off,
            len: small(count),
        }
    }

    /// The finished script. `socket` and the fault come from the launcher.
    pub fn finish(self, socket: i32, fault_at: u32, fault: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.base + self.data.len());
        let header = Header {
            magic: MAGIC,
            size: small(self.base + self.data.len()),
            ops: small(self.ops.len()),
            socket,
            fault_at,
            fault,
            ..Header::default()
        };
        for word in [header.magic, header.size, header.ops] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(&header.socket.to_ne_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&fault_at.to_ne_bytes());
        out.extend_from_slice(&fault.to_ne_bytes());
        // The listener's two words.
        out.extend_from_slice(&[0; 8]);
        for op in &self.ops {
            encode(op, &mut out);
        }
        out.resize(self.base, 0);
        out.extend_from_slice(&self.data);
        out
    }

    fn here(&self) -> u32 {
        small(self.base + self.data.len())
    }

    fn align(&mut self) {
        while !(self.base + self.data.len()).is_multiple_of(8) {
            self.data.push(0);
        }
    }
}

fn encode(op: &Op, out: &mut Vec<u8>) {
    out.extend_from_slice(&op.code.to_ne_bytes());
    out.extend_from_slice(&op.flags.to_ne_bytes());
    for n in op.n {
        out.extend_from_slice(&n.to_ne_bytes());
    }
    for s in op.s {
        out.extend_from_slice(&s.off.to_ne_bytes());
        out.extend_from_slice(&s.len.to_ne_bytes());
    }
}

/// Sizes in a script are 32-bit; a script near 4 GiB cannot come from a configuration that was read
/// with a limit of 16 MiB.
fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

//! A finished filter: instructions, the flags to load them with, and its form in a cache file.

use alloc::vec::Vec;
use core::fmt;

/// The kernel takes no longer program (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One instruction of classic BPF, as `struct sock_filter` of `linux/filter.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// How many instructions a condition that holds skips.
    pub jt: u8,
    /// How many instructions a condition that does not hold skips.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// The operations that filters are made of: `BPF_*` of `linux/bpf_common.h`, put together.
pub(crate) mod op {
    /// Loads the word at offset `k` of `seccomp_data` (`BPF_LD | BPF_W | BPF_ABS`).
    pub(crate) const LOAD: u16 = 0x20;
    /// Masks the accumulator with `k` (`BPF_ALU | BPF_AND | BPF_K`).
    pub(crate) const AND: u16 = 0x54;
    /// Skips `k` instructions (`BPF_JMP | BPF_JA`).
    pub(crate) const JUMP: u16 = 0x05;
    /// Whether the accumulator is `k` (`BPF_JMP | BPF_JEQ | BPF_K`).
    pub(crate) const IF_EQUAL: u16 = 0x15;
    /// Whether the accumulator is above `k` (`BPF_JMP | BPF_JGT | BPF_K`).
    pub(crate) const IF_ABOVE: u16 = 0x25;
    /// Whether the accumulator is `k` or above (`BPF_JMP | BPF_JGE | BPF_K`).
    pub(crate) const IF_AT_LEAST: u16 = 0x35;
    /// Whether the accumulator has a bit of `k` (`BPF_JMP | BPF_JSET | BPF_K`).
    pub(crate) const IF_ANY_BIT: u16 = 0x45;
    /// Ends with the action `k` (`BPF_RET | BPF_K`).
    pub(crate) const RETURN: u16 = 0x06;
}

/// Flags of `seccomp(SECCOMP_SET_MODE_FILTER)`, as the kernel has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// `SECCOMP_FILTER_FLAG_TSYNC`.
    pub const TSYNC: Self = Self(1 << 0);
    /// `SECCOMP_FILTER_FLAG_LOG`.
    pub const LOG: Self = Self(1 << 1);
    /// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`.
    pub const SPEC_ALLOW: Self = Self(1 << 2);
    /// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: the system call returns a descriptor, the listener.
    pub const NEW_LISTENER: Self = Self(1 << 3);
    /// `SECCOMP_FILTER_FLAG_TSYNC_ESRCH`: what [`Flags::TSYNC`] needs beside [`Flags::NEW_LISTENER`].
    pub const TSYNC_ESRCH: Self = Self(1 << 4);
    /// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
    pub const WAIT_KILLABLE_RECV: Self = Self(1 << 5);

    /// Whether all of `other` are in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A filter, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The instructions; between 1 and [`MAX_INSTRUCTIONS`], every one of them valid.
    pub instructions: Vec<Instruction>,
    /// What to load them with.
    pub flags: Flags,
}

/// Bytes are not a program of this version: a cache entry to be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a system call filter of this version")
    }
}

impl core::error::Error for Unusable {}

/// The first bytes of an encoded program; the last of them is the encoding's version.
const MAGIC: [u8; 4] = *b"bpf\x01";
/// Magic, flags, count.
const HEADER: usize = 12;
/// One encoded instruction.
const WIDTH: usize = 8;

impl Program {
    /// Whether loading the program yields a listener, which an agent must be given.
    pub const fn needs_listener(&self) -> bool {
        self.flags.has(Flags::NEW_LISTENER)
    }

    /// The program in bytes, to be kept in a file that only its owner can write. The instructions begin
    /// at byte 12 and have the layout of `struct sock_filter` on a little-endian machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + WIDTH * self.instructions.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.flags.0.to_le_bytes());
        let count = u32::try_from(self.instructions.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for one in &self.instructions {
            bytes.extend_from_slice(&one.code.to_le_bytes());
            bytes.extend_from_slice(&[one.jt, one.jf]);
            bytes.extend_from_slice(&one.k.to_le_bytes());
        }
        bytes
    }

    /// The program that [`Program::to_bytes`] encoded.
    ///
    /// # Errors
    /// As [`Encoded::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let encoded = Encoded::new(bytes)?;
        Ok(Self {
            instructions: encoded.decoded().collect(),
            flags: encoded.flags,
        })
    }
}

/// A program as it lies in a cache file, to be loaded from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// The instructions, each 8 bytes: `struct sock_filter` of a little-endian machine.
    pub instructions: &'a [u8],
    /// What to load them with.
    pub flags: Flags,
}

impl<'a> Encoded<'a> {
    /// What [`Program::to_bytes`] encoded.
    ///
    /// # Errors
    /// Whatever is not exactly such an encoding of a program that the kernel would take. That says
    /// nothing about what the program does: whoever can write the bytes decides what is filtered.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Unusable> {
        let (header, instructions) = bytes.split_at_checked(HEADER).ok_or(Unusable)?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let count = usize::try_from(word(8)).map_err(|_| Unusable)?;
        if header[..4] != MAGIC || count > MAX_INSTRUCTIONS || instructions.len() != count * WIDTH {
            return Err(Unusable);
        }
        let encoded = Self {
            instructions,
            flags: Flags(word(4)),
        };
        if is_valid(encoded.decoded(), count) {
            Ok(encoded)
        } else {
            Err(Unusable)
        }
    }

    fn decoded(&self) -> impl Iterator<Item = Instruction> + use<'a> {
        self.instructions.chunks_exact(WIDTH).map(decode)
    }
}

fn decode(bytes: &[u8]) -> Instruction {
    Instruction {
        code: u16::from_le_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    }
}

/// Whether the kernel would take these as a filter: known operations, word loads inside `seccomp_data`,
/// jumps forward to an instruction of the program, an end that returns.
pub(crate) fn is_valid(program: impl Iterator<Item = Instruction>, count: usize) -> bool {
    let mut last = op::JUMP;
    let valid = |(index, one): (usize, Instruction)| {
        last = one.code;
        let within = |skip: u32| usize::try_from(skip).is_ok_and(|skip| skip < count - index - 1);
        match one.code {
            op::LOAD => one.k <= 60 && one.k.is_multiple_of(4),
            op::AND | op::RETURN => true,
            op::JUMP => within(one.k),
            op::IF_EQUAL | op::IF_ABOVE | op::IF_AT_LEAST | op::IF_ANY_BIT => {
                within(one.jt.into()) && within(one.jf.into())
            }
            _ => false,
        }
    };
    let all = program.enumerate().all(valid);
    all && count <= MAX_INSTRUCTIONS && last == op::RETURN
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn program(instructions: Vec<Instruction>) -> Vec<u8> {
        Program {
            instructions,
            flags: Flags::LOG,
        }
        .to_bytes()
    }

    fn one(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf, k }
    }

    #[test]
    fn encoding_and_back() {
        let instructions = vec![
            one(op::LOAD, 0, 0, 4),
            one(op::IF_EQUAL, 0, 1, 7),
            one(6, 0, 0, 1),
            one(6, 0, 0, 2),
        ];
        let bytes = program(instructions.clone());
        assert_eq!(bytes.len(), 12 + 8 * 4);
        let back = Program::from_bytes(&bytes).unwrap();
        assert_eq!(
            back,
            Program {
                instructions,
                flags: Flags::LOG
            }
        );
        assert!(!back.needs_listener());
    }

    #[test]
    fn what_is_cut_or_longer_or_other_is_unusable() {
        let bytes = program(vec![one(op::LOAD, 0, 0, 4), one(op::RETURN, 0, 0, 0)]);
        for size in 0..bytes.len() {
            assert_eq!(Program::from_bytes(&bytes[..size]), Err(Unusable), "{size}");
        }
        assert_eq!(
            Program::from_bytes(&[&bytes[..], &[0]].concat()),
            Err(Unusable)
        );
        for magic in 0..4 {
            let mut other = bytes.clone();
            other[magic] ^= 1;
            assert_eq!(Program::from_bytes(&other), Err(Unusable));
        }
    }

    #[test]
    fn what_the_kernel_refuses_is_unusable() {
        let ret = one(op::RETURN, 0, 0, 0);
        for instructions in [
            vec![],
            vec![one(op::LOAD, 0, 0, 0)],
            vec![one(op::LOAD, 0, 0, 64), ret],
            vec![one(op::LOAD, 0, 0, 2), ret],
            vec![one(op::JUMP, 0, 0, 1), ret],
            vec![one(op::JUMP, 0, 0, u32::MAX), ret],
            vec![one(op::IF_EQUAL, 1, 0, 0), ret],
            vec![one(op::IF_ANY_BIT, 0, 1, 0), ret],
            vec![one(0x28, 0, 0, 0), ret],
            vec![ret; MAX_INSTRUCTIONS + 1],
        ] {
            assert_eq!(
                Program::from_bytes(&program(instructions.clone())),
                Err(Unusable),
                "{instructions:?}"
            );
        }
        assert!(Program::from_bytes(&program(vec![ret; MAX_INSTRUCTIONS])).is_ok());
    }
}

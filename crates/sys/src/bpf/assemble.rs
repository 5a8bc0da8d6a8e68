//! An assembler for programs of the kernel's extended BPF: instructions by name, jumps to labels.
//!
//! Pure. Nothing here decides whether a program is sound: the kernel's verifier does.

use alloc::vec::Vec;

use rustix::io::Errno;

use super::Insn;
use crate::error::{Error, Result};

/// A register, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(u8);

/// The answer of the program, and of what it calls.
pub const R0: Register = Register(0);
/// The first argument: of a program, its context. Calls destroy it and those up to [`R5`].
pub const R1: Register = Register(1);
/// The second argument of a call.
pub const R2: Register = Register(2);
/// The third argument of a call.
pub const R3: Register = Register(3);
/// The fourth argument of a call.
pub const R4: Register = Register(4);
/// The fifth argument of a call.
pub const R5: Register = Register(5);
/// Survives calls, as all up to [`R9`].
pub const R6: Register = Register(6);
/// Survives calls.
pub const R7: Register = Register(7);
/// Survives calls.
pub const R8: Register = Register(8);
/// Survives calls.
pub const R9: Register = Register(9);
/// Just above 512 bytes of stack; read-only.
pub const STACK: Register = Register(10);

/// How much of memory is read or written; what is read fills the rest of its register with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Size {
    /// One byte.
    U8 = 0x10,
    /// Two bytes.
    U16 = 0x08,
    /// Four bytes.
    U32 = 0x00,
    /// Eight bytes.
    U64 = 0x18,
}

/// An operation on all 64 bits of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// `+=`.
    Add = 0x00,
    /// `|=`.
    Or = 0x40,
    /// `&=`.
    And = 0x50,
    /// `<<=`.
    ShiftLeft = 0x60,
    /// `>>=`, filling up with zeros.
    ShiftRight = 0x70,
    /// `^=`.
    Xor = 0xa0,
    /// `=`.
    Set = 0xb0,
}

/// A comparison of all 64 bits of a register, which has no sign; a constant keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Test {
    /// `==`.
    Equal = 0x10,
    /// `!=`.
    NotEqual = 0x50,
    /// `>=`.
    AtLeast = 0x30,
    /// `<`.
    Below = 0xa0,
    /// Whether they have a bit in common.
    AnyBit = 0x40,
}

/// Functions of the kernel (`BPF_FUNC_*` of `linux/bpf.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Function {
    /// `bpf_skb_load_bytes(skb, offset, to, length)`: bytes of a packet from its network header on.
    LoadBytes = 26,
    /// `bpf_bind(context, address, length)`.
    Bind = 64,
    /// `bpf_get_local_storage(map, 0)`.
    LocalStorage = 81,
    /// `bpf_sk_fullsock(sk)`.
    FullSocket = 95,
    /// `bpf_set_retval(-errno)`: what the system call answers. Since Linux 5.18.
    SetAnswer = 187,
}

const MEMORY: u8 = 0x60;
const LOAD: u8 = 0x01;
const STORE: u8 = 0x03;
const JUMP: u8 = 0x05;
const ALU: u8 = 0x07;
/// The operand is a register, not the constant.
const BY_REGISTER: u8 = 0x08;
const LOAD_MAP: u8 = 0x18;
/// `BPF_PSEUDO_MAP_FD`.
const MAP_BY_DESCRIPTOR: u8 = 1;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// A place that jumps lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub struct Code {
    insns: Vec<Insn>,
    /// Jumps, and where they lead.
    jumps: Vec<(usize, Label)>,
    /// Where each label is, once it is known.
    places: Vec<Option<usize>>,
}

impl Code {
    /// A new label, which is nowhere yet.
    pub fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// The label is at the next instruction.
    pub fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = Some(self.insns.len());
        }
    }

    /// `to = *(size *)(from + offset)`.
    pub fn load(&mut self, size: Size, to: Register, from: Register, offset: i16) {
        self.emit(MEMORY | LOAD | size as u8, to, from, offset, 0);
    }

    /// `*(size *)(to + offset) = from`.
    pub fn store(&mut self, size: Size, to: Register, offset: i16, from: Register) {
        self.emit(MEMORY | STORE | size as u8, to, from, offset, 0);
    }

    /// An operation with a constant, whose sign fills the upper half.
    pub fn with(&mut self, operation: Operation, to: Register, constant: i32) {
        self.emit(ALU | operation as u8, to, R0, 0, constant);
    }

    /// An operation with another register.
    pub fn with_register(&mut self, operation: Operation, to: Register, from: Register) {
        self.emit(ALU | BY_REGISTER | operation as u8, to, from, 0, 0);
    }

    /// `to = constant`.
    pub fn set(&mut self, to: Register, constant: i32) {
        self.with(Operation::Set, to, constant);
    }

    /// `to = from`.
    pub fn copy(&mut self, to: Register, from: Register) {
        self.with_register(Operation::Set, to, from);
    }

    /// `to` is the map of this descriptor.
    pub fn map(&mut self, to: Register, descriptor: i32) {
        self.emit(LOAD_MAP, to, Register(MAP_BY_DESCRIPTOR), 0, descriptor);
        self.emit(0, R0, R0, 0, 0);
    }

    /// Jumps in any case.
    pub fn jump(&mut self, to: Label) {
        self.jumps.push((self.insns.len(), to));
        self.emit(JUMP, R0, R0, 0, 0);
    }

    /// Jumps if the register compares so with a constant.
    pub fn jump_if(&mut self, register: Register, test: Test, constant: i32, to: Label) {
        self.jumps.push((self.insns.len(), to));
        self.emit(JUMP | test as u8, register, R0, 0, constant);
    }

    /// Jumps if the register compares so with another one.
    pub fn jump_if_register(&mut self, register: Register, test: Test, other: Register, to: Label) {
        self.jumps.push((self.insns.len(), to));
        self.emit(JUMP | BY_REGISTER | test as u8, register, other, 0, 0);
    }

    /// Calls the kernel.
    pub fn call(&mut self, function: Function) {
        self.emit(CALL, R0, R0, 0, function as i32);
    }

    /// Ends the program; [`R0`] is its answer.
    pub fn exit(&mut self) {
        self.emit(EXIT, R0, R0, 0, 0);
    }

    /// The instructions, all jumps settled.
    ///
    /// # Errors
    /// `EINVAL` for a jump to a label that is nowhere, `E2BIG` for one that does not reach.
    pub fn finish(mut self) -> Result<Vec<Insn>> {
        let failed = |errno| Error::new("assemble", "program", errno);
        for (at, label) in &self.jumps {
            let place = self.places.get(label.0).copied().flatten();
            let place = place.ok_or_else(|| failed(Errno::INVAL))?;
            // Both are lengths of a list in memory, so the difference fits.
            let distance = place.cast_signed() - at.cast_signed() - 1;
            let distance = i16::try_from(distance).map_err(|_| failed(Errno::TOOBIG))?;
            if let Some(insn) = self.insns.get_mut(*at) {
                insn.offset = distance;
            }
        }
        Ok(self.insns)
    }

    fn emit(&mut self, code: u8, to: Register, from: Register, offset: i16, constant: i32) {
        self.insns.push(Insn {
            code,
            registers: to.0 | (from.0 << 4),
            offset,
            constant,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_lead_forwards_and_backwards() {
        let mut code = Code::default();
        let (head, end) = (code.label(), code.label());
        code.set(R2, 0);
        code.place(head);
        code.jump_if(R2, Test::AtLeast, 4, end);
        code.with(Operation::Add, R2, 1);
        code.jump(head);
        code.place(end);
        code.exit();
        let insns = code.finish().unwrap();
        let offsets = [0, 2, 0, -3, 0];
        assert!(insns.iter().map(|insn| insn.offset).eq(offsets));
        let codes = [0xb7, 0x35, 0x07, 0x05, 0x95];
        assert!(insns.iter().map(|insn| insn.code).eq(codes));
    }

    #[test]
    fn a_label_has_to_be_somewhere() {
        let mut code = Code::default();
        let nowhere = code.label();
        code.jump(nowhere);
        assert_eq!(code.finish().unwrap_err().errno, Errno::INVAL);
    }
}

//! A device policy as a program of the kernel's extended BPF. Pure: it makes the instructions.
//!
//! The kernel runs the program when a process of the cgroup opens or makes a device node, with
//! `struct bpf_cgroup_dev_ctx` (linux/bpf.h); 1 lets it, 0 gives it EPERM. A request may ask for several
//! kinds of access at once; the program walks the rules from the last to the first, and each rule that
//! matches settles those that are still open.

use alloc::vec::Vec;

use spec::{Access, Place};
use sys::bpf::Insn;

use crate::devices::{Device, Policy, Rule};
use crate::error::{Error, Result};

// Instruction codes: class | operation | source (linux/bpf_common.h, linux/bpf.h).
const LOAD_U32: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_IF_NOT_EQUAL: u8 = 0x55;
const JUMP_IF_BITS: u8 = 0x45;
const EXIT: u8 = 0x95;

// Registers: the answer, the context, and what is loaded of it.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const OPEN: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

// Values of the context.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

/// A place that jumps lead to, settled when the program is finished.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Allow,
    Deny,
    Next,
}

#[derive(Default)]
struct Assembler {
    insns: Vec<Insn>,
    /// Jumps whose distance is not known yet.
    open: Vec<(usize, Label)>,
}

impl Assembler {
    fn emit(&mut self, code: u8, to: u8, from: u8, offset: i16, constant: i32) {
        self.insns.push(Insn {
            code,
            registers: to | (from << 4),
            offset,
            constant,
        });
    }

    fn jump(&mut self, code: u8, register: u8, constant: i32, to: Label) {
        self.open.push((self.insns.len(), to));
        self.emit(code, register, 0, 0, constant);
    }

    /// Lets all open jumps to `label` land at the next instruction.
    fn land(&mut self, label: Label) -> Result<()> {
        let here = self.insns.len();
        let mut open = core::mem::take(&mut self.open);
        for (at, _) in open.iter().filter(|(_, to)| *to == label) {
            self.insns[*at].offset = i16::try_from(here - at - 1).map_err(|_| {
                Error::bad(
                    Place::field("linux.resources.devices"),
                    "too many rules for one program",
                )
            })?;
        }
        open.retain(|(_, to)| *to != label);
        self.open = open;
        Ok(())
    }

    fn head(&mut self) {
        self.emit(LOAD_U32, KIND, CONTEXT, 0, 0);
        self.emit(MOVE_REGISTER, OPEN, KIND, 0, 0);
        self.emit(SHIFT_RIGHT, OPEN, 0, 0, 16);
        self.emit(AND, KIND, 0, 0, 0xffff);
        self.emit(LOAD_U32, MAJOR, CONTEXT, 4, 0);
        self.emit(LOAD_U32, MINOR, CONTEXT, 8, 0);
    }

    fn rule(&mut self, rule: &Rule) -> Result<()> {
        match rule.device {
            Device::Any => {}
            Device::Char => self.jump(JUMP_IF_NOT_EQUAL, KIND, CHAR, Label::Next),
            Device::Block => self.jump(JUMP_IF_NOT_EQUAL, KIND, BLOCK, Label::Next),
        }
        for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
            if let Some(number) = number {
                self.jump(JUMP_IF_NOT_EQUAL, register, number, Label::Next);
            }
        }
        let bits = access_bits(rule.access);
        match (rule.allow, rule.access == Access::ALL) {
            (true, true) => self.jump(JUMP, 0, 0, Label::Allow),
            (false, true) => self.jump(JUMP, 0, 0, Label::Deny),
            (true, false) => {
                self.emit(AND, OPEN, 0, 0, !bits);
                self.jump(JUMP_IF_EQUAL, OPEN, 0, Label::Allow);
            }
            (false, false) => self.jump(JUMP_IF_BITS, OPEN, bits, Label::Deny),
        }
        self.land(Label::Next)
    }

    fn answer(&mut self, label: Label, value: i32) -> Result<()> {
        self.land(label)?;
        self.emit(MOVE, ANSWER, 0, 0, value);
        self.emit(EXIT, 0, 0, 0, 0);
        Ok(())
    }
}

fn access_bits(access: Access) -> i32 {
    let bit = |one, value| if access.contains(one) { value } else { 0 };
    bit(Access::READ, READ) | bit(Access::WRITE, WRITE) | bit(Access::MKNOD, MKNOD)
}

/// The program that enforces `policy`.
///
/// # Errors
/// When there are so many rules that a jump does not reach (over 5,000).
pub fn device_program(policy: &Policy) -> Result<Vec<Insn>> {
    let mut to = Assembler::default();
    to.head();
    for rule in policy.rules.iter().rev() {
        to.rule(rule)?;
    }
    let (first, second) = if policy.allow {
        (Label::Allow, Label::Deny)
    } else {
        (Label::Deny, Label::Allow)
    };
    let value = |label| i32::from(label == Label::Allow);
    to.answer(first, value(first))?;
    if to.open.iter().any(|(_, label)| *label == second) {
        to.answer(second, value(second))?;
    }
    Ok(to.insns)
}

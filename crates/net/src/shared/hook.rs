//! What the programs have in common: finding the jail's policy, looking for an address in its lists,
//! choosing one, and the ways to end.
//!
//! Registers: [`CONTEXT`] and [`POLICY`] are the same all the time; the address in question is in R8 (IPv4,
//! in the order of the network, as the kernel has it) or in R8 and R9 (IPv6). R0 to R5 are for whoever comes.

use alloc::vec::Vec;

use sys::bpf::Insn;
use sys::bpf::assemble::{
    Code, Function, Label, Operation, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, Register, STACK,
    Size, Test,
};
use sys::{Errno, Result};

use super::policy::{
    COUNT4, COUNT6, FLAGS, IN_LOOPBACK, LIST4, LIST6, MOST, STEP4, STEP6, V4_ANY, V4_SOME, V6_ANY,
    V6_SOME,
};

/// What the program was called with.
pub(super) const CONTEXT: Register = R6;
/// The jail's policy.
pub(super) const POLICY: Register = R7;

pub(super) const AF_INET: i32 = 2;
pub(super) const AF_INET6: i32 = 10;

// Addresses as the kernel has them: the bytes in the network's order, read as a number of this machine.
const LOOPBACK4: i32 = i32::from_ne_bytes([127, 0, 0, 1]);
const LOOPBACK4_NETWORK: i32 = i32::from_ne_bytes([127, 0, 0, 0]);
const LOOPBACK4_MASK: i32 = i32::from_ne_bytes([255, 0, 0, 0]);
/// The third quarter of `::ffff:a.b.c.d`; the first two are 0.
pub(super) const MAPPED: i32 = i32::from_ne_bytes([0, 0, 0xff, 0xff]);
/// The last quarter of `::1`.
const LOOPBACK6: i32 = i32::from_ne_bytes([0, 0, 0, 1]);

// A socket address on the stack, as bind(2) takes it; both kinds begin at the same place.
const NAME: i16 = -32;
const NAME4_ADDRESS: i16 = NAME + 4;
const NAME6_ADDRESS: i16 = NAME + 8;
const NAME4_SIZE: i32 = 16;
const NAME6_SIZE: i32 = 28;

/// Which of a policy's lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// A program in the making.
pub(super) struct Hook {
    pub(super) code: Code,
    /// Where the system call goes on.
    pub(super) allow: Label,
    failures: Vec<(Errno, Label)>,
    /// Where R0 holds what the kernel answered to us.
    refused: Option<Label>,
    /// Whether the system call's errno can be chosen; else it is always EPERM.
    errnos: bool,
}

/// Whether the system call's errno can be chosen, and where the jails' policies are.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub(super) storage: i32,
    pub(super) errnos: bool,
}

impl Hook {
    /// A program that has found its jail's policy.
    pub(super) fn begin(setting: Setting) -> Self {
        let mut code = Code::default();
        let allow = code.label();
        code.copy(CONTEXT, R1);
        code.map(R1, setting.storage);
        code.set(R2, 0);
        code.call(Function::LocalStorage);
        code.copy(POLICY, R0);
        Self {
            code,
            allow,
            failures: Vec::new(),
            refused: None,
            errnos: setting.errnos,
        }
    }

    /// Where the system call fails.
    pub(super) fn fail(&mut self, errno: Errno) -> Label {
        let known = self.failures.iter().find(|(known, _)| *known == errno);
        if let Some((_, label)) = known {
            return *label;
        }
        let label = self.code.label();
        self.failures.push((errno, label));
        label
    }

    /// Where the system call fails with the (negative) errno in R0.
    pub(super) fn fail_as_refused(&mut self) -> Label {
        let code = &mut self.code;
        *self.refused.get_or_insert_with(|| code.label())
    }

    /// The program, with its ends.
    pub(super) fn finish(mut self) -> Result<Vec<Insn>> {
        let code = &mut self.code;
        code.place(self.allow);
        code.set(R0, 1);
        code.exit();
        if let Some(label) = self.refused {
            code.place(label);
            code.copy(R1, R0);
            if self.errnos {
                code.call(Function::SetAnswer);
            }
            code.set(R0, 0);
            code.exit();
        }
        for (errno, label) in self.failures {
            code.place(label);
            if self.errnos {
                code.set(R1, -errno.raw_os_error());
                code.call(Function::SetAnswer);
            }
            code.set(R0, 0);
            code.exit();
        }
        self.code.finish()
    }

    /// Goes on where the jail has a list for the family; allows where it has the host's addresses.
    pub(super) fn needs_list(&mut self, family: Family, none: Errno) {
        let (any, some) = match family {
            Family::V4 => (V4_ANY, V4_SOME),
            Family::V6 => (V6_ANY, V6_SOME),
        };
        let (listed, none) = (self.code.label(), self.fail(none));
        let code = &mut self.code;
        code.load(Size::U32, R1, POLICY, FLAGS);
        code.jump_if(R1, Test::AnyBit, any, self.allow);
        code.jump_if(R1, Test::AnyBit, some, listed);
        code.jump(none);
        code.place(listed);
    }

    /// Runs `body` for each of a list's entries, R1 pointing to it; `body` jumps to the label that it is given
    /// where the entry is not what it looks for. Goes on behind the last. Uses R1, R2 and R3.
    fn each(&mut self, family: Family, body: impl FnOnce(&mut Code, Label)) {
        let (list, count, step) = match family {
            Family::V4 => (LIST4, COUNT4, STEP4),
            Family::V6 => (LIST6, COUNT6, STEP6),
        };
        let code = &mut self.code;
        let (head, next, end) = (code.label(), code.label(), code.label());
        code.copy(R1, POLICY);
        code.with(Operation::Add, R1, i32::from(list));
        code.set(R2, 0);
        code.load(Size::U32, R3, POLICY, count);
        code.place(head);
        code.jump_if_register(R2, Test::AtLeast, R3, end);
        body(code, next);
        code.place(next);
        code.with(Operation::Add, R1, i32::from(step));
        code.with(Operation::Add, R2, 1);
        // The verifier has to see that the loop ends inside the list.
        code.jump_if(R2, Test::Below, MOST as i32, head);
        code.place(end);
    }

    /// Jumps to `found` where the address in R8 (and R9) is one of the jail's.
    pub(super) fn if_listed(&mut self, family: Family, found: Label) {
        self.each(family, |code, next| match family {
            Family::V4 => {
                code.load(Size::U32, R4, R1, 0);
                code.jump_if_register(R4, Test::Equal, R8, found);
            }
            Family::V6 => {
                code.load(Size::U64, R4, R1, 0);
                code.jump_if_register(R4, Test::NotEqual, R8, next);
                code.load(Size::U64, R4, R1, 8);
                code.jump_if_register(R4, Test::Equal, R9, found);
            }
        });
    }

    /// Jumps to `found` where R8 is 127.0.0.1.
    pub(super) fn if_loopback4(&mut self, found: Label) {
        self.code.jump_if(R8, Test::Equal, LOOPBACK4, found);
    }

    /// Jumps to `found` where R8 and R9 are `::1`.
    pub(super) fn if_loopback6(&mut self, found: Label) {
        let other = self.code.label();
        let code = &mut self.code;
        code.jump_if(R8, Test::NotEqual, 0, other);
        code.copy(R1, R9);
        code.with(Operation::ShiftRight, R1, 32);
        code.jump_if(R1, Test::NotEqual, LOOPBACK6, other);
        code.copy(R1, R9);
        code.with(Operation::ShiftLeft, R1, 32);
        code.jump_if(R1, Test::Equal, 0, found);
        code.place(other);
    }

    /// Jumps to `found` where R8 and R9 are `::`.
    pub(super) fn if_wildcard6(&mut self, found: Label) {
        self.code.copy(R1, R8);
        self.code.with_register(Operation::Or, R1, R9);
        self.code.jump_if(R1, Test::Equal, 0, found);
    }

    /// Goes on where R8 and R9 are `::ffff:a.b.c.d`, else jumps to `other`.
    pub(super) fn unless_mapped(&mut self, other: Label) {
        let code = &mut self.code;
        code.jump_if(R8, Test::NotEqual, 0, other);
        code.copy(R1, R9);
        code.with(Operation::ShiftLeft, R1, 32);
        code.set(R2, MAPPED);
        code.with(Operation::ShiftLeft, R2, 32);
        code.jump_if_register(R1, Test::NotEqual, R2, other);
    }

    /// R8 and R9 become the IPv6 address of which four words begin at `offset` of what `from` points to.
    pub(super) fn load6(&mut self, from: Register, offset: i16) {
        let code = &mut self.code;
        // Not every context lets eight bytes be read at once.
        for (to, at) in [(R8, offset), (R9, offset + 8)] {
            code.load(Size::U32, to, from, at);
            code.load(Size::U32, R2, from, at + 4);
            code.with(Operation::ShiftLeft, R2, 32);
            code.with_register(Operation::Or, to, R2);
        }
    }

    /// The jail's first IPv4 address goes into the context.
    pub(super) fn store_first4(&mut self, offset: i16) {
        self.code.load(Size::U32, R1, POLICY, LIST4);
        self.code.store(Size::U32, CONTEXT, offset, R1);
    }

    /// The jail's first IPv6 address goes into the context.
    pub(super) fn store_first6(&mut self, offset: i16) {
        for part in [0, 4, 8, 12] {
            self.code.load(Size::U32, R1, POLICY, LIST6 + part);
            self.code.store(Size::U32, CONTEXT, offset + part, R1);
        }
    }

    /// The chosen IPv6 address goes into the context.
    pub(super) fn store_chosen6(&mut self, offset: i16) {
        for part in [0, 4, 8, 12] {
            self.code.load(Size::U32, R1, STACK, NAME6_ADDRESS + part);
            self.code.store(Size::U32, CONTEXT, offset + part, R1);
        }
    }

    /// The destination in R8, which came from `offset` of the context, becomes the jail's first address where
    /// it means this machine.
    pub(super) fn turn_destination4(&mut self, offset: i16) {
        let (turn, exact, done) = (self.code.label(), self.code.label(), self.code.label());
        self.code.jump_if(R8, Test::Equal, 0, turn);
        self.if_listed(Family::V4, done);
        let code = &mut self.code;
        code.load(Size::U32, R1, POLICY, FLAGS);
        code.jump_if(R1, Test::AnyBit, IN_LOOPBACK, exact);
        code.copy(R1, R8);
        code.with(Operation::And, R1, LOOPBACK4_MASK);
        code.jump_if(R1, Test::Equal, LOOPBACK4_NETWORK, turn);
        code.jump(done);
        code.place(exact);
        code.jump_if(R8, Test::NotEqual, LOOPBACK4, done);
        code.place(turn);
        code.load(Size::U32, R1, POLICY, LIST4);
        code.store(Size::U32, CONTEXT, offset, R1);
        code.place(done);
        // Read again, so that the verifier has to follow one way from here on and not one for each entry.
        code.load(Size::U32, R8, CONTEXT, offset);
    }

    /// The same for the IPv6 destination in R8 and R9.
    pub(super) fn turn_destination6(&mut self, offset: i16) {
        let (turn, done) = (self.code.label(), self.code.label());
        self.if_wildcard6(turn);
        self.if_listed(Family::V6, done);
        self.if_loopback6(turn);
        self.code.jump(done);
        self.code.place(turn);
        self.store_first6(offset);
        self.code.place(done);
        self.load6(CONTEXT, offset);
    }

    /// R9 becomes the address to reach the one in R8 from.
    pub(super) fn choose4(&mut self) {
        let done = self.code.label();
        self.code.load(Size::U32, R9, POLICY, LIST4);
        self.each(Family::V4, |code, next| {
            code.load(Size::U32, R4, R1, 0);
            code.load(Size::U32, R0, R1, 4);
            code.copy(R5, R4);
            code.with_register(Operation::Xor, R5, R8);
            code.with_register(Operation::And, R5, R0);
            code.jump_if(R5, Test::NotEqual, 0, next);
            code.copy(R9, R4);
            code.jump(done);
        });
        self.code.place(done);
    }

    /// A name on the stack gets the address to reach the one in R8 and R9 from.
    pub(super) fn choose6(&mut self) {
        let done = self.code.label();
        self.begin_name(AF_INET6);
        for (from, to) in [(LIST6, NAME6_ADDRESS), (LIST6 + 8, NAME6_ADDRESS + 8)] {
            self.code.load(Size::U64, R4, POLICY, from);
            self.code.store(Size::U64, STACK, to, R4);
        }
        self.each(Family::V6, |code, next| {
            for (part, wanted) in [(0, R8), (8, R9)] {
                code.load(Size::U64, R4, R1, part);
                code.load(Size::U64, R0, R1, part + 16);
                code.with_register(Operation::Xor, R4, wanted);
                code.with_register(Operation::And, R4, R0);
                code.jump_if(R4, Test::NotEqual, 0, next);
            }
            for part in [0, 8] {
                code.load(Size::U64, R4, R1, part);
                code.store(Size::U64, STACK, NAME6_ADDRESS + part, R4);
            }
            code.jump(done);
        });
        self.code.place(done);
    }

    /// Binds the socket of the context to the IPv4 address in R9, and ends.
    pub(super) fn bind4(&mut self) {
        self.begin_name(AF_INET);
        self.code.store(Size::U32, STACK, NAME4_ADDRESS, R9);
        self.bind_to_name(NAME4_SIZE);
    }

    /// Binds an AF_INET6 socket to the IPv4 address in R9, and ends.
    pub(super) fn bind_mapped(&mut self) {
        self.begin_name(AF_INET6);
        self.code.set(R1, MAPPED);
        self.code.store(Size::U32, STACK, NAME6_ADDRESS + 8, R1);
        self.code.store(Size::U32, STACK, NAME6_ADDRESS + 12, R9);
        self.bind_to_name(NAME6_SIZE);
    }

    /// Binds the socket of the context to the address that [`Hook::choose6`] has chosen, and ends.
    pub(super) fn bind_chosen6(&mut self) {
        self.bind_to_name(NAME6_SIZE);
    }

    /// A name of zeros but for its family: any port.
    fn begin_name(&mut self, family: i32) {
        let code = &mut self.code;
        code.set(R1, 0);
        for part in [0, 8, 16, 24] {
            code.store(Size::U64, STACK, NAME + part, R1);
        }
        code.set(R1, family);
        code.store(Size::U16, STACK, NAME, R1);
    }

    fn bind_to_name(&mut self, size: i32) {
        let refused = self.fail_as_refused();
        let code = &mut self.code;
        code.copy(R1, CONTEXT);
        code.copy(R2, STACK);
        code.with(Operation::Add, R2, i32::from(NAME));
        code.set(R3, size);
        code.call(Function::Bind);
        code.jump_if(R0, Test::NotEqual, 0, refused);
        code.jump(self.allow);
    }
}

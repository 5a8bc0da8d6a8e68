//! Comparisons of a call's arguments, in tests of 32-bit words.

use spec::seccomp::{Op, SyscallArg};

use crate::assemble::{Assembler, Target};
use crate::program::op;

/// Where `seccomp_data` has the low half of an argument; the high half is the next word (both machines
/// are little-endian).
const fn offset(index: u32) -> u32 {
    16 + 8 * index
}

/// The low and the high half.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "halves of a number"
)]
const fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// Whether the condition holds whatever the argument is: a mask without a bit.
pub(crate) fn always_holds(arg: &SyscallArg, wide: bool) -> bool {
    let (low, high) = halves(arg.value);
    arg.op == Op::MaskedEqual && low == 0 && (!wide || high == 0)
}

/// Puts a condition on one argument; all 64 bits of it if `wide`, else the low half of both sides.
pub(crate) fn put(
    to: &mut Assembler,
    arg: &SyscallArg,
    wide: bool,
    yes: Target,
    no: Target,
) -> Target {
    let word = Words {
        at: offset(arg.index),
        wide,
    };
    match arg.op {
        Op::Equal => word.masked(to, u64::MAX, arg.value, yes, no),
        Op::NotEqual => word.masked(to, u64::MAX, arg.value, no, yes),
        // Bits outside the mask count for nothing on either side.
        Op::MaskedEqual => word.masked(to, arg.value, arg.value_two & arg.value, yes, no),
        Op::Greater => word.ordered(to, op::IF_ABOVE, arg.value, yes, no),
        Op::GreaterOrEqual => word.ordered(to, op::IF_AT_LEAST, arg.value, yes, no),
        Op::LessOrEqual => word.ordered(to, op::IF_ABOVE, arg.value, no, yes),
        Op::Less => word.ordered(to, op::IF_AT_LEAST, arg.value, no, yes),
    }
}

/// An argument in `seccomp_data`.
#[derive(Clone, Copy)]
struct Words {
    at: u32,
    wide: bool,
}

impl Words {
    /// `argument & mask == value`
    fn masked(self, to: &mut Assembler, mask: u64, value: u64, yes: Target, no: Target) -> Target {
        let (mask, value) = (halves(mask), halves(value));
        let low = masked_word(to, self.at, mask.0, value.0, yes, no);
        if !self.wide {
            return low;
        }
        masked_word(to, self.at + 4, mask.1, value.1, low, no)
    }

    /// The argument compared with `value` by `code`, which is "above" or "at least".
    fn ordered(self, to: &mut Assembler, code: u16, value: u64, yes: Target, no: Target) -> Target {
        let (low, high) = halves(value);
        let decided_low = to.test(code, low, yes, no);
        let decided_low = to.before(op::LOAD, self.at, decided_low);
        if !self.wide {
            return decided_low;
        }
        let same = to.test(op::IF_EQUAL, high, decided_low, no);
        let above = to.test(op::IF_ABOVE, high, yes, same);
        to.before(op::LOAD, self.at + 4, above)
    }
}

/// `word & mask == value`, in as few instructions as it takes.
fn masked_word(
    to: &mut Assembler,
    at: u32,
    mask: u32,
    value: u32,
    yes: Target,
    no: Target,
) -> Target {
    let decided = match (mask, value) {
        (0, _) => return yes,
        (u32::MAX, _) => to.test(op::IF_EQUAL, value, yes, no),
        (_, 0) => to.test(op::IF_ANY_BIT, mask, no, yes),
        _ if mask.is_power_of_two() => to.test(op::IF_ANY_BIT, mask, yes, no),
        _ => {
            let equal = to.test(op::IF_EQUAL, value, yes, no);
            to.before(op::AND, mask, equal)
        }
    };
    to.before(op::LOAD, at, decided)
}

//! Running a filter without the kernel: what would become of a call?

use crate::program::{Instruction, op};

/// A system call, as a filter sees it (`struct seccomp_data`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The number, with bit 30 set for x32.
    pub number: u32,
    /// The ABI, as `AUDIT_ARCH_…`.
    pub arch: u32,
    /// The instruction pointer.
    pub instruction_pointer: u64,
    /// The arguments.
    pub args: [u64; 6],
}

impl Call {
    /// The word at an offset, as a little-endian machine has it.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "halves of a number"
    )]
    fn word(&self, offset: u32) -> Option<u32> {
        let half = |value: u64| {
            if offset.is_multiple_of(8) {
                value as u32
            } else {
                (value >> 32) as u32
            }
        };
        match offset {
            0 => Some(self.number),
            4 => Some(self.arch),
            8 | 12 => Some(half(self.instruction_pointer)),
            16..=60 if offset.is_multiple_of(4) => {
                Some(half(self.args[usize::try_from((offset - 16) / 8).ok()?]))
            }
            _ => None,
        }
    }
}

/// What a filter returns for a call (`SECCOMP_RET_…` with its data), and how many instructions it took;
/// `None` if it is not a valid program. Any classic BPF that libseccomp makes is understood.
pub fn run(program: &[Instruction], call: &Call) -> Option<(u32, usize)> {
    let mut accumulator = 0;
    let mut at = 0usize;
    for steps in 1..=program.len() {
        let one = program.get(at)?;
        let skip = match one.code {
            op::LOAD => {
                accumulator = call.word(one.k)?;
                0
            }
            op::AND => {
                accumulator &= one.k;
                0
            }
            op::JUMP => one.k,
            op::IF_EQUAL => pick(accumulator == one.k, one),
            op::IF_ABOVE => pick(accumulator > one.k, one),
            op::IF_AT_LEAST => pick(accumulator >= one.k, one),
            op::IF_ANY_BIT => pick(accumulator & one.k != 0, one),
            op::RETURN => return Some((one.k, steps)),
            _ => return None,
        };
        at = at
            .checked_add(usize::try_from(skip).ok()?)?
            .checked_add(1)?;
    }
    None
}

fn pick(condition: bool, one: &Instruction) -> u32 {
    u32::from(if condition { one.jt } else { one.jf })
}

//! The assembler. It writes a program from its end to its start, so that whatever a jump leads to has
//! its place already.

use alloc::vec::Vec;

use crate::outcome::Verdict;
use crate::program::{Instruction, op};

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The program ends.
    Return(Verdict),
    /// An instruction, counted from the end of the program.
    At(usize),
}

/// A program in the making.
pub(crate) struct Assembler {
    /// Last instruction first.
    backwards: Vec<Instruction>,
    /// Where the program returns what, as far as a jump reaches from its start.
    returns: Vec<(Verdict, usize)>,
}

/// A conditional jump reaches this far; one less here, as something may still come in between.
const REACH: usize = 255;

impl Assembler {
    pub(crate) fn with_capacity(instructions: usize) -> Self {
        Self {
            backwards: Vec::with_capacity(instructions),
            returns: Vec::with_capacity(8),
        }
    }

    fn put(&mut self, code: u16, k: u32) -> usize {
        self.backwards.push(Instruction {
            code,
            jt: 0,
            jf: 0,
            k,
        });
        self.backwards.len() - 1
    }

    fn put_jump(&mut self, at: usize) -> usize {
        let skip = u32::try_from(self.distance(at)).expect("no program is that long");
        self.put(op::JUMP, skip)
    }

    /// How many instructions one that is put next would have to skip to get to `at`.
    fn distance(&self, at: usize) -> usize {
        self.backwards.len() - at - 1
    }

    /// An instruction that leads to `target` and is so near that a conditional jump reaches it, even
    /// after one more instruction.
    fn reach(&mut self, target: Target) -> usize {
        match target {
            Target::At(at) if self.distance(at) < REACH => at,
            Target::At(at) => self.put_jump(at),
            Target::Return(verdict) => self.reach_return(verdict),
        }
    }

    fn reach_return(&mut self, verdict: Verdict) -> usize {
        let end = self.backwards.len();
        self.returns.retain(|(_, at)| end - at <= REACH);
        match self.returns.iter().find(|(known, _)| *known == verdict) {
            Some((_, at)) => *at,
            None => {
                let at = self.put(op::RETURN, verdict.0);
                self.returns.push((verdict, at));
                at
            }
        }
    }

    /// Puts a condition on the accumulator.
    pub(crate) fn test(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let yes = self.reach(yes);
        let no = self.reach(no);
        let skip = |at| u8::try_from(self.distance(at)).expect("both were within reach");
        let (jt, jf) = (skip(yes), skip(no));
        self.backwards.push(Instruction { code, jt, jf, k });
        Target::At(self.backwards.len() - 1)
    }

    /// Puts something that changes the accumulator before `then`.
    pub(crate) fn before(&mut self, code: u16, k: u32, then: Target) -> Target {
        if matches!(then, Target::Return(_)) {
            return then; // what the accumulator holds no longer matters
        }
        self.adjoin(then);
        Target::At(self.put(code, k))
    }

    /// Makes `target` follow whatever is put next.
    fn adjoin(&mut self, target: Target) {
        match target {
            Target::At(at) if self.distance(at) == 0 => {}
            Target::At(at) => {
                self.put_jump(at);
            }
            Target::Return(verdict) => {
                self.put(op::RETURN, verdict.0);
            }
        }
    }

    /// The program that starts at `start`.
    pub(crate) fn finish(mut self, start: Target) -> Vec<Instruction> {
        self.adjoin(start);
        self.backwards.reverse();
        self.backwards
    }
}

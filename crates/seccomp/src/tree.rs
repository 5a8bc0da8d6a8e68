//! A decision by number: a balanced tree over ranges of numbers with the same outcome.

use alloc::vec::Vec;

use crate::assemble::{Assembler, Target};
use crate::program::op;

/// The numbers from `start` to before the next span's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span<T> {
    pub(crate) start: u32,
    pub(crate) outcome: T,
}

/// Spans in the making: all numbers, in order.
pub(crate) struct Spans<T>(Vec<Span<T>>);

impl<T: Copy + PartialEq> Spans<T> {
    pub(crate) fn with_capacity(spans: usize) -> Self {
        Self(Vec::with_capacity(spans))
    }

    /// Gives the numbers from `start` on an outcome; what was said of lower ones stays.
    pub(crate) fn from(&mut self, start: u32, outcome: T) {
        if self.0.last().is_some_and(|last| last.start == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|last| last.outcome != outcome) {
            self.0.push(Span { start, outcome });
        }
    }

    /// Gives one number an outcome and those above it another.
    pub(crate) fn at(&mut self, number: u32, outcome: T, above: T) {
        self.from(number, outcome);
        if let Some(next) = number.checked_add(1) {
            self.from(next, above);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Span<T>] {
        &self.0
    }
}

/// How many exceptions a leaf of the tree holds. More make the program shorter and decisions longer.
const EXCEPTIONS: usize = 2;

/// Puts the decision. `target` makes a target of an outcome; it is asked in falling order of numbers.
pub(crate) fn put<T: Copy + PartialEq>(
    to: &mut Assembler,
    spans: &[Span<T>],
    target: &mut impl FnMut(&mut Assembler, T) -> Target,
) -> Target {
    let mut leaves = Vec::with_capacity(spans.len());
    let mut rest = spans;
    while !rest.is_empty() {
        let (leaf, after) = rest.split_at(leaf_length(rest));
        leaves.push(leaf);
        rest = after;
    }
    put_leaves(to, &leaves, target)
}

/// How many spans at the start are one outcome with single numbers as exceptions.
fn leaf_length<T: PartialEq>(spans: &[Span<T>]) -> usize {
    let continues = |at: &usize| {
        spans.get(*at..*at + 3).is_some_and(|next| {
            next[0].outcome == next[2].outcome && next[1].start + 1 == next[2].start
        })
    };
    1 + 2
        * (0..EXCEPTIONS)
            .map(|exception| 2 * exception)
            .take_while(continues)
            .count()
}

fn put_leaves<T: Copy + PartialEq>(
    to: &mut Assembler,
    leaves: &[&[Span<T>]],
    target: &mut impl FnMut(&mut Assembler, T) -> Target,
) -> Target {
    if let [leaf] = leaves {
        return put_leaf(to, leaf, target);
    }
    let (below, above) = leaves.split_at(leaves.len() / 2);
    let yes = put_leaves(to, above, target);
    let no = put_leaves(to, below, target);
    to.test(op::IF_AT_LEAST, above[0][0].start, yes, no)
}

/// A leaf: every second span is an exception.
fn put_leaf<T: Copy>(
    to: &mut Assembler,
    leaf: &[Span<T>],
    target: &mut impl FnMut(&mut Assembler, T) -> Target,
) -> Target {
    let mut otherwise = target(to, leaf[0].outcome);
    for exception in leaf.iter().skip(1).step_by(2) {
        let yes = target(to, exception.outcome);
        otherwise = to.test(op::IF_EQUAL, exception.start, yes, otherwise);
    }
    otherwise
}

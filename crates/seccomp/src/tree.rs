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

/// Puts the decision. `target` makes a target of an outcome; it is asked in falling order of numbers.
pub(crate) fn put<T: Copy + PartialEq>(
    to: &mut Assembler,
    spans: &[Span<T>],
    target: &mut impl FnMut(&mut Assembler, T) -> Target,
) -> Target {
    match spans {
        [] => unreachable!("spans cover all numbers"),
        [one] => target(to, one.outcome),
        // A number, or a pair of neighbours, amid a span of another outcome.
        [around, one, again] if around.outcome == again.outcome && one.start + 1 == again.start => {
            let no = target(to, around.outcome);
            let yes = target(to, one.outcome);
            to.test(op::IF_EQUAL, one.start, yes, no)
        }
        _ => {
            let (below, above) = spans.split_at(middle(spans));
            let yes = put(to, above, target);
            let no = put(to, below, target);
            to.test(op::IF_AT_LEAST, above[0].start, yes, no)
        }
    }
}

/// Where to split: near the middle, and such that single numbers stay with what surrounds them.
fn middle<T: Copy + PartialEq>(spans: &[Span<T>]) -> usize {
    spans.len() / 2
}

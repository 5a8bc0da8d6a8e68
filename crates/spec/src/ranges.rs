//! Lists of numbers, such as `0-3,7`: processors, memory nodes.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// Reads a list such as `0-3,7`: decimal numbers and ascending ranges, separated by commas, without
/// spaces. None for everything else, the empty list too.
pub fn parse(text: &str) -> Option<Vec<RangeInclusive<u32>>> {
    text.split(',').map(range).collect()
}

fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

/// A decimal number: digits only, so no sign, which `str::parse` would take.
pub(crate) fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn lists() {
        assert_eq!(parse("0"), Some(vec![0..=0]));
        assert_eq!(parse("0-3,7,10-10"), Some(vec![0..=3, 7..=7, 10..=10]));
        for text in [
            "",
            ",",
            "1,",
            ",1",
            "-1",
            "1-",
            "3-2",
            "+1",
            "1 ",
            "0-3-4",
            "a",
            "4294967296",
            "٣",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

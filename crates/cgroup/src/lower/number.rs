//! Numbers as the kernel's files want them, without the weight of formatted printing.

use alloc::borrow::Cow;
use alloc::string::String;

use spec::Place;

use super::Version;
use crate::error::{Error, Result};

/// `n` in decimal.
pub(crate) fn decimal(mut n: u64) -> String {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        if n == 0 {
            break;
        }
    }
    digits[at..]
        .iter()
        .map(|digit| char::from(*digit))
        .collect()
}

/// A limit of the specification: nothing, no limit, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Unlimited,
    At(u64),
}

impl Limit {
    /// Reads a field in which -1 means no limit and 0 or absence that nothing is asked.
    ///
    /// # Errors
    /// When it is below -1.
    pub(super) fn of(field: Option<i64>, place: Place) -> Result<Option<Self>> {
        match field {
            None | Some(0) => Ok(None),
            Some(-1) => Ok(Some(Self::Unlimited)),
            Some(n) => match u64::try_from(n) {
                Ok(n) => Ok(Some(Self::At(n))),
                Err(_) => Err(Error::bad(
                    place,
                    "must be -1 (no limit) or a positive number",
                )),
            },
        }
    }

    /// As the version's files spell it.
    pub(super) fn text(self, version: Version) -> Cow<'static, str> {
        match self {
            Self::Unlimited => version.pick("-1", "max").into(),
            Self::At(n) => decimal(n).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for n in [0, 7, 10, 1024, u64::MAX] {
            assert_eq!(decimal(n), std::format!("{n}"));
        }
    }
}

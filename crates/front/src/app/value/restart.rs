//! `--restart`.

use serde::{Deserialize, Serialize};

use super::number::digits;
use crate::error::{Fault, Parsed};

/// When a container that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// After a failure, at most `max` times in a row; 0 means without end.
    OnFailure {
        /// The greatest number of attempts.
        max: u32,
    },
    /// Whenever it ends, unless a person stopped it; and when the machine starts.
    Always,
    /// As `Always`, but not when the machine starts if a person had stopped it.
    UnlessStopped,
}

/// `no`, `on-failure[:N]`, `always`, `unless-stopped`.
pub fn restart(text: &str) -> Parsed<Restart> {
    let (policy, count) = match text.split_once(':') {
        Some((policy, count)) => (policy, Some(count)),
        None => (text, None),
    };
    match (policy, count) {
        ("no", None) => Ok(Restart::No),
        ("always", None) => Ok(Restart::Always),
        ("unless-stopped", None) => Ok(Restart::UnlessStopped),
        ("on-failure", None) => Ok(Restart::OnFailure { max: 0 }),
        ("on-failure", Some(count)) => digits(count)
            .map(|max| Restart::OnFailure { max })
            .ok_or_else(|| Fault::usage(format!("{count:?} is not a number of attempts"))),
        ("no" | "always" | "unless-stopped", Some(_)) => Err(Fault::usage(
            "a number of attempts goes with on-failure only",
        )),
        _ => Err(Fault::usage(
            "not one of no, on-failure[:N], always, unless-stopped",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        assert_eq!(restart("no"), Ok(Restart::No));
        assert_eq!(restart("on-failure"), Ok(Restart::OnFailure { max: 0 }));
        assert_eq!(restart("on-failure:3"), Ok(Restart::OnFailure { max: 3 }));
        assert_eq!(restart("always"), Ok(Restart::Always));
        for text in [
            "",
            "yes",
            "always:3",
            "on-failure:",
            "on-failure:-1",
            "on-failure:1:2",
        ] {
            assert!(restart(text).is_err(), "{text:?}");
        }
    }
}

//! `--ulimit`: getrlimit(2).

use spec::{Rlimit, RlimitKind};

use super::number::digits;
use crate::error::{Fault, Parsed};

/// No limit, as the kernel writes it.
const UNLIMITED: u64 = u64::MAX;

/// `NAME=SOFT[:HARD]`; `-1` is unlimited; HARD is SOFT when not given.
pub fn ulimit(text: &str) -> Parsed<Rlimit> {
    let (name, values) = text.split_once('=').ok_or_else(|| {
        Fault::usage("no = in it").hint("NAME=SOFT[:HARD], such as nofile=1024:4096")
    })?;
    let kind =
        kind(name).ok_or_else(|| Fault::usage(format!("{name:?} is not the name of a limit")))?;
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let limit = Rlimit {
        kind,
        soft: value(soft)?,
        hard: value(hard)?,
    };
    if limit.soft > limit.hard {
        return Err(Fault::usage(format!(
            "the soft limit {soft} is above the hard limit {hard}"
        )));
    }
    Ok(limit)
}

/// `nofile` for `RLIMIT_NOFILE`; lower case only, as Docker has it.
fn kind(name: &str) -> Option<RlimitKind> {
    let lower = name.bytes().all(|b| b.is_ascii_lowercase());
    RlimitKind::from_name(&format!("RLIMIT_{}", name.to_ascii_uppercase())).filter(|_| lower)
}

fn value(text: &str) -> Parsed<u64> {
    match text {
        "-1" | "unlimited" => Ok(UNLIMITED),
        _ => digits(text).ok_or_else(|| Fault::usage(format!("{text:?} is not a limit"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let limit = |text| ulimit(text).map(|l| (l.kind.name(), l.soft, l.hard));
        assert_eq!(limit("nofile=1024:4096"), Ok(("RLIMIT_NOFILE", 1024, 4096)));
        assert_eq!(limit("nproc=10"), Ok(("RLIMIT_NPROC", 10, 10)));
        assert_eq!(limit("core=-1"), Ok(("RLIMIT_CORE", UNLIMITED, UNLIMITED)));
        assert_eq!(limit("core=0:-1"), Ok(("RLIMIT_CORE", 0, UNLIMITED)));
        for text in [
            "",
            "nofile",
            "nofile=",
            "x=1",
            "NOFILE=1",
            "nofile=2:1",
            "nofile=-1:1",
            "nofile=1:2:3",
            "nofile=+1",
        ] {
            assert!(limit(text).is_err(), "{text:?}");
        }
    }
}

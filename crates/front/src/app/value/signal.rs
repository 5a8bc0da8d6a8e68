//! `--stop-signal`: signal(7) by name or number.

use super::number::digits;
use crate::error::{Fault, Parsed};

/// The standard signals of x86-64 and arm64, by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Other names of the same.
const OTHER_NAMES: [(&str, i32); 5] = [
    ("IOT", 6),
    ("CLD", 17),
    ("POLL", 29),
    ("UNUSED", 31),
    ("STKFLT", 16),
];

/// The first real-time signal that programs see (the C library keeps two).
const RTMIN: i32 = 34;

/// The last real-time signal.
const RTMAX: i32 = 64;

/// `TERM`, `SIGTERM`, `15`, `RTMIN+3`, `SIGRTMAX-1`: the number, 1 to 64.
pub fn signal(text: &str) -> Parsed<i32> {
    number(text).or_else(|| by_name(text)).ok_or_else(|| {
        Fault::usage("not a signal")
            .hint("a name such as TERM, SIGTERM or RTMIN+3, or a number from 1 to 64")
    })
}

fn number(text: &str) -> Option<i32> {
    digits(text).filter(|n| (1..=RTMAX).contains(n))
}

fn by_name(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let standard = || {
        NAMES
            .iter()
            .zip(1..)
            .find(|(known, _)| **known == name)
            .map(|(_, n)| n)
    };
    let other = || {
        OTHER_NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, n)| *n)
    };
    standard().or_else(other).or_else(|| real_time(name))
}

fn real_time(name: &str) -> Option<i32> {
    let value = match name.strip_prefix("RTMIN") {
        Some("") => RTMIN,
        Some(rest) => RTMIN.checked_add(digits(rest.strip_prefix('+')?)?)?,
        None => match name.strip_prefix("RTMAX")? {
            "" => RTMAX,
            rest => RTMAX.checked_sub(digits(rest.strip_prefix('-')?)?)?,
        },
    };
    (RTMIN..=RTMAX).contains(&value).then_some(value)
}

/// The name of a signal: `SIGTERM`, `SIGRTMIN+3`.
pub fn name(number: i32) -> String {
    let standard = NAMES.iter().zip(1..).find(|(_, n)| *n == number);
    match standard {
        Some((name, _)) => format!("SIG{name}"),
        None => format!("SIGRTMIN+{}", number - RTMIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigterm", 15),
            ("15", 15),
            ("KILL", 9),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("RTMAX", 64),
            ("64", 64),
            ("CLD", 17),
            ("SYS", 31),
        ] {
            assert_eq!(signal(text), Ok(number), "{text}");
        }
        for text in [
            "",
            "0",
            "65",
            "-1",
            "SIG",
            "SIGSIGTERM",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX+1",
            "TERM ",
        ] {
            assert!(signal(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_leads_back_to_its_number() {
        for number in (1..=31).chain(RTMIN..=RTMAX) {
            assert_eq!(signal(&name(number)), Ok(number));
        }
    }
}

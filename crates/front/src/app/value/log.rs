//! `--log-driver`, `--log-opt`.

use serde::{Deserialize, Serialize};

use super::number::digits;
use crate::error::{Fault, Parsed};

/// What is to be kept of what a container prints; `None` is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// Nothing.
    pub off: bool,
    /// Bytes that a file may have; 0 is without limit.
    pub max_size: Option<u64>,
    /// How many files there may be, the current one among them.
    pub max_files: Option<u32>,
}

/// More files than this are a mistake.
const MOST_FILES: u32 = 1000;

/// `json-file` or `none`: whether nothing is kept.
pub fn is_off(driver: &str) -> Parsed<bool> {
    match driver {
        "json-file" => Ok(false),
        "none" => Ok(true),
        "" => Err(Fault::usage("no driver")),
        _ => Err(Fault::unsupported("this log driver is not built")
            .hint("json-file, or none; other programs can follow `stockade logs -f`")),
    }
}

impl LogRequest {
    /// Takes `max-size=SIZE` or `max-file=N`.
    ///
    /// # Errors
    /// Another key, or a value that it cannot have.
    pub fn add(&mut self, text: &str) -> Parsed<()> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| Fault::usage("no = in it").hint("max-size=10m or max-file=3"))?;
        match key {
            "max-size" => self.max_size = Some(size(value)?),
            "max-file" => self.max_files = Some(files(value)?),
            "compress" if value == "false" => {}
            "compress" | "mode" | "max-buffer-size" | "labels" | "labels-regex" | "env"
            | "env-regex" | "tag" => {
                return Err(Fault::unsupported(format!("{key}: not built yet"))
                    .hint("max-size and max-file are"));
            }
            _ => return Err(Fault::usage(format!("{key:?} is not a log option"))),
        }
        Ok(())
    }
}

/// A size with the decimal suffixes of Docker's `json-file` driver (`10m` is ten million); -1 is none.
fn size(text: &str) -> Parsed<u64> {
    if text == "-1" {
        return Ok(0);
    }
    let lower = text.to_ascii_lowercase();
    let plain = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, unit) = match plain.char_indices().last() {
        Some((at, 'k')) => (&plain[..at], 1_000),
        Some((at, 'm')) => (&plain[..at], 1_000_000),
        Some((at, 'g')) => (&plain[..at], 1_000_000_000),
        _ => (plain, 1),
    };
    let size = digits::<u64>(number).and_then(|number| number.checked_mul(unit));
    size.filter(|size| *size > 0).ok_or_else(|| {
        Fault::usage(format!("max-size: {text:?} is not a size")).hint("such as 10m")
    })
}

fn files(text: &str) -> Parsed<u32> {
    let number = digits(text).filter(|number| (1..=MOST_FILES).contains(number));
    number.ok_or_else(|| {
        Fault::usage(format!(
            "max-file: {text:?} is not a number from 1 to {MOST_FILES}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(options: &[&str]) -> Parsed<LogRequest> {
        let mut request = LogRequest::default();
        options
            .iter()
            .try_for_each(|text| request.add(text))
            .map(|()| request)
    }

    #[test]
    fn options_of_logs() {
        let found = request(&["max-size=10m", "max-file=3"]).unwrap();
        assert_eq!(
            (found.max_size, found.max_files),
            (Some(10_000_000), Some(3))
        );
        for (text, size) in [("7", 7), ("1k", 1000), ("2GB", 2_000_000_000), ("-1", 0)] {
            assert_eq!(
                request(&[&format!("max-size={text}")]).unwrap().max_size,
                Some(size)
            );
        }
        assert_eq!(is_off("none"), Ok(true));
        assert!(is_off("syslog").is_err());
    }

    #[test]
    fn what_is_no_option_of_logs() {
        for text in [
            "",
            "max-size",
            "max-size=",
            "max-size=0",
            "max-size=-2",
            "max-size=m",
            "max-size=1t",
            "max-size=18446744073709551615k",
            "max-file=0",
            "max-file=+1",
            "max-file=1001",
            "compress=true",
            "tag=x",
            "size=1",
        ] {
            assert!(request(&[text]).is_err(), "{text:?}");
        }
    }
}

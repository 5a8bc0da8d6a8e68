//! Words of a command line: options before, between and after the arguments, as runc takes them.

use alloc::format;
use alloc::vec::Vec;

use engine::Result;

use crate::usage;

/// The words that are not consumed yet.
#[derive(Debug)]
pub struct Arguments<'a> {
    words: &'a [&'a str],
    at: usize,
}

/// An option, with the value that was joined to it by `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given<'a> {
    pub(crate) name: &'a str,
    joined: Option<&'a str>,
}

impl<'a> Arguments<'a> {
    /// All of `words`.
    pub fn new(words: &'a [&'a str]) -> Self {
        Self { words, at: 0 }
    }

    /// The next word, whatever it is.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// The next word where it is an option.
    pub(crate) fn option(&mut self) -> Option<Given<'a>> {
        let word = self.words.get(self.at)?;
        if !word.starts_with('-') || *word == "-" || *word == "--" {
            return None;
        }
        self.at += 1;
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*word, None),
        };
        Some(Given {
            name: name.trim_start_matches('-'),
            joined,
        })
    }

    /// The value of an option: what was joined to it, or the next word.
    pub(crate) fn value(&mut self, option: Given<'a>) -> Result<&'a str> {
        match option.joined {
            Some(value) => Ok(value),
            None => self
                .word()
                .ok_or_else(|| usage(format!("--{}: needs a value", option.name))),
        }
    }

    /// Whether a switch is on: `--name`, `--name=true`, `--name=false`.
    pub(crate) fn switch(&self, option: Given<'a>) -> Result<bool> {
        match option.joined {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(usage(format!(
                "--{}: {other:?} is neither true nor false",
                option.name
            ))),
        }
    }

    /// A strict number.
    pub(crate) fn number<T: core::str::FromStr>(&mut self, option: Given<'a>) -> Result<T> {
        let value = self.value(option)?;
        number(option.name, value)
    }

    /// Whether a verb's help is asked for. What stands behind exec's container is the payload's.
    pub(crate) fn asks_for_help(&self, verb: &str) -> bool {
        let words = self.words.get(self.at..).unwrap_or(&[]);
        let most = if verb == "exec" { 1 } else { words.len() };
        let mut own = words.iter().take(most).take_while(|word| **word != "--");
        own.any(|word| matches!(*word, "--help" | "-h"))
    }

    /// All words that are left; they stay.
    pub(crate) fn words_left(&self) -> &'a [&'a str] {
        self.words.get(self.at..).unwrap_or(&[])
    }

    /// All words that are left.
    pub(crate) fn rest(&mut self) -> Vec<&'a str> {
        let rest = self.words.get(self.at..).unwrap_or(&[]).to_vec();
        self.at = self.words.len();
        rest
    }

    /// Parses a verb's options and its `count` arguments; `option` gets every option. More words than
    /// arguments are refused.
    pub(crate) fn parse(
        &mut self,
        verb: &str,
        count: core::ops::RangeInclusive<usize>,
        mut option: impl FnMut(&mut Self, Given<'a>) -> Result<bool>,
    ) -> Result<Vec<&'a str>> {
        let mut found = Vec::new();
        loop {
            if let Some(given) = self.option() {
                if !option(self, given)? {
                    return Err(usage(format!("{verb}: unknown option --{}", given.name)));
                }
            } else if let Some(word) = self.word() {
                if word != "--" {
                    found.push(word);
                }
            } else {
                break;
            }
        }
        if count.contains(&found.len()) {
            return Ok(found);
        }
        let kind = match (count.start() == count.end(), found.len() < *count.start()) {
            (true, _) => "exactly",
            (false, true) => "a minimum of",
            (false, false) => "a maximum of",
        };
        let limit = if found.len() < *count.start() {
            count.start()
        } else {
            count.end()
        };
        Err(usage(format!(
            "{verb:?} requires {kind} {limit} argument(s), {} given",
            found.len()
        )))
    }
}

/// A strict number: digits only, no sign but where the type has one.
pub(crate) fn number<T: core::str::FromStr>(name: &str, value: &str) -> Result<T> {
    let plain = !value.starts_with('+');
    value
        .parse()
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| usage(format!("--{name}: {value:?} is not a number in range")))
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use std::vec;

    #[test]
    fn options_may_stand_before_and_after_the_argument() {
        let words = ["--force", "box", "--pid-file=/x", "-b", "/y"];
        let mut given = vec![];
        let found = Arguments::new(&words)
            .parse("delete", 1..=1, |arguments, option| {
                let value = if option.name == "force" {
                    ""
                } else {
                    arguments.value(option)?
                };
                given.push((option.name, value));
                Ok(true)
            })
            .unwrap();
        assert_eq!(found, ["box"]);
        assert_eq!(given, [("force", ""), ("pid-file", "/x"), ("b", "/y")]);
    }

    #[test]
    fn numbers_are_strict() {
        assert!(super::number::<u32>("x", "+1").is_err());
        assert!(super::number::<u32>("x", "1 ").is_err());
        assert!(super::number::<u32>("x", "4294967296").is_err());
        assert_eq!(super::number::<u32>("x", "7").ok(), Some(7));
    }
}

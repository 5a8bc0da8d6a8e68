//! Options as getopt_long(3) has them, which is what the users of chroot, unshare and nsenter type: long
//! names may be cut where that leaves one, short ones may be joined, and the first word that is no option
//! ends them, as the rest belongs to the command.

use alloc::format;
use alloc::vec::Vec;

use crate::error::{Error, Result};

/// A command and its options: the source of its parser, its help, man page and completions.
#[derive(Debug)]
pub struct Table {
    /// Its name, as in `stockade NAME`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Its options, in the order of the help.
    pub options: &'static [Declared],
    /// The operands' name in the help, and what they are.
    pub operands: (&'static str, &'static str),
    /// Whether there has to be an operand.
    pub needs_operand: bool,
    /// The exit status of failures that are the command's own.
    pub own_failure: i32,
}

/// An option.
#[derive(Debug)]
pub struct Declared {
    /// Its long name.
    pub long: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether it takes a value.
    pub takes: Takes,
    /// One line for the help.
    pub help: &'static str,
}

/// Whether an option takes a value; the text is the value's name in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None.
    Nothing,
    /// One, joined or as the next word.
    Value(&'static str),
    /// Perhaps one, joined by `=` to the long name only.
    Perhaps(&'static str),
    /// Perhaps one, joined to either name.
    PerhapsJoined(&'static str),
}

/// Declares an option without a value.
pub const fn flag(long: &'static str, short: Option<char>, help: &'static str) -> Declared {
    let takes = Takes::Nothing;
    Declared {
        long,
        short,
        takes,
        help,
    }
}

/// Declares an option with a value.
pub const fn value(
    long: &'static str,
    short: Option<char>,
    name: &'static str,
    help: &'static str,
) -> Declared {
    let takes = Takes::Value(name);
    Declared {
        long,
        short,
        takes,
        help,
    }
}

/// What was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// Options by their long names, in order.
    given: Vec<(&'static str, Option<&'a str>)>,
    /// The words behind the options.
    pub operands: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    /// Whether the option was given.
    pub fn has(&self, long: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == long)
    }

    /// The value that was given last.
    pub fn value(&self, long: &str) -> Option<&'a str> {
        self.values(long).last()
    }

    /// All values of an option.
    pub fn values(&self, long: &str) -> impl Iterator<Item = &'a str> {
        self.given
            .iter()
            .filter(move |(name, _)| *name == long)
            .filter_map(|(_, value)| *value)
    }

    /// All options, in order.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Option<&'a str>)> {
        self.given.iter().copied()
    }
}

/// The options and operands in `words`; none where help is asked for.
///
/// # Errors
/// An option that is not known or not clear, a value that is missing or too much, no operand where there
/// has to be one.
pub fn parse<'a>(table: &Table, words: &[&'a str]) -> Result<Option<Parsed<'a>>> {
    let mut parsed = Parsed::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.clone().next() {
        if word == "--" {
            words.next();
            break;
        }
        if !word.starts_with('-') || word == "-" {
            break;
        }
        words.next();
        if matches!(word, "--help" | "-h") {
            return Ok(None);
        }
        match word.strip_prefix("--") {
            Some(long) => parsed.given.push(long_option(table, long, &mut words)?),
            None => letters(table, word, &mut words, &mut parsed)?,
        }
    }
    parsed.operands = words.collect();
    if table.needs_operand && parsed.operands.is_empty() {
        let (name, _) = table.operands;
        let name = name.split(' ').next().unwrap_or(name);
        return Err(Error::new(format!("{name} is missing")));
    }
    Ok(Some(parsed))
}

fn long_option<'a>(
    table: &Table,
    word: &'a str,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<(&'static str, Option<&'a str>)> {
    let (name, joined) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let option = named(table, name)?;
    let value = match (option.takes, joined) {
        (Takes::Nothing, Some(_)) => {
            return Err(Error::new(format!("--{}: takes no value", option.long)));
        }
        (Takes::Value(_), None) => Some(words.next().ok_or_else(|| missing(option))?),
        (_, joined) => joined,
    };
    Ok((option.long, value))
}

/// The option of this name, or the only one that begins with it.
fn named(table: &Table, name: &str) -> Result<&'static Declared> {
    let exact = table.options.iter().find(|option| option.long == name);
    if let Some(option) = exact {
        return Ok(option);
    }
    let mut like = table
        .options
        .iter()
        .filter(|option| !name.is_empty() && option.long.starts_with(name));
    match (like.next(), like.next()) {
        (Some(option), None) => Ok(option),
        (Some(one), Some(other)) => Err(Error::new(format!(
            "--{name}: may be --{} or --{}",
            one.long, other.long
        ))),
        (None, _) => Err(Error::new(format!("unknown option --{name}"))),
    }
}

/// `-Urf`, `-S0`, `-S 0`.
fn letters<'a>(
    table: &Table,
    word: &'a str,
    words: &mut impl Iterator<Item = &'a str>,
    parsed: &mut Parsed<'a>,
) -> Result<()> {
    let mut rest = word.get(1..).unwrap_or("");
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
        let mut options = table.options.iter();
        let option = options
            .find(|option| option.short == Some(letter))
            .ok_or_else(|| Error::new(format!("unknown option -{letter}")))?;
        let value = match option.takes {
            Takes::Nothing | Takes::Perhaps(_) => {
                parsed.given.push((option.long, None));
                continue;
            }
            Takes::PerhapsJoined(_) => Some(rest).filter(|rest| !rest.is_empty()),
            Takes::Value(_) if rest.is_empty() => {
                Some(words.next().ok_or_else(|| missing(option))?)
            }
            Takes::Value(_) => Some(rest),
        };
        parsed.given.push((option.long, value));
        return Ok(());
    }
    Ok(())
}

fn missing(option: &Declared) -> Error {
    Error::new(format!("--{}: needs a value", option.long))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    static TABLE: Table = Table {
        name: "test",
        about: "",
        options: &[
            flag("map-root-user", Some('r'), ""),
            flag("map-current-user", Some('c'), ""),
            value("wd", Some('w'), "DIR", ""),
            Declared {
                long: "mount",
                short: Some('m'),
                takes: Takes::Perhaps("FILE"),
                help: "",
            },
            Declared {
                long: "root",
                short: Some('R'),
                takes: Takes::PerhapsJoined("DIR"),
                help: "",
            },
        ],
        operands: ("[COMMAND]", ""),
        needs_operand: false,
        own_failure: 1,
    };

    fn given(words: &[&'static str]) -> Vec<(&'static str, Option<&'static str>)> {
        parse(&TABLE, words).unwrap().unwrap().given
    }

    fn refused(words: &[&str]) -> std::string::String {
        parse(&TABLE, words).unwrap_err().to_string()
    }

    #[test]
    fn names_may_be_cut_and_letters_joined() {
        assert_eq!(given(&["--map-root"]), [("map-root-user", None)]);
        assert_eq!(
            given(&["-rmw", "/x", "-w/y", "--wd=/z"]),
            [
                ("map-root-user", None),
                ("mount", None),
                ("wd", Some("/x")),
                ("wd", Some("/y")),
                ("wd", Some("/z"))
            ]
        );
        assert_eq!(
            given(&["--mount=/f", "-R/r", "-R"]),
            [("mount", Some("/f")), ("root", Some("/r")), ("root", None)]
        );
    }

    #[test]
    fn the_command_keeps_its_options() {
        let parsed = parse(&TABLE, &["-r", "ls", "-l", "--help"])
            .unwrap()
            .unwrap();
        assert_eq!(parsed.operands, ["ls", "-l", "--help"]);
        let parsed = parse(&TABLE, &["--", "-r"]).unwrap().unwrap();
        assert!(parsed.operands == ["-r"] && !parsed.has("map-root-user"));
        assert_eq!(parse(&TABLE, &["-r", "--help"]).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            refused(&["--map"]),
            "--map: may be --map-root-user or --map-current-user"
        );
        assert_eq!(refused(&["--nosuch"]), "unknown option --nosuch");
        assert_eq!(refused(&["-rx"]), "unknown option -x");
        assert_eq!(refused(&["--wd"]), "--wd: needs a value");
        assert_eq!(
            refused(&["--map-root-user=1"]),
            "--map-root-user: takes no value"
        );
    }
}

//! jail.conf(5): blocks of parameters for jails, with wildcards, variables and includes.

mod expand;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

use super::parameter::Parameter;
use super::values::Values;
use crate::error::{Error, Fault, Result};

pub use parse::{Files, Folder};

/// A part of a word: text, or a variable whose value goes there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// A word as it is written.
type Word = Vec<Piece>;

/// `name = a, b;`, `name += a;`, `$name = a;` or `name;`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assignment {
    name: String,
    is_variable: bool,
    adds: bool,
    /// None for a name alone.
    words: Option<Vec<Word>>,
    place: String,
}

/// An assignment and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    /// A jail's name, or a pattern; none outside of any block, which is for all.
    block: Option<String>,
    assignment: Assignment,
}

/// A configuration, read and understood but for its variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    statements: Vec<Statement>,
    /// In the order of their first blocks.
    jails: Vec<String>,
}

impl Conf {
    /// Reads a configuration and what it includes.
    ///
    /// # Errors
    /// `FILE:LINE: what is wrong`, or why a file cannot be read.
    pub fn read(path: &str, files: &dyn Files) -> Result<Self> {
        parse::read(path, files)
    }

    /// The jails that are defined, in the order of their first blocks.
    pub fn jails(&self) -> &[String] {
        &self.jails
    }

    /// Whether this jail is defined.
    pub fn has(&self, jail: &str) -> bool {
        self.jails.iter().any(|known| known == jail)
    }

    /// The parameters of one jail: later statements count, and its variables are replaced.
    ///
    /// # Errors
    /// A variable that is not there, or is made of itself; what [`Values::set`] refuses.
    pub fn values(&self, jail: &str) -> Result<Values> {
        let own = self.statements.iter().filter(|statement| {
            let block = statement.block.as_deref();
            block.is_none_or(|block| is_meant(block, jail))
        });
        let merged = merge(jail, own.map(|statement| &statement.assignment))?;
        let mut values = Values::default();
        for assignment in &merged {
            let words = expand::words(assignment, &merged)?;
            if !assignment.is_variable {
                values.set(&assignment.name, words, false, &assignment.place)?;
            }
        }
        Ok(values)
    }
}

/// Whether a block of this name is about the jail: its own, `*`, or `foo.*` for what is below foo.
pub fn is_meant(block: &str, jail: &str) -> bool {
    match block.strip_suffix('*') {
        Some("") => true,
        Some(prefix) if prefix.ends_with('.') => {
            jail.len() > prefix.len() && jail.starts_with(prefix)
        }
        _ => block == jail,
    }
}

/// One assignment for each name: the last one, with all that was added to it since.
fn merge<'c>(jail: &str, all: impl Iterator<Item = &'c Assignment>) -> Result<Vec<Assignment>> {
    let mut merged = vec![implied_name(jail)];
    for next in all {
        let mut next = next.clone();
        let mut old = None;
        if let Some(at) = merged.iter().position(|known| is_same(known, &next)) {
            if next.adds {
                old = Some(merged.remove(at));
            } else {
                merged.remove(at);
            }
        }
        if next.adds && !next.is_variable {
            check_adds(&next)?;
        }
        if let Some(old) = old {
            let mut words = old.words.unwrap_or_default();
            words.extend(next.words.take().unwrap_or_default());
            next.words = Some(words);
        }
        merged.push(next);
    }
    Ok(merged)
}

/// Only lists have something added to them.
fn check_adds(assignment: &Assignment) -> Result<()> {
    let words = assignment.words.as_ref().map(|_| Vec::new());
    Values::default().set(&assignment.name, words, true, &assignment.place)
}

/// The name is the block's; one that is a number is the jail's number, too.
fn implied_name(jail: &str) -> Assignment {
    let number = !jail.is_empty() && jail.bytes().all(|byte| byte.is_ascii_digit());
    Assignment {
        name: if number { "jid" } else { "name" }.to_owned(),
        is_variable: false,
        adds: false,
        words: Some(vec![vec![Piece::Text(jail.to_owned())]]),
        place: String::new(),
    }
}

/// Whether both are about the same parameter, whichever way it is written, or the same variable.
fn is_same(one: &Assignment, other: &Assignment) -> bool {
    if one.is_variable != other.is_variable {
        return false;
    }
    let parameter = |assignment: &Assignment| {
        Parameter::written(&assignment.name).map(|(parameter, _)| parameter.name)
    };
    one.name == other.name
        || (!one.is_variable && parameter(one).is_some() && parameter(one) == parameter(other))
}

fn mistake(place: &str, what: impl Into<String>) -> Error {
    Fault::usage(what).at(place)
}

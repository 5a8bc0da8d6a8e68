//! Templates for `--format`: the part of Go's text/template that people use with Docker's commands.
//!
//! A template is parsed once ([`Template::parse`]) and rendered for each object
//! ([`Template::render`]). It can do no harm: nesting, steps and the size of what it makes are
//! bounded, and every fault is an [`Error`] with its position.

mod call;
mod data;
mod eval;
mod lex;
mod parse;
mod printf;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub(crate) use data::Data;
pub(crate) use text::quoted;

/// A fault in a template, or in what it does with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// Line and column, both from 1, columns in characters.
    pub(crate) position: (usize, usize),
    /// What is wrong, in one line.
    pub(crate) what: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position;
        write!(f, "template:{line}:{column}: {}", self.what)
    }
}

impl std::error::Error for Error {}

/// The result of the parts of this module: a fault knows its offset in bytes only.
type Outcome<T> = Result<T, Fault>;

/// A fault at a byte of the template.
#[derive(Debug)]
struct Fault {
    at: usize,
    what: String,
}

fn fault<T>(at: usize, what: impl Into<String>) -> Outcome<T> {
    Err(Fault {
        at,
        what: what.into(),
    })
}

/// What a template is rendered over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'d> {
    /// The object: `.` and `$`.
    pub(crate) data: &'d Data,
    /// What `.Label "name"` looks into, where the object has that method.
    pub(crate) labels: Option<&'d BTreeMap<String, String>>,
    /// Whether `data` holds headings in place of values, so that functions which shape values leave
    /// them alone.
    pub(crate) headings: bool,
}

/// A template, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    source: String,
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// The first thing in it that is not understood.
    pub(crate) fn parse(source: &str) -> Result<Self, Error> {
        let nodes = lex::lex(source)
            .and_then(parse::parse)
            .map_err(|fault| locate(source, fault))?;
        Ok(Self {
            source: source.to_owned(),
            nodes,
        })
    }

    /// What the template makes of `object`, which has no methods.
    ///
    /// # Errors
    /// See [`Template::render_subject`].
    pub(crate) fn render(&self, object: &impl Serialize) -> Result<String, Error> {
        let data = Data::of(object).map_err(|what| Error {
            position: (1, 1),
            what,
        })?;
        self.render_subject(Subject {
            data: &data,
            labels: None,
            headings: false,
        })
    }

    /// What the template makes of `subject`.
    ///
    /// # Errors
    /// A field that is not there, a function that cannot take its arguments, or a template that
    /// runs too long or makes too much.
    pub(crate) fn render_subject(&self, subject: Subject<'_>) -> Result<String, Error> {
        eval::render(&self.nodes, subject).map_err(|fault| locate(&self.source, fault))
    }
}

/// Turns the offset of a fault into a line and a column.
fn locate(source: &str, fault: Fault) -> Error {
    let mut at = fault.at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    let before = &source[..at];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Error {
        position: (line, column),
        what: fault.what,
    }
}

//! The kernel's building blocks by hand: a command in another root (`stockade chroot`), and in
//! namespaces that are made or joined for it (`stockade ns`).
//!
//! There is no container here: nothing is recorded and nothing is cleaned up after, as with chroot(1),
//! unshare(1) and nsenter(1), whose options these commands take. Commands that execute another one
//! ([`main`]) do it before the C library is there, since they are started often.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accounts;
pub mod chroot;
pub mod enter;
pub mod error;
pub mod execute;
pub mod kind;
pub mod list;
pub mod maps;
pub mod new;
pub mod options;
mod outside;

use alloc::format;
use alloc::string::String;

pub use error::{Error, Result};
use options::{Parsed, Table};
pub use outside::pin;

/// What became of a command that was to execute another one.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended: its exit status, and what is to be said on standard error.
    Done(i32, Option<String>),
    /// Its help is wanted.
    Help,
}

/// A command: what it takes, and what it does with it; it returns when it failed, or when the
/// command that it waited for has ended.
type Command = (&'static Table, fn(&Parsed<'_>) -> Result<i32>);

/// The command that these words, the program's name aside, begin with, and how many they are.
fn find(words: &[&str]) -> Option<(Command, usize)> {
    Some(match words {
        ["chroot", ..] => ((&chroot::TABLE, chroot::run), 1),
        ["ns", "enter", ..] => ((&enter::TABLE, enter::run), 2),
        ["ns", "new", ..] => ((&new::TABLE, new::run), 2),
        _ => return None,
    })
}

/// Whether the words, without the program's name, are a command for [`main`].
pub fn is_for_us(words: &[&str]) -> bool {
    find(words).is_some()
}

/// Runs a command.
pub fn main(words: &[&str]) -> Outcome {
    let Some(((table, run), count)) = find(words) else {
        return Outcome::Help;
    };
    let outcome = match options::parse(table, words.get(count..).unwrap_or(&[])) {
        Ok(Some(parsed)) => run(&parsed),
        Ok(None) => return Outcome::Help,
        Err(error) => Err(error.code(table.own_failure)),
    };
    match outcome {
        Ok(code) => Outcome::Done(code, None),
        Err(error) => {
            let line = format!("stockade {}: {error}", table.name);
            Outcome::Done(error.code.unwrap_or(table.own_failure), Some(line))
        }
    }
}

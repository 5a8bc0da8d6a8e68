//! `jexec`: a command in a jail that lives.

use container::Store;

use super::run::{Inside, run};
use super::shelf::Shelf;
use crate::app::{Failure, Outcome};

const USAGE: &str = "usage: jexec [-l] [-d DIRECTORY] [-u USER | -U USER] JAIL [COMMAND…]";

/// Runs the command: its exit status.
pub(super) fn jexec(store: &Store, words: &[String]) -> Outcome<i32> {
    let mut inside = Inside {
        words: Vec::new(),
        user: None,
        clean: false,
        timeout: 0,
        log: None,
        directory: None,
        interactive: true,
    };
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next_if(|word| word.len() > 1 && word.starts_with('-')) {
        if word == "--" {
            break;
        }
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            if letter == 'l' {
                inside.clean = true;
                continue;
            }
            let attached = letters.as_str();
            let value = if attached.is_empty() {
                rest.next()
            } else {
                Some(attached)
            };
            let value = value
                .ok_or_else(|| Failure::new(format!("jexec: -{letter} needs a value; {USAGE}")))?;
            match letter {
                'u' => inside.user = Some((value, true)),
                'U' => inside.user = Some((value, false)),
                'd' => inside.directory = Some(value),
                _ => {
                    return Err(Failure::new(format!(
                        "jexec: unknown option -{letter}; {USAGE}"
                    )));
                }
            }
            break;
        }
    }
    let label = rest.next().ok_or_else(|| Failure::new(USAGE))?;
    inside.words = rest.map(str::to_owned).collect();
    if inside.words.is_empty() {
        inside.words = vec!["/bin/sh".to_owned()];
    }
    let shelf = Shelf::open(store)?;
    let jail = shelf.get(label)?;
    let code = run(shelf.engine, &jail, &inside)?;
    Ok(code.unwrap_or(super::FAILED))
}

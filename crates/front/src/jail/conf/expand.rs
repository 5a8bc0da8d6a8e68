//! Variables: a jail's own variables and parameters, put where their names are.

use super::{Assignment, Piece, Word, mistake};
use crate::error::{Result, shown};
use crate::jail::parameter::Parameter;

/// How many values may be looked up for one: variables of variables multiply.
const MOST_LOOKUPS: u32 = 10_000;
/// How long a word may be: what a program can be handed (MAX_ARG_STRLEN).
const LONGEST: usize = 128 << 10;

/// The values that are being made, of which none may need itself, and how many more may be.
struct Way<'a> {
    through: Vec<&'a Assignment>,
    left: u32,
}

/// The words of an assignment with its variables replaced.
pub(super) fn words(assignment: &Assignment, all: &[Assignment]) -> Result<Option<Vec<String>>> {
    let mut way = Way {
        through: Vec::new(),
        left: MOST_LOOKUPS,
    };
    list(assignment, all, &mut way)
}

fn list<'a>(
    assignment: &'a Assignment,
    all: &'a [Assignment],
    way: &mut Way<'a>,
) -> Result<Option<Vec<String>>> {
    let Some(words) = &assignment.words else {
        return Ok(None);
    };
    let wrong = |what: &str| {
        let what = format!("the value of {} {what}", shown(&assignment.name));
        Err(mistake(&assignment.place, what))
    };
    if way
        .through
        .iter()
        .any(|known| std::ptr::eq(*known, assignment))
    {
        return wrong("is made of itself");
    }
    way.left = way.left.saturating_sub(1);
    if way.left == 0 {
        return wrong("is made of too many others");
    }
    way.through.push(assignment);
    let mut found = Vec::new();
    for word in words {
        found.extend(one(word, assignment, all, way)?);
    }
    way.through.pop();
    Ok(Some(found))
}

/// A word that is a variable and nothing else stands for the whole list.
fn one<'a>(
    word: &'a Word,
    assignment: &'a Assignment,
    all: &'a [Assignment],
    way: &mut Way<'a>,
) -> Result<Vec<String>> {
    if let [Piece::Variable(name)] = word.as_slice() {
        return value(name, assignment, all, way);
    }
    let mut text = String::new();
    for piece in word {
        match piece {
            Piece::Text(part) => text.push_str(part),
            Piece::Variable(name) => match value(name, assignment, all, way)?.as_slice() {
                [] => {}
                [single] => text.push_str(single),
                _ => {
                    let what = format!(
                        "{} is a list, which cannot be part of a string",
                        shown(&format!("${name}"))
                    );
                    return Err(mistake(&assignment.place, what));
                }
            },
        }
        if text.len() > LONGEST {
            let what = format!("{} is too long", shown(&assignment.name));
            return Err(mistake(&assignment.place, what));
        }
    }
    Ok(vec![text])
}

/// A variable's value, or a parameter's.
fn value<'a>(
    name: &str,
    user: &Assignment,
    all: &'a [Assignment],
    way: &mut Way<'a>,
) -> Result<Vec<String>> {
    let variable = all.iter().find(|one| one.is_variable && one.name == name);
    let written = Parameter::written(name).map(|(parameter, _)| parameter.name);
    let is_parameter = |one: &&Assignment| {
        let known = Parameter::written(&one.name).map(|(parameter, _)| parameter.name);
        !one.is_variable && (one.name == name || (known.is_some() && known == written))
    };
    match variable.or_else(|| all.iter().find(is_parameter)) {
        Some(found) => Ok(list(found, all, way)?.unwrap_or_else(|| vec!["true".to_owned()])),
        // A jail whose name is a number has both.
        None if name == "name" => value("jid", user, all, way),
        None => {
            let what = format!("there is no variable or parameter {}", shown(name));
            Err(mistake(&user.place, what))
        }
    }
}

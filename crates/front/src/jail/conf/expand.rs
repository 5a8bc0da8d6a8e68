//! Variables: a jail's own variables and parameters, put where their names are.

use super::{Assignment, Piece, Word, mistake};
use crate::error::{Result, shown};
use crate::jail::parameter::Parameter;

/// The words of an assignment with its variables replaced.
pub(super) fn words(assignment: &Assignment, all: &[Assignment]) -> Result<Option<Vec<String>>> {
    let mut way = Vec::new();
    list(assignment, all, &mut way)
}

/// `way` is whose values are being made: none may need itself.
fn list<'a>(
    assignment: &'a Assignment,
    all: &'a [Assignment],
    way: &mut Vec<&'a Assignment>,
) -> Result<Option<Vec<String>>> {
    let Some(words) = &assignment.words else {
        return Ok(None);
    };
    if way.iter().any(|known| std::ptr::eq(*known, assignment)) {
        let what = format!("the value of {} is made of itself", shown(&assignment.name));
        return Err(mistake(&assignment.place, what));
    }
    way.push(assignment);
    let mut found = Vec::new();
    for word in words {
        found.extend(one(word, assignment, all, way)?);
    }
    way.pop();
    Ok(Some(found))
}

/// A word that is a variable and nothing else stands for the whole list.
fn one<'a>(
    word: &'a Word,
    assignment: &'a Assignment,
    all: &'a [Assignment],
    way: &mut Vec<&'a Assignment>,
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
                    let what = format!("${name} is a list, which cannot be part of a string");
                    return Err(mistake(&assignment.place, what));
                }
            },
        }
    }
    Ok(vec![text])
}

/// A variable's value, or a parameter's.
fn value<'a>(
    name: &str,
    user: &Assignment,
    all: &'a [Assignment],
    way: &mut Vec<&'a Assignment>,
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
            let what = format!("there is no variable or parameter {name}");
            Err(mistake(&user.place, what))
        }
    }
}

//! From the parser's matches to a request's struct: every option fills the field of its own name, so
//! no option can be declared and then forgotten: a field that does not exist is an error, which a
//! test provokes for every option of the table.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::manage::{CONTAINER_AND_COMMAND, CONTAINER_AND_PS};
use super::run::ROOT_AND_COMMAND;

/// Operands that hold a first word and the rest, and the fields these go to.
const SPLIT: &[(&str, &str, &str)] = &[
    (ROOT_AND_COMMAND, "root", "command"),
    (CONTAINER_AND_COMMAND, "container", "command"),
    (CONTAINER_AND_PS, "container", "ps_options"),
];

/// What was given, by field name.
pub(super) fn fields(command: &Command, matches: &ArgMatches) -> Map<String, Value> {
    let mut fields = Map::new();
    for arg in command.get_arguments() {
        match given(arg, matches) {
            Some(Value::Array(words)) if split(arg).is_some() => put_split(&mut fields, arg, words),
            Some(value) => {
                fields.insert(arg.get_id().as_str().replace('-', "_"), value);
            }
            None => {}
        }
    }
    fields
}

/// The request's struct with these fields.
///
/// # Errors
/// A field that the struct does not have: a fault of the table, not of the person.
pub(super) fn into<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| format!("command table: {error}"))
}

fn split(arg: &Arg) -> Option<&'static (&'static str, &'static str, &'static str)> {
    SPLIT.iter().find(|(id, ..)| arg.get_id() == id)
}

fn put_split(fields: &mut Map<String, Value>, arg: &Arg, words: Vec<Value>) {
    let Some((_, first, rest)) = split(arg) else {
        return;
    };
    let mut words = words.into_iter();
    if let Some(word) = words.next() {
        fields.insert((*first).to_owned(), word);
    }
    fields.insert((*rest).to_owned(), words.collect());
}

/// The value of an option; `None` when it was not given.
fn given(arg: &Arg, matches: &ArgMatches) -> Option<Value> {
    let id = arg.get_id().as_str();
    if matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) || !matches.contains_id(id)
    {
        return None;
    }
    if many(arg) {
        return matches
            .try_get_many::<String>(id)
            .ok()?
            .map(|words| words.cloned().collect());
    }
    if let Ok(Some(flag)) = matches.try_get_one::<bool>(id) {
        return Some(Value::Bool(*flag));
    }
    if let Ok(Some(number)) = matches.try_get_one::<i64>(id) {
        return Some(Value::from(*number));
    }
    matches
        .try_get_one::<String>(id)
        .ok()?
        .cloned()
        .map(Value::String)
}

/// Whether more than one value can be given.
fn many(arg: &Arg) -> bool {
    let values = arg
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1);
    values || matches!(arg.get_action(), ArgAction::Append)
}

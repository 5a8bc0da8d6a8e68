//! The kinds of option, so that the tables of them read as tables.

use clap::{Arg, ArgAction, ValueHint, value_parser};

/// `--name`: a flag. When parsing, `--name=false` is accepted as well (see [`super::flags`]).
pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .action(ArgAction::SetTrue)
}

/// `--name VALUE`: the last one given counts.
pub(super) fn value(name: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(metavar)
        .help(help)
        .action(ArgAction::Set)
        .allow_hyphen_values(true)
}

/// `--name N`: a whole number.
pub(super) fn number(name: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    value(name, metavar, help)
        .allow_hyphen_values(false)
        .allow_negative_numbers(true)
        .value_parser(value_parser!(i64))
}

/// `--name VALUE`, as often as wanted.
pub(super) fn list(name: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    value(name, metavar, help).action(ArgAction::Append)
}

/// `--name[=false]`: a switch that is on unless it is switched off; its value is a text.
pub(super) fn on_switch(name: &'static str, help: &'static str) -> Arg {
    value(name, "BOOL", help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(|text: &str| boolean(text).map(|on| on.to_string()))
}

/// One operand that must be there.
pub(super) fn operand(name: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(metavar).help(help).required(true)
}

/// One or more operands.
pub(super) fn operands(name: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    operand(name, metavar, help)
        .num_args(1..)
        .action(ArgAction::Append)
}

/// The operand that ends the options and everything after it: `ROOT COMMAND…`. The first word goes
/// to the request's field `first`, the others to `rest`; see [`super::fill`].
pub(super) fn operand_and_rest(id: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    operand(id, metavar, help)
        .num_args(1..)
        .trailing_var_arg(true)
        .value_hint(ValueHint::AnyPath)
}

/// A truth value in any form that Docker's flags accept.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

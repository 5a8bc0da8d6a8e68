//! The commands that run before the C library is there and parse their own options (`ns::options`): here
//! their tables become part of this one, for help, man pages and completions.

use clap::{Arg, ArgAction, Command, ValueHint};
use ns::options::{Declared, Table, Takes};

use super::store::group;

/// The operands' id.
pub(super) const OPERANDS: &str = "operands";

/// `stockade chroot`.
pub(super) fn chroot() -> Command {
    command(&ns::chroot::TABLE)
}

/// `stockade ns`.
pub(super) fn namespaces() -> Command {
    let about = "Make and enter namespaces";
    group(
        Command::new("ns").about(about),
        "ns ",
        [&ns::new::TABLE, &ns::enter::TABLE].map(command),
    )
}

/// A command of this table from one of theirs.
fn command(table: &'static Table) -> Command {
    let (name, help) = table.operands;
    let operands = Arg::new(OPERANDS)
        .value_name(name)
        .help(help)
        .required(table.needs_operand)
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .value_hint(ValueHint::AnyPath);
    let name = table.name.rsplit(' ').next().unwrap_or(table.name);
    Command::new(name)
        .about(table.about)
        .args(table.options.iter().map(option))
        .arg(operands)
}

fn option(declared: &'static Declared) -> Arg {
    let arg = Arg::new(declared.long)
        .long(declared.long)
        .help(declared.help);
    let arg = match declared.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    match declared.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::Value(name) => arg.value_name(name).action(ArgAction::Append),
        Takes::Perhaps(name) | Takes::PerhapsJoined(name) => arg
            .value_name(name)
            .action(ArgAction::Append)
            .num_args(0..=1)
            .require_equals(true),
    }
}

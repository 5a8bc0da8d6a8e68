//! `--rm=false`: the table declares plain flags, so that help and man pages show them plainly; the
//! parser's copy of the table also takes their values, as Docker's does.

use clap::{Arg, ArgAction, Command};

use super::option::boolean;

/// The table as the parser needs it: every flag, in every command, also accepts `=true` and `=false`.
pub(super) fn accept_values(command: Command) -> Command {
    command
        .mut_args(flag_with_value)
        .mut_subcommands(accept_values)
}

fn flag_with_value(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(boolean)
}

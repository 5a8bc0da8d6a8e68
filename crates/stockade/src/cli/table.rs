//! The one table of commands and options: parsing, `--help`, man pages and completions come from it.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use clap_complete::Shell;

use super::option::{operand, value};
use super::{examples, manage, run};

/// The operand that takes the words of an `oci` command, which has its own parser.
pub(super) const OCI_WORDS: &str = "words";

/// Commands that `stockade plan` can go before.
const PLANNED: &[&str] = &[
    "run", "create", "start", "stop", "kill", "restart", "pause", "unpause", "rm", "exec",
    "update", "oci",
];

/// The whole table.
pub(super) fn table() -> Command {
    Command::new("stockade")
        .about("Run containers on this machine")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage("stockade [--root DIR] COMMAND")
        .subcommand_required(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .disable_help_flag(true)
        .args([state_root(), help().short('h')])
        .subcommands(
            commands()
                .into_iter()
                .map(|command| with_common(command, "")),
        )
        .subcommand(plan())
        .subcommands(others().into_iter().map(|command| with_common(command, "")))
        .after_help("`stockade help COMMAND` tells more about a command.")
}

fn state_root() -> Arg {
    value("root", "DIR", "Keep the containers' state in DIR").value_hint(ValueHint::DirPath)
}

/// `--help`; `run` and `create` use its letter for `--hostname`, as Docker does.
fn help() -> Arg {
    Arg::new("help")
        .long("help")
        .help("Print help")
        .action(ArgAction::Help)
}

fn commands() -> Vec<Command> {
    let mut commands = vec![run::run(), run::create()];
    commands.extend(manage::commands());
    commands
}

/// The commands that are not about containers of this program.
fn others() -> Vec<Command> {
    vec![oci(), completion(), man(), version()]
}

/// Adds what every command has: its usage line, examples, `--help`, and "the last one given counts".
fn with_common(command: Command, prefix: &str) -> Command {
    let letter_is_free = command
        .get_arguments()
        .all(|arg| arg.get_short() != Some('h'));
    let help = if letter_is_free {
        help().short('h')
    } else {
        help()
    };
    let text = examples::sections(command.get_name(), prefix);
    let usage = usage(&command, prefix);
    command
        .override_usage(usage)
        .disable_help_flag(true)
        .args_override_self(true)
        .next_help_heading(None::<&str>)
        .arg(help)
        .after_help(text)
}

/// The usage line, with Docker's words for operands: `stockade stop [OPTIONS] CONTAINER...`.
fn usage(command: &Command, prefix: &str) -> String {
    let mut line = format!("stockade {prefix}{} [OPTIONS]", command.get_name());
    for operand in command.get_positionals() {
        let name = operand
            .get_value_names()
            .and_then(<[_]>::first)
            .map_or("", |name| name.as_str());
        let many = operand
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1);
        let dots = if many && !operand.is_trailing_var_arg_set() {
            "..."
        } else {
            ""
        };
        line += &if operand.is_required_set() {
            format!(" {name}{dots}")
        } else {
            format!(" [{name}{dots}]")
        };
    }
    line
}

/// `stockade plan COMMAND`: the commands above once more, printed and not done.
fn plan() -> Command {
    let format = value("format", "FORMAT", "text or json [default: text]")
        .value_parser(PossibleValuesParser::new(["text", "json"]))
        .hide_possible_values(true);
    let commands = commands().into_iter().chain(others());
    let commands = commands.filter(|command| PLANNED.contains(&command.get_name()));
    with_common(Command::new("plan"), "")
        .about("Print the steps that a command would take, and take none")
        .override_usage("stockade plan [--format FORMAT] COMMAND")
        .subcommand_required(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .disable_help_subcommand(true)
        .arg(format)
        .subcommands(commands.map(|command| with_common(command, "plan ")))
}

/// `stockade oci …`: named here for help and completion; its words are parsed by the OCI front.
fn oci() -> Command {
    let words = Arg::new(OCI_WORDS)
        .value_name("COMMAND [ARG]...")
        .help("What runc or crun would be given: create, start, state, kill, delete, run, exec, list, spec, features")
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    Command::new("oci")
        .about("Act as an OCI runtime, as runc and crun do")
        .arg(words)
}

fn completion() -> Command {
    let shell =
        operand("shell", "SHELL", "The shell to complete for").value_parser(value_parser!(Shell));
    Command::new("completion")
        .about("Print a shell's completion script")
        .arg(shell)
}

fn man() -> Command {
    let dir = operand("dir", "DIR", "Directory to write them to").value_hint(ValueHint::DirPath);
    Command::new("man")
        .about("Write the man pages into DIR")
        .hide(true)
        .arg(dir)
}

fn version() -> Command {
    Command::new("version").about("Print the version")
}

//! The one table of commands and options: parsing, `--help`, man pages and completions come from it.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use clap_complete::Shell;

use super::option::{operand, value};
use super::{by_hand, cgroup, examples, jails, manage, run, store};

/// The operand that takes the words of an `oci` command, which has its own parser.
pub(super) const OCI_WORDS: &str = "words";

/// A command's name, what makes its part of the table, and whether `plan` can go before it.
type Entry = (&'static str, fn() -> Command, bool);

/// Every command but `plan`, in the order of the help.
const COMMANDS: &[Entry] = &[
    ("run", run::run, true),
    ("create", run::create, true),
    ("start", manage::start, true),
    ("stop", manage::stop, true),
    ("kill", manage::kill, true),
    ("restart", manage::restart, true),
    ("pause", manage::pause, true),
    ("unpause", manage::unpause, true),
    ("rm", manage::rm, true),
    ("ps", manage::ps, false),
    ("inspect", manage::inspect, false),
    ("logs", manage::logs, false),
    ("exec", manage::exec, true),
    ("attach", manage::attach, false),
    ("wait", manage::wait, false),
    ("top", manage::top, false),
    ("stats", manage::stats, false),
    ("update", manage::update, true),
    ("rename", manage::rename, false),
    ("images", store::images, false),
    ("rmi", store::rmi, false),
    ("volume", store::volume, false),
    ("system", store::system, false),
    ("chroot", by_hand::chroot, false),
    ("ns", by_hand::namespaces, false),
    ("cgroup", cgroup::cgroup, false),
    ("which", cgroup::which, false),
    ("jail", jails::jail, false),
    ("jls", jails::jls, false),
    ("jexec", jails::jexec, false),
    ("rctl", jails::rctl, false),
    ("oci", oci, true),
    ("completion", completion, false),
    ("man", man, false),
    ("version", version, false),
];

/// The whole table.
pub(super) fn table() -> Command {
    let (containers, others) = COMMANDS.split_at(COMMANDS.len() - 4);
    program()
        .subcommands(
            containers
                .iter()
                .map(|(_, make, _)| with_common(make(), "")),
        )
        .subcommand(plan(None))
        .subcommands(others.iter().map(|(_, make, _)| with_common(make(), "")))
}

/// As much of the table as `words` need: the command that they name, without the others, which take
/// longer to make than most commands take to run. All of it when they name none.
pub(super) fn part(words: &[String]) -> Command {
    let mut words = words.iter().map(String::as_str);
    match first_operand(&mut words) {
        Some("plan") => {
            let command = first_operand(&mut words).and_then(find);
            program().subcommand(plan(command))
        }
        word => match word.and_then(find) {
            Some((_, make, _)) => program().subcommand(with_common(make(), "")),
            None => table(),
        },
    }
}

/// The next word that is neither an option of the program or of `plan`, nor its value.
fn first_operand<'w>(words: &mut impl Iterator<Item = &'w str>) -> Option<&'w str> {
    loop {
        match words.next()? {
            "--root" | "--format" => drop(words.next()),
            word if word.starts_with('-') => {}
            word => return Some(word),
        }
    }
}

fn find(word: &str) -> Option<&'static Entry> {
    let name = if word == "list" { "ps" } else { word };
    COMMANDS.iter().find(|(known, ..)| *known == name)
}

/// The program, without its commands.
fn program() -> Command {
    Command::new("stockade")
        .about("Run containers on this machine")
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage("stockade [--root DIR] COMMAND")
        .subcommand_required(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .disable_help_flag(true)
        .args([state_root(), help().short('h')])
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

/// Adds what every command has: its usage line, examples, `--help`, and "the last one given counts".
pub(super) fn with_common(command: Command, prefix: &str) -> Command {
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
    if command.has_subcommands() {
        return format!("stockade {prefix}{} COMMAND", command.get_name());
    }
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

/// `stockade plan COMMAND`: the commands above once more, printed and not done; only one of them
/// where one is wanted.
fn plan(only: Option<&'static Entry>) -> Command {
    let format = value("format", "FORMAT", "text or json [default: text]")
        .value_parser(PossibleValuesParser::new(["text", "json"]))
        .hide_possible_values(true);
    let commands = only.map_or(COMMANDS, std::slice::from_ref);
    let commands = commands.iter().filter(|(_, _, planned)| *planned);
    with_common(Command::new("plan"), "")
        .about("Print the steps that a command would take, and take none")
        .override_usage("stockade plan [--format FORMAT] COMMAND")
        .subcommand_required(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .disable_help_subcommand(true)
        .arg(format)
        .subcommands(commands.map(|(_, make, _)| with_common(make(), "plan ")))
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

//! The commands that run before the C library is there and parse their own options (`ns::options`): here
//! their tables become part of this one, for help, man pages and completions.

use clap::{Arg, ArgAction, Command, ValueHint};
use ns::options::{Declared, Table, Takes};

use super::manage::format;
use super::option::{flag, operand, operands, value};
use super::store::group;

/// The operands' id.
pub(super) const OPERANDS: &str = "operands";

/// `stockade chroot`.
pub(super) fn chroot() -> Command {
    command(&ns::chroot::TABLE)
}

/// `stockade ns`.
pub(super) fn namespaces() -> Command {
    let about = "Make, enter, list and pin namespaces";
    group(
        Command::new("ns").about(about),
        "ns ",
        [
            list(),
            command(&ns::new::TABLE),
            command(&ns::enter::TABLE),
            pin(),
            unpin(),
            veth(),
        ],
    )
}

fn list() -> Command {
    Command::new("ls")
        .about("List namespaces, who is in them, and how they belong together")
        .visible_alias("list")
        .args([
            format(),
            flag("quiet", "Only numbers").short('q'),
            value("task", "PID", "Only those that process PID is in").short('p'),
            flag("tree", "Each below the one above it, or its owner").short('T'),
            value(
                "type",
                "TYPE",
                "Only mnt, uts, ipc, net, pid, user, cgroup or time",
            )
            .short('t'),
        ])
}

fn pin() -> Command {
    Command::new("pin")
        .about("Mount a process's namespace on a file, so that it stays without a process")
        .args([
            operand(
                "type",
                "TYPE",
                "mnt, uts, ipc, net, pid, user, cgroup or time",
            ),
            operand("pid", "PID", "A process in it"),
            operand("file", "FILE", "Made where it is not there").value_hint(ValueHint::FilePath),
        ])
}

fn unpin() -> Command {
    Command::new("unpin")
        .about("Undo `ns pin`, and remove the file if it is empty")
        .arg(operands("files", "FILE", "What a namespace is pinned to"))
}

fn veth() -> Command {
    let end = |name: &'static str, metavar: &'static str| {
        let help = "A process in it, a file that it is pinned to, or . for this one's own";
        operand(name, metavar, help).value_hint(ValueHint::FilePath)
    };
    Command::new("veth")
        .about("Connect two network namespaces by a tunnel, both ends up")
        .args([
            value(
                "addresses",
                "ADDRESS/LENGTH,ADDRESS/LENGTH",
                "An address for each end",
            )
            .short('a'),
            value(
                "names",
                "NAME,NAME",
                "The interfaces' names [default: veth0,veth0]",
            )
            .short('n'),
            end("one", "NAMESPACE"),
            end("other", "NAMESPACE"),
        ])
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

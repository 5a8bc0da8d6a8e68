//! The commands about what is kept beside containers: images, volumes, and all of it together.

use clap::{Arg, Command};

use super::manage::{filter, format};
use super::option::{flag, list, operand, operands, value};
use super::table::with_common;

/// `stockade images`.
pub(super) fn images() -> Command {
    let name = operand("name", "REPOSITORY[:TAG]", "Only those of this name");
    Command::new("images")
        .about("List the images that were unpacked")
        .args([
            format(),
            flag("no-trunc", "Do not shorten ids"),
            flag("quiet", "Only ids").short('q'),
            name.required(false),
        ])
}

/// `stockade rmi`.
pub(super) fn rmi() -> Command {
    Command::new("rmi")
        .about("Remove images that no container uses")
        .args([
            flag("force", "Images that are not there are no failure").short('f'),
            operands(
                "images",
                "IMAGE",
                "Name or id of an image; the start of an id will do",
            ),
        ])
}

/// `stockade volume`.
pub(super) fn volume() -> Command {
    group(
        Command::new("volume").about("Make, list and remove volumes"),
        "volume ",
        [create(), ls(), inspect(), rm(), prune()],
    )
}

/// `stockade system`.
pub(super) fn system() -> Command {
    group(
        Command::new("system").about("Show what the disk is used for; remove what is not used"),
        "system ",
        [df(), system_prune()],
    )
}

/// A command that has commands.
pub(super) fn group(
    command: Command,
    prefix: &str,
    commands: impl IntoIterator<Item = Command>,
) -> Command {
    command
        .subcommand_required(true)
        .subcommand_value_name("COMMAND")
        .subcommand_help_heading("Commands")
        .disable_help_subcommand(true)
        .subcommands(
            commands
                .into_iter()
                .map(|command| with_common(command, prefix)),
        )
}

fn volumes() -> Arg {
    operands("volumes", "VOLUME", "Name of a volume")
}

fn force(help: &'static str) -> Arg {
    flag("force", help).short('f')
}

fn create() -> Command {
    let name = operand("name", "VOLUME", "Its name [default: made up]");
    Command::new("create").about("Make a volume").args([
        value("driver", "DRIVER", "local, which is the only one").short('d'),
        list("label", "KEY[=VALUE]", "Label of the volume"),
        list("opt", "KEY=VALUE", "Option of the driver, which has none").short('o'),
        name.required(false),
    ])
}

fn ls() -> Command {
    Command::new("ls")
        .about("List volumes")
        .visible_alias("list")
        .args([
            filter("Only those with this name, label, or dangling=true|false"),
            format(),
            flag("quiet", "Only names").short('q'),
        ])
}

fn inspect() -> Command {
    Command::new("inspect")
        .about("Print all that is known about volumes")
        .args([format().short('f'), volumes()])
}

fn rm() -> Command {
    Command::new("rm")
        .about("Remove volumes that no container uses")
        .visible_alias("remove")
        .args([
            force("Volumes that are not there are no failure"),
            volumes(),
        ])
}

fn prune() -> Command {
    Command::new("prune")
        .about("Remove anonymous volumes that no container uses")
        .args([
            flag("all", "Also those that somebody named").short('a'),
            list("filter", "KEY=VALUE", "Only those with this name or label"),
            force("Do not ask"),
        ])
}

fn df() -> Command {
    Command::new("df")
        .about("Show what images, containers and volumes take on disk")
        .arg(format())
}

fn system_prune() -> Command {
    Command::new("prune")
        .about("Remove containers that do not run, and what nothing needs")
        .args([
            flag("all", "Also images that no container uses").short('a'),
            force("Do not ask"),
            flag("volumes", "Also anonymous volumes that no container uses"),
        ])
}

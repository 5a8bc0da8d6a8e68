//! The commands that act on containers that exist.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, ValueHint};

use super::option::{flag, list, number, on_switch, operand, operand_and_rest, operands, value};
use super::run::{limits, stop_time};

/// The operand `CONTAINER` and the command that follows it.
pub(super) const CONTAINER_AND_COMMAND: &str = "container-and-command";
/// The operand `CONTAINER` and the options of ps(1) that follow it.
pub(super) const CONTAINER_AND_PS: &str = "container-and-ps-options";

fn containers() -> Arg {
    operands(
        "containers",
        "CONTAINER",
        "Name or id of a container; the start of an id will do",
    )
}

fn container() -> Arg {
    operand(
        "container",
        "CONTAINER",
        "Name or id of a container; the start of an id will do",
    )
}

fn detach_keys() -> Arg {
    value(
        "detach-keys",
        "KEYS",
        "Keys that detach; \"\" for none [default: ctrl-p,ctrl-q]",
    )
}

fn sig_proxy() -> Arg {
    on_switch(
        "sig-proxy",
        "Forward signals to the container [default: true]",
    )
}

pub(super) fn filter(help: &'static str) -> Arg {
    list("filter", "KEY=VALUE", help).short('f')
}

pub(super) fn format() -> Arg {
    value(
        "format",
        "FORMAT",
        "table, table TEMPLATE, json, or a Go template such as '{{.Names}}'",
    )
}

/// `stockade start`.
pub(super) fn start() -> Command {
    Command::new("start")
        .about("Start containers that are not running")
        .args([
            flag("attach", "Attach the output and forward signals").short('a'),
            flag("interactive", "Attach standard input").short('i'),
            detach_keys(),
            sig_proxy(),
            containers(),
        ])
}

/// `stockade stop`.
pub(super) fn stop() -> Command {
    let signal = value(
        "signal",
        "SIGNAL",
        "Signal to send first [default: the container's]",
    )
    .short('s');
    Command::new("stop")
        .about("Stop containers: a signal, then KILL")
        .args([signal, stop_time(), containers()])
}

/// `stockade kill`.
pub(super) fn kill() -> Command {
    let signal = value(
        "signal",
        "SIGNAL",
        "Signal to send, by name or number [default: KILL]",
    )
    .short('s');
    Command::new("kill")
        .about("Send a signal to containers")
        .args([signal, containers()])
}

/// `stockade restart`.
pub(super) fn restart() -> Command {
    let signal = value(
        "signal",
        "SIGNAL",
        "Signal to send first [default: the container's]",
    )
    .short('s');
    Command::new("restart")
        .about("Stop containers and start them again")
        .args([signal, stop_time(), containers()])
}

/// `stockade pause`.
pub(super) fn pause() -> Command {
    Command::new("pause")
        .about("Freeze all processes of containers")
        .arg(containers())
}

/// `stockade unpause`.
pub(super) fn unpause() -> Command {
    Command::new("unpause")
        .about("Let frozen containers go on")
        .arg(containers())
}

/// `stockade rm`.
pub(super) fn rm() -> Command {
    Command::new("rm").about("Remove containers").args([
        flag("force", "Kill a container that is running").short('f'),
        flag("volumes", "Remove its anonymous volumes as well").short('v'),
        containers(),
    ])
}

/// `stockade ps`.
pub(super) fn ps() -> Command {
    Command::new("ps")
        .about("List containers")
        .visible_alias("list")
        .args([
            flag("all", "Also containers that are not running").short('a'),
            filter("Only those with this name, id, label, status, ancestor, exited, ..."),
            format(),
            number("last", "N", "The N containers made last, in any state").short('n'),
            flag("latest", "The container made last, in any state").short('l'),
            flag("no-trunc", "Do not shorten ids and commands"),
            flag("quiet", "Only ids").short('q'),
            flag("size", "Also the size of the files written").short('s'),
        ])
}

/// `stockade inspect`.
pub(super) fn inspect() -> Command {
    let kind = value("type", "TYPE", "Kind of object")
        .value_parser(PossibleValuesParser::new(["container"]));
    Command::new("inspect")
        .about("Print all that is known about containers")
        .args([
            value(
                "format",
                "FORMAT",
                "json, or a Go template such as '{{.State.Status}}'",
            )
            .short('f'),
            flag("size", "Also the size of the files written").short('s'),
            kind,
            containers(),
        ])
}

/// `stockade logs`.
pub(super) fn logs() -> Command {
    Command::new("logs")
        .about("Print the output of a container")
        .args([
            flag("details", "Also the labels and variables given to the log"),
            flag("follow", "Go on with new output").short('f'),
            value(
                "since",
                "TIME",
                "From this time (RFC 3339, seconds since 1970) or age (10m) on",
            ),
            value("until", "TIME", "Up to this time"),
            value(
                "tail",
                "N",
                "Only the last N lines; all for all [default: all]",
            )
            .short('n'),
            flag("timestamps", "A time before each line").short('t'),
            container(),
        ])
}

/// `stockade exec`.
pub(super) fn exec() -> Command {
    let env = list(
        "env",
        "KEY[=VALUE]",
        "Environment variable; without a value, this shell's",
    )
    .short('e');
    let env_file = list(
        "env-file",
        "FILE",
        "Read environment variables from FILE, one a line",
    );
    Command::new("exec")
        .about("Run a command in a running container")
        .args([
            operand_and_rest(
                CONTAINER_AND_COMMAND,
                "CONTAINER COMMAND [ARG]...",
                "The container, and the command to run in it. Options after CONTAINER belong to the command",
            ),
            flag("detach", "Run in the background").short('d'),
            detach_keys(),
            env,
            env_file.value_hint(ValueHint::FilePath),
            flag("interactive", "Keep standard input open").short('i'),
            flag("privileged", "All capabilities for the command"),
            flag("tty", "Give the command a terminal").short('t'),
            value("user", "USER[:GROUP]", "User, by name or number, to run as").short('u'),
            value("workdir", "DIR", "Working directory inside").short('w'),
        ])
}

/// `stockade attach`.
pub(super) fn attach() -> Command {
    Command::new("attach")
        .about("Connect this terminal to a running container")
        .args([
            detach_keys(),
            flag("no-stdin", "Leave standard input alone"),
            sig_proxy(),
            container(),
        ])
}

/// `stockade wait`.
pub(super) fn wait() -> Command {
    Command::new("wait")
        .about("Wait until containers end; print their exit codes")
        .arg(containers())
}

/// `stockade top`.
pub(super) fn top() -> Command {
    Command::new("top")
        .about("List the processes of a container")
        .arg(operand_and_rest(
            CONTAINER_AND_PS,
            "CONTAINER [PS OPTIONS]",
            "The container, and options of ps(1)",
        ))
}

/// `stockade stats`.
pub(super) fn stats() -> Command {
    Command::new("stats")
        .about("Show what containers use of the machine")
        .args([
            flag("all", "Also containers that are not running").short('a'),
            format(),
            flag("no-stream", "Print once and end"),
            flag("no-trunc", "Do not shorten ids"),
            containers().required(false).num_args(0..),
        ])
}

/// `stockade update`.
pub(super) fn update() -> Command {
    Command::new("update")
        .about("Change the limits of containers")
        .arg(containers())
        .next_help_heading("Limits")
        .args(limits())
        .next_help_heading("Lifecycle")
        .arg(value(
            "restart",
            "POLICY",
            "no, on-failure[:N], always or unless-stopped",
        ))
}

/// `stockade rename`.
pub(super) fn rename() -> Command {
    Command::new("rename")
        .about("Give a container another name")
        .args([container(), operand("name", "NAME", "The new name")])
}

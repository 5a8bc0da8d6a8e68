//! `stockade cgroup …` and `stockade which`: the table, and what is asked for.

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Deserialize;

use super::fill;
use super::manage::format;
use super::option::{flag, list, number, operand, operands, value};
use super::store::group;

/// What to do with cgroups.
#[derive(Debug)]
pub(crate) enum CgroupVerb {
    /// `ls`
    List(CgroupList),
    /// `show`
    Show(CgroupShow),
    /// `create`
    Create(CgroupCreate),
    /// `set`
    Set(CgroupSet),
    /// `move`
    Move(CgroupMove),
    /// `freeze`
    Freeze(CgroupNamed),
    /// `thaw`
    Thaw(CgroupNamed),
    /// `kill`
    Kill(CgroupNamed),
    /// `rm`
    Remove(CgroupRemove),
    /// `run`
    Run(CgroupRun),
    /// `devices`
    Devices(CgroupDevices),
    /// `watch`
    Watch(CgroupWatch),
    /// `top`
    Top(CgroupTop),
}

/// `cgroup ls`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupList {
    pub(crate) controllers: Option<String>,
    /// How many levels; none is all.
    pub(crate) depth: Option<i64>,
    pub(crate) format: Option<String>,
    /// Each process, below its cgroup.
    pub(crate) processes: bool,
    /// Only paths.
    pub(crate) quiet: bool,
    pub(crate) cgroup: Option<String>,
}

/// `cgroup show`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupShow {
    pub(crate) controllers: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) cgroup: String,
}

/// `cgroup create`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupCreate {
    pub(crate) controllers: Option<String>,
    /// `USER[:GROUP]`, to whom it is handed.
    pub(crate) owner: Option<String>,
    pub(crate) quiet: bool,
    pub(crate) cgroup: String,
    pub(crate) settings: Vec<String>,
}

/// `cgroup set`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupSet {
    pub(crate) controllers: Option<String>,
    pub(crate) quiet: bool,
    pub(crate) cgroup: String,
    pub(crate) settings: Vec<String>,
}

/// `cgroup move`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupMove {
    pub(crate) controllers: Option<String>,
    pub(crate) cgroup: String,
    pub(crate) pids: Vec<String>,
}

/// `cgroup freeze`, `thaw` and `kill`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupNamed {
    pub(crate) controllers: Option<String>,
    /// Seconds to wait for it.
    pub(crate) time: Option<i64>,
    pub(crate) cgroups: Vec<String>,
}

/// `cgroup rm`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupRemove {
    pub(crate) controllers: Option<String>,
    pub(crate) recursive: bool,
    pub(crate) cgroups: Vec<String>,
}

/// `cgroup run`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupRun {
    pub(crate) cpu_weight: Option<String>,
    pub(crate) cpus: Option<String>,
    pub(crate) cpuset_cpus: Option<String>,
    pub(crate) memory: Option<String>,
    pub(crate) memory_high: Option<String>,
    pub(crate) memory_swap: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) pids: Option<String>,
    pub(crate) set: Vec<String>,
    pub(crate) command: Vec<String>,
}

/// `cgroup devices`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupDevices {
    pub(crate) controllers: Option<String>,
    pub(crate) cgroup: String,
    /// `allow` or `deny`, and a rule, as often as wanted; without them the policy is shown.
    pub(crate) rules: Vec<String>,
}

/// `cgroup watch`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupWatch {
    pub(crate) controllers: Option<String>,
    /// End after so many events.
    pub(crate) count: Option<i64>,
    pub(crate) format: Option<String>,
    pub(crate) pressure: Vec<String>,
    /// End after so many seconds.
    pub(crate) time: Option<i64>,
    pub(crate) cgroups: Vec<String>,
}

/// `cgroup top`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CgroupTop {
    pub(crate) controllers: Option<String>,
    /// How many levels; none is all.
    pub(crate) depth: Option<i64>,
    /// Seconds between two looks.
    pub(crate) interval: Option<i64>,
    pub(crate) once: bool,
    pub(crate) sort: Option<String>,
    pub(crate) cgroup: Option<String>,
}

/// `which`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    pub(crate) format: Option<String>,
    pub(crate) pids: Vec<String>,
}

/// The command that was named below `cgroup`.
pub(super) fn verb(group: &Command, matches: &ArgMatches) -> Result<CgroupVerb, String> {
    let (name, given) = super::of_group(group, matches)?;
    Ok(match name.as_str() {
        "ls" => CgroupVerb::List(fill::into(given)?),
        "show" => CgroupVerb::Show(fill::into(given)?),
        "create" => CgroupVerb::Create(fill::into(given)?),
        "set" => CgroupVerb::Set(fill::into(given)?),
        "move" => CgroupVerb::Move(fill::into(given)?),
        "freeze" => CgroupVerb::Freeze(fill::into(given)?),
        "thaw" => CgroupVerb::Thaw(fill::into(given)?),
        "kill" => CgroupVerb::Kill(fill::into(given)?),
        "rm" => CgroupVerb::Remove(fill::into(given)?),
        "run" => CgroupVerb::Run(fill::into(given)?),
        "devices" => CgroupVerb::Devices(fill::into(given)?),
        "watch" => CgroupVerb::Watch(fill::into(given)?),
        "top" => CgroupVerb::Top(fill::into(given)?),
        _ => return Err(format!("no command cgroup {name}")),
    })
}

/// `stockade cgroup`.
pub(super) fn cgroup() -> Command {
    let about = "Make, limit, watch and remove cgroups, in v2's words on v1 too";
    group(
        Command::new("cgroup").about(about),
        "cgroup ",
        [
            ls(),
            show(),
            create(),
            set(),
            take(),
            freeze(),
            thaw(),
            kill(),
            rm(),
            devices(),
            run(),
            top(),
            watch(),
        ],
    )
}

/// `stockade which`.
pub(super) fn which() -> Command {
    Command::new("which")
        .about("Name the containers that processes are in")
        .args([format(), operands("pids", "PID", "A process")])
}

fn controllers() -> Arg {
    let help = "Only in the hierarchies of these, such as cpu,memory,unified";
    value("controllers", "LIST", help).short('c')
}

const CGROUP: &str = "A path from the root of each hierarchy; . is this process's own";

fn one() -> Arg {
    operand("cgroup", "CGROUP", CGROUP)
}

fn several() -> Arg {
    operands("cgroups", "CGROUP", CGROUP)
}

fn settings() -> Arg {
    let help = "A setting, such as memory.max=512M or cpu.max=\"50000 100000\"";
    operands("settings", "KEY=VALUE", help)
}

fn quiet() -> Arg {
    flag("quiet", "Do not say which keys of v1 were written").short('q')
}

fn ls() -> Command {
    Command::new("ls")
        .about("List cgroups as a tree, with what they use")
        .visible_alias("list")
        .args([
            controllers(),
            number("depth", "N", "At most N levels").short('L'),
            format(),
            flag("processes", "Also each process").short('p'),
            flag("quiet", "Only paths").short('q'),
            one().required(false),
        ])
}

fn show() -> Command {
    let format = value("format", "FORMAT", "table or json [default: table]");
    Command::new("show")
        .about("Show what a cgroup holds, held at most, may hold, and was refused")
        .args([controllers(), format, one()])
}

fn create() -> Command {
    let owner = value(
        "owner",
        "USER[:GROUP]",
        "Let a user make cgroups below it, and move processes there",
    );
    Command::new("create")
        .about("Make a cgroup, with those above it")
        .args([
            controllers(),
            owner,
            quiet(),
            one(),
            settings().required(false),
        ])
}

fn set() -> Command {
    Command::new("set")
        .about("Change settings of a cgroup, by v2's names")
        .args([controllers(), quiet(), one(), settings()])
}

fn take() -> Command {
    Command::new("move")
        .about("Move processes into a cgroup")
        .args([controllers(), one(), operands("pids", "PID", "A process")])
}

fn time() -> Arg {
    number("time", "SECONDS", "How long to wait for it [default: 10]")
        .short('t')
        .value_parser(value_parser!(i64).range(0..=86_400))
}

fn freeze() -> Command {
    Command::new("freeze")
        .about("Stop all processes of cgroups, and wait until they stand still")
        .args([controllers(), time(), several()])
}

fn thaw() -> Command {
    Command::new("thaw")
        .about("Let frozen cgroups go on")
        .args([controllers(), time(), several()])
}

fn kill() -> Command {
    Command::new("kill")
        .about("Kill all processes of cgroups, and wait for their end")
        .args([controllers(), time(), several()])
}

fn rm() -> Command {
    let recursive = flag("recursive", "Also the cgroups below").short('r');
    Command::new("rm")
        .about("Remove cgroups without processes")
        .args([controllers(), recursive, several()])
}

fn run() -> Command {
    let command = operand("command", "COMMAND", "The command and its arguments")
        .num_args(1..)
        .trailing_var_arg(true);
    Command::new("run")
        .about("Run a command in a cgroup of its own, which goes when it ends")
        .args([
            value("cpu-weight", "N", "Share of the processors, 1 to 10000"),
            value("cpus", "N", "At most the time of N processors, such as 1.5"),
            value(
                "cpuset-cpus",
                "LIST",
                "Only these processors, such as 0-3,7",
            ),
            value("memory", "SIZE", "At most so much memory: 512M").short('m'),
            value("memory-high", "SIZE", "Slow down from so much memory on"),
            value("memory-swap", "SIZE", "At most so much swap"),
            value(
                "name",
                "CGROUP",
                "The cgroup's path [default: stockade/run-PID-TIME]",
            ),
            value("pids", "N", "At most N tasks"),
            list("set", "KEY=VALUE", "Any other setting").short('s'),
            command,
        ])
}

fn devices() -> Command {
    let help =
        "allow or deny, then a, \"c 1:3 rwm\", \"b 8:* r\" or \"/dev/null rw\"; as often as wanted";
    let rules = operands("rules", "RULE", help).required(false);
    Command::new("devices")
        .about("Show or change which device nodes a cgroup's processes may use")
        .args([controllers(), one(), rules])
}

fn watch() -> Command {
    let help = "Also when waiting for a resource took so long: \"memory some 150ms 2s\"";
    Command::new("watch")
        .about("Print what happens to cgroups: events of memory, tasks, pressure")
        .args([
            controllers(),
            number("count", "N", "End after N events").short('n'),
            value("format", "FORMAT", "text or json [default: text]"),
            list("pressure", "TRIGGER", help),
            number("time", "SECONDS", "End after so long").short('t'),
            several(),
        ])
}

fn top() -> Command {
    let sort = value(
        "sort",
        "COLUMN",
        "cpu, memory, tasks, io or name [default: cpu]",
    );
    Command::new("top")
        .about("Show what cgroups use, live")
        .args([
            controllers(),
            number("depth", "N", "At most N levels").short('L'),
            number("interval", "SECONDS", "Between two looks [default: 1]").short('d'),
            flag(
                "once",
                "Print one table, as where the output is no terminal",
            ),
            sort.short('s'),
            one().required(false),
        ])
}

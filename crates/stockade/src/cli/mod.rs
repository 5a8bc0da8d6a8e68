//! The command line: one table (`table`), parsed into plain requests (`request`).
//!
//! Nothing here acts or prints: [`parse`] returns a [`Request`] or a [`Refusal`], and `main` decides.

mod by_hand;
mod cgroup;
mod examples;
mod fill;
mod flags;
mod jails;
mod manage;
mod option;
mod pages;
mod refuse;
mod request;
mod run;
mod store;
mod table;
#[cfg(test)]
mod tests;

use clap::{ArgMatches, Command};

pub(crate) use cgroup::*;
pub(crate) use pages::{completion, man};
pub(crate) use refuse::Refusal;
pub(crate) use request::*;

/// The exit code of a command line that is not understood.
pub(crate) const MISTAKE_CODE: u8 = 125;

/// Parses the words after the program's name.
///
/// # Errors
/// [`Refusal::Page`] when help or the version was asked for, [`Refusal::Mistake`] for anything that
/// is not understood.
pub(crate) fn parse(words: &[String]) -> Result<Request, Refusal> {
    let mut parser = flags::accept_values(table::part(words)).no_binary_name(true);
    let matches = parser
        .try_get_matches_from_mut(words)
        .map_err(|error| refuse::refusal(&table::table(), words, &error))?;
    let command = verb(&parser, &matches).map_err(Refusal::Mistake)?;
    Ok(Request {
        root: matches.get_one("root").cloned(),
        command,
    })
}

/// The command that was named below `parent`.
fn verb(parent: &Command, matches: &ArgMatches) -> Result<Verb, String> {
    let (name, matches) = matches.subcommand().ok_or("no command")?;
    let command = parent
        .find_subcommand(name)
        .ok_or_else(|| format!("no command {name}"))?;
    if let Some(verb) = beside_containers(command, matches) {
        return verb;
    }
    let given = fill::fields(command, matches);
    Ok(match name {
        "run" => Verb::Run(fill::into(given)?),
        "create" => Verb::Create(fill::into(given)?),
        "start" => Verb::Start(fill::into(given)?),
        "stop" => Verb::Stop(fill::into(given)?),
        "kill" => Verb::Kill(fill::into(given)?),
        "restart" => Verb::Restart(fill::into(given)?),
        "pause" => Verb::Pause(fill::into(given)?),
        "unpause" => Verb::Unpause(fill::into(given)?),
        "rm" => Verb::Remove(fill::into(given)?),
        "ps" => Verb::List(fill::into(given)?),
        "inspect" => Verb::Inspect(fill::into(given)?),
        "logs" => Verb::Logs(fill::into(given)?),
        "exec" => Verb::Exec(exec(fill::into(given)?)?),
        "attach" => Verb::Attach(fill::into(given)?),
        "wait" => Verb::Wait(fill::into(given)?),
        "top" => Verb::Top(fill::into(given)?),
        "stats" => Verb::Stats(fill::into(given)?),
        "update" => Verb::Update(Box::new(update(given)?)),
        "rename" => Verb::Rename(fill::into(given)?),
        "images" => Verb::Images(fill::into(given)?),
        "rmi" => Verb::RemoveImages(fill::into(given)?),
        "volume" => Verb::Volume(volume(command, matches)?),
        "system" => Verb::System(system(command, matches)?),
        "ns" => namespaces(command, matches)?,
        "cgroup" => Verb::Cgroup(cgroup::verb(command, matches)?),
        "which" => Verb::Which(fill::into(given)?),
        _ => return Err(format!("no command {name}")),
    })
}

/// The commands that are not about containers of this program.
fn beside_containers(command: &Command, matches: &ArgMatches) -> Option<Result<Verb, String>> {
    let text = |id| matches.get_one::<String>(id).cloned().unwrap_or_default();
    Some(Ok(match command.get_name() {
        "plan" => match verb(command, matches) {
            Ok(inner) => Verb::Plan(Plan {
                json: text("format") == "json",
                command: Box::new(inner),
            }),
            Err(error) => return Some(Err(error)),
        },
        "oci" => Verb::Oci(
            matches
                .get_many(table::OCI_WORDS)
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        ),
        "chroot" | "jail" | "jls" | "jexec" | "rctl" => Verb::ByHand(command.get_name().to_owned()),
        "completion" => Verb::Completion(*matches.get_one("shell")?),
        "man" => Verb::Man(text("dir")),
        "version" => Verb::Version,
        _ => return None,
    }))
}

/// The command that was named below a group of commands, and what it was given.
fn of_group(
    group: &Command,
    matches: &ArgMatches,
) -> Result<(String, serde_json::Map<String, serde_json::Value>), String> {
    let (name, matches) = matches.subcommand().ok_or("no command")?;
    let command = group.find_subcommand(name);
    let command = command.ok_or_else(|| format!("no command {name}"))?;
    Ok((name.to_owned(), fill::fields(command, matches)))
}

fn volume(group: &Command, matches: &ArgMatches) -> Result<VolumeVerb, String> {
    let (name, given) = of_group(group, matches)?;
    Ok(match name.as_str() {
        "create" => VolumeVerb::Create(fill::into(given)?),
        "ls" => VolumeVerb::List(fill::into(given)?),
        "inspect" => VolumeVerb::Inspect(fill::into(given)?),
        "rm" => VolumeVerb::Remove(fill::into(given)?),
        "prune" => VolumeVerb::Prune(fill::into(given)?),
        _ => return Err(format!("no command volume {name}")),
    })
}

fn namespaces(group: &Command, matches: &ArgMatches) -> Result<Verb, String> {
    let (name, given) = of_group(group, matches)?;
    Ok(match name.as_str() {
        "ls" => Verb::NamespaceList(fill::into(given)?),
        "pin" => Verb::NamespacePin(fill::into(given)?),
        "unpin" => Verb::NamespaceUnpin(fill::into(given)?),
        "veth" => Verb::NamespaceVeth(fill::into(given)?),
        _ => Verb::ByHand(format!("ns {name}")),
    })
}

fn system(group: &Command, matches: &ArgMatches) -> Result<SystemVerb, String> {
    let (name, given) = of_group(group, matches)?;
    Ok(match name.as_str() {
        "df" => SystemVerb::DiskUse(fill::into(given)?),
        "prune" => SystemVerb::Prune(fill::into(given)?),
        _ => return Err(format!("no command system {name}")),
    })
}

/// `exec` needs a command, which the table cannot say, as it is one operand with the container.
fn exec(exec: Exec) -> Result<Exec, String> {
    match exec.command.first() {
        Some(_) => Ok(exec),
        None => Err("stockade exec: COMMAND is missing; see `stockade exec --help`".to_owned()),
    }
}

/// `update`'s containers, and its limits as `run` would hold them.
fn update(mut given: serde_json::Map<String, serde_json::Value>) -> Result<Update, String> {
    let containers = given.remove("containers").unwrap_or_default();
    let containers = serde_json::from_value(containers).map_err(|error| error.to_string())?;
    Ok(Update {
        containers,
        limits: fill::into(given)?,
    })
}

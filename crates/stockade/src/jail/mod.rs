//! Jails: `jail`, `jls` and `jexec`, as FreeBSD's administrators type them.

mod config;
mod create;
mod jexec;
mod jls;
mod modify;
mod network;
mod rctl;
mod remove;
mod run;
mod shelf;
mod status;

use container::Store;
use front::jail::{Operation, Request, Values, Wanted};
pub(crate) use shelf::of_engine;

use crate::app::{Failure, Outcome};
use config::Chosen;
use shelf::{Jail, Shelf};

/// The exit status of what was not done, as FreeBSD's.
const FAILED: i32 = 1;

/// One of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Jail,
    Jls,
    Jexec,
    Rctl,
}

impl Program {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "jail" => Self::Jail,
            "jls" => Self::Jls,
            "jexec" => Self::Jexec,
            "rctl" => Self::Rctl,
            _ => return None,
        })
    }
}

/// Does what the words ask for where they are one of these commands (by the program's name, or `stockade [--root DIR]
/// jail …`): its exit status.
pub(crate) fn act(words: &[String]) -> Option<i32> {
    let (program, root, rest) = command(words)?;
    let store = root.map_or_else(Store::default, |root| {
        Store::below(&crate::app::absolute(root))
    });
    let done = match program {
        Program::Jail => jail(&store, rest),
        Program::Jls => jls::jls(&store, rest),
        Program::Jexec => jexec::jexec(&store, rest),
        Program::Rctl => rctl::rctl(&store, rest),
    };
    Some(done.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        failure.code.map_or(FAILED, i32::from)
    }))
}

fn command(words: &[String]) -> Option<(Program, Option<&str>, &[String])> {
    let (name, rest) = words.split_first()?;
    if let Some(program) = Program::named(name.rsplit('/').next()?) {
        return Some((program, None, rest));
    }
    let (root, rest) = match rest {
        [option, root, rest @ ..] if option == "--root" => (Some(root.as_str()), rest),
        [first, rest @ ..] if first.starts_with("--root=") => (first.strip_prefix("--root="), rest),
        all => (None, all),
    };
    let (name, rest) = rest.split_first()?;
    let asks_help = rest.first().is_some_and(|word| word == "--help");
    // What the table of commands says of them.
    let program = Program::named(name).filter(|_| !asks_help)?;
    Some((program, root, rest))
}

fn jail(store: &Store, words: &[String]) -> Outcome<i32> {
    if let [one] = words
        && one == "status"
    {
        return status::status();
    }
    let request = front::jail::parse(words)?;
    let shelf = Shelf::open(store)?;
    if let Some(separator) = &request.switches.separator {
        return config::exhibit(&request, separator);
    }
    if request.operation.remove && !request.operation.create && !request.operation.modify {
        return remove::remove(&shelf, &request);
    }
    let mut failed = false;
    for chosen in config::chosen(&shelf, &request)? {
        if let Err(failure) = one(&shelf, &request, &chosen) {
            eprintln!("{failure}");
            failed = true;
        }
    }
    Ok(if failed { FAILED } else { 0 })
}

/// Creates, modifies or restarts one jail.
fn one(shelf: &Shelf<'_>, request: &Request, chosen: &Chosen) -> Outcome<()> {
    let Operation {
        create,
        modify,
        remove,
        ..
    } = request.operation;
    let there = shelf.find_living(&chosen.key())?;
    match (there, create, modify) {
        (Some(jail), true, false) if remove => {
            remove::jail(shelf, request, &jail)?;
            create::create(shelf, request, chosen)
        }
        (Some(_), true, false) if chosen.is_needed => Ok(()),
        (Some(jail), true, false) => {
            Err(chosen.failure(format!("jail {} already exists", jail.name)))
        }
        (Some(jail), _, true) => {
            let unchangeable = modify::unchangeable(&jail, &chosen.values);
            match unchangeable {
                Some(_) if remove => {
                    remove::jail(shelf, request, &jail)?;
                    create::create(
                        shelf,
                        request,
                        &Chosen {
                            values: with(&jail, &chosen.values),
                            ..chosen.clone()
                        },
                    )
                }
                Some(name) => Err(chosen.failure(format!(
                    "{name}: cannot be changed while the jail lives; -mr restarts it"
                ))),
                None => modify::modify(shelf, request, &jail, &chosen.values),
            }
        }
        (Some(_), false, false) => Ok(()),
        (None, true, _) => create::create(shelf, request, chosen),
        (None, false, _) => Err(chosen.failure("there is no such jail")),
    }
}

/// A jail's parameters with changes.
fn with(jail: &Jail, changes: &Values) -> Values {
    let mut values = jail.values();
    values.merge(changes);
    values
}

/// The jails that a command line names.
fn names(request: &Request) -> &[String] {
    match &request.wanted {
        Wanted::Named(names) => names,
        Wanted::Given(_) => &[],
    }
}

/// Says on standard output what was done, unless nobody wants to know.
fn tell(request: &Request, jail: &str, what: &str) -> Outcome<()> {
    if request.switches.quiet {
        return Ok(());
    }
    crate::app::print::out(&format!("{jail}: {what}\n"))
}

/// Says on standard output what is about to be done, with `-v`.
fn tell_step(request: &Request, jail: &str, what: &str) -> Outcome<()> {
    if !request.switches.verbose {
        return Ok(());
    }
    crate::app::print::out(&format!("{jail}: {what}\n"))
}

/// Puts the jail before a failure's words.
fn about(jail: &str, failure: Failure) -> Failure {
    Failure {
        message: format!("jail {jail}: {}", failure.message),
        ..failure
    }
}

//! Removing jails: the steps of their start, backwards.

use engine::keeper;
use front::jail::conf::is_meant;
use front::jail::{Request, Values};
use sys::rustix::process::Signal;

use super::shelf::{Held, Jail, Made, Shelf};
use super::{about, config, names, network, run, tell, tell_step};
use crate::app::{Failure, Outcome};

/// How long a jail's processes have after SIGTERM where nothing is said.
const STOP_TIMEOUT: i64 = 10;
/// How long a keeper that is alone is waited for, in milliseconds.
const PATIENCE_MS: u32 = 2000;

/// `jail -r` and `-R`.
pub(super) fn remove(shelf: &Shelf<'_>, request: &Request) -> Outcome<i32> {
    if request.switches.cleans {
        return clean(shelf, request);
    }
    let mut failed = false;
    let mut complain = |failure: Failure| {
        eprintln!("{failure}");
        failed = true;
    };
    let mut wanted: Vec<Jail> = Vec::new();
    for name in names(request) {
        if name.ends_with('*') {
            wanted.extend(
                shelf
                    .all()?
                    .into_iter()
                    .filter(|jail| is_meant(name, &jail.name)),
            );
        } else {
            match shelf.get(name) {
                Ok(jail) => wanted.push(jail),
                Err(failure) => complain(failure),
            }
        }
    }
    for jail in ordered(wanted, request)? {
        // A child is gone with its parent.
        if shelf.find_living(&jail.jid.to_string())?.is_some()
            && let Err(failure) = self::jail(shelf, request, &jail)
        {
            complain(failure);
        }
    }
    Ok(if failed { super::FAILED } else { 0 })
}

/// `jail -rC`: the commands of the end, for configured jails that are gone already.
fn clean(shelf: &Shelf<'_>, request: &Request) -> Outcome<i32> {
    let conf = config::read(request)?;
    let conf =
        conf.ok_or_else(|| Failure::new("-C takes the commands of a configuration: -f FILE"))?;
    let mut failed = false;
    for name in names(request) {
        let meant: Vec<&String> = conf
            .jails()
            .iter()
            .filter(|jail| is_meant(name, jail))
            .collect();
        if meant.is_empty() {
            return Err(Failure::new(format!("jail {name:?} is not configured")));
        }
        for jail in meant {
            if shelf.find_living(jail)?.is_some() {
                eprintln!("{}", about(jail, Failure::new("it is still there")));
                failed = true;
                continue;
            }
            let values = conf.values(jail)?;
            let mut told = |what: &str| tell_step(request, jail, what);
            for parameter in ["exec.poststop", "exec.release"] {
                run::outside(&values, parameter, &mut told)
                    .map_err(|failure| about(jail, failure))?;
            }
            tell(request, jail, "cleaned up")?;
        }
    }
    Ok(if failed { super::FAILED } else { 0 })
}

/// Those that others depend on come after them; the last made comes first.
fn ordered(mut jails: Vec<Jail>, request: &Request) -> Outcome<Vec<Jail>> {
    let conf = config::read(request)?;
    jails.sort_by_key(|jail| std::cmp::Reverse(jail.jid));
    jails.dedup_by_key(|jail| jail.jid);
    let mut ordered: Vec<Jail> = Vec::new();
    while !jails.is_empty() {
        let needs = |one: &Jail, other: &Jail| -> Outcome<bool> {
            let values = config::for_removal(conf.as_ref(), one)?;
            Ok(values.list("depend").any(|name| name == other.name))
        };
        let mut next = 0;
        for (at, jail) in jails.iter().enumerate() {
            let mut is_needed = false;
            for other in &jails {
                is_needed |= other.jid != jail.jid && needs(other, jail)?;
            }
            if !is_needed {
                next = at;
                break;
            }
        }
        ordered.push(jails.remove(next));
    }
    Ok(ordered)
}

/// Removes one jail, after those below it and those that depend on it.
pub(super) fn jail(shelf: &Shelf<'_>, request: &Request, jail: &Jail) -> Outcome<()> {
    for child in shelf.below(jail)?.iter().rev() {
        one(shelf, request, child)?;
    }
    one(shelf, request, jail)
}

fn one(shelf: &Shelf<'_>, request: &Request, jail: &Jail) -> Outcome<()> {
    let Some(mut held) = shelf.hold(jail.jid, true)? else {
        return Ok(());
    };
    let name = held.jail.name.clone();
    let hurried = request.operation.only_remove;
    let values = if hurried {
        Values::default()
    } else {
        let conf = config::read(request)?;
        config::for_removal(conf.as_ref(), jail)?
    };
    let mut told = |what: &str| tell_step(request, &name, what);
    if !hurried {
        stop(&mut held, &values, &mut told).map_err(|failure| about(&name, failure))?;
    }
    end(held, &values, !hurried, &mut told).map_err(|failure| about(&name, failure))?;
    tell(request, &name, "removed")
}

/// What is done while the jail is still there.
fn stop(
    held: &mut Held<'_>,
    values: &Values,
    told: &mut dyn FnMut(&str) -> Outcome<()>,
) -> Outcome<()> {
    run::outside(values, "exec.prestop", told)?;
    held.jail.dying = true;
    held.save()?;
    let id = &held.jail.id;
    let stopped = run::inside(held.engine, &held.jail, values, "exec.stop", told);
    if let Err(failure) = stopped {
        held.jail.dying = false;
        held.save()?;
        return Err(failure);
    }
    let patience = values.number("stop.timeout").unwrap_or(STOP_TIMEOUT);
    let milliseconds = u32::try_from(patience).unwrap_or(0).saturating_mul(1000);
    let (record, _) = held.engine.inspect(id)?;
    let Some(first) = held.engine.first_process(&record)? else {
        return Ok(());
    };
    // The first process ends when it is alone.
    held.engine.kill(id, keeper::LEAVE, false)?;
    if milliseconds > 0 {
        let _ = held.engine.kill(id, Signal::TERM.as_raw(), true);
        sys::process::wait_ended(&first, Some(milliseconds))?;
    }
    Ok(())
}

/// Removes the jail and all that was made for it. With `hooks` the commands of the end are run; what could be undone
/// is, even where one fails.
fn end(
    mut held: Held<'_>,
    values: &Values,
    hooks: bool,
    told: &mut dyn FnMut(&str) -> Outcome<()>,
) -> Outcome<()> {
    held.engine.delete(&held.jail.id, true)?;
    held.jail.complete = false;
    held.save()?;
    let mut first = Ok(());
    let mut keep = |done: Outcome<()>| {
        if first.is_ok() {
            first = done;
        }
    };
    if hooks {
        keep(run::outside(values, "exec.poststop", told));
    }
    keep(take_addresses(&mut held));
    if hooks {
        keep(run::outside(values, "exec.release", told));
    }
    keep(held.forget());
    first
}

/// Takes the jail's addresses from their interfaces.
fn take_addresses(held: &mut Held<'_>) -> Outcome<()> {
    let mut first = Ok(());
    while let Some(made) = held.jail.made.pop() {
        if let Made::Alias { interface, address } = made {
            let taken = network::take(held, &interface, &address);
            if first.is_ok() {
                first = taken;
            }
        }
    }
    first
}

/// Undoes a start that failed: what was begun has its counterpart run, the last first.
pub(super) fn undo(mut held: Held<'_>, request: &Request, values: &Values) {
    let name = held.jail.name.clone();
    let mut told = |what: &str| tell_step(request, &name, what);
    let complain = |done: Outcome<()>| {
        if let Err(failure) = done {
            eprintln!("{}", about(&name, failure));
        }
    };
    complain(
        held.engine
            .delete(&held.jail.id, true)
            .map_err(Failure::from),
    );
    while let Some(made) = held.jail.made.pop() {
        complain(match made {
            Made::Prestarted => run::outside(values, "exec.poststop", &mut told),
            Made::Alias { interface, address } => network::take(&held, &interface, &address),
            Made::Prepared => run::outside(values, "exec.release", &mut told),
        });
    }
    complain(held.forget());
}

/// Removes a jail that was told not to stay if nothing runs in it any more.
pub(super) fn if_alone(held: Held<'_>) -> Outcome<()> {
    let (record, _) = held.engine.inspect(&held.jail.id)?;
    if let Some(first) = held.engine.first_process(&record)? {
        let others = held.engine.processes(&held.jail.id)?;
        let alone = others.iter().all(|pid| *pid == record.pid);
        // It is about to end; that it is slow is no mistake of the jail's.
        if !alone || !sys::process::wait_ended(&first, Some(PATIENCE_MS))? {
            return Ok(());
        }
    }
    left_over(held)
}

/// Removes what is left of a jail that ended by itself, or whose maker was killed. Commands of the end are for those
/// who ask for it.
pub(super) fn left_over(mut held: Held<'_>) -> Outcome<()> {
    held.engine.delete(&held.jail.id, true)?;
    take_addresses(&mut held)?;
    held.forget()
}

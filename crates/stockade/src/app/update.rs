//! `update` and `rename`.

use container::{RestartPolicy, Store};
use front::app::value::restart::{Restart, restart};
use front::app::{Machine, Origins, RunOptions, limits};
use front::error::About;
use spec::{Linux, Memory, Pids, Resources};

use super::failure::{Failure, Outcome};
use super::print;
use super::state::Known;
use crate::cli;

/// `rename`.
pub(crate) fn rename(store: &Store, request: &cli::Rename) -> Outcome<()> {
    let id = store.find(&request.container)?;
    let to = request.name.strip_prefix('/').unwrap_or(&request.name);
    Ok(store.rename(&id, to)?)
}

/// `update`: changes the limits of containers, now where they run and for when they are started next.
pub(crate) fn update(store: &Store, request: &cli::Update) -> Outcome<()> {
    if request.limits == RunOptions::default() {
        let hint = Some("see `stockade update --help`".into());
        return Err(Failure {
            hint,
            ..Failure::new("update: no limit is given")
        });
    }
    let mut failures = Vec::new();
    for given in &request.containers {
        match Known::find(store, given).and_then(|known| update_one(store, &known, &request.limits))
        {
            Ok(()) => print::out(&format!("{given}\n"))?,
            Err(failure) => failures.push(failure),
        }
    }
    print::first_of(failures)
}

fn update_one(store: &Store, known: &Known, given: &RunOptions) -> Outcome<()> {
    let mut settings = known.settings.clone();
    if let Some(policy) = policy(given)? {
        if settings.auto_remove && policy != RestartPolicy::No {
            let message = "--restart: the container is removed when it ends (--rm)";
            return Err(Failure::new(message));
        }
        settings.restart = policy;
    }
    let options = merged(&known.options, given)?;
    let machine = Machine::read(&known.id, &known.directory.path, &options)?;
    let wanted = limits(&options, &machine, Vec::new(), &mut Origins::default())
        .map_err(|error| about_older(error, given))?;
    let mut spec = known.spec()?;
    let linux = spec.linux.get_or_insert_with(Linux::default);
    let held = linux.resources.get_or_insert_with(Resources::default);
    if known.runs() {
        let change = lifted(held, wanted.clone(), given);
        apply(store, known, held, &change)?;
    }
    held.memory = wanted.memory;
    held.cpu = wanted.cpu;
    held.pids = wanted.pids;
    held.block_io = wanted.block_io;
    known.directory.write_config(&spec.to_json())?;
    settings.options =
        serde_json::to_value(options).map_err(|error| Failure::new(error.to_string()))?;
    Ok(known.directory.write_settings(&settings)?)
}

/// Writes the limits of a container that runs; all of them, or those that it had.
fn apply(
    store: &Store,
    known: &Known,
    held: &Resources<'_>,
    change: &Resources<'_>,
) -> Outcome<()> {
    let Err(error) = store.engine.update(&known.id, change) else {
        return Ok(());
    };
    let before = restored(held, change);
    // What cannot be put back either is told by `inspect`'s and the kernel's difference only.
    let _ = store.engine.update(&known.id, &before);
    let failure = Failure::from(error);
    let message = format!("container {}: {}", known.settings.name, failure.message);
    Err(Failure { message, ..failure })
}

/// The limits that were held, and "none" for those that were not.
fn restored<'r>(held: &Resources<'r>, change: &Resources<'_>) -> Resources<'r> {
    let mut before = Resources {
        devices: Vec::new(),
        ..held.clone()
    };
    if change.pids.is_some() {
        before.pids.get_or_insert(Pids { limit: Some(-1) });
    }
    if let Some(memory) = change.memory.filter(|_| held.memory.is_none()) {
        before.memory = Some(Memory {
            limit: memory.limit.map(|_| -1),
            swap: memory.swap.map(|_| -1),
            ..Memory::default()
        });
    }
    if change.cpu.as_ref().is_some_and(|cpu| cpu.quota.is_some()) {
        let cpu = before.cpu.get_or_insert_default();
        cpu.quota = cpu.quota.or(Some(-1));
    }
    before
}

/// A limit that the container has from before may be what a new one does not go with.
fn about_older(error: front::Error, given: &RunOptions) -> Failure {
    let option = error.place.split(' ').next().unwrap_or_default();
    let field = option.trim_start_matches('-').replace('-', "_");
    let now = serde_json::to_value(given).unwrap_or_default();
    let is_older = now.get(&field).is_none_or(serde_json::Value::is_null);
    let failure = Failure::from(error);
    let hint = "the container has that limit from before: change both together".to_owned();
    if is_older && failure.hint.is_none() {
        return Failure {
            hint: Some(hint),
            ..failure
        };
    }
    failure
}

fn policy(given: &RunOptions) -> Outcome<Option<RestartPolicy>> {
    let Some(text) = &given.restart else {
        return Ok(None);
    };
    Ok(Some(match restart(text).of("--restart", text)? {
        Restart::No => RestartPolicy::No,
        Restart::OnFailure { max } => RestartPolicy::OnFailure(max),
        Restart::Always => RestartPolicy::Always,
        Restart::UnlessStopped => RestartPolicy::UnlessStopped,
    }))
}

/// The options that the container would have been made from with the new limits.
fn merged(old: &RunOptions, given: &RunOptions) -> Outcome<RunOptions> {
    let quota = given.cpu_quota.is_some() || given.cpu_period.is_some();
    if given.cpus.is_some() && quota {
        return Err(Failure::new(
            "--cpus: conflicts with --cpu-quota and --cpu-period",
        ));
    }
    let mut new = old.clone();
    // Both say the same thing: the one that is given now counts.
    if given.cpus.is_some() {
        (new.cpu_quota, new.cpu_period) = (None, None);
    } else if quota {
        new.cpus = None;
    }
    // Without a limit of memory none of both together can stand.
    if given.memory.as_deref() == Some("0") && given.memory_swap.is_none() {
        new.memory_swap = None;
    }
    macro_rules! take {
        ($($field:ident)*) => { $(if given.$field.is_some() { new.$field.clone_from(&given.$field); })* };
    }
    take!(memory memory_swap memory_reservation cpus cpu_shares cpu_period cpu_quota cpu_rt_period
        cpu_rt_runtime cpuset_cpus cpuset_mems pids_limit blkio_weight restart);
    Ok(new)
}

/// What is to be written now: the limits that are wanted, and "none" for those that were there and are
/// taken away by a 0.
fn lifted<'r>(held: &Resources<'_>, wanted: Resources<'r>, given: &RunOptions) -> Resources<'r> {
    let mut change = wanted;
    let had = held.memory.unwrap_or_default();
    if given.memory.is_some() && had.limit.is_some() {
        let memory = change.memory.get_or_insert_with(Memory::default);
        if memory.limit.is_none() {
            memory.limit = Some(-1);
            memory.swap = had.swap.map(|_| -1);
        }
    }
    let had = held.cpu.clone().unwrap_or_default();
    if had.quota.is_some() || had.shares.is_some() {
        let cpu = change.cpu.get_or_insert_default();
        if given.cpus.is_some() && had.quota.is_some() && cpu.quota.is_none() {
            cpu.quota = Some(-1);
        }
        if given.cpu_shares.is_some() && had.shares.is_some() && cpu.shares.is_none() {
            cpu.shares = Some(1024);
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(set: impl Fn(&mut RunOptions)) -> RunOptions {
        let mut options = RunOptions::default();
        set(&mut options);
        options
    }

    #[test]
    fn what_is_not_given_stays() {
        let old = options(|o| (o.memory, o.cpu_quota) = (Some("64m".into()), Some("5000".into())));
        let new = merged(&old, &options(|o| o.pids_limit = Some("9".into()))).unwrap();
        assert_eq!(
            (new.memory.as_deref(), new.pids_limit.as_deref()),
            (Some("64m"), Some("9"))
        );
        let new = merged(&old, &options(|o| o.cpus = Some("1".into()))).unwrap();
        assert_eq!((new.cpus.as_deref(), new.cpu_quota), (Some("1"), None));
        let both = options(|o| (o.cpus, o.cpu_quota) = (Some("1".into()), Some("5000".into())));
        assert!(merged(&old, &both).is_err());
    }

    #[test]
    fn a_zero_lifts_a_limit() {
        let held = Resources {
            memory: Some(Memory {
                limit: Some(1 << 26),
                swap: Some(1 << 27),
                ..Memory::default()
            }),
            ..Resources::default()
        };
        let given = options(|o| o.memory = Some("0".into()));
        let change = lifted(&held, Resources::default(), &given);
        let memory = change.memory.unwrap();
        assert_eq!(
            (memory.limit, memory.swap, change.cpu),
            (Some(-1), Some(-1), None)
        );
        assert_eq!(
            lifted(&Resources::default(), Resources::default(), &given),
            Resources::default()
        );
    }
}

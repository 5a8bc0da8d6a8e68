//! `which`: the container that a process is in.

use std::fs;

use container::Store;
use engine::Record;
use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::print;
use crate::cli;
use crate::output::format::{Format, Row};
use crate::output::rows::short_id;

/// A line of `which`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WhichRow {
    evidence: String,
    #[serde(rename = "ID")]
    id: String,
    kind: String,
    name: String,
    #[serde(rename = "PID")]
    pid: u32,
}

impl Row for WhichRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("Evidence", "EVIDENCE"),
        ("ID", "CONTAINER ID"),
        ("Kind", "KIND"),
        ("Name", "NAME"),
        ("PID", "PID"),
    ];
    const TABLE: &'static str = "{{.PID}}\t{{.ID}}\t{{.Kind}}\t{{.Name}}\t{{.Evidence}}";
}

/// `which`: 1 where a process is in none.
pub(crate) fn which(store: &Store, request: &cli::Which) -> Outcome<i32> {
    let failed = |error| Failure::new(format!("--format: {error}"));
    let format = Format::parse::<WhichRow>(request.format.as_deref()).map_err(failed)?;
    let short = request
        .format
        .as_deref()
        .is_none_or(|text| text.starts_with("table"));
    let known = known(store)?;
    let (mut rows, mut code) = (Vec::new(), 0);
    for text in &request.pids {
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let pid = text.parse::<u32>().ok().filter(|pid| plain && *pid > 0);
        let pid = pid.ok_or_else(|| Failure::new(format!("{text}: not a process number")))?;
        match of(&known, pid)? {
            Some((one, evidence)) => rows.push(WhichRow {
                evidence: evidence.to_owned(),
                id: short_id(&one.record.id, !short),
                kind: one.kind.to_owned(),
                name: one.name.clone(),
                pid,
            }),
            None => {
                eprintln!("{}", Failure::new(format!("{pid}: in no container")));
                code = 1;
            }
        }
    }
    if !rows.is_empty() {
        print::out(&format.render(&rows).map_err(failed)?)?;
    }
    Ok(code)
}

/// A container whose first process may be anything by now.
struct Known {
    record: Record,
    kind: &'static str,
    name: String,
}

/// All containers that have a record, people's and those of OCI commands; they share a place unless `--root`
/// says another.
fn known(store: &Store) -> Outcome<Vec<Known>> {
    let mut all = Vec::new();
    for id in store.engine.ids()? {
        // One that goes meanwhile is in no process's way.
        let Ok((record, _)) = store.engine.inspect(&id) else {
            continue;
        };
        let settings = store.open(&id).ok().and_then(|it| it.settings().ok());
        let (kind, name) = match (settings, crate::jail::of_engine(store, &id)) {
            (Some(settings), _) => ("run", settings.name),
            (None, Some((_, name))) => ("jail", name),
            (None, None) => ("oci", id),
        };
        all.push(Known { record, kind, name });
    }
    Ok(all)
}

/// The container of a process, and by what it is known: the deepest cgroup that is a container's, or else that
/// its process namespace, or one of its ancestors, is the first process's.
fn of(known: &[Known], pid: u32) -> Outcome<Option<(&Known, &'static str)>> {
    let Ok(memberships) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else {
        return Err(Failure::new(format!("{pid}: no such process")));
    };
    let by_cgroup = known
        .iter()
        .filter_map(|one| Some((depth(&one.record, &memberships)?, one)))
        .max_by_key(|(depth, _)| *depth);
    if let Some((_, one)) = by_cgroup {
        return Ok(Some((one, "cgroup")));
    }
    let own = namespace(std::process::id());
    let mut current = Some(pid);
    while let Some(pid) = current.filter(|pid| *pid > 1) {
        if let Some(one) = known.iter().find(|one| is_first(&one.record, pid)) {
            return Ok(Some((one, "ancestor")));
        }
        current = parent(pid);
    }
    let its = namespace(pid).filter(|its| Some(its) != own.as_ref());
    let of_namespace = |one: &&Known| {
        let first = one.record.pid;
        its.is_some() && is_first(&one.record, first) && namespace(first) == its
    };
    Ok(known
        .iter()
        .find(of_namespace)
        .map(|one| (one, "process namespace")))
}

/// How deep the container's cgroup is that the process is in, or below.
fn depth(record: &Record, memberships: &str) -> Option<usize> {
    let leaf_holds = |leaf: &cgroup::Leaf| {
        let path = cgroup::enter::membership(leaf, memberships)?;
        let rest = path.strip_prefix(leaf.path.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| leaf.path.matches('/').count())
    };
    record.leaves().iter().filter_map(leaf_holds).max()
}

/// Whether the process is the container's first, and not a later one with its number.
fn is_first(record: &Record, pid: u32) -> bool {
    let identity = sys::process::identity(pid).ok().flatten();
    record.pid == pid && identity.is_some_and(|one| one.start == record.start_time)
}

fn namespace(pid: u32) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

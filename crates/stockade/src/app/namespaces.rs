//! `ns ls`, `ns pin`, `ns unpin`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use ns::kind::ALL;
use ns::list::{Namespace, has_parents};
use serde::Serialize;
use sys::rustix::fs::{fstat, statfs};
use sys::rustix::mount::{UnmountFlags, unmount};

use super::failure::{Failure, Outcome};
use super::print;
use crate::cli;
use crate::output::format::{Format, Row};
use crate::output::table::{align, harmless};

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS: u64 = 0x6e73_6673;
/// What stands for something that is not there.
const NONE: &str = "-";

/// A line of `ns ls`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NamespaceRow {
    command: String,
    #[serde(rename = "ID")]
    id: String,
    owner: String,
    parent: String,
    #[serde(rename = "PID")]
    pid: String,
    pins: String,
    processes: String,
    r#type: String,
    user: String,
}

impl Row for NamespaceRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("Command", "COMMAND"),
        ("ID", "NAMESPACE"),
        ("Owner", "OWNER"),
        ("Parent", "PARENT"),
        ("PID", "PID"),
        ("Pins", "PINS"),
        ("Processes", "PROCESSES"),
        ("Type", "TYPE"),
        ("User", "USER"),
    ];
    const TABLE: &'static str = "{{.ID}}\t{{.Type}}\t{{.Processes}}\t{{.PID}}\t{{.User}}\t{{.Owner}}\t{{.Parent}}\t{{.Pins}}\t{{.Command}}";
}

/// `ns ls`.
pub(crate) fn list(request: &cli::NamespaceList) -> Outcome<()> {
    let failed = |error| Failure::new(format!("--format: {error}"));
    let format = Format::parse::<NamespaceRow>(request.format.as_deref()).map_err(failed)?;
    if request.tree && request.format.is_some() {
        return Err(Failure::new("--tree: not with --format"));
    }
    let mut found = ns::list::list().map_err(failure)?;
    if let Some(pid) = &request.task {
        let number = pid.parse::<u32>().ok();
        let has = |one: &Namespace| number.is_some_and(|pid| one.processes.contains(&pid));
        if !found.iter().any(has) {
            return Err(Failure::new(format!("--task {pid}: no such process")));
        }
        found.retain(has);
    }
    if let Some(name) = &request.kind {
        let kind = kind(name)?;
        found.retain(|one| one.kind == kind);
    }
    if request.quiet {
        let ids: Vec<String> = found.iter().map(|one| format!("{}\n", one.id)).collect();
        return print::out(&ids.concat());
    }
    if request.tree {
        return print::out(&tree(&found));
    }
    let rows: Vec<NamespaceRow> = found.iter().map(row).collect();
    print::out(&format.render(&rows).map_err(failed)?)
}

fn failure(error: ns::Error) -> Failure {
    Failure::new(error.message)
}

fn kind(name: &str) -> Outcome<ns::kind::Kind> {
    let mut all = ALL.into_iter();
    all.find(|kind| kind.name == name || kind.option == name)
        .ok_or_else(|| {
            Failure::new(format!(
                "{name}: not a kind of namespace: mnt, uts, ipc, net, pid, user, cgroup or time"
            ))
        })
}

fn row(one: &Namespace) -> NamespaceRow {
    let id = |id: Option<u64>| id.map_or_else(|| NONE.to_owned(), |id| id.to_string());
    let first = one.processes.first().copied();
    NamespaceRow {
        command: first.map(command).unwrap_or_default(),
        id: one.id.to_string(),
        owner: id(one.owner),
        parent: if has_parents(one.kind) {
            id(one.parent)
        } else {
            NONE.to_owned()
        },
        pid: id(first.map(u64::from)),
        pins: match one.pins.is_empty() {
            true => NONE.to_owned(),
            false => one.pins.join(","),
        },
        processes: one.processes.len().to_string(),
        r#type: one.kind.name.to_owned(),
        user: first.map_or_else(|| NONE.to_owned(), user),
    }
}

/// The command line of a process, or its name where it has none.
pub(crate) fn command(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    match line.trim() {
        "" => fs::read_to_string(format!("/proc/{pid}/comm"))
            .unwrap_or_default()
            .trim()
            .to_owned(),
        line => line.to_owned(),
    }
}

/// The user of a process, by name where it has one.
fn user(pid: u32) -> String {
    let id = fs::metadata(format!("/proc/{pid}")).map_or(0, |found| found.uid());
    let accounts = ns::accounts::Accounts::read().unwrap_or_default();
    let id = id.to_string();
    accounts
        .user(&id)
        .map_or(id.clone(), |user| user.name.to_owned())
}

/// User namespaces below each other, each with what it owns; process namespaces below each other too.
fn tree(found: &[Namespace]) -> String {
    let shown: BTreeSet<u64> = found.iter().map(|one| one.id).collect();
    let above = |one: &Namespace| {
        let nearest = one.parent.or(one.owner);
        nearest.filter(|id| shown.contains(id))
    };
    let mut lines = vec!["NAMESPACE\tPROCESSES\tPID\tCOMMAND".to_owned()];
    for top in found.iter().filter(|one| above(one).is_none()) {
        branch(found, &above, top, 0, &mut lines);
    }
    align(&lines)
}

fn branch(
    found: &[Namespace],
    above: &dyn Fn(&Namespace) -> Option<u64>,
    one: &Namespace,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let row = row(one);
    let indent = "  ".repeat(depth);
    lines.push(format!(
        "{indent}{} {}\t{}\t{}\t{}",
        row.r#type,
        row.id,
        row.processes,
        row.pid,
        harmless(&row.command)
    ));
    for below in found.iter().filter(|below| above(below) == Some(one.id)) {
        branch(found, above, below, depth + 1, lines);
    }
}

/// `ns pin`.
pub(crate) fn pin(request: &cli::NamespacePin) -> Outcome<()> {
    let kind = kind(&request.kind)?;
    let pid = request.pid.parse::<u32>().ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| Failure::new(format!("{}: not a process number", request.pid)))?;
    let path = format!("/proc/{pid}/ns/{}", kind.name);
    // By descriptor, so that it is that process's namespace however long the rest takes.
    let opened = sys::file::open(&path, sys::rustix::fs::OFlags::RDONLY).map_err(|error| {
        match error.errno {
            sys::Errno::NOENT | sys::Errno::SRCH => Failure::new(format!("{pid}: no such process")),
            _ => error.into(),
        }
    })?;
    let number = sys::AsRawFd::as_raw_fd(&opened);
    ns::pin(&format!("/proc/self/fd/{number}"), &request.file).map_err(failure)
}

/// `ns unpin`.
pub(crate) fn unpin(request: &cli::NamespaceUnpin) -> Outcome<()> {
    let failures = request
        .files
        .iter()
        .filter_map(|file| unpin_one(file).err());
    print::first_of(failures.collect())
}

fn unpin_one(path: &str) -> Outcome<()> {
    let failed = |call, errno| Failure::from(sys::Error::new(call, path, errno));
    let found = statfs(path).map_err(|errno| failed("statfs", errno))?;
    if u64::try_from(found.f_type) != Ok(NSFS) {
        return Err(Failure::new(format!(
            "{path}: no namespace is pinned to it"
        )));
    }
    unmount(path, UnmountFlags::NOFOLLOW).map_err(|errno| failed("umount", errno))?;
    // The file goes where it is one that was made for this: empty. Under another pin it stays.
    let file = sys::file::open(path, sys::rustix::fs::OFlags::PATH)?;
    let stat = fstat(&file).map_err(|errno| failed("fstat", errno))?;
    let below = statfs(path).map_err(|errno| failed("statfs", errno))?;
    if stat.st_size == 0 && u64::try_from(below.f_type) != Ok(NSFS) {
        fs::remove_file(path).map_err(|error| Failure::new(format!("{path}: {error}")))?;
    }
    Ok(())
}

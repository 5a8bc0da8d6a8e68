//! `cgroup ls`: the tree of cgroups.

use cgroup::hand::Branch;
use serde::Serialize;

use super::super::failure::{Failure, Outcome};
use super::super::{namespaces, print};
use super::existing;
use crate::cli;
use crate::output::format::{Format, Row};
use crate::output::table::{align, harmless};
use crate::output::units::binary_size;

/// What stands for something that is not counted.
const NONE: &str = "-";

/// A line of `cgroup ls`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CgroupRow {
    #[serde(rename = "CPU")]
    cpu: String,
    cgroup: String,
    hierarchies: String,
    #[serde(rename = "IO")]
    io: String,
    memory: String,
    #[serde(rename = "PIDs")]
    pids: Vec<u32>,
    processes: usize,
    tasks: String,
}

impl Row for CgroupRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("CPU", "CPU"),
        ("Cgroup", "CGROUP"),
        ("Hierarchies", "HIERARCHIES"),
        ("IO", "IO"),
        ("Memory", "MEMORY"),
        ("PIDs", "PIDS"),
        ("Processes", "PROCESSES"),
        ("Tasks", "TASKS"),
    ];
    const TABLE: &'static str =
        "{{.Cgroup}}\t{{.Processes}}\t{{.Tasks}}\t{{.Memory}}\t{{.CPU}}\t{{.IO}}\t{{.Hierarchies}}";
}

/// `cgroup ls`.
pub(super) fn list(request: &cli::CgroupList) -> Outcome<()> {
    let failed = |error| Failure::new(format!("--format: {error}"));
    let format = Format::parse::<CgroupRow>(request.format.as_deref()).map_err(failed)?;
    let depth = match request.depth {
        None => usize::MAX,
        Some(n) => usize::try_from(n)
            .map_err(|_| Failure::new(format!("--depth {n}: must not be negative")))?,
    };
    let name = request.cgroup.as_deref().unwrap_or("/");
    let (layout, target) = existing(request.controllers.as_deref(), name)?;
    let mut top = target.branches(depth)?;
    // A path that was asked for stands before all below it.
    let base = match name.trim_end_matches('/') {
        "" => String::new(),
        name => name.to_owned(),
    };
    if base.is_empty() {
        "/".clone_into(&mut top.name);
    }
    let all = hierarchies(&top, &layout);
    if request.quiet {
        let mut paths = String::new();
        each(&top, &mut |one| paths += &(path(&base, one) + "\n"));
        return print::out(&paths);
    }
    if request
        .format
        .as_deref()
        .is_some_and(|text| text != "table")
    {
        let mut rows = Vec::new();
        each(&top, &mut |one| {
            rows.push(row(one, path(&base, one), &all));
        });
        return print::out(&format.render(&rows).map_err(failed)?);
    }
    let mut lines = vec!["CGROUP\tPROCESSES\tTASKS\tMEMORY\tCPU\tIO\tHIERARCHIES".to_owned()];
    tree(&top, 0, request.processes, &all, &mut lines);
    print::out(&align(&lines))
}

fn each(one: &Branch, act: &mut impl FnMut(&Branch)) {
    act(one);
    for child in &one.children {
        each(child, act);
    }
}

fn path(base: &str, one: &Branch) -> String {
    match (base, one.path.as_str()) {
        ("", "") => "/".to_owned(),
        (base, below) => format!("{base}{below}"),
    }
}

/// How the hierarchies of the uppermost, which are all there are, are told in a line.
fn hierarchies(top: &Branch, layout: &cgroup::Layout) -> String {
    match layout.mode() {
        cgroup::layout::Mode::Unified => "unified".to_owned(),
        _ => top.hierarchies.join(","),
    }
}

fn row(one: &Branch, path: String, all: &str) -> CgroupRow {
    let bytes = |n: Option<u64>| n.map_or_else(|| NONE.to_owned(), binary_size);
    let hierarchies = one.hierarchies.join(",");
    CgroupRow {
        cpu: one.used.cpu.map_or_else(|| NONE.to_owned(), seconds),
        cgroup: path,
        hierarchies: match hierarchies == all && all != "unified" {
            true => "all".to_owned(),
            false => hierarchies,
        },
        io: bytes(one.used.io),
        memory: bytes(one.used.memory),
        pids: one.processes.clone(),
        processes: one.processes.len(),
        tasks: one
            .used
            .tasks
            .map_or_else(|| NONE.to_owned(), |n| n.to_string()),
    }
}

/// Microseconds as seconds.
pub(super) fn seconds(micros: u64) -> String {
    format!("{}.{:02}s", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

fn tree(one: &Branch, depth: usize, processes: bool, all: &str, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let row = row(one, one.name.clone(), all);
    lines.push(format!(
        "{indent}{}\t{}\t{}\t{}\t{}\t{}\t{}",
        harmless(&row.cgroup),
        row.processes,
        row.tasks,
        row.memory,
        row.cpu,
        row.io,
        row.hierarchies
    ));
    if processes {
        for pid in &one.processes {
            let command = harmless(&namespaces::command(*pid));
            lines.push(format!("{indent}  [{pid}] {command}"));
        }
    }
    for child in &one.children {
        tree(child, depth + 1, processes, all, lines);
    }
}

//! `cgroup show`: all about one cgroup.

use std::collections::BTreeMap;

use cgroup::Stats;
use cgroup::hand::{Counter, InForce, Target, Unit};
use cgroup::stats::{Pressure, Stall};
use serde::Serialize;

use super::super::failure::{Failure, Outcome};
use super::super::print;
use super::existing;
use super::list::seconds;
use crate::cli;
use crate::output::table::align;
use crate::output::units::binary_size;

/// What stands for something that there is not.
const NONE: &str = "-";

/// All about a cgroup, for programs. Numbers are bytes, tasks, microseconds of processor time (its limit:
/// thousandths of a processor) and events; what is not there is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    cgroup: String,
    directories: BTreeMap<&'static str, String>,
    frozen: bool,
    processes: Vec<u32>,
    counters: BTreeMap<String, Numbers>,
    pressure: BTreeMap<&'static str, Pressed>,
    settings: BTreeMap<&'static str, String>,
    devices: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Numbers {
    held: Option<u64>,
    peak: Option<u64>,
    limit: Option<u64>,
    failures: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pressed {
    some: Shares,
    full: Shares,
}

/// Hundredths of a per cent, and microseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shares {
    avg10: u32,
    avg60: u32,
    avg300: u32,
    total: u64,
}

/// `cgroup show`.
pub(super) fn show(request: &cli::CgroupShow) -> Outcome<()> {
    let json = match request.format.as_deref() {
        None | Some("table") => false,
        Some("json") => true,
        Some(other) => {
            return Err(Failure::new(format!("--format {other}: table or json")));
        }
    };
    let (_, target) = existing(request.controllers.as_deref(), &request.cgroup)?;
    let group = target.open()?;
    let stats = group.stats()?;
    let counters = target.counters(&group, &stats)?;
    let in_force = target.in_force(&group)?;
    // A policy of somebody else's is said to be one, and no reason to show nothing.
    let devices = match target.devices() {
        Ok(rules) => rules,
        Err(error) => Some(vec![error.what.into_owned()]),
    };
    if json {
        let shown = shown(&target, &stats, &counters, &in_force, devices)?;
        let text = serde_json::to_string(&shown);
        let text = text.map_err(|error| Failure::new(error.to_string()))?;
        return print::out(&(text + "\n"));
    }
    let mut text = head(&target)?;
    text += &align(&counter_lines(&counters, &stats));
    text += "\n";
    text += &align(&setting_lines(&in_force));
    for rule in devices.iter().flatten() {
        text += &format!("devices: {rule}\n");
    }
    print::out(&text)
}

fn head(target: &Target) -> Outcome<String> {
    let processes = target.processes()?.len();
    let frozen = if target.frozen()? { ", frozen" } else { "" };
    let names: Vec<&str> = target.leaves.iter().map(cgroup::Leaf::name).collect();
    Ok(format!(
        "{}: {processes} process(es){frozen}, in {}\n\n",
        target.name,
        names.join(", ")
    ))
}

/// One table: what is counted, and how much of the time was waited for it.
fn counter_lines(counters: &[Counter], stats: &Stats) -> Vec<String> {
    let mut lines = vec!["RESOURCE\tHELD\tPEAK\tLIMIT\tFAILURES".to_owned()];
    for one in counters {
        let cell = |n: Option<u64>| n.map_or_else(|| NONE.to_owned(), |n| worded(n, one.unit));
        let limit = match (one.limit, one.unit) {
            (Some(n), Unit::Time) => format!("{} CPUs", thousandths(n)),
            (Some(n), Unit::Transferred) => format!("{}/s", binary_size(n)),
            (limit, _) => cell(limit),
        };
        let failures = one
            .failures
            .map_or_else(|| NONE.to_owned(), |n| n.to_string());
        lines.push(format!(
            "{}\t{}\t{}\t{limit}\t{failures}",
            one.name,
            cell(one.held),
            cell(one.peak)
        ));
    }
    for (name, pressure) in pressures(stats) {
        for (how, stall) in [("some", pressure.some), ("full", pressure.full)] {
            lines.push(format!(
                "{name} {how}\t{}\t{NONE}\t{NONE}\t{}",
                averages(stall),
                seconds(stall.total)
            ));
        }
    }
    lines
}

fn worded(n: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes | Unit::Transferred => binary_size(n),
        Unit::Tasks | Unit::Events => n.to_string(),
        Unit::Time => seconds(n),
    }
}

/// `1.5` of 1500.
fn thousandths(n: u64) -> String {
    let text = format!("{}.{:03}", n / 1000, n % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn pressures(stats: &Stats) -> impl Iterator<Item = (&'static str, Pressure)> {
    let all = [
        ("cpu.pressure", stats.pressure.cpu),
        ("memory.pressure", stats.pressure.memory),
        ("io.pressure", stats.pressure.io),
    ];
    all.into_iter()
        .filter_map(|(name, pressure)| Some((name, pressure?)))
}

/// The shares of the last 10, 60 and 300 seconds.
fn averages(stall: Stall) -> String {
    let share = |n: u32| format!("{}.{:02}", n / 100, n % 100);
    let all = [stall.avg10, stall.avg60, stall.avg300].map(share);
    format!("{}%", all.join("/"))
}

fn setting_lines(in_force: &[InForce]) -> Vec<String> {
    let mut lines = vec!["SETTING\tVALUE\tON V1".to_owned()];
    for one in in_force {
        let v1 = one.v1.unwrap_or("");
        lines.push(format!("{}\t{}\t{v1}", one.key, one.value));
    }
    lines
}

fn shown(
    target: &Target,
    stats: &Stats,
    counters: &[Counter],
    in_force: &[InForce],
    devices: Option<Vec<String>>,
) -> Outcome<Shown> {
    let numbers = |one: &Counter| Numbers {
        held: one.held,
        peak: one.peak,
        limit: one.limit,
        failures: one.failures,
    };
    let shares = |stall: Stall| Shares {
        avg10: stall.avg10,
        avg60: stall.avg60,
        avg300: stall.avg300,
        total: stall.total,
    };
    let pressed = |pressure: Pressure| Pressed {
        some: shares(pressure.some),
        full: shares(pressure.full),
    };
    let mut settings: BTreeMap<&'static str, String> = BTreeMap::new();
    for one in in_force {
        let all = settings.entry(one.key).or_default();
        if !all.is_empty() && !one.value.is_empty() {
            all.push_str("; ");
        }
        all.push_str(&one.value);
    }
    Ok(Shown {
        cgroup: target.name.clone(),
        directories: target.leaves.iter().map(|l| (l.name(), l.dir())).collect(),
        frozen: target.frozen()?,
        processes: target.processes()?,
        counters: counters
            .iter()
            .map(|one| (one.name.clone(), numbers(one)))
            .collect(),
        pressure: pressures(stats)
            .map(|(name, pressure)| (name, pressed(pressure)))
            .collect(),
        settings,
        devices,
    })
}

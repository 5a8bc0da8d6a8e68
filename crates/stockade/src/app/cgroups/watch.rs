//! `cgroup watch`: prints what happens to cgroups.

use std::time::{Duration, Instant, SystemTime};

use cgroup::hand::{Event, Target, Trigger, Watch};
use serde::Serialize;

use super::super::failure::{Failure, Outcome};
use super::super::print;
use super::host;
use crate::cli;
use crate::output::table::harmless;
use crate::output::units::rfc3339_full;

/// An event, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Told<'e> {
    time: String,
    cgroup: &'e str,
    file: &'e str,
    key: &'e str,
    before: Option<u64>,
    now: Option<u64>,
}

/// `cgroup watch`: until all of them are removed, or as long as is asked.
pub(super) fn watch(request: &cli::CgroupWatch) -> Outcome<()> {
    let json = match request.format.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => return Err(Failure::new(format!("--format {other}: text or json"))),
    };
    let triggers: Vec<Trigger> = request
        .pressure
        .iter()
        .map(|text| Trigger::parse(text))
        .collect::<cgroup::Result<_>>()?;
    let (layout, only) = host(request.controllers.as_deref())?;
    let mut watches = Vec::new();
    for name in &request.cgroups {
        let target = Target::find(&layout, name, only)?.existing()?;
        watches.push(target.watch(&triggers)?);
    }
    let count = positive("--count", request.count)?.unwrap_or(u64::MAX);
    let end = positive("--time", request.time)?.map(|s| Instant::now() + Duration::from_secs(s));
    let mut told = 0;
    while told < count && !watches.iter().all(Watch::is_gone) {
        for (i, event) in Watch::wait(&mut watches)? {
            let line = line(&request.cgroups[i], &event, json)?;
            if told < count {
                print::out(&line)?;
                told += 1;
            }
        }
        if print::is_reader_gone() || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    Ok(())
}

fn positive(option: &str, number: Option<i64>) -> Outcome<Option<u64>> {
    let fault = |n: i64| Failure::new(format!("{option} {n}: must be 1 or more"));
    let checked = number.map(|n| u64::try_from(n).ok().filter(|n| *n > 0).ok_or(n));
    checked.transpose().map_err(fault)
}

fn line(cgroup: &str, event: &Event, json: bool) -> Outcome<String> {
    let time = rfc3339_full(SystemTime::now());
    let Event {
        file,
        key,
        before,
        now,
    } = event;
    if json {
        let told = Told {
            time,
            cgroup,
            file,
            key,
            before: *before,
            now: *now,
        };
        let text = serde_json::to_string(&told);
        return Ok(text.map_err(|error| Failure::new(error.to_string()))? + "\n");
    }
    let change = match (before, now) {
        (Some(before), Some(now)) => format!(" {before} -> {now}"),
        (None, Some(now)) => format!(" {now}"),
        _ => String::new(),
    };
    Ok(format!(
        "{time} {} {file} {key}{change}\n",
        harmless(cgroup)
    ))
}

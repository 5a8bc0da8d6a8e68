//! What a change may not make worse: our system calls and page faults for one `run`, as multiples of the
//! floor's. Unlike times, they are the same on a loaded machine.

use crate::Result;
use crate::bundle::Bundle;
use crate::contender::{Contender, FLOOR, OURS};
use crate::options::Options;
use crate::run;
use crate::sample::median;
use crate::series::{COLUMNS, Series, add_rows, view};
use crate::table::Table;
use crate::view::Place;

/// The most that is allowed, in floors: system calls, page faults.
const CALLS: f64 = 2.8;
const FAULTS: f64 = 1.7;
/// Enough for a median of counts that hardly vary.
const ROUNDS: usize = 7;

/// Checks every bundle.
pub(crate) fn measure(
    options: &Options,
    place: &Place,
    bundles: &[Bundle],
    contenders: &[Contender],
) -> Result<()> {
    let options = Options {
        rounds: ROUNDS,
        ..options.clone()
    };
    let both: Vec<Contender> = contenders
        .iter()
        .filter(|one| [FLOOR, OURS].contains(&one.name.as_str()))
        .cloned()
        .collect();
    let mut worse = Vec::new();
    for bundle in bundles {
        let title = format!("gate, bundle {}, {} view", bundle.label, view(&options));
        let mut table = Table::new(title, COLUMNS);
        let series = run::sample(&options, place, bundle, &both, &mut table)?;
        add_rows(&mut table, &series);
        table.print(options.format);
        worse.extend(excess(&bundle.label, &series)?);
    }
    match worse.is_empty() {
        true => Ok(()),
        false => Err(worse.join("; ").into()),
    }
}

/// What is above its limit.
fn excess(label: &str, series: &[Series]) -> Result<Vec<String>> {
    let of = |name: &str| series.iter().find(|one| one.contender.name == name);
    let (Some(floor), Some(ours)) = (of(FLOOR), of(OURS)) else {
        return Err(format!("bundle {label}: the gate needs the floor and us").into());
    };
    let faults = |one: &Series| median(one.samples.iter().map(|sample| sample.faults));
    let too_many = over(label, "page faults", faults(ours), faults(floor) * FAULTS);
    let calls = ours.calls.zip(floor.calls);
    let too_chatty =
        calls.and_then(|(ours, floor)| over(label, "system calls", ours, floor * CALLS));
    Ok([too_many, too_chatty].into_iter().flatten().collect())
}

fn over(label: &str, what: &str, have: f64, most: f64) -> Option<String> {
    (have > most)
        .then(|| format!("bundle {label}: {have:.0} {what}, at most {most:.0} are allowed"))
}

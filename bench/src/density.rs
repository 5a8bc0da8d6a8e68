//! Many sleeping containers: how fast they are made, whether the last cost more than the first, and what
//! memory each holds.

use crate::Result;
use crate::bundle::Bundle;
use crate::contender::Contender;
use crate::options::Options;
use crate::sample::{Stage, median};
use crate::series::{excuse, view};
use crate::table::{Column, Table};
use crate::view::Place;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// How many of the first and of the last are compared.
const EDGE: usize = 50;
/// Time for the kernel to finish what it frees and charges late.
const SETTLE: Duration = Duration::from_secs(2);
const COLUMNS: &[Column] = &[("per second", 0), ("last/first", 2), ("KB each", 0)];

/// Measures every bundle, one contender after the other.
pub(crate) fn measure(
    options: &Options,
    place: &Place,
    bundles: &[Bundle],
    contenders: &[Contender],
) -> Result<()> {
    for bundle in bundles {
        let count = options.count;
        let title = format!(
            "{count} x run -d, bundle {}, {} view",
            bundle.label,
            view(options)
        );
        let mut table = Table::new(title, COLUMNS);
        for contender in contenders
            .iter()
            .filter(|contender| contender.takes(bundle))
        {
            match crowd(count, place, bundle, contender) {
                Ok(row) => table.row(&contender.name, row),
                Err(error) => excuse(options, contender, &error, &mut table)?,
            }
        }
        table.print(options.format);
    }
    Ok(())
}

/// Makes `count` containers and deletes them, also when one of them failed.
fn crowd(
    count: usize,
    place: &Place,
    bundle: &Bundle,
    contender: &Contender,
) -> Result<Vec<Option<f64>>> {
    let mut stage = Stage::new(&place.work, Duration::ZERO)?;
    let mut crowd = Vec::new();
    sleep(SETTLE);
    let before = available_kb()?;
    let made = make(count, &mut stage, place, bundle, contender, &mut crowd);
    sleep(SETTLE);
    let during = available_kb()?;
    for (id, pid) in &crowd {
        stage.measure(contender.delete_running(bundle, id, pid))?;
    }
    sleep(SETTLE);
    // The mean of both sides: memory that others take or give meanwhile counts half.
    let afterwards = available_kb()?;
    let times = made?;
    let edge = EDGE.min(count);
    let (first, last) = (&times[..edge], &times[count - edge..]);
    Ok(vec![
        Some(count as f64 * 1e3 / times.iter().sum::<f64>()),
        Some(median(last.iter().copied()) / median(first.iter().copied())),
        Some(((before + afterwards) / 2.0 - during) / count as f64),
    ])
}

/// The milliseconds each took; `crowd` gets id and pid of those that came to be.
fn make(
    count: usize,
    stage: &mut Stage,
    place: &Place,
    bundle: &Bundle,
    contender: &Contender,
    crowd: &mut Vec<(String, String)>,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for number in 0..count {
        let id = place.id(&contender.name, number);
        times.push(stage.measure(contender.run_detached(bundle, &id))?.wall);
        crowd.push((id, stage.printed()?));
    }
    Ok(times)
}

fn available_kb() -> Result<f64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("no MemAvailable")?;
    Ok(number.parse()?)
}

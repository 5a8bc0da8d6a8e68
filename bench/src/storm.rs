//! `run`, four at a time, without gaps.

use crate::Result;
use crate::bundle::Bundle;
use crate::contender::{Contender, FLOOR};
use crate::options::Options;
use crate::sample::{Stage, median};
use crate::series::{excuse, view};
use crate::table::{Column, Table, ratio};
use crate::view::Place;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How many run at once.
const WIDTH: usize = 4;
/// How often each contender's turn comes.
const TURNS: usize = 3;
const COLUMNS: &[Column] = &[("per second", 0), ("x floor", 2)];

/// Measures every bundle.
pub(crate) fn measure(
    options: &Options,
    place: &Place,
    bundles: &[Bundle],
    contenders: &[Contender],
) -> Result<()> {
    for bundle in bundles {
        let title = format!(
            "run, {WIDTH} at a time, bundle {}, {} view",
            bundle.label,
            view(options)
        );
        let mut table = Table::new(title, COLUMNS);
        let mut rates: Vec<(&Contender, Vec<f64>)> = Vec::new();
        for contender in contenders
            .iter()
            .filter(|contender| contender.takes(bundle))
        {
            match storm(place, bundle, contender, 1, 0) {
                Ok(_) => rates.push((contender, Vec::new())),
                Err(error) => excuse(options, contender, &error, &mut table)?,
            }
        }
        for turn in 1..=TURNS {
            for (contender, rates) in &mut rates {
                rates.push(storm(
                    place,
                    bundle,
                    contender,
                    options.rounds / WIDTH,
                    turn,
                )?);
            }
        }
        add_rows(&mut table, &rates);
        table.print(options.format);
    }
    Ok(())
}

fn add_rows(table: &mut Table, rates: &[(&Contender, Vec<f64>)]) {
    let rate = |rates: &[f64]| median(rates.iter().copied());
    let floor = rates.iter().find(|(contender, _)| contender.name == FLOOR);
    let floor = floor.map(|(_, rates)| rate(rates));
    for (contender, rates) in rates {
        let rate = rate(rates);
        table.row(&contender.name, vec![Some(rate), ratio(Some(rate), floor)]);
    }
}

/// Runs `WIDTH` times `each` containers; how many a second.
fn storm(
    place: &Place,
    bundle: &Bundle,
    contender: &Contender,
    each: usize,
    turn: usize,
) -> Result<f64> {
    let start = Instant::now();
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..WIDTH)
            .map(|lane| scope.spawn(move || run_lane(place, bundle, contender, each, turn, lane)))
            .collect();
        let ends = lanes
            .into_iter()
            .map(|lane| lane.join().unwrap_or(Err("a lane panicked".into())));
        ends.collect::<std::result::Result<(), String>>()
    })?;
    Ok((WIDTH * each) as f64 / start.elapsed().as_secs_f64())
}

fn run_lane(
    place: &Place,
    bundle: &Bundle,
    contender: &Contender,
    each: usize,
    turn: usize,
    lane: usize,
) -> std::result::Result<(), String> {
    let name = format!("{}-{turn}-{lane}", contender.name);
    let directory = place.work.join("lane").join(&name);
    fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let mut stage = Stage::new(&directory, Duration::ZERO).map_err(|error| error.to_string())?;
    for number in 0..each {
        let id = place.id(&name, number);
        stage
            .measure(contender.run(bundle, &id))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

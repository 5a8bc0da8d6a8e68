//! create, start, delete and exec, each by itself.

use crate::Result;
use crate::bundle::Bundle;
use crate::contender::Contender;
use crate::options::Options;
use crate::sample::Stage;
use crate::series::{COLUMNS, Series, add_rows, excuse, turns, view};
use crate::table::Table;
use crate::view::Place;

const HALVES: [&str; 3] = ["create", "start", "delete"];

/// Measures every bundle.
pub(crate) fn measure(
    options: &Options,
    place: &Place,
    bundles: &[Bundle],
    contenders: &[Contender],
) -> Result<()> {
    for bundle in bundles {
        for table in measure_halves(options, place, bundle, contenders)? {
            table.print(options.format);
        }
        measure_exec(options, place, bundle, contenders)?.print(options.format);
    }
    Ok(())
}

fn table(options: &Options, verb: &str, bundle: &Bundle) -> Table {
    let (label, view, rounds) = (&bundle.label, view(options), options.rounds);
    Table::new(
        format!("{verb}, bundle {label}, {view} view, {rounds} rounds"),
        COLUMNS,
    )
}

fn measure_halves(
    options: &Options,
    place: &Place,
    bundle: &Bundle,
    contenders: &[Contender],
) -> Result<Vec<Table>> {
    let mut stage = Stage::new(&place.work, options.gap)?;
    let mut tables = HALVES.map(|verb| table(options, verb, bundle));
    let mut halves: [Vec<Series>; 3] = Default::default();
    for contender in contenders.iter().filter(|contender| !contender.is_floor()) {
        match one_life(&mut stage, place, bundle, contender, 0) {
            Ok(_) => halves
                .iter_mut()
                .for_each(|half| half.push(Series::new(contender))),
            Err(error) => excuse(options, contender, &error, &mut tables[0])?,
        }
    }
    let entered = halves[0].len();
    for round in 1..=options.rounds {
        for turn in turns(entered, round) {
            let contender = halves[0][turn].contender;
            let life = one_life(&mut stage, place, bundle, contender, round)?;
            for (half, sample) in halves.iter_mut().zip(life) {
                half[turn].samples.push(sample);
            }
        }
    }
    for (table, half) in tables.iter_mut().zip(&halves) {
        add_rows(table, half);
    }
    Ok(tables.into())
}

/// One container created, started and, its payload being gone after the gap, deleted.
fn one_life(
    stage: &mut Stage,
    place: &Place,
    bundle: &Bundle,
    contender: &Contender,
    number: usize,
) -> Result<[crate::sample::Sample; 3]> {
    let id = place.id(&contender.name, number);
    Ok([
        stage.measure(contender.create(bundle, &id))?,
        stage.measure(contender.start(bundle, &id))?,
        stage.measure(contender.delete(bundle, &id))?,
    ])
}

fn measure_exec(
    options: &Options,
    place: &Place,
    bundle: &Bundle,
    contenders: &[Contender],
) -> Result<Table> {
    let mut stage = Stage::new(&place.work, options.gap)?;
    let mut table = table(options, "exec", bundle);
    let mut series = Vec::new();
    let mut pids = Vec::new();
    for contender in contenders
        .iter()
        .filter(|contender| contender.takes(bundle))
    {
        match sleeper(&mut stage, place, bundle, contender) {
            Ok(pid) => {
                series.push(Series::new(contender));
                pids.push(pid);
            }
            Err(error) => excuse(options, contender, &error, &mut table)?,
        }
    }
    for round in 1..=options.rounds {
        for turn in turns(series.len(), round) {
            let contender = series[turn].contender;
            let id = place.id(&contender.name, 0);
            let sample = stage.measure(contender.exec(bundle, &id, &pids[turn]))?;
            series[turn].samples.push(sample);
        }
    }
    for (one, pid) in series.iter_mut().zip(&pids) {
        let contender = one.contender;
        let id = place.id(&contender.name, 0);
        one.count(&mut stage, place, &|| contender.exec(bundle, &id, pid));
        stage.measure(contender.delete_running(bundle, &id, pid))?;
    }
    add_rows(&mut table, &series);
    Ok(table)
}

/// Starts a sleeping container and checks that exec works in it; what the start printed is its pid,
/// for the floor.
fn sleeper(
    stage: &mut Stage,
    place: &Place,
    bundle: &Bundle,
    contender: &Contender,
) -> Result<String> {
    let id = place.id(&contender.name, 0);
    stage.measure(contender.run_detached(bundle, &id))?;
    let pid = stage.printed()?;
    stage.measure(contender.exec(bundle, &id, &pid))?;
    Ok(pid)
}

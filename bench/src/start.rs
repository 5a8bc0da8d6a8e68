//! `run` of a container whose payload ends at once.

use crate::bundle::Bundle;
use crate::contender::{Contender, FLOOR, OURS};
use crate::options::Options;
use crate::sample::{Sample, Stage, median, quantile};
use crate::table::{Column, Table, ratio};
use crate::view::Place;
use crate::{Result, count};

const COLUMNS: &[Column] = &[
    ("median ms", 2),
    ("p90 ms", 2),
    ("x floor", 2),
    ("x crun", 2),
    ("CPU ms", 2),
    ("faults", 0),
    ("calls", 0),
];

/// One contender's samples of one call, or why it has none.
pub(crate) struct Series<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) samples: Vec<Sample>,
    pub(crate) calls: Option<f64>,
}

/// Measures every bundle.
pub(crate) fn measure(
    options: &Options,
    place: &Place,
    bundles: &[Bundle],
    contenders: &[Contender],
) -> Result<()> {
    for bundle in bundles {
        measure_bundle(options, place, bundle, contenders)?.print(options.format);
    }
    Ok(())
}

fn measure_bundle(
    options: &Options,
    place: &Place,
    bundle: &Bundle,
    contenders: &[Contender],
) -> Result<Table> {
    let title = format!(
        "run, bundle {}, {} view, {} rounds",
        bundle.label,
        view(options),
        options.rounds
    );
    let mut table = Table::new(title, COLUMNS);
    let mut stage = Stage::new(&place.work, options.gap)?;
    let mut series = Vec::new();
    for contender in contenders
        .iter()
        .filter(|contender| contender.takes(bundle))
    {
        let id = place.id(&contender.name, 0);
        match stage.measure(contender.run(bundle, &id)) {
            Ok(_) => series.push(Series {
                contender,
                samples: Vec::new(),
                calls: None,
            }),
            Err(error) => excuse(options, contender, &error, &mut table)?,
        }
    }
    for round in 1..=options.rounds {
        // The order turns, so that nobody always follows the same neighbour.
        for place_in_order in 0..series.len() {
            let turn = (place_in_order + round) % series.len();
            let one = &mut series[turn];
            let id = place.id(&one.contender.name, round);
            one.samples
                .push(stage.measure(one.contender.run(bundle, &id))?);
        }
    }
    for one in &mut series {
        let id = place.id(&one.contender.name, options.rounds + 1);
        one.calls =
            count::system_calls(&mut stage, &place.work, &|| one.contender.run(bundle, &id));
    }
    add_rows(&mut table, &series);
    Ok(table)
}

/// The view's name, for titles.
pub(crate) fn view(options: &Options) -> &'static str {
    options.inside.map_or("host", |view| view.name())
}

/// Leaves a contender out with a line. A peer may fail; we may not, unless told to go on.
pub(crate) fn excuse(
    options: &Options,
    contender: &Contender,
    error: &dyn std::fmt::Display,
    table: &mut Table,
) -> Result<()> {
    if contender.name == OURS && !options.keep_going {
        return Err(error.to_string().into());
    }
    table.note(format!("left out: {}: {error}", contender.name));
    Ok(())
}

/// One row for each series, with ratios to the floor and to crun.
pub(crate) fn add_rows(table: &mut Table, series: &[Series]) {
    let wall = |one: &Series| median(one.samples.iter().map(|sample| sample.wall));
    let of = |name: &str| {
        series
            .iter()
            .find(|one| one.contender.name == name)
            .map(wall)
    };
    for one in series {
        let value = wall(one);
        table.row(
            &one.contender.name,
            vec![
                Some(value),
                Some(quantile(one.samples.iter().map(|sample| sample.wall), 0.9)),
                ratio(Some(value), of(FLOOR)),
                ratio(Some(value), of("crun")),
                Some(median(one.samples.iter().map(|sample| sample.cpu))),
                Some(median(one.samples.iter().map(|sample| sample.faults))),
                one.calls,
            ],
        );
    }
}

//! `run` of a container whose payload ends at once.

use crate::Result;
use crate::bundle::Bundle;
use crate::contender::Contender;
use crate::options::Options;
use crate::sample::Stage;
use crate::series::{COLUMNS, Series, add_rows, excuse, turns, view};
use crate::table::Table;
use crate::view::Place;

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
    let series = sample(options, place, bundle, contenders, &mut table)?;
    add_rows(&mut table, &series);
    Ok(table)
}

/// Every round of every contender that can; a note in the table for each that cannot.
pub(crate) fn sample<'a>(
    options: &Options,
    place: &Place,
    bundle: &Bundle,
    contenders: &'a [Contender],
    table: &mut Table,
) -> Result<Vec<Series<'a>>> {
    let mut stage = Stage::new(&place.work, options.gap)?;
    let mut series = Vec::new();
    for contender in contenders
        .iter()
        .filter(|contender| contender.takes(bundle))
    {
        let id = place.id(&contender.name, 0);
        match stage.measure(contender.run(bundle, &id)) {
            Ok(_) => series.push(Series::new(contender)),
            Err(error) => excuse(options, contender, &error, table)?,
        }
    }
    for round in 1..=options.rounds {
        for turn in turns(series.len(), round) {
            let contender = series[turn].contender;
            let id = place.id(&contender.name, round);
            let sample = stage.measure(contender.run(bundle, &id))?;
            series[turn].samples.push(sample);
        }
    }
    for one in &mut series {
        let contender = one.contender;
        let id = place.id(&contender.name, options.rounds + 1);
        one.count(&mut stage, place, &|| contender.run(bundle, &id));
    }
    Ok(series)
}

//! The samples of one call by several contenders, and their rows.

use crate::contender::{Contender, FLOOR, OURS};
use crate::options::Options;
use crate::sample::{Sample, Stage, median, quantile};
use crate::table::{Column, Table, ratio};
use crate::view::Place;
use crate::{Result, count};
use std::process::Command;

/// What is told of a call.
pub(crate) const COLUMNS: &[Column] = &[
    ("p10 ms", 2),
    ("median ms", 2),
    ("p90 ms", 2),
    ("x floor", 2),
    ("x crun", 2),
    ("CPU ms", 2),
    ("faults", 0),
    ("calls", 0),
];

/// One contender's samples of one call.
pub(crate) struct Series<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) samples: Vec<Sample>,
    pub(crate) calls: Option<f64>,
}

impl<'a> Series<'a> {
    /// A series without samples yet.
    pub(crate) fn new(contender: &'a Contender) -> Self {
        Self {
            contender,
            samples: Vec::new(),
            calls: None,
        }
    }

    /// Counts the system calls of one more call.
    pub(crate) fn count(&mut self, stage: &mut Stage, place: &Place, call: &dyn Fn() -> Command) {
        self.calls = count::system_calls(stage, &place.work, call);
    }
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
        let walls = |share| quantile(one.samples.iter().map(|sample| sample.wall), share);
        let median_of = |part: fn(&Sample) -> f64| median(one.samples.iter().map(part));
        table.row(
            &one.contender.name,
            vec![
                Some(walls(0.1)),
                Some(value),
                Some(walls(0.9)),
                ratio(Some(value), of(FLOOR)),
                ratio(Some(value), of("crun")),
                Some(median_of(|sample| sample.cpu)),
                Some(median_of(|sample| sample.faults)),
                one.calls,
            ],
        );
    }
}

/// The order of one round. It turns, so that nobody always follows the same neighbour.
pub(crate) fn turns(contenders: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..contenders).map(move |turn| (turn + round) % contenders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_a_round_and_starts_one_round_in_so_many() {
        let rounds: Vec<Vec<usize>> = (0..3).map(|round| turns(3, round).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }
}

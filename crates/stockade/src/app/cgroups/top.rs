//! `cgroup top`: what cgroups use, live.

mod screen;

use std::collections::HashMap;
use std::io::{IsTerminal, stdin, stdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroup::hand::{Branch, Target};

use super::super::failure::{Failure, Outcome};
use super::super::print;
use super::existing;
use crate::cli;
use crate::output::table::{align, harmless};
use crate::output::units::{binary_size, percent};

/// How many looks a graph shows.
const HISTORY: usize = 20;

/// What lines are sorted by; graphs show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Cpu,
    Memory,
    Tasks,
    Io,
    Name,
}

impl Sort {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "cpu" | "c" => Self::Cpu,
            "memory" | "m" => Self::Memory,
            "tasks" | "t" => Self::Tasks,
            "io" | "i" => Self::Io,
            "name" | "n" => Self::Name,
            _ => return None,
        })
    }
}

/// A cgroup as it was at one look.
#[derive(Clone, Debug, Default)]
struct Line {
    path: String,
    processes: usize,
    tasks: Option<u64>,
    memory: Option<u64>,
    /// Microseconds of processor time, and bytes of block devices, in all.
    cpu: Option<u64>,
    io: Option<u64>,
    /// Processors used since the look before, and bytes a second.
    cpu_rate: f64,
    io_rate: f64,
    /// The figure that is sorted by, the latest last.
    history: Vec<f64>,
}

impl Line {
    fn figure(&self, sort: Sort) -> f64 {
        let number = |n: Option<u64>| n.unwrap_or(0) as f64;
        match sort {
            // A name is no figure; its graph is that of processors.
            Sort::Cpu | Sort::Name => self.cpu_rate,
            Sort::Memory => number(self.memory),
            Sort::Tasks => number(self.tasks),
            Sort::Io => self.io_rate,
        }
    }
}

/// All looks so far, as far as they count.
struct Looks {
    target: Target,
    depth: usize,
    sort: Sort,
    taken: Instant,
    lines: Vec<Line>,
}

impl Looks {
    fn new(target: Target, depth: usize, sort: Sort) -> Outcome<Self> {
        let mut looks = Self {
            target,
            depth,
            sort,
            taken: Instant::now(),
            lines: Vec::new(),
        };
        looks.lines = looks.look()?;
        Ok(looks)
    }

    fn look(&self) -> Outcome<Vec<Line>> {
        let top = self.target.branches(self.depth)?;
        let base = match self.target.name.trim_end_matches('/') {
            "" => String::new(),
            name => name.to_owned(),
        };
        let mut lines = Vec::new();
        flatten(&top, &base, &mut lines);
        Ok(lines)
    }

    /// Looks again: rates are since the last time.
    fn again(&mut self) -> Outcome<()> {
        let mut lines = self.look()?;
        let passed = self.taken.elapsed().as_secs_f64().max(0.001);
        self.taken = Instant::now();
        let mut before: HashMap<String, Line> = std::mem::take(&mut self.lines)
            .into_iter()
            .map(|line| (line.path.clone(), line))
            .collect();
        for line in &mut lines {
            if let Some(last) = before.remove(&line.path) {
                let rate = |now: Option<u64>, then: Option<u64>| {
                    let grown = now
                        .zip(then)
                        .map_or(0, |(now, then)| now.saturating_sub(then));
                    grown as f64 / passed
                };
                line.cpu_rate = rate(line.cpu, last.cpu) / 1_000_000.0;
                line.io_rate = rate(line.io, last.io);
                line.history = last.history;
            }
            let figure = line.figure(self.sort);
            line.history.push(figure);
            if line.history.len() > HISTORY {
                line.history.remove(0);
            }
        }
        self.lines = lines;
        self.order();
        Ok(())
    }

    fn order(&mut self) {
        let sort = self.sort;
        self.lines.sort_by(|a, b| {
            let by_figure = b.figure(sort).total_cmp(&a.figure(sort));
            match sort {
                Sort::Name => a.path.cmp(&b.path),
                _ => by_figure.then_with(|| a.path.cmp(&b.path)),
            }
        });
    }

    /// Another column counts: graphs begin anew.
    fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        for line in &mut self.lines {
            line.history.clear();
        }
        self.order();
    }

    /// The table's lines, the heading first.
    fn table(&self, with_graph: bool) -> Vec<String> {
        let last = if with_graph { "\tGRAPH" } else { "" };
        let heading = format!("CPU\tMEMORY\tTASKS\tPROCESSES\tIO/S\tCGROUP{last}");
        let most = self.lines.iter().flat_map(|line| &line.history);
        let most = most.fold(0.0, |a: f64, b| a.max(*b));
        let row = |line: &Line| {
            let bytes = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), binary_size);
            let tasks = line.tasks.map_or_else(|| "-".to_owned(), |n| n.to_string());
            let cpu = line
                .cpu
                .map_or_else(|| "-".to_owned(), |_| percent(line.cpu_rate));
            let io = line.io.map(|_| line.io_rate as u64);
            let drawn = match with_graph {
                true => format!("\t{}", graph(&line.history, most)),
                false => String::new(),
            };
            let (memory, io) = (bytes(line.memory), bytes(io));
            let path = harmless(&line.path);
            format!(
                "{cpu}\t{memory}\t{tasks}\t{}\t{io}\t{path}{drawn}",
                line.processes
            )
        };
        std::iter::once(heading)
            .chain(self.lines.iter().map(row))
            .collect()
    }
}

fn flatten(one: &Branch, base: &str, lines: &mut Vec<Line>) {
    let path = match format!("{base}{}", one.path) {
        path if path.is_empty() => "/".to_owned(),
        path => path,
    };
    lines.push(Line {
        path,
        processes: one.processes.len(),
        tasks: one.used.tasks,
        memory: one.used.memory,
        cpu: one.used.cpu,
        io: one.used.io,
        ..Line::default()
    });
    for child in &one.children {
        flatten(child, base, lines);
    }
}

/// Figures as blocks of eight heights, the highest of all lines being the whole.
fn graph(history: &[f64], most: f64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let block = |figure: &f64| {
        if *figure <= 0.0 || most <= 0.0 {
            return ' ';
        }
        let step = (figure / most * 8.0).ceil() as usize;
        BLOCKS[step.clamp(1, 8) - 1]
    };
    let missing = HISTORY.saturating_sub(history.len());
    let blanks = std::iter::repeat_n(' ', missing);
    blanks.chain(history.iter().map(block)).collect()
}

/// `cgroup top`.
pub(super) fn top(request: &cli::CgroupTop) -> Outcome<()> {
    let sort = match request.sort.as_deref() {
        None => Sort::Cpu,
        Some(text) => Sort::parse(text).ok_or_else(|| {
            Failure::new(format!("--sort {text}: cpu, memory, tasks, io or name"))
        })?,
    };
    let number = |option: &str, n: Option<i64>, without| match n {
        None => Ok(without),
        Some(n) => u64::try_from(n)
            .map_err(|_| Failure::new(format!("{option} {n}: must not be negative"))),
    };
    let interval = Duration::from_secs(number("--interval", request.interval, 1)?.clamp(1, 3600));
    let depth = number("--depth", request.depth, u64::MAX)?;
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    let name = request.cgroup.as_deref().unwrap_or("/");
    let (_, target) = existing(request.controllers.as_deref(), name)?;
    let mut looks = Looks::new(target, depth, sort)?;
    if request.once || !stdout().is_terminal() || !stdin().is_terminal() {
        sleep(interval);
        looks.again()?;
        return print::out(&align(&looks.table(false)));
    }
    screen::show(&mut looks, interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_end_with_the_latest() {
        let blank = " ".repeat(HISTORY - 3);
        assert_eq!(graph(&[0.0, 4.0, 8.0], 8.0), format!("{blank} ▄█"));
        assert_eq!(graph(&[0.001], 8.0).trim(), "▁");
        assert_eq!(graph(&[1.0], 0.0).trim(), "");
        assert_eq!(graph(&[1.0; HISTORY], 1.0), "█".repeat(HISTORY));
    }
}

//! `stats`: what containers use of the machine.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cgroup::Stats;
use container::Store;
use engine::Record;

use super::failure::{Failure, Outcome};
use super::print;
use super::state::{self, Known};
use crate::cli;
use crate::output::format::Format;
use crate::output::rows::{StatsRow, Usage};

/// The time between two looks, over which the share of the processors is taken.
const INTERVAL: Duration = Duration::from_secs(1);

/// A container and what it used up to a moment.
struct Sample {
    known: Known,
    taken: Instant,
    /// None where it does not run.
    figures: Option<Stats>,
}

/// `stats`.
pub(crate) fn stats(store: &Store, request: &cli::Stats) -> Outcome<()> {
    let format = Format::parse::<StatsRow>(request.format.as_deref()).map_err(fault)?;
    let live = !request.no_stream;
    let screen = live && stdout().is_terminal();
    let host = host_memory();
    let mut earlier = processor_times(&samples(store, request)?);
    if screen {
        print::out("\x1b[2J")?;
    }
    loop {
        sleep(INTERVAL);
        let now = samples(store, request)?;
        let rows: Vec<StatsRow> = now
            .iter()
            .map(|sample| row(sample, &earlier, host, request.no_trunc))
            .collect();
        let text = format.render(&rows).map_err(fault)?;
        print::out(&if screen { redrawn(&text) } else { text })?;
        if !live || print::is_reader_gone() {
            return Ok(());
        }
        earlier = processor_times(&now);
    }
}

fn fault(error: crate::output::template::Error) -> Failure {
    Failure::new(format!("--format: {error}"))
}

/// From the upper left corner, each line's rest and what is below cleared.
fn redrawn(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}

/// One look at the containers that are wanted: those that are named, or all that run, or all.
fn samples(store: &Store, request: &cli::Stats) -> Outcome<Vec<Sample>> {
    let mut known = if request.containers.is_empty() {
        let (mut all, failures) = state::all(store)?;
        print::first_of(failures)?;
        all.retain(|one| request.all || one.runs());
        all.sort_by(|a, b| b.settings.created.cmp(&a.settings.created));
        all
    } else {
        request
            .containers
            .iter()
            .map(|given| Known::find(store, given))
            .collect::<Outcome<_>>()?
    };
    Ok(known.drain(..).map(|known| sample(store, known)).collect())
}

fn sample(store: &Store, known: Known) -> Sample {
    // One that ends meanwhile has no figures, like one that does not run.
    let figures = known
        .now
        .record
        .as_ref()
        .and_then(|record| figures(store, record).ok());
    Sample {
        known,
        taken: Instant::now(),
        figures,
    }
}

fn figures(store: &Store, record: &Record) -> Outcome<Stats> {
    let group = store.engine.group(record)?;
    Ok(group.stats().map_err(engine::Error::from)?)
}

/// Processor time in microseconds, by container, and when it was read.
fn processor_times(samples: &[Sample]) -> BTreeMap<String, (Instant, u64)> {
    let time = |sample: &Sample| {
        let cpu = sample.figures.as_ref()?.cpu?;
        Some((sample.known.id.clone(), (sample.taken, cpu.usage)))
    };
    samples.iter().filter_map(time).collect()
}

fn row(
    sample: &Sample,
    earlier: &BTreeMap<String, (Instant, u64)>,
    host: Option<u64>,
    whole: bool,
) -> StatsRow {
    let known = &sample.known;
    let usage = match &sample.figures {
        Some(figures) => Usage {
            cpu: earlier
                .get(&known.id)
                .and_then(|before| share(sample, *before)),
            network: network_use(known),
            ..usage(figures, host)
        },
        None => Usage::default(),
    };
    StatsRow::new(&known.id, &known.settings.name, &usage, whole)
}

/// The share of one processor since `before`.
fn share(sample: &Sample, (before, used): (Instant, u64)) -> Option<f64> {
    let spent = sample.figures.as_ref()?.cpu?.usage.checked_sub(used)?;
    let passed = sample.taken.duration_since(before).as_secs_f64();
    let spent = Duration::from_micros(spent).as_secs_f64();
    (passed > 0.0).then(|| spent / passed)
}

fn usage(figures: &Stats, host: Option<u64>) -> Usage {
    let memory = figures.memory.as_ref();
    let limit = memory.and_then(|memory| memory.limit);
    let sum = |bytes: fn(&cgroup::stats::DeviceIo) -> u64| {
        figures
            .io
            .as_ref()
            .map(|devices| devices.iter().map(bytes).fold(0, u64::saturating_add))
    };
    Usage {
        memory: memory.map(|memory| memory.usage.saturating_sub(memory.inactive_file)),
        memory_limit: match (limit, host) {
            (Some(limit), Some(host)) => Some(limit.min(host)),
            (limit, host) => limit.or(host),
        },
        block: sum(|device| device.read_bytes).zip(sum(|device| device.written_bytes)),
        pids: figures.pids.map(|pids| pids.current),
        ..Usage::default()
    }
}

/// The machine's memory, in bytes.
fn host_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// With the host's network nothing is the container's own, which Docker shows as none.
fn network_use(known: &Known) -> Option<(u64, u64)> {
    match super::inspect::network(&known.options) {
        "host" => Some((0, 0)),
        _ => known.now.pid().and_then(network),
    }
}

/// Bytes that came in and went out by the interfaces of a process's network namespace, loopback not
/// counted.
fn network(pid: u32) -> Option<(u64, u64)> {
    sum_of_interfaces(&std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?)
}

/// From proc_pid_net(5): two lines of headings, then eight fields of what came in, and what went out.
fn sum_of_interfaces(text: &str) -> Option<(u64, u64)> {
    let mut sum = (0u64, 0u64);
    for line in text.lines().skip(2) {
        let (name, fields) = line.split_once(':')?;
        if name.trim() != "lo" {
            let mut numbers = fields.split_ascii_whitespace().map(str::parse::<u64>);
            sum.0 = sum.0.saturating_add(numbers.next()?.ok()?);
            sum.1 = sum.1.saturating_add(numbers.nth(7)?.ok()?);
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_summed_up() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n\
            \x20   lo: 500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n\
            \x20 eth0:1000 8 0 0 0 0 0 0 200 3 0 0 0 0 0 0\n\
            \x20 eth1: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n";
        assert_eq!(sum_of_interfaces(text), Some((1001, 202)));
        assert_eq!(sum_of_interfaces("a\nb\n"), Some((0, 0)));
        assert_eq!(sum_of_interfaces("a\nb\neth0: 1 2 3\n"), None);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(host_memory().unwrap() > 1 << 20);
    }

    #[test]
    fn memory_is_held_by_the_host_too() {
        let memory = cgroup::stats::Memory {
            usage: 50,
            inactive_file: 60,
            limit: Some(200),
            ..Default::default()
        };
        let used = usage(
            &Stats {
                memory: Some(memory),
                ..Stats::default()
            },
            Some(100),
        );
        assert_eq!(
            (used.memory, used.memory_limit, used.block, used.pids),
            (Some(0), Some(100), None, None)
        );
    }
}

//! Prints what it costs to read a configuration: as a borrowed `Spec`, with the checks, and as a
//! generic `serde_json::Value`. For people; nothing depends on the figures.
//!
//! `cargo bench -p stockade-spec [-- config.json…]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use spec::Spec;

const RUNS: usize = 2001;

fn main() {
    let files: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let real = [("podman", include_str!("../tests/data/podman-4.3.1.json"))];
    let mut documents: Vec<(String, Vec<u8>)> =
        real.map(|(name, text)| (name.into(), text.into())).into();
    for file in files {
        match std::fs::read(&file) {
            Ok(text) => documents.push((file, text)),
            Err(error) => eprintln!("{file}: {error}"),
        }
    }
    println!(
        "{:<30} {:>8} {:>10} {:>10} {:>10} {:>10}",
        "document", "bytes", "first", "Spec", "+ check", "Value"
    );
    for (name, text) in documents {
        let first = time(1, || parse(&text));
        let spec = time(RUNS, || parse(&text));
        let checked = time(RUNS, || {
            black_box(Spec::parse(black_box(&text)).and_then(|spec| spec.check())).is_ok()
        });
        let value = time(RUNS, || {
            serde_json::from_slice::<serde_json::Value>(black_box(&text)).is_ok()
        });
        println!(
            "{name:<30} {:>8} {first:>10.1?} {spec:>10.1?} {checked:>10.1?} {value:>10.1?}",
            text.len()
        );
    }
}

fn parse(text: &[u8]) -> bool {
    black_box(Spec::parse(black_box(text))).is_ok()
}

/// The median time of a call.
fn time(runs: usize, call: impl Fn() -> bool) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(call());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}

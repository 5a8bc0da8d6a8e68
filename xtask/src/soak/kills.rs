//! Random kills of the runtime, each followed by one `delete --force`.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::bundle::Bundle;
use super::{Result, said};

const VERBS: [&str; 5] = ["create", "start", "run", "exec", "delete"];
/// How often a verb is watched to its end before it is killed.
const WATCHED: usize = 9;
const SIGKILL: i32 = 9;

/// Small pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

/// What became of the kills of one verb.
#[derive(Clone, Default)]
struct Tally {
    /// How often it was to be killed.
    tried: u32,
    /// How often it died of that, amid its work.
    died: u32,
    /// How often a container, or a part of one, was left then.
    left: u32,
}

/// Kills the runtime until it has died `count` times amid its work.
pub(super) fn run(program: PathBuf, count: u32) -> Result<()> {
    let bundle = Bundle::new(program)?;
    let seed = u64::from(std::process::id()) | 1;
    let spans = spans(&bundle)?;
    println!("seed {seed}; microseconds that each takes: {spans:?}");
    let (mut random, mut tallies) = (Random(seed), vec![Tally::default(); VERBS.len()]);
    let begun = Instant::now();
    for round in 0.. {
        if tallies.iter().map(|tally| tally.died).sum::<u32>() >= count {
            break;
        }
        let which = round % VERBS.len();
        let words = prepared(&bundle, VERBS[which])?;
        let span = Duration::from_micros(random.below(spans[which] + spans[which] / 5));
        let died = killed_after(&bundle, &words, span)?;
        let tally = &mut tallies[which];
        tally.tried += 1;
        tally.died += u32::from(died);
        tally.left += u32::from(died && bundle.has_state());
        bundle.delete()?;
        bundle.nothing_left(&format!("round {round}, {words:?} killed after {span:?}"))?;
    }
    println!("{:.1} s, and nothing left", begun.elapsed().as_secs_f64());
    println!(
        "{:8} {:>6} {:>10} {:>16}",
        "", "kills", "amid work", "left something"
    );
    for (verb, Tally { tried, died, left }) in VERBS.iter().zip(&tallies) {
        println!("{verb:8} {tried:>6} {died:>10} {left:>16}");
    }
    Ok(())
}

/// Makes what a verb needs; its words.
fn prepared<'a>(bundle: &'a Bundle, verb: &str) -> Result<Vec<&'a str>> {
    let id = bundle.name.as_str();
    Ok(match verb {
        "create" => vec!["create", id],
        "start" => {
            bundle.call(&["create", id])?;
            vec!["start", id]
        }
        "run" => vec!["run", "--bundle", "short", id],
        "exec" => {
            bundle.call(&["run", "--detach", id])?;
            vec!["exec", id, "true"]
        }
        _ => {
            bundle.call(&["run", "--detach", id])?;
            vec!["delete", "--force", id]
        }
    })
}

/// How many microseconds each verb takes on this machine: the median of a few.
fn spans(bundle: &Bundle) -> Result<Vec<u64>> {
    let span = |verb: &&str| {
        let mut all = Vec::new();
        for _ in 0..WATCHED {
            let words = prepared(bundle, verb)?;
            let begun = Instant::now();
            said(bundle.begin(&words)?.wait(), &PathBuf::from(*verb))?;
            all.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
            bundle.delete()?;
        }
        all.sort_unstable();
        Ok(all[WATCHED / 2])
    };
    VERBS.iter().map(span).collect()
}

/// Starts a command and kills it after a while; says whether it died of that.
fn killed_after(bundle: &Bundle, words: &[&str], span: Duration) -> Result<bool> {
    let mut child = bundle.begin(words)?;
    std::thread::sleep(span);
    let _ = child.kill();
    let status = said(child.wait(), &PathBuf::from(words[0]))?;
    Ok(status.signal() == Some(SIGKILL))
}

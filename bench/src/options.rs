//! The command line.

use crate::Result;
use crate::view::View;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Measure stockade beside crun, runc, podman and a raw-syscall floor. Needs root and a C compiler.

usage: stockade-bench [BENCH...] [OPTIONS]

BENCH (default: run)
  run        `run` of a container that ends at once: time, CPU, page faults, system calls
  verbs      create, start, delete and exec, each by itself
  storm      `run`, four at a time: containers per second
  density    500 x `run -d`: per second, last 50 over first 50, memory per sleeping container
  gate       fails when our system calls or page faults exceed their share of the floor's
  jails      a jail whose command ends at once, beside crun and bwrap
  people     `podman run --rm` beside `stockade run --rm` on a stored root
  clients    `run --rm` by podman, docker and ctr, with each runtime; daemons of its own

OPTIONS
  --stockade PATH     our binary (default: the release build in the target directory)
  --peer NAME=PATH    one more OCI runtime; `--peer crun=` leaves the default one out
  --view LIST         v1, v2, host (default: v1,v2), as far as the host's mounts allow
  --bundle LIST       A, B (default: A,B)
  --rounds N          interleaved rounds (default: 120)
  --gap MS            quiet time before each call (default: 25)
  --count N           containers of `density` (default: 500)
  --format FORMAT     table or json, one object a line (default: table)
  --keep-going        a contender that fails is left out with a line, ours too
";

/// One kind of measurement.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bench {
    Gate,
    Run,
    Verbs,
    Storm,
    Density,
    Jails,
    People,
    Clients,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Format {
    Table,
    Json,
}

/// The command line, checked.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) benches: Vec<Bench>,
    pub(crate) bundles: Vec<String>,
    pub(crate) count: usize,
    pub(crate) format: Format,
    pub(crate) gap: Duration,
    /// The view this process is to enter; set by the driver itself.
    pub(crate) inside: Option<View>,
    pub(crate) keep_going: bool,
    /// Name and path of each OCI runtime beside ours; an empty path leaves it out.
    pub(crate) peers: Vec<(String, PathBuf)>,
    pub(crate) rounds: usize,
    pub(crate) stockade: Option<PathBuf>,
    pub(crate) views: Vec<View>,
}

impl Options {
    fn defaults() -> Self {
        Self {
            benches: Vec::new(),
            bundles: vec!["A".to_owned(), "B".to_owned()],
            count: 500,
            format: Format::Table,
            gap: Duration::from_millis(25),
            inside: None,
            keep_going: false,
            peers: vec![
                ("crun".to_owned(), "crun".into()),
                ("runc".to_owned(), "runc".into()),
            ],
            rounds: 120,
            stockade: None,
            views: vec![View::V1, View::V2],
        }
    }

    /// Parses the arguments after the program's name; `None` when help was asked for.
    pub(crate) fn from_arguments(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<Self>> {
        let mut options = Self::defaults();
        while let Some(argument) = arguments.next() {
            let argument = argument
                .to_str()
                .ok_or("an argument is not UTF-8")?
                .to_owned();
            match argument.as_str() {
                "-h" | "--help" => return Ok(None),
                "--keep-going" => options.keep_going = true,
                option if option.starts_with("--") => {
                    let value = arguments
                        .next()
                        .ok_or_else(|| format!("{option}: needs a value"))?;
                    let value = value
                        .to_str()
                        .ok_or_else(|| format!("{option}: not UTF-8"))?;
                    options.set(option, value)?;
                }
                bench => options.benches.push(bench_named(bench)?),
            }
        }
        if options.benches.is_empty() {
            options.benches.push(Bench::Run);
        }
        Ok(Some(options))
    }

    fn set(&mut self, option: &str, value: &str) -> Result<()> {
        match option {
            "--stockade" => self.stockade = Some(value.into()),
            "--peer" => self.set_peer(value)?,
            "--view" => self.views = value.split(',').map(View::named).collect::<Result<_>>()?,
            "--bundle" => {
                self.bundles = value.split(',').map(bundle_named).collect::<Result<_>>()?
            }
            "--rounds" => self.rounds = number(option, value)?,
            "--gap" => self.gap = Duration::from_millis(number(option, value)?),
            "--count" => self.count = number(option, value)?,
            "--format" => self.format = format_named(value)?,
            "--inside" => self.inside = Some(View::named(value)?),
            _ => return Err(format!("{option}: no such option (see --help)").into()),
        }
        Ok(())
    }

    fn set_peer(&mut self, value: &str) -> Result<()> {
        let (name, path) = value.split_once('=').ok_or("--peer: NAME=PATH is wanted")?;
        self.peers.retain(|(known, _)| known != name);
        if !path.is_empty() {
            self.peers.push((name.to_owned(), path.into()));
        }
        Ok(())
    }
}

fn number<N: std::str::FromStr>(option: &str, value: &str) -> Result<N> {
    value
        .parse()
        .map_err(|_| format!("{option}: {value:?} is not a number").into())
}

fn bench_named(name: &str) -> Result<Bench> {
    Ok(match name {
        "gate" => Bench::Gate,
        "run" => Bench::Run,
        "verbs" => Bench::Verbs,
        "storm" => Bench::Storm,
        "density" => Bench::Density,
        "jails" => Bench::Jails,
        "people" => Bench::People,
        "clients" => Bench::Clients,
        _ => return Err(format!("{name}: no such bench (see --help)").into()),
    })
}

fn bundle_named(name: &str) -> Result<String> {
    match name {
        "A" | "B" => Ok(name.to_owned()),
        _ => Err(format!("--bundle: {name:?} is neither A nor B").into()),
    }
}

fn format_named(name: &str) -> Result<Format> {
    match name {
        "table" => Ok(Format::Table),
        "json" => Ok(Format::Json),
        _ => Err(format!("--format: {name:?} is neither table nor json").into()),
    }
}

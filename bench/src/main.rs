//! Measures `stockade` beside `crun`, `runc`, podman and a raw-syscall floor.
//!
//! Every contender does the same work on the same bundle, one after the other in turn, with a gap
//! before each call: a write to `cgroup.procs` waits for an RCU grace period only when the last one is
//! some 20 ms ago, and calls back to back hide that (`docs/performance.md`).
//!
//! ```text
//! main       options, one process per cgroup view
//! view       the mount namespace a view is made of
//! bundle     bundle A (`runc spec`) and B (podman's, with its seccomp profile), made at bench time
//! floor      a bundle turned into C tables, compiled with floor/floor.c
//! contender  how each runtime spells its verbs
//! sample     one measured call; count: its system calls; series: many, by several contenders
//! run, verbs, storm, density, jails, people, clients, gate   the benches
//! table      what is printed
//! ```

#![forbid(unsafe_code)]

mod bundle;
mod clients;
mod contender;
mod count;
mod density;
mod floor;
mod gate;
mod jails;
mod options;
mod people;
mod podman;
mod run;
mod sample;
mod series;
mod storm;
mod table;
mod verbs;
mod view;

use nix::sys::signal::{SigSet, Signal};
use options::{Bench, Options};
use std::process::{Command, ExitCode};
use view::{Place, View};

/// What any part of the driver fails with: one line for a person.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let outcome = match Options::from_arguments(std::env::args_os().skip(1)) {
        Ok(None) => {
            print!("{}", options::USAGE);
            Ok(())
        }
        Ok(Some(options)) => match options.inside {
            Some(view) => measure(&options, view),
            None => each_view(&options),
        },
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stockade-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again once for each view: a process enters one mount namespace in its life. An
/// interrupt ends that process alone, so that this one can clear up behind it.
fn each_view(options: &Options) -> Result<()> {
    interruptible(false)?;
    let present = View::present()?;
    for view in &options.views {
        if !present.contains(view) {
            eprintln!("skipped: the {view} view cannot be made from this host's cgroup mounts");
            continue;
        }
        let mut driver = Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .args(["--inside", view.name()])
            .spawn()?;
        let status = driver.wait()?;
        Place::of(driver.id()).clear();
        if !status.success() {
            return Err(format!("the {view} view ended with {status}").into());
        }
    }
    Ok(())
}

/// Measures everything asked for in one view. The work directory is a tmpfs of this process's mount
/// namespace; what else may be left is cleared by the process that waits for this one.
fn measure(options: &Options, view: View) -> Result<()> {
    interruptible(true)?;
    let place = &view::enter(view)?;
    let bundles = bundle::make(options, view, place)?;
    let contenders = contender::present(options, place);
    for bench in &options.benches {
        match bench {
            Bench::Gate => gate::measure(options, place, &bundles, &contenders)?,
            Bench::Run => run::measure(options, place, &bundles, &contenders)?,
            Bench::Verbs => verbs::measure(options, place, &bundles, &contenders)?,
            Bench::Storm => storm::measure(options, place, &bundles, &contenders)?,
            Bench::Density => density::measure(options, place, &bundles, &contenders)?,
            Bench::Clients => clients::measure(options, place)?,
            Bench::Jails => jails::measure(options, place, &bundles, &contenders)?,
            Bench::People => people::measure(options, place)?,
        }
    }
    Ok(())
}

/// Lets signals from the terminal through, or keeps them from this process.
fn interruptible(may: bool) -> Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    match may {
        true => signals.thread_unblock()?,
        false => signals.thread_block()?,
    }
    Ok(())
}

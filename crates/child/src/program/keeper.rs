//! PID 1 of a container that has no payload of its own (a jail): processes come and go beside it.

use crate::bare::{self, errno};
use crate::op::Report;
use crate::steps::Child;

const PR_SET_NAME: u64 = 15;
const WNOHANG: u64 = 1;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;

impl Child {
    /// Goes on as the container's keeper, as another would go on as its payload.
    pub fn keep(&self) -> ! {
        self.script.report(Report {
            step: self.script.header().ops,
            executing: 1,
            ..Report::default()
        });
        keep()
    }
}

/// Reaps what ends, and ends itself when it is alone and was told not to stay. Whoever is outside tells it: by
/// SIGUSR1 not to stay, by SIGUSR2 to stay, by any other signal to look again. Processes inside only make
/// it look again.
fn keep() -> ! {
    let _ = bare::prctl(PR_SET_NAME, c"jail".as_ptr() as u64, 0);
    bare::block_signals(true);
    bare::close_from(0);
    let mut stays = true;
    loop {
        stays = told().unwrap_or(stays);
        reap();
        if !stays && is_alone() {
            bare::exit(0);
        }
    }
}

/// What the signals that have come say, if anything, once there are some. All are taken before anything is done: the
/// kernel hands them out by number, not as they came. Whoever was told both stays.
fn told() -> Option<bool> {
    let mut answer = None;
    let mut next = bare::wait_signal_from(true);
    while let Ok(signal) = next {
        match signal {
            (SIGUSR1, true) => answer = answer.or(Some(false)),
            (SIGUSR2, true) => answer = Some(true),
            _ => {}
        }
        next = bare::wait_signal_from(false);
    }
    answer
}

fn reap() {
    while matches!(bare::wait(-1, WNOHANG), Ok((pid, _)) if pid > 0) {}
}

/// Whether the pid namespace has no other process, those included whose parents are outside.
fn is_alone() -> bool {
    bare::kill(-1, 0) == Err(errno::ESRCH)
}

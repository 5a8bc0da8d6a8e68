//! `cgroup run`: a command in a cgroup of its own.

use cgroup::hand::Target;
use cgroup::{Deadline, Layout};
use sys::launch::{self, Started};
use sys::process::{self, Ended, identity};
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::fs::{Access, access};
use sys::rustix::io::retry_on_intr;
use sys::rustix::process::{geteuid, getpid};
use sys::signal::{Set, Signals};

use super::super::failure::{Failure, Outcome};
use super::change::set_all;
use super::host;
use crate::cli;

/// Where these cgroups are, of root; anybody else's are below what is delegated to them.
const PARENT: &str = "stockade";
/// What their names begin with: the number and start time of the process that will remove it follow.
const PREFIX: &str = "run-";
const CANNOT_EXECUTE: u8 = 125;

/// `cgroup run`: the command's exit status.
pub(super) fn run(request: &cli::CgroupRun) -> Outcome<i32> {
    prepare_and_run(request).map_err(|failure| Failure {
        code: failure.code.or(Some(CANNOT_EXECUTE)),
        ..failure
    })
}

fn prepare_and_run(request: &cli::CgroupRun) -> Outcome<i32> {
    let settings = settings(request)?;
    let (layout, _) = host(None)?;
    let name = match &request.name {
        Some(name) => name.clone(),
        None => {
            sweep(&layout);
            own_name(&layout)?
        }
    };
    let target = Target::find(&layout, &name, None)?;
    let target = permitted(target);
    let group = target.create(None).map_err(|error| {
        let mut failure = Failure::from(error);
        if !geteuid().is_root() {
            failure.hint = Some(
                "an ordinary user needs a cgroup that is delegated: on v2 `stockade cgroup create \
                 --owner USER`, or systemd's Delegate=yes"
                    .to_owned(),
            );
        }
        failure
    })?;
    let ran =
        set_all(&layout, &target, &settings, true).and_then(|()| run_in(&target, &request.command));
    // What the command left behind ends with it, as the cgroup cannot go before.
    let ended = target.kill(&Deadline::after(5000));
    let errors = cgroup::remove(group.made(), group.leaves(), Deadline::after(2000));
    let code = ran?;
    ended?;
    match errors.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(code),
    }
}

/// All settings, by v2's names, in an order in which each has what it needs.
fn settings(request: &cli::CgroupRun) -> Outcome<Vec<String>> {
    let mut all = Vec::new();
    let mut add = |key: &str, value: &Option<String>| {
        all.extend(value.iter().map(|value| format!("{key}={value}")));
    };
    add("memory.max", &request.memory);
    add("memory.swap.max", &request.memory_swap);
    add("memory.high", &request.memory_high);
    add("pids.max", &request.pids);
    add("cpu.weight", &request.cpu_weight);
    add("cpuset.cpus", &request.cpuset_cpus);
    let cpus = request.cpus.as_deref().map(bandwidth).transpose()?;
    add("cpu.max", &cpus);
    all.extend(request.set.iter().cloned());
    Ok(all)
}

/// `1.5` processors as time of each tenth of a second.
fn bandwidth(text: &str) -> Outcome<String> {
    let fault = || Failure::new(format!("--cpus {text}: must be a number such as 1.5"));
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| {
        !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(whole) || !digits(part) {
        return Err(fault());
    }
    let part = format!("{part:0<5}").parse::<u64>().map_err(|_| fault())?;
    let quota = whole.parse::<u64>().map_err(|_| fault())? * 100_000 + part;
    if quota < 1000 {
        return Err(Failure::new(format!("--cpus {text}: must be 0.01 or more")));
    }
    Ok(format!("{quota} 100000"))
}

/// This process's own name for it. Root's are in one place; others' beside the cgroup that this process is in, as
/// one that has processes can give its children no controllers.
fn own_name(layout: &Layout) -> Outcome<String> {
    let pid = getpid().as_raw_nonzero().get().unsigned_abs();
    let began = identity(pid)?.map_or(0, |own| own.start);
    let name = format!("{PREFIX}{pid}-{began}");
    if geteuid().is_root() {
        return Ok(format!("/{PARENT}/{name}"));
    }
    let own = layout.unified.as_ref().and_then(|one| one.own.as_deref());
    let beside = own.and_then(|own| own.rsplit_once('/')).map_or("", |p| p.0);
    Ok(format!("{beside}/{name}"))
}

/// On v1 and hybrid hosts an ordinary user does without the hierarchies that are not theirs, unless a
/// setting needs one: that is then refused by name.
fn permitted(mut target: Target) -> Target {
    let is_writable = |leaf: &cgroup::Leaf| {
        let dir = leaf.dir();
        let parent = dir.rsplit_once('/').map_or("/", |(parent, _)| parent);
        access(parent, Access::WRITE_OK).is_ok()
    };
    if !geteuid().is_root() && target.leaves.iter().any(is_writable) {
        target.leaves.retain(is_writable);
    }
    target
}

/// Runs the command in there: its exit status. Whoever stops this process stops the command.
fn run_in(target: &Target, command: &[String]) -> Outcome<i32> {
    let before = Signals::open(Set::OTHERS.without(CHILD).without(STOP_BY_TERMINAL))?;
    let Some(child) = launch::fork()? else {
        drop(before);
        sys::exit(become_command(target, command))
    };
    let ended = follow(&child, &before)?;
    Ok(ended.code())
}

/// SIGCHLD, and SIGTSTP, which stops both.
const CHILD: i32 = 17;
const STOP_BY_TERMINAL: i32 = 20;

/// In the copy of this process: enters, and executes. Returns only to fail.
fn become_command(target: &Target, command: &[String]) -> i32 {
    let pid = getpid().as_raw_nonzero().get().unsigned_abs();
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let (code, message) = match target.take(pid) {
        Ok(()) => {
            let error = ns::execute::execute(&words);
            (error.code.unwrap_or(CANNOT_EXECUTE.into()), error.message)
        }
        Err(error) => (CANNOT_EXECUTE.into(), error.what.into_owned()),
    };
    eprintln!("{}", Failure::new(message));
    code
}

/// Waits for its end. Signals that somebody sent are handed on; what the terminal sends, it got itself.
fn follow(child: &Started, signals: &Signals) -> Outcome<Ended> {
    loop {
        let mut polled = [
            PollFd::new(&child.pidfd, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut polled, None))
            .map_err(|errno| sys::Error::new("poll", "", errno))?;
        let has_ended = !polled[0].revents().is_empty();
        while let Some(received) = signals.take()? {
            if received.sender != 0 {
                process::send(&child.pidfd, received.signal)?;
            }
        }
        if has_ended {
            return Ok(process::wait(&child.pidfd)?);
        }
    }
}

/// Removes what killed `cgroup run`s have left: cgroups of theirs without processes.
fn sweep(layout: &Layout) {
    let parent = Target::find(layout, PARENT, None).and_then(Target::existing);
    let Ok(branches) = parent.and_then(|parent| parent.branches(1)) else {
        return;
    };
    for one in branches.children {
        let gone = maker(&one.name).is_some_and(|(pid, began)| {
            let now = identity(pid).ok().flatten();
            now.is_none_or(|now| now.start != began)
        });
        if gone && one.processes.is_empty() {
            let path = format!("{PARENT}/{}", one.name);
            let found = Target::find(layout, &path, None).and_then(Target::existing);
            // Whoever else does it at the same time has done it then.
            let _ = found.and_then(|target| target.remove(true));
        }
    }
}

/// The process that made a cgroup of this name.
fn maker(name: &str) -> Option<(u32, u64)> {
    let (pid, began) = name.strip_prefix(PREFIX)?.split_once('-')?;
    Some((pid.parse().ok()?, began.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_time() {
        for (text, value) in [
            ("1", "100000 100000"),
            ("1.5", "150000 100000"),
            ("0.01", "1000 100000"),
            ("12.00001", "1200001 100000"),
        ] {
            assert_eq!(bandwidth(text).unwrap(), value);
        }
        for text in [
            "", ".", "1.", ".5", "-1", "x", "0", "0.001", "1e3", "1.000001",
        ] {
            assert!(bandwidth(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_tell_who_made_them() {
        assert_eq!(maker("run-12-345"), Some((12, 345)));
        for name in ["run-12", "run--1", "x-1-2", "run-a-2", "run-1-"] {
            assert_eq!(maker(name), None, "{name}");
        }
    }
}

//! `exec`.

use container::Store;
use engine::{ExecOptions, Terminal};
use front::app::value::env::{self, Variable};
use front::app::{Accounts, Storage};
use spec::{CapSet, Process, Spec, Str};
use sys::rustix::pipe::{PipeFlags, pipe_with};
use sys::rustix::termios::Winsize;
use sys::{AsFd, OwnedFd};

use super::failure::{Failure, Outcome};
use crate::cli;
use crate::terminal::detach::{DEFAULT, DetachKeys};
use crate::terminal::relay::{self, Events, Finish, Input, Relay, Streams, User};
use crate::terminal::{Raw, give_back, is_terminal, set_size};

/// `exec`.
pub(crate) fn exec(store: &Store, request: &cli::Exec) -> Outcome<i32> {
    let id = store.find(&request.container)?;
    let settings = store.open(&id)?.settings()?;
    let (record, _) = store
        .engine
        .inspect(&id)
        .map_err(|error| match error.kind {
            engine::Kind::NotFound => {
                Failure::new(format!("container {} is not running", settings.name))
            }
            _ => error.into(),
        })?;
    let config = store.engine.open_state_dir(&id)?.read_config()?;
    let spec = Spec::parse(&config).map_err(engine::Error::from)?;
    let process = process(&spec, request, record.pid)?;
    let raw = request.tty && request.interactive && !request.detach;
    if raw && !is_terminal(sys::stdio::input()) {
        return Err(Failure::new("the input device is not a TTY"));
    }
    let options = ExecOptions {
        process: &process,
        terminal: if request.tty {
            Terminal::Caller
        } else {
            Terminal::None
        },
        pid_file: None,
        preserve_fds: 0,
        listen_fds: 0,
        cgroups: &[],
        ignore_paused: false,
        scoped: false,
    };
    if request.detach {
        return detached(store, &id, &options);
    }
    let keys = DetachKeys::parse(request.detach_keys.as_deref().unwrap_or(DEFAULT))
        .map_err(Failure::new)?;
    let signals = relay::signals(raw)?;
    let code = store.engine.exec(&id, &options, |executed| {
        if let Some(master) = executed.terminal.take() {
            let outcome = attend(master, request.interactive, raw, &signals, keys, executed);
            return outcome
                .map_err(|failure| engine::Error::new(engine::Kind::Bug, failure.message));
        }
        oci_forward(&executed.pidfd, &signals)?;
        Ok(executed.wait()?.code())
    })?;
    Ok(code)
}

/// Signals that we get are for the process, whose streams are ours.
fn oci_forward(pidfd: &OwnedFd, signals: &sys::signal::Signals) -> engine::Result<()> {
    ::oci::forward_until_end(pidfd, signals)
}

/// A detached process must not hold our streams, and nobody reads what it prints.
fn detached(store: &Store, id: &str, options: &ExecOptions<'_>) -> Outcome<i32> {
    let null = sys::file::open("/dev/null", sys::rustix::fs::OFlags::RDWR)?;
    let failed = |errno| Failure::from(sys::Error::new("dup2", "", errno));
    let (_keep, _) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let error = sys::stdio::error().try_clone_to_owned().map_err(failed)?;
    sys::rustix::stdio::dup2_stdin(&null).map_err(failed)?;
    sys::rustix::stdio::dup2_stdout(&null).map_err(failed)?;
    sys::rustix::stdio::dup2_stderr(&null).map_err(failed)?;
    let started = store.engine.exec(id, options, |_| Ok(0));
    sys::rustix::stdio::dup2_stderr(&error).map_err(failed)?;
    Ok(started?)
}

fn attend(
    master: OwnedFd,
    interactive: bool,
    raw: bool,
    signals: &sys::signal::Signals,
    detach: DetachKeys,
    executed: &mut engine::Executed<'_, '_>,
) -> Outcome<i32> {
    let clone = || {
        let cloned = master.as_fd().try_clone_to_owned();
        cloned.map_err(|errno| Failure::from(sys::Error::new("dup", "terminal", errno)))
    };
    let raw = if raw {
        Some(Raw::enter(sys::stdio::input())?)
    } else {
        None
    };
    let streams = Streams {
        input: if interactive {
            Some(Input::Terminal(clone()?))
        } else {
            None
        },
        output: Some(clone()?),
        error: None,
    };
    let relay = Relay {
        signals,
        raw: raw.as_ref(),
        detach,
        forward: true,
        process: Some(executed.pidfd.as_fd()),
    };
    let mut events = Target {
        pidfd: executed.pidfd.as_fd(),
        window: master.as_fd(),
    };
    let finish = relay.run(User::standard(interactive), streams, &mut events)?;
    give_back();
    drop(raw);
    match finish {
        Finish::Detached => Ok(0),
        Finish::Signal(number) => Ok(128 + number),
        Finish::Closed => Ok(executed.wait()?.code()),
    }
}

/// Hands our terminal, which is raw meanwhile, to a process that has one of its own: its exit status.
pub(crate) fn attend_terminal(
    master: OwnedFd,
    signals: &sys::signal::Signals,
    executed: &mut engine::Executed<'_, '_>,
) -> Outcome<i32> {
    let keys = DetachKeys::parse("").map_err(Failure::new)?;
    attend(master, true, true, signals, keys, executed)
}

struct Target<'t> {
    pidfd: sys::BorrowedFd<'t>,
    window: sys::BorrowedFd<'t>,
}

impl Events for Target<'_> {
    fn signal(&mut self, number: i32) -> sys::Result<()> {
        sys::process::send(self.pidfd, number).map(drop)
    }

    fn resized(&mut self, size: Winsize) -> sys::Result<()> {
        let _ = set_size(self.window, size);
        Ok(())
    }
}

/// The container's own process, changed by the options.
fn process<'a>(spec: &Spec<'a>, request: &'a cli::Exec, pid: u32) -> Outcome<Process<'a>> {
    let mut process = spec
        .process
        .clone()
        .ok_or_else(|| Failure::new("the container has no process to take after"))?;
    process.args = request.command.iter().map(|word| Str::new(word)).collect();
    process.terminal = request.tty;
    for path in &request.env_file {
        let place = || format!("--env-file {path}");
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("{}: {error}", place())))?;
        let entries = env::file(&text).map_err(|fault| Failure::from(fault.at(place())))?;
        entries
            .into_iter()
            .for_each(|entry| set_variable(&mut process, entry));
    }
    for text in &request.env {
        let entry = env::variable(text);
        let entry = entry.map_err(|fault| Failure::from(fault.at(format!("--env {text}"))))?;
        set_variable(&mut process, entry);
    }
    if let Some(dir) = &request.workdir {
        process.cwd = Str::new(dir);
    }
    if let Some(user) = &request.user {
        set_user(&mut process, user, pid)?;
    }
    if request.privileged {
        let all = own_capabilities();
        let caps = process.capabilities.get_or_insert_default();
        (caps.bounding, caps.effective, caps.permitted) = (all, all, all);
        process.no_new_privileges = false;
    }
    Ok(process)
}

/// One that is only named is the caller's own, where the caller has it.
fn set_variable(process: &mut Process<'_>, variable: Variable<'_>) {
    match variable {
        Variable::Set(name, value) => set_env(process, format!("{name}={value}")),
        Variable::Inherit(name) => {
            if let Ok(value) = std::env::var(name) {
                set_env(process, format!("{name}={value}"));
            }
        }
    }
}

fn set_env(process: &mut Process<'_>, entry: String) {
    let name = entry.split('=').next().unwrap_or("").to_owned();
    process
        .env
        .retain(|old| old.split('=').next() != Some(name.as_str()));
    process.env.push(Str::from(entry));
}

fn set_user(process: &mut Process<'_>, text: &str, pid: u32) -> Outcome<()> {
    let place = || format!("--user {text}");
    let accounts = Accounts::read(&Storage::directory(&format!("/proc/{pid}/root")))
        .map_err(|fault| Failure::from(fault.at(place())))?;
    let request =
        front::app::value::user::user(text).map_err(|fault| Failure::from(fault.at(place())))?;
    let identity = accounts
        .identity(&request)
        .map_err(|fault| Failure::from(fault.at(place())))?;
    process.user.uid = identity.uid;
    process.user.gid = identity.gid;
    // The group itself is among them, as it is for the container's own process.
    let mut groups = identity.groups;
    groups.retain(|group| *group != identity.gid);
    groups.push(identity.gid);
    process.user.additional_gids = groups;
    set_env(process, format!("HOME={}", identity.home));
    if identity.uid != 0
        && let Some(caps) = &mut process.capabilities
    {
        // As execve(2) leaves an ordinary user: nothing but what it could gain.
        (caps.effective, caps.permitted, caps.ambient) =
            (CapSet::EMPTY, CapSet::EMPTY, CapSet::EMPTY);
    }
    Ok(())
}

/// What this process itself may give.
fn own_capabilities() -> CapSet {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    let bits = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    CapSet(bits).intersection(CapSet::ALL)
}

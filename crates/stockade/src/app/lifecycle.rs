//! `start stop kill restart pause unpause rm wait`.

use std::time::Duration;

use container::{Channel, Directory, Ended, Ending, Settings, Store};
use engine::{Kind, Status};
use front::app::{Containers, RunOptions};
use spec::{NamespaceType, Spec};
use sys::rustix::process::Pid;
use sys::{Errno, process};

use super::attach::{Left, Seat, Wish};
use super::containers::Running;
use super::failure::{Failure, Outcome};
use super::print;
use super::state::{UNKNOWN_CODE, UNSEEN_END};
use crate::cli;

/// A container that a command names.
struct Named {
    id: String,
    directory: Directory,
    settings: Settings,
}

fn named(store: &Store, given: &str) -> Outcome<Named> {
    let id = store.find(given)?;
    let directory = store.open(&id)?;
    let settings = directory.settings()?;
    Ok(Named {
        id,
        directory,
        settings,
    })
}

/// Does `act` for every container, and prints the names of those that it was done for. The first
/// failure decides, but none keeps the others from their turn.
fn each(store: &Store, given: &[String], act: impl Fn(&Named) -> Outcome<()>) -> Outcome<()> {
    each_name(given, |name| act(&named(store, name)?))
}

/// The same, for what need not be a container that can be read.
fn each_name(given: &[String], act: impl Fn(&str) -> Outcome<()>) -> Outcome<()> {
    let mut first = None;
    for name in given {
        match act(name) {
            Ok(()) => print::out(&format!("{name}\n"))?,
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => eprintln!("{failure}"),
        }
    }
    first.map_or(Ok(()), Err)
}

/// What the engine knows of a container that runs, or has run and was not cleaned up after.
fn runtime(store: &Store, id: &str) -> Outcome<Option<(engine::Record, Status)>> {
    match store.engine.inspect(id) {
        Ok(found) => Ok(Some(found)),
        // Its record goes before its directory does: somebody removes both right now.
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Kernel(Errno::NOENT)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes what a monitor that was killed left of a container that has ended.
fn mend(store: &Store, container: &Named) -> Outcome<()> {
    let left = match store.engine.inspect(&container.id) {
        Ok((_, status)) => Some(status),
        Err(error) if error.kind == Kind::NotFound => None,
        Err(_) => Some(Status::Stopped),
    };
    if matches!(left, Some(Status::Stopped)) && !container.directory.has_monitor() {
        store.engine.delete(&container.id, true)?;
        // A damaged one is written anew.
        let ending = container.directory.ending().ok().flatten();
        let ending = ending.unwrap_or_default();
        let finished = engine::timestamp_now();
        container.directory.write_ending(&Ending {
            code: None,
            finished,
            restarting: false,
            error: UNSEEN_END.to_owned(),
            ..ending
        })?;
    }
    Ok(())
}

/// `start`.
pub(crate) fn start(store: &Store, request: &cli::Start) -> Outcome<i32> {
    if request.attach || request.interactive {
        return start_attached(store, request);
    }
    each(store, &request.containers, |container| {
        if !make_ready(store, container)? {
            return Ok(());
        }
        rejoin(store, container)?;
        container.directory.set_stopped(false)?;
        container::start(store, &container.id, false)?;
        Ok(())
    })?;
    Ok(0)
}

/// Lets go of a life that has ended; false when there is one that has not.
fn make_ready(store: &Store, container: &Named) -> Outcome<bool> {
    // Its monitor may be writing down how it ended, or waiting to start it again, which it is told to.
    for _ in 0..500 {
        mend(store, container)?;
        match runtime(store, &container.id)? {
            Some((_, Status::Stopped)) => {}
            Some(_) => return Ok(false),
            None if !container.directory.has_monitor() => return Ok(true),
            None => Channel::nudge(&container.directory),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let name = &container.settings.name;
    Err(Failure::new(format!(
        "container {name} does not come to its end"
    )))
}

/// Finds the namespaces of other containers anew that this one joins: they may have been started again since.
fn rejoin(store: &Store, container: &Named) -> Outcome<()> {
    let options = serde_json::from_value(container.settings.options.clone());
    let options: RunOptions = options.unwrap_or_default();
    let joined: Vec<_> = [
        (NamespaceType::Pid, "pid", "--pid", &options.pid),
        (NamespaceType::Uts, "uts", "--uts", &options.uts),
        (NamespaceType::Network, "net", "--net", &options.net),
    ]
    .into_iter()
    .filter_map(|(kind, file, option, text)| {
        let other = text.as_deref()?.strip_prefix("container:")?;
        Some((kind, file, option, other))
    })
    .collect();
    if joined.is_empty() {
        return Ok(());
    }
    let config = container.directory.config()?;
    let mut spec = Spec::parse(&config).map_err(engine::Error::from)?;
    for (kind, file, option, other) in joined {
        let path = Running(store).namespace(other, file);
        let place = || format!("{option} container:{other}");
        let path = path.map_err(|fault| Failure::from(fault.at(place())))?;
        let namespaces = spec
            .linux
            .iter_mut()
            .flat_map(|linux| &mut linux.namespaces);
        for namespace in namespaces.filter(|namespace| namespace.kind == kind) {
            namespace.path = Some(path.clone().into());
        }
    }
    Ok(container.directory.write_config(&spec.to_json())?)
}

fn start_attached(store: &Store, request: &cli::Start) -> Outcome<i32> {
    let [given] = request.containers.as_slice() else {
        return Err(Failure::new("start --attach: takes one container"));
    };
    let container = named(store, given)?;
    if !make_ready(store, &container)? {
        return Err(Failure::new(format!(
            "container {given} runs already: use attach"
        )));
    }
    let wish = Wish {
        id: &container.id,
        tty: container.settings.tty,
        input: request.interactive && container.settings.interactive,
        keys: request.detach_keys.as_deref(),
        forward: request.sig_proxy.as_deref() != Some("false"),
    };
    rejoin(store, &container)?;
    let seat = Seat::take(&wish)?;
    container.directory.set_stopped(false)?;
    let streams = container::start(store, &container.id, true)?;
    match seat.attend(store, &wish, streams)? {
        Left::Code(code) => Ok(code),
        Left::Detached => Ok(0),
    }
}

/// `stop`.
pub(crate) fn stop(store: &Store, request: &cli::Stop) -> Outcome<()> {
    each(store, &request.containers, |container| {
        stop_one(store, container, request)
    })
}

fn stop_one(store: &Store, container: &Named, request: &cli::Stop) -> Outcome<()> {
    container.directory.set_stopped(true)?;
    Channel::nudge(&container.directory);
    let found = runtime(store, &container.id).inspect_err(|_| {
        // Whom to signal cannot be told, but its monitor knows whom to kill.
        Channel::kill(&container.directory);
    });
    let Some((record, status)) = found? else {
        return Ok(container.directory.wait_for_monitor()?);
    };
    let signal = match &request.signal {
        Some(text) => signal(text)?,
        None => container.settings.stop_signal,
    };
    let timeout = match request.time {
        Some(seconds) => u32::try_from(seconds).ok(),
        None => container.settings.stop_timeout,
    };
    let pid = i32::try_from(record.pid).ok().and_then(Pid::from_raw);
    if let (Some(pid), false) = (pid, status == Status::Stopped)
        && let Some(pidfd) = process::open(pid)?
    {
        if status == Status::Paused {
            store.engine.resume(&container.id)?;
        }
        // One that ends by itself meanwhile is stopped all the same.
        let _ = store.engine.kill(&container.id, signal, false);
        let patience = timeout.map(|seconds| seconds.saturating_mul(1000));
        if !process::wait_ended(&pidfd, patience)? {
            let _ = store.engine.kill(&container.id, libc_sigkill(), false);
            process::wait_ended(&pidfd, None)?;
        }
    }
    container.directory.wait_for_monitor()?;
    if store.open(&container.id).is_err() {
        return Ok(());
    }
    mend(store, container)
}

fn libc_sigkill() -> i32 {
    sys::rustix::process::Signal::KILL.as_raw()
}

fn signal(text: &str) -> Outcome<i32> {
    sys::signal_name::from_text(text).ok_or_else(|| Failure::new(format!("invalid signal: {text}")))
}

/// `kill`.
pub(crate) fn kill(store: &Store, request: &cli::Kill) -> Outcome<()> {
    let signal = signal(request.signal.as_deref().unwrap_or("KILL"))?;
    each(store, &request.containers, |container| {
        if signal == libc_sigkill() {
            container.directory.set_stopped(true)?;
        }
        match store.engine.kill(&container.id, signal, false) {
            Err(error) if error.kind == Kind::NotFound => Err(Failure::new(format!(
                "container {} is not running",
                container.settings.name
            ))),
            other => Ok(other?),
        }
    })
}

/// `restart`.
pub(crate) fn restart(store: &Store, request: &cli::Stop) -> Outcome<()> {
    each(store, &request.containers, |container| {
        if container.settings.auto_remove {
            let message = format!(
                "container {} is removed when it ends (--rm)",
                container.settings.name
            );
            return Err(Failure::new(message));
        }
        stop_one(store, container, request)?;
        rejoin(store, container)?;
        container.directory.set_stopped(false)?;
        container::start(store, &container.id, false)?;
        Ok(())
    })
}

/// `pause`.
pub(crate) fn pause(store: &Store, request: &cli::Named) -> Outcome<()> {
    each(store, &request.containers, |container| {
        store
            .engine
            .pause(&container.id)
            .map_err(|error| not_running(error, container))
    })
}

/// `unpause`.
pub(crate) fn unpause(store: &Store, request: &cli::Named) -> Outcome<()> {
    each(store, &request.containers, |container| {
        store
            .engine
            .resume(&container.id)
            .map_err(|error| not_running(error, container))
    })
}

fn not_running(error: engine::Error, container: &Named) -> Failure {
    match error.kind {
        Kind::NotFound => Failure::new(format!(
            "container {} is not running",
            container.settings.name
        )),
        _ => error.into(),
    }
}

/// `rm`.
pub(crate) fn remove(store: &Store, request: &cli::Remove) -> Outcome<()> {
    each_name(&request.containers, |given| match named(store, given) {
        Ok(container) => remove_one(store, &container, request),
        Err(_) if request.force => remove_damaged(store, given),
        Err(failure) => Err(failure),
    })
}

fn remove_one(store: &Store, container: &Named, request: &cli::Remove) -> Outcome<()> {
    mend(store, container)?;
    let runs = match runtime(store, &container.id) {
        // By force not without its monitor: the record may be what is missing.
        Ok(found) => found.is_some() || request.force && container.directory.has_monitor(),
        // Whether it runs cannot be told; it shall not, in any case.
        Err(_) if request.force => true,
        Err(failure) => return Err(failure),
    };
    if runs {
        if !request.force {
            let name = &container.settings.name;
            return Err(Failure {
                code: None,
                message: format!("cannot remove container {name}: it is running"),
                hint: Some("stop it first, or use rm --force".into()),
            });
        }
        kill_and_wait(store, &container.id, &container.directory)?;
    }
    store.remove(&container.id)?;
    if request.volumes || container.settings.auto_remove {
        let _lock = store.lock_volumes()?;
        store.remove_anonymous(&container.settings.volumes);
    }
    Ok(())
}

/// By force, one goes whose `container.json` cannot be read; its volumes are left for `volume prune`.
fn remove_damaged(store: &Store, given: &str) -> Outcome<()> {
    let id = store.find(given)?;
    let directory = store.open(&id)?;
    kill_and_wait(store, &id, &directory)?;
    Ok(store.remove(&id)?)
}

fn kill_and_wait(store: &Store, id: &str, directory: &Directory) -> Outcome<()> {
    directory.set_stopped(true)?;
    let _ = store.engine.kill(id, libc_sigkill(), true);
    let killed = store.engine.kill(id, libc_sigkill(), false);
    if killed.is_err_and(|error| !matches!(error.kind, Kind::NotFound | Kind::WrongState)) {
        // Its record is damaged: its monitor sees it end when it is killed by its cgroup.
        store.engine.delete(id, true)?;
    }
    // Also one of which the engine knows nothing any more.
    Channel::kill(directory);
    // With its monitor gone, or in the middle of its start, there is nobody else to clean up.
    for _ in 0..500 {
        if !directory.has_monitor() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(store.engine.delete(id, true)?)
}

/// `wait`.
pub(crate) fn wait(store: &Store, request: &cli::Named) -> Outcome<()> {
    let mut first = None;
    for given in &request.containers {
        match wait_one(store, given) {
            Ok(code) => print::out(&format!("{code}\n"))?,
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => eprintln!("{failure}"),
        }
    }
    first.map_or(Ok(()), Err)
}

fn wait_one(store: &Store, given: &str) -> Outcome<i32> {
    let container = named(store, given)?;
    if let Some(channel) = Channel::watch(&container.directory)
        && let Ended::Code(code) = channel.wait()?
    {
        // Whoever asks next shall see it ended.
        container.directory.wait_for_monitor()?;
        return Ok(code);
    }
    if let Some((record, status)) = runtime(store, &container.id)?
        && status != Status::Stopped
        && let Some(pid) = i32::try_from(record.pid).ok().and_then(Pid::from_raw)
        && let Some(pidfd) = process::open(pid)?
    {
        process::wait_ended(&pidfd, None)?;
    }
    container.directory.wait_for_monitor()?;
    mend(store, &container)?;
    let ending = container.directory.ending()?;
    Ok(ending
        .and_then(|ending| ending.code)
        .unwrap_or(UNKNOWN_CODE))
}

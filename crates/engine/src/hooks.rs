//! Hooks, and the seccomp listener's agent: programs of others that are told of the container.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use plan::HookKind;
use spec::state::{OCI_VERSION, ProcessState, SECCOMP_FD, State, Status};
use spec::{Hook, Spec, Str};
use sys::error::OnCall;
use sys::namespace::PidNamespace;
use sys::rustix::fs::{SeekFrom, seek};
use sys::rustix::net::SocketType;
use sys::rustix::process::Signal;
use sys::{AsFd, OwnedFd, launch, process, socket};

use crate::error::{Error, Kind, Result};
use crate::launching::{Launching, SlotTable, Spawn, spawn};
use crate::record::Record;
use crate::report::{self, Report};

const MOUNT: u64 = 0x2_0000;
const USER: u64 = 0x1000_0000;
const PID: u64 = 0x2000_0000;

/// The state of a container, as hooks read it.
pub(crate) fn state<'r>(record: &'r Record, status: Status) -> State<'r> {
    State {
        oci_version: Str::new(OCI_VERSION),
        id: Str::new(&record.id),
        status,
        pid: if status == Status::Stopped {
            0
        } else {
            record.pid
        },
        bundle: Str::new(&record.bundle),
        annotations: record
            .annotations
            .iter()
            .map(|(k, v)| (Str::new(k), Str::new(v)))
            .collect(),
    }
}

/// The namespaces that a container has of its own, as `CLONE_NEW…` flags, without the user namespace.
pub(crate) fn namespaces_of(spec: &Spec<'_>) -> u64 {
    use spec::NamespaceType as Type;
    let all = spec
        .linux
        .as_ref()
        .map_or(&[][..], |linux| &linux.namespaces);
    all.iter().fold(0, |flags, namespace| {
        flags
            | match namespace.kind {
                Type::Mount => MOUNT,
                Type::Cgroup => 0x200_0000,
                Type::Uts => 0x400_0000,
                Type::Ipc => 0x800_0000,
                Type::Network => 0x4000_0000,
                Type::Pid => 0x2000_0000,
                Type::Time => 0x80,
                Type::User => 0,
            }
    })
}

/// Runs a hook of a container that is being made.
pub(crate) fn run_for(launching: &Launching<'_, '_>, kind: HookKind, index: usize) -> Result<()> {
    let spec = launching.prepared.options.spec;
    let Some(hooks) = spec.hooks.as_ref() else {
        return Ok(());
    };
    let Some(hook) = kind.of(hooks).get(index) else {
        return Ok(());
    };
    let status = match kind {
        HookKind::StartContainer => Status::Created,
        _ => Status::Creating,
    };
    let target = launching
        .spawned
        .as_ref()
        .map(|spawned| spawned.started.pidfd.as_fd());
    let target = target.map(|fd| fd.try_clone_to_owned()).transpose();
    let target = target.map_err(|errno| sys::Error::new("dup", "pidfd", errno))?;
    run(
        kind,
        index,
        hook,
        &state(&launching.record, status),
        spec,
        target,
    )
}

fn has_user_namespace(spec: &Spec<'_>) -> bool {
    let linux = spec.linux.as_ref();
    linux.is_some_and(|linux| linux.namespace(spec::NamespaceType::User).is_some())
}

/// Runs every hook of a kind; the first failure ends it, but after the container's end, where all run.
pub(crate) fn run_all(
    kind: HookKind,
    spec: &Spec<'_>,
    state: &State<'_>,
    target: Option<&OwnedFd>,
) -> Result<()> {
    let Some(hooks) = spec.hooks.as_ref() else {
        return Ok(());
    };
    for (index, hook) in kind.of(hooks).iter().enumerate() {
        let target = target.map(|fd| fd.as_fd().try_clone_to_owned()).transpose();
        let target = target.map_err(|errno| sys::Error::new("dup", "pidfd", errno))?;
        let ended = run(kind, index, hook, state, spec, target);
        if ended.is_err() && kind != HookKind::Poststop {
            return ended;
        }
    }
    Ok(())
}

/// A state as a hook's standard input: a file in memory, because a pipe may be too small for it, and
/// writing to one that nobody reads is a signal.
fn state_file(state: &State<'_>) -> Result<OwnedFd> {
    let file = launch::shared_file("stockade-state", &state.to_json())?;
    seek(&file, SeekFrom::Start(0)).on("lseek", "hook")?;
    Ok(file)
}

fn run(
    kind: HookKind,
    index: usize,
    hook: &Hook<'_>,
    state: &State<'_>,
    spec: &Spec<'_>,
    target: Option<OwnedFd>,
) -> Result<()> {
    let inside = matches!(kind, HookKind::CreateContainer | HookKind::StartContainer);
    let namespaces = if inside { namespaces_of(spec) } else { 0 };
    // What is executed in the container's root is the image's, and no more trusted than the payload.
    let payload = spec
        .process
        .as_ref()
        .filter(|_| kind == HookKind::StartContainer);
    let user = if payload.is_some() && has_user_namespace(spec) {
        USER
    } else {
        0
    };
    let joined = match &target {
        Some(target) if namespaces & PID != 0 => Some(PidNamespace::enter(target)?),
        _ => None,
    };
    let slots = SlotTable {
        target,
        input: Some(state_file(state)?),
        ..SlotTable::default()
    };
    let plan = plan::hook(kind, index, hook, namespaces & !PID | user, payload);
    let failed = |why: &str| {
        let name = kind.field().strip_prefix("hooks.").unwrap_or("");
        Error::new(
            Kind::BadConfig,
            format!("error running {name} hook #{index}: {why}"),
        )
    };
    let spawned = spawn(&plan, &slots, &Spawn::default());
    drop(joined);
    let spawned = spawned?;
    drop(slots);
    let timeout = hook.timeout.map(|seconds| seconds.saturating_mul(1000));
    if !process::wait_ended(&spawned.started.pidfd, timeout)? {
        let _ = process::signal(&spawned.started.pidfd, Signal::KILL);
        process::reap(&spawned.started.pidfd);
        return Err(failed(&format!(
            "{}: no end within its timeout of {} s",
            hook.path.as_str(),
            hook.timeout.unwrap_or(0)
        )));
    }
    let ended = process::wait(&spawned.started.pidfd)?;
    match Report::read(&spawned.script) {
        Some(report) if report.errno != 0 => Err(failed(&report::error(&plan, report).message)),
        _ if ended.code() != 0 => Err(failed(&format!(
            "{}: exit status {}",
            hook.path.as_str(),
            ended.code()
        ))),
        _ => Ok(()),
    }
}

/// Hands the seccomp listener to the agent of `linux.seccomp.listenerPath`.
pub(crate) fn send_listener(
    launching: &Launching<'_, '_>,
    listener: Option<OwnedFd>,
) -> Result<()> {
    let linux = launching.prepared.options.spec.linux.as_ref();
    let Some(profile) = linux.and_then(|linux| linux.seccomp.as_ref()) else {
        return Ok(());
    };
    let Some(path) = profile.listener_path.as_deref() else {
        let message =
            "config.json: linux.seccomp.listenerPath: missing, and an action is SCMP_ACT_NOTIFY";
        return Err(Error::new(Kind::BadConfig, message.to_owned()));
    };
    let socket = socket::connect_to(path, SocketType::STREAM)
        .map_err(|error| Error::from(error).at(&"config.json: linux.seccomp.listenerPath"))?;
    let message = ProcessState {
        oci_version: Str::new(OCI_VERSION),
        fds: [Str::new(SECCOMP_FD)].into(),
        pid: launching.record.pid,
        metadata: profile.listener_metadata.as_deref().map(Str::new),
        state: state(&launching.record, Status::Creating),
    };
    let descriptors: Vec<_> = listener.iter().map(|fd| fd.as_fd()).collect();
    Ok(socket::send(&socket, &message.to_json(), &descriptors)?)
}

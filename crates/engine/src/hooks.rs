//! Hooks: programs of others that are told of the container.

use alloc::format;
use alloc::vec::Vec;

use cgroup::Group;
use plan::{Exec, HookKind, Plan, Program};
use spec::state::{OCI_VERSION, State, Status};
use spec::{Hook, Spec, Str};
use sys::error::OnCall;
use sys::rustix::fs::{SeekFrom, seek};
use sys::rustix::process::Signal;
use sys::{AsFd, OwnedFd, launch, process};

use crate::error::{Error, Kind, Result};
use crate::launching::{Launching, SlotTable, Spawn, spawn};
use crate::record::Record;
use crate::report::{self, Report};
use crate::seccomp_cache::Filter;
use crate::split::{self, PidEntry};

const MOUNT: u64 = 0x2_0000;
const USER: u64 = 0x1000_0000;
const PID: u64 = 0x2000_0000;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER` and `…_WAIT_KILLABLE_RECV` (`linux/seccomp.h`).
const WITH_LISTENER: u64 = 1 << 3;
const WAIT_KILLABLE: u64 = 1 << 5;

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

/// What a hook that is not the host's business needs of the container.
#[derive(Clone, Copy, Default)]
pub(crate) struct Inside<'i> {
    /// Its first process.
    pub target: Option<&'i OwnedFd>,
    /// Its cgroups.
    pub group: Option<&'i Group>,
    /// Its system call filter.
    pub filter: Option<&'i Filter>,
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
    let inside = Inside {
        target: launching
            .spawned
            .as_ref()
            .map(|spawned| &spawned.started.pidfd),
        group: launching.group.as_ref(),
        filter: launching.prepared.filter,
    };
    let state = state(&launching.record, status);
    run(kind, index, hook, &state, spec, inside)
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
    inside: Inside<'_>,
) -> Result<()> {
    let Some(hooks) = spec.hooks.as_ref() else {
        return Ok(());
    };
    for (index, hook) in kind.of(hooks).iter().enumerate() {
        let ended = run(kind, index, hook, state, spec, inside);
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
    inside: Inside<'_>,
) -> Result<()> {
    let target = inside.target.map(|fd| fd.as_fd().try_clone_to_owned());
    let target = target.transpose().on("dup", "pidfd")?;
    let input = Some(state_file(state)?);
    let inner = matches!(kind, HookKind::CreateContainer | HookKind::StartContainer);
    let own = if inner { namespaces_of(spec) } else { 0 };
    let has_user = has_user_namespace(spec);
    let pids = match &target {
        Some(target) if own & PID != 0 => PidEntry::find(target, has_user)?,
        _ => PidEntry::None,
    };
    let payload = spec
        .process
        .as_ref()
        .filter(|_| kind == HookKind::StartContainer);
    let ended = match payload {
        // What is executed in the container's root is the image's, and no more trusted than the payload.
        Some(process) => {
            let (exec, tasks) = confinement(process, spec, &pids, inside)?;
            let plan = plan::plan_confined_hook(&exec, kind, index, hook)?;
            let slots = SlotTable {
                target,
                input,
                tasks,
                ..SlotTable::default()
            };
            attend(&plan, slots, pids, inside, hook)
        }
        None => {
            // An ordinary user has rights in the container's user namespace only.
            let splits = matches!(pids, PidEntry::Split);
            let user = if splits && has_user { USER } else { 0 };
            let plan = plan::hook(kind, index, hook, pids.joined(own) | user);
            let slots = SlotTable {
                target,
                input,
                ..SlotTable::default()
            };
            attend(&plan, slots, pids, Inside::default(), hook)
        }
    };
    ended.map_err(|why| {
        let name = kind.field().strip_prefix("hooks.").unwrap_or("");
        let message = format!("error running {name} hook #{index}: {}", why.message);
        Error::new(Kind::BadConfig, message)
    })
}

/// The confinement of a process in the container's root, and the v1 cgroups that it enters.
fn confinement<'a>(
    process: &'a spec::Process<'a>,
    spec: &'a Spec<'a>,
    pids: &PidEntry,
    inside: Inside<'a>,
) -> Result<(Exec<'a>, Vec<(usize, OwnedFd)>)> {
    let (mut cgroups, mut tasks) = (Vec::new(), Vec::new());
    if let Some(group) = inside.group {
        let entry = group.entry()?;
        cgroups = v1_leaves(group);
        tasks = cgroups
            .iter()
            .map(|(index, _)| *index)
            .zip(entry.tasks)
            .collect();
    }
    let user = has_user_namespace(spec);
    let exec = Exec {
        process,
        linux: spec.linux.as_ref(),
        namespaces: pids.joined(namespaces_of(spec)) | if user { USER } else { 0 },
        become_root: user,
        scoped: false,
        seccomp: inside.filter.map(|filter| without_agent(filter.program())),
        cgroups,
        preserve_fds: 0,
        listen_fds: 0,
        keyring: None,
    };
    Ok((exec, tasks))
}

/// A hook has no agent to ask: what would be asked about fails with ENOSYS.
fn without_agent(program: Program<'_>) -> Program<'_> {
    Program {
        flags: program.flags & !(WITH_LISTENER | WAIT_KILLABLE),
        listener: false,
        ..program
    }
}

/// The v1 hierarchies of a group, by their place in it and their names.
pub(crate) fn v1_leaves(group: &Group) -> Vec<(usize, &'static str)> {
    let leaves = group.leaves().iter().enumerate();
    leaves
        .filter(|(_, leaf)| leaf.version == cgroup::Version::V1)
        .map(|(index, leaf)| (index, leaf.name()))
        .collect()
}

/// Starts a hook and waits for its end, for as long as its timeout says.
fn attend(
    plan: &Plan<'_>,
    slots: SlotTable,
    pids: PidEntry,
    inside: Inside<'_>,
    hook: &Hook<'_>,
) -> Result<()> {
    let entry = inside.group.map(Group::entry).transpose()?;
    let how = Spawn {
        cgroup: entry.as_ref().and_then(|entry| entry.into),
        with_socket: matches!(pids, PidEntry::Split),
        ..Spawn::default()
    };
    let spawned = spawn(plan, &slots, &how);
    drop(pids);
    let mut spawned = spawned?;
    split::follow(&mut spawned)?;
    drop(slots);
    let path = hook.path.as_str();
    let failed = |why: alloc::string::String| Err(Error::new(Kind::BadConfig, why));
    let timeout = hook.timeout.map(|seconds| seconds.saturating_mul(1000));
    if !process::wait_ended(&spawned.started.pidfd, timeout)? {
        let _ = process::signal(&spawned.started.pidfd, Signal::KILL);
        process::reap(&spawned.started.pidfd);
        let seconds = hook.timeout.unwrap_or(0);
        return failed(format!("{path}: no end within its timeout of {seconds} s"));
    }
    let ended = process::wait(&spawned.started.pidfd)?;
    match Report::read(&spawned.script) {
        Some(report) if report.errno != 0 => Err(report::error(plan, report)),
        _ if ended.code() != 0 => failed(format!("{path}: exit status {}", ended.code())),
        _ => Ok(()),
    }
}

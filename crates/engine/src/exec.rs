//! `exec`: one more process, under the confinement that the first one has.

use alloc::format;
use alloc::string::String;

use cgroup::Group;
use cgroup::control::Deadline;
use plan::{Answer, Exec, Facts, Launch};
use spec::state::Status;
use spec::{Process, Spec};
use sys::process::{self, Ended};
use sys::rustix::fs::{CWD, Mode, OFlags, openat};
use sys::rustix::net::SocketType;
use sys::rustix::process::Signal;
use sys::rustix::thread::nanosleep;
use sys::{AsFd, Errno, OwnedFd, file, socket};

use crate::error::{Error, Kind, Result};
use crate::launching::{SlotTable, Spawn, Spawned, spawn};
use crate::listener::Loading;
use crate::options::Terminal;
use crate::record::Record;
use crate::report;
use crate::split::{self, PidEntry};
use crate::state_dir::{MAKING_MS, MOMENT, names_in_all};
use crate::{Engine, facts, hooks, list, seccomp_cache, sub_cgroup, teardown};

const NEWUSER: u64 = 0x1000_0000;
const NEWPID: u64 = 0x2000_0000;

/// What `exec` runs, and how.
#[derive(Debug)]
pub struct ExecOptions<'a> {
    /// The process, as [`Engine::exec_process`] makes it of the container's own.
    pub process: &'a Process<'a>,
    /// Who takes the terminal.
    pub terminal: Terminal<'a>,
    /// Where the pid is written.
    pub pid_file: Option<&'a str>,
    /// How many descriptors from 3 up the process keeps.
    pub preserve_fds: u32,
    /// How many of those are sockets of LISTEN_FDS, of which the process is told.
    pub listen_fds: u32,
    /// Cgroups below the container's, as runc's `--cgroup` names them.
    pub cgroups: &'a [&'a str],
    /// As [`crate::Options::scoped`].
    pub scoped: bool,
    /// Run in a paused container too: the process starts frozen.
    pub ignore_paused: bool,
}

/// A process that was started by `exec`.
#[derive(Debug)]
pub struct Executed<'p, 'a> {
    /// Its number on the host.
    pub pid: u32,
    /// The process.
    pub pidfd: OwnedFd,
    /// The terminal's master, where the caller takes it.
    pub terminal: Option<OwnedFd>,
    plan: &'p plan::Plan<'a>,
    script: OwnedFd,
}

impl Executed<'_, '_> {
    /// Waits for its end and reaps it.
    ///
    /// # Errors
    /// What kept the program from being executed.
    pub fn wait(&self) -> Result<Ended> {
        Ok(process::wait(&self.pidfd)?)
    }

    /// What was done, a line for each step.
    pub fn steps(&self) -> impl Iterator<Item = String> {
        let steps = self.plan.child.iter();
        steps.map(|step| format!("container: {} [{}]", step.act, step.origin))
    }

    /// Kills and reaps it.
    pub fn end(&self) {
        let _ = process::signal(&self.pidfd, Signal::KILL);
        process::reap(&self.pidfd);
    }

    fn failure(&self) -> Result<()> {
        report::failure(self.plan, &self.script).map_or(Ok(()), Err)
    }
}

impl Engine {
    /// Starts a process in a container, and hands it to `attend` once its program was executed.
    ///
    /// # Errors
    /// `WrongState` unless the container runs; what kept the program from being executed.
    pub fn exec<T>(
        &self,
        id: &str,
        options: &ExecOptions<'_>,
        attend: impl FnOnce(&mut Executed<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let dir = self.open_state_dir(id)?;
        let record = dir.read_made()?;
        let status = self.status(&dir, &record)?;
        if status == Status::Paused && !options.ignore_paused {
            return Err(Error::new(
                Kind::WrongState,
                format!("cannot exec in a paused container: {id}"),
            ));
        }
        let Some(target) = teardown::living_first(&record)? else {
            return Err(Error::new(
                Kind::WrongState,
                format!("cannot exec in a stopped container: {id}"),
            ));
        };
        await_payload(&record)?;
        let config = dir.read_config()?;
        let spec = Spec::parse(&config)?;
        let checked = options.process.check(spec.linux.as_ref());
        checked.map_err(|error| Error::new(Kind::BadConfig, format!("exec: {error}")))?;
        let (apparmor, selinux) = facts::modules(Some(options.process), None);
        let facts = Facts {
            apparmor,
            selinux,
            ..Facts::default()
        };
        plan::check_labels(Some(options.process), None, &facts)?;
        let filter = match spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()) {
            Some(profile) => Some(seccomp_cache::program(&self.state_root, profile)?),
            None => None,
        };
        let group = if options.cgroups.is_empty() {
            self.group(&record)?
        } else {
            sub_cgroup::open(record.leaves(), options.cgroups)?
        };
        let user = own_user_namespace(&spec);
        let own = hooks::namespaces_of(&spec);
        let pids = match own & NEWPID {
            0 => PidEntry::None,
            _ => PidEntry::find(&target, user)?,
        };
        let keyring = format!("_ses.{id}");
        let request = Exec {
            process: options.process,
            linux: spec.linux.as_ref(),
            namespaces: pids.joined(own) | if user { NEWUSER } else { 0 },
            become_root: user,
            scoped: options.scoped,
            seccomp: filter.as_ref().map(|filter| filter.program()),
            cgroups: hooks::v1_leaves(&group),
            preserve_fds: options.preserve_fds,
            listen_fds: options.listen_fds,
            keyring: Some(&keyring),
        };
        let plan = plan::plan_exec(&request)?;
        let slots = SlotTable {
            target: Some(target),
            ..SlotTable::default()
        };
        let mut joining = Joining { plan: &plan, slots };
        let spawned = match joining.start(&group) {
            // Its init has moved below and enabled controllers there: the container's own cgroup takes
            // nobody any more, so the process goes to where its init is.
            Err(error) if error.kind == Kind::Kernel(Errno::BUSY) && options.cgroups.is_empty() => {
                let group = Group::open_where(record.leaves(), record.pid)?;
                joining.start(&group)?
            }
            other => other?,
        };
        drop(pids);
        let agent = Agent {
            spec: &spec,
            record: &record,
            status,
        };
        follow(&plan, options, spawned, &agent, attend)
    }
}

/// The record of a container that runs is written while its first process is still at work on the root. Whoever
/// joined its namespaces before that is in place would find the host's files there.
fn await_payload(record: &Record) -> Result<()> {
    // The built-in init stays what it is, but has the payload for a child.
    let children = format!("/proc/{0}/task/{0}/children", record.pid);
    let has_child = || sys::file::read_text(&children).map_or(true, |pids| !pids.is_empty());
    let is_made = || !list::waits_for_start(record.pid) || has_child() || keeps(record.pid);
    let deadline = Deadline::after(MAKING_MS);
    while record.status == Status::Running && !is_made() {
        if deadline.left().is_none() {
            let message = format!("container {} is still being made", record.id);
            return Err(Error::new(Kind::Busy, message));
        }
        let _ = nanosleep(&MOMENT);
    }
    Ok(())
}

/// Whether the first process is a keeper at its work, which has neither a payload nor a child, but has closed all
/// of its descriptors.
fn keeps(pid: u32) -> bool {
    let path = format!("/proc/{pid}/fd");
    let names = sys::file::open(&path, OFlags::RDONLY | OFlags::DIRECTORY)
        .ok()
        .and_then(|directory| names_in_all(&directory).ok());
    names.is_some_and(|names| names.is_empty())
}

/// A process that is about to join a container.
struct Joining<'j, 'a> {
    plan: &'j plan::Plan<'a>,
    slots: SlotTable,
}

impl Joining<'_, '_> {
    fn start(&mut self, group: &Group) -> Result<Spawned> {
        let entry = group.entry()?;
        let v1 = hooks::v1_leaves(group);
        let v1 = v1.iter().map(|(index, _)| *index);
        self.slots.tasks = v1.zip(entry.tasks).collect();
        let how = Spawn {
            launch: Launch::default(),
            cgroup: entry.into,
            with_socket: true,
            ..Spawn::default()
        };
        spawn(self.plan, &self.slots, &how)
    }
}

fn own_user_namespace(spec: &Spec<'_>) -> bool {
    let linux = spec.linux.as_ref();
    linux.is_some_and(|linux| linux.namespace(spec::NamespaceType::User).is_some())
}

/// What the agent of a filter is told of the container.
struct Agent<'g, 'a> {
    spec: &'g Spec<'a>,
    record: &'g Record,
    status: Status,
}

fn follow<T>(
    plan: &plan::Plan<'_>,
    options: &ExecOptions<'_>,
    spawned: Spawned,
    agent: &Agent<'_, '_>,
    attend: impl FnOnce(&mut Executed<'_, '_>) -> Result<T>,
) -> Result<T> {
    let Spawned {
        started,
        script,
        socket,
    } = spawned;
    let pid = started.pid.as_raw_nonzero().get().unsigned_abs();
    let mut executed = Executed {
        pid,
        pidfd: started.pidfd,
        terminal: None,
        plan,
        script,
    };
    let met = socket.map_or(Ok(()), |socket| {
        meet(&mut executed, options, &socket, agent)
    });
    let written = met
        .and_then(|()| executed.failure())
        .and_then(|()| write_pid(options, executed.pid));
    if let Err(error) = written {
        executed.end();
        return Err(executed.failure().err().unwrap_or(error));
    }
    attend(&mut executed)
}

/// Takes the terminal where there is one, and waits until the program was executed.
fn meet(
    executed: &mut Executed<'_, '_>,
    options: &ExecOptions<'_>,
    socket: &OwnedFd,
    agent: &Agent<'_, '_>,
) -> Result<()> {
    loop {
        let mut request = [0u8; 4];
        let message = socket::receive(socket, &mut request)?;
        if message.len == 0 {
            return Ok(());
        }
        let asked = u32::from_ne_bytes(request);
        if asked == Answer::Listener.request() {
            let loading = Loading {
                pidfd: Some(&executed.pidfd),
                pid: executed.pid,
                script: &executed.script,
                socket,
            };
            loading.hand_over(agent.spec, hooks::state(agent.record, agent.status))?;
            continue;
        }
        if split::is_born(request) {
            let started = split::successor(&executed.pidfd, message.descriptor)?;
            executed.pid = started.pid.as_raw_nonzero().get().unsigned_abs();
            executed.pidfd = started.pidfd;
        } else if asked == Answer::Terminal.request() {
            take_terminal(executed, options, message.descriptor)?;
        }
        socket::send(socket, &0i32.to_ne_bytes(), &[])?;
    }
}

fn take_terminal(
    executed: &mut Executed<'_, '_>,
    options: &ExecOptions<'_>,
    master: Option<OwnedFd>,
) -> Result<()> {
    if let (Terminal::Socket(path), Some(master)) = (options.terminal, &master) {
        let socket = socket::connect_to(path, SocketType::STREAM)
            .map_err(|error| Error::from(error).at(&"--console-socket"))?;
        return Ok(socket::send(&socket, b"/dev/ptmx", &[master.as_fd()])?);
    }
    if let (Terminal::Plain, Some(master)) = (options.terminal, &master) {
        sys::stdio::end_lines_in_newline(master)?;
    }
    executed.terminal = master;
    Ok(())
}

fn write_pid(options: &ExecOptions<'_>, pid: u32) -> Result<()> {
    let Some(path) = options.pid_file else {
        return Ok(());
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::from_raw_mode(0o644))
        .map_err(|errno| Error::from(sys::Error::new("open", path, errno)).at(&"--pid-file"))?;
    Ok(file::write_all(&file, format!("{pid}").as_bytes(), path)?)
}

//! Carrying a plan out: the host's steps one after the other, the launch among them, and the answers
//! to the child between them.

use alloc::ffi::CString;
use alloc::format;
use alloc::vec::Vec;

use cgroup::Group;
use plan::{Answer, ChildAct, Copied, HostAct, Launch, Slot, Slots, Step};
use spec::NamespaceType;
use spec::mount::Depth;
use sys::error::OnCall;
use sys::launch::{self, Started};
use sys::rustix::fs::{CWD, Mode, OFlags, openat};
use sys::rustix::net::SocketType;
use sys::rustix::process::{Signal, getpid, kill_process};
use sys::{AsFd, AsRawFd, BorrowedFd, Errno, OwnedFd, file, process, socket};

use crate::error::{Error, Kind, Result};
use crate::fault::Fault;
use crate::listener::Loading;
use crate::net_devices::{self, Moved};
use crate::prepare::Prepared;
use crate::record::{CgroupRecord, Record, Status};
use crate::report::{self, Report};
use crate::scope::Holder;
use crate::state_dir::{START_SOCKET, StateDir};
use crate::{child_program, hooks, idmap, rootless, split, teardown};

/// The cgroup below which loaded device programs are kept for the next container.
const PROGRAMS: &str = "/stockade";

/// Descriptors for the slots of a plan.
#[derive(Default)]
pub(crate) struct SlotTable {
    pub namespaces: Vec<OwnedFd>,
    pub tasks: Vec<(usize, OwnedFd)>,
    pub start_socket: Option<OwnedFd>,
    pub root_tree: Option<OwnedFd>,
    pub mount_trees: Vec<(usize, OwnedFd)>,
    pub target: Option<OwnedFd>,
    pub input: Option<OwnedFd>,
    pub errors: Option<OwnedFd>,
}

impl SlotTable {
    fn get(&self, slot: Slot) -> Option<&OwnedFd> {
        let numbered =
            |list: &'_ [(usize, OwnedFd)], n| list.iter().position(|(index, _)| *index == n);
        match slot {
            Slot::Namespace(n) => self.namespaces.get(n),
            Slot::Target => self.target.as_ref(),
            Slot::Input => self.input.as_ref(),
            Slot::Errors => self.errors.as_ref(),
            Slot::Tasks(n) => numbered(&self.tasks, n).map(|at| &self.tasks[at].1),
            Slot::StartSocket => self.start_socket.as_ref(),
            Slot::RootTree => self.root_tree.as_ref(),
            Slot::MountTree(n) => numbered(&self.mount_trees, n).map(|at| &self.mount_trees[at].1),
        }
    }

    /// All descriptors that the child program keeps.
    fn all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let numbered = self.tasks.iter().chain(&self.mount_trees).map(|(_, fd)| fd);
        let single = [
            &self.start_socket,
            &self.root_tree,
            &self.target,
            &self.input,
            &self.errors,
        ];
        let single = single.into_iter().filter_map(Option::as_ref);
        self.namespaces
            .iter()
            .chain(numbered)
            .chain(single)
            .map(|fd| fd.as_fd())
    }
}

impl Slots for SlotTable {
    fn descriptor(&self, slot: Slot) -> i32 {
        self.get(slot).map_or(-1, |fd| fd.as_raw_fd())
    }
}

/// A process that runs a script.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub started: Started,
    pub script: OwnedFd,
    pub socket: Option<OwnedFd>,
}

/// How a script's process is started, besides its steps.
#[derive(Default)]
pub(crate) struct Spawn<'s> {
    pub launch: Launch,
    pub cgroup: Option<BorrowedFd<'s>>,
    pub with_socket: bool,
    pub fault: Fault,
}

/// Starts the child program on a plan's script.
pub(crate) fn spawn(plan: &plan::Plan<'_>, slots: &SlotTable, how: &Spawn<'_>) -> Result<Spawned> {
    let (ours, theirs) = if how.with_socket {
        let (ours, theirs) = socket::pair()?;
        (Some(ours), Some(theirs))
    } else {
        (None, None)
    };
    let number = theirs.as_ref().map_or(-1, |fd| fd.as_raw_fd());
    let (fault_at, fault) = how.fault.for_child();
    let bytes = plan::encode(plan, slots).finish(number, fault_at, fault);
    let script = launch::shared_file("stockade-script", &bytes)?;
    let program = launch::sealed_program("stockade-child", child_program::BYTES)?;
    let mut keep: Vec<BorrowedFd<'_>> = slots.all().collect();
    keep.extend(theirs.as_ref().map(|fd| fd.as_fd()));
    keep.push(script.as_fd());
    let number = CString::new(format!("{}", script.as_raw_fd())).unwrap_or_default();
    let length = CString::new(format!("{}", bytes.len())).unwrap_or_default();
    let started = launch::launch(&launch::Launch {
        program: program.as_fd(),
        arguments: &[c"stockade-child", &number, &length],
        keep: &keep,
        namespaces: how.launch.namespaces,
        cgroup: how.cgroup,
    })?;
    Ok(Spawned {
        started,
        script,
        socket: ours,
    })
}

/// A container that is being made.
pub(crate) struct Launching<'p, 'a> {
    pub prepared: &'p Prepared<'p, 'a>,
    pub dir: StateDir,
    pub record: Record,
    pub group: Option<Group>,
    pub slots: SlotTable,
    pub spawned: Option<Spawned>,
    pub terminal: Option<OwnedFd>,
    /// Whether it was a cgroup that could not be made.
    pub denied: bool,
    holder: Option<Holder>,
    owners: Option<OwnedFd>,
    moved: Option<Moved>,
    unanswered: bool,
    answered: usize,
}

impl<'p, 'a> Launching<'p, 'a> {
    /// A container that is going to be made in `dir`.
    pub(crate) fn new(prepared: &'p Prepared<'p, 'a>, dir: StateDir, record: Record) -> Self {
        Self {
            prepared,
            dir,
            record,
            group: None,
            slots: SlotTable::default(),
            spawned: None,
            terminal: None,
            denied: false,
            holder: None,
            owners: None,
            moved: None,
            unanswered: false,
            answered: 0,
        }
    }

    /// Does every step. After a failure, everything that was done is undone.
    pub(crate) fn carry_out(&mut self) -> Result<()> {
        let steps = &self.prepared.plan.host;
        for (index, step) in steps.iter().enumerate() {
            if let Err(error) = self.act_out_fault(index).and_then(|()| self.step(step)) {
                return Err(self.undo(error));
            }
        }
        self.finish_answer().map_err(|error| self.undo(error))
    }

    /// Does those steps alone that `which` picks; what they made is undone by [`Launching::undo`].
    pub(crate) fn carry_out_where(&mut self, which: impl Fn(&HostAct) -> bool) -> Result<()> {
        let steps = self.prepared.plan.host.iter();
        for step in steps.filter(|step| which(&step.act)) {
            self.step(step)?;
        }
        Ok(())
    }

    /// The container's first process is one that somebody else has made.
    pub(crate) fn take_over(&mut self, pid: u32) -> Result<()> {
        self.record.pid = pid;
        if let Some(holder) = self.holder.take() {
            holder.replace(self.group.as_ref(), pid)?;
        }
        Ok(())
    }

    /// Takes away what was made for a container that cannot be.
    pub(crate) fn undo(&mut self, error: Error) -> Error {
        let error = self.blame(error);
        if let Some(moved) = self.moved.take() {
            moved.back();
        }
        self.holder = None;
        if let Some(spawned) = self.spawned.take() {
            let _ = process::signal(&spawned.started.pidfd, Signal::KILL);
            process::reap(&spawned.started.pidfd);
        }
        let left = teardown::teardown(&self.dir, &self.record, None);
        match left.first() {
            None => error,
            Some(more) => Error {
                message: format!("{}; and cleaning up: {more}", error.message),
                ..error
            },
        }
    }

    /// When the child failed, its report says more than the connection that broke.
    fn blame(&self, error: Error) -> Error {
        let Some(spawned) = &self.spawned else {
            return error;
        };
        match Report::read(&spawned.script) {
            Some(report) if report.errno != 0 => report::error(self.prepared.plan, report),
            _ => error,
        }
    }

    fn act_out_fault(&self, index: usize) -> Result<()> {
        match self.prepared.options.fault {
            Fault::FailHost(at) if at == index => Err(Error::new(
                Kind::Kernel(Errno::IO),
                format!("host step {index}: fault asked for"),
            )),
            Fault::KillHost(at) if at == index => {
                let _ = kill_process(getpid(), Signal::KILL);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, step: &Step<HostAct>) -> Result<()> {
        if !matches!(
            step.act,
            HostAct::Hook { .. } | HostAct::ConsoleSocket { .. } | HostAct::WriteProcess { .. }
        ) {
            self.finish_answer()?;
        }
        let done = match &step.act {
            HostAct::RecordIntent => self.record_intent(),
            HostAct::StartUnit { .. } => self.start_unit(),
            HostAct::MakeCgroup { leaf: 0, .. } => self.make_cgroups(),
            // All of them are made by the first such step, which undoes itself.
            HostAct::MakeCgroup { .. } => Ok(()),
            HostAct::SetCgroup { setting, .. } => self.set_cgroup(*setting),
            HostAct::DevicePolicy { .. } => self.device_policy(),
            HostAct::OpenNamespace { path, kind } => self.open_namespace(path, *kind),
            HostAct::CopyMount(copied) => self.copy_mount(copied),
            HostAct::TranslateOverlay { overlay, mount } => self.translate_overlay(overlay, *mount),
            HostAct::StartSocket => self.start_socket(),
            HostAct::Launch(launch) => self.launch(launch),
            HostAct::Answer(answer) => self.answer(*answer),
            HostAct::WriteProcess { file, text } => {
                let path = format!("/proc/{}/{file}", self.record.pid);
                file::write_kernel(&path, text.as_bytes()).map_err(Error::from)
            }
            HostAct::Hook { kind, index, .. } => hooks::run_for(self, *kind, *index),
            HostAct::PidFile { path } => self.pid_file(path),
            HostAct::ConsoleSocket { path } => self.console_socket(path),
            HostAct::Commit => self.commit(),
        };
        done.map_err(|error| match &step.act {
            HostAct::Launch(_) | HostAct::Answer(_) | HostAct::Hook { .. } => error,
            HostAct::SetCgroup { .. } | HostAct::DevicePolicy { .. } => error,
            _ => match step.origin {
                plan::Origin::Config(place) => error.at(&format!("config.json: {place}")),
                plan::Origin::Option(option) if option.starts_with("--") => error.at(&option),
                _ => error,
            },
        })
    }

    fn record_intent(&mut self) -> Result<()> {
        self.record.cgroups = self
            .prepared
            .cgroup
            .leaves
            .iter()
            .map(CgroupRecord::new)
            .collect();
        self.record.unit = self.prepared.scope.map(|scope| scope.record());
        self.record
            .files
            .extend(self.prepared.options.pid_file.map(Into::into));
        self.dir.write_first(&self.record)?;
        if self.record.hooks {
            self.dir.write_config(self.prepared.options.config)?;
        }
        Ok(())
    }

    fn start_unit(&mut self) -> Result<()> {
        let Some(scope) = self.prepared.scope else {
            return Ok(());
        };
        match scope.start(self.prepared.cgroup, self.prepared.resources) {
            Ok(holder) => self.holder = holder,
            Err(error) => {
                // Nothing of it is ours: another container may be in there.
                if error.kind == Kind::Busy {
                    self.record.cgroups.clear();
                    self.record.unit = None;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn make_cgroups(&mut self) -> Result<()> {
        let leaves = self.prepared.cgroup.leaves.clone();
        if self.prepared.scope.is_some() {
            self.group = Some(Group::adopt(leaves)?);
            return Ok(());
        }
        match Group::create(leaves) {
            Ok(group) => self.group = Some(group),
            Err(error) => {
                // Nothing of it is ours: another container may be in there.
                self.record.cgroups.clear();
                self.denied = true;
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn set_cgroup(&mut self, setting: usize) -> Result<()> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let setting = &self.prepared.cgroup.settings[setting];
        let applied = group.apply(core::slice::from_ref(setting));
        if setting.is_device_rule() {
            return self.unless_spared(applied.map_err(Error::from));
        }
        Ok(applied?)
    }

    /// A device policy takes rights of the host's root. Who has none may make no device node either, so
    /// that every runtime does without.
    fn unless_spared(&self, done: Result<()>) -> Result<()> {
        match done {
            Err(error) if rootless::is_denied(&error) && self.prepared.rootless.holds() => Ok(()),
            done => done,
        }
    }

    fn device_policy(&mut self) -> Result<()> {
        if let Some(group) = &self.group {
            let done = group.restrict_devices_from(self.prepared.cgroup, PROGRAMS);
            return self.unless_spared(done.map_err(Error::from));
        }
        Ok(())
    }

    fn open_namespace(&mut self, path: &str, kind: NamespaceType) -> Result<()> {
        let namespace = file::open(path, OFlags::RDONLY)?;
        if kind == NamespaceType::User {
            idmap::check_joined(&namespace, self.prepared.options.spec.linux.as_ref())?;
            self.owners = Some(namespace.try_clone().on("dup", path)?);
        }
        self.slots.namespaces.push(namespace);
        Ok(())
    }

    fn copy_mount(&mut self, copied: &Copied) -> Result<()> {
        let tree = sys::mount::detached(&copied.path, copied.recursive)?;
        if !copied.shared {
            sys::mount::make_slave(&tree, &copied.path)?;
        }
        if let Some(depth) = copied.owners {
            let namespace = self.owners(copied.mount)?;
            let all = depth == Depth::Tree;
            let done = sys::mount::translate(&tree, &copied.path, &namespace, all);
            self.give_back_owners(copied.mount, namespace);
            done.map_err(|error| {
                Error::from(error).hint_unless_old(
                    "the file system of this directory cannot translate owners (idmapped mounts)",
                )
            })?;
        }
        self.keep_tree(copied.mount, tree);
        Ok(())
    }

    fn translate_overlay(&mut self, overlay: &plan::Overlay, mount: Option<usize>) -> Result<()> {
        let namespace = self.owners(mount)?;
        let made = sys::overlay::translated(&overlay.base, &overlay.options, &namespace);
        self.give_back_owners(mount, namespace);
        let tree = made.map_err(|error| {
            Error::from(error).hint_unless_old(
                "the file system of the layers cannot translate owners (idmapped mounts), or \
                 overlayfs cannot stand on ones that do: Linux 5.19 is needed",
            )
        })?;
        self.keep_tree(mount, tree);
        Ok(())
    }

    /// A user namespace with the maps of a mount, or with the container's where it has none.
    fn owners(&mut self, mount: Option<usize>) -> Result<OwnedFd> {
        if !self.has_own_maps(mount)
            && let Some(owners) = self.owners.take()
        {
            return Ok(owners);
        }
        idmap::user_namespace(&idmap::maps_for(self.prepared.options.spec, mount)?)
    }

    /// The container's are needed more than once, and cost a process to make.
    fn give_back_owners(&mut self, mount: Option<usize>, namespace: OwnedFd) {
        if !self.has_own_maps(mount) {
            self.owners = Some(namespace);
        }
    }

    fn has_own_maps(&self, mount: Option<usize>) -> bool {
        let mounts = &self.prepared.options.spec.mounts;
        let mount = mount.and_then(|index| mounts.get(index));
        mount.is_some_and(|mount| !mount.uid_mappings.is_empty())
    }

    fn keep_tree(&mut self, mount: Option<usize>, tree: OwnedFd) {
        match mount {
            Some(index) => self.slots.mount_trees.push((index, tree)),
            None => self.slots.root_tree = Some(tree),
        }
    }

    fn start_socket(&mut self) -> Result<()> {
        let path = self.dir.file(START_SOCKET);
        self.slots.start_socket = Some(socket::listen_at(&path, SocketType::SEQPACKET)?);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        let group = self.group.take();
        let entry = match &group {
            Some(group) => Some(group.entry()?),
            None => None,
        };
        let mut into = None;
        if let Some(entry) = entry {
            into = entry.into;
            let v1 = self.prepared.cgroup.leaves.iter().enumerate();
            let v1 = v1
                .filter(|(_, leaf)| leaf.version == cgroup::Version::V1)
                .map(|(index, _)| index);
            self.slots.tasks = v1.zip(entry.tasks).collect();
        }
        let plan = self.prepared.plan;
        let meets = plan
            .host
            .iter()
            .any(|step| matches!(step.act, HostAct::Answer(_)));
        let how = Spawn {
            launch: launch.clone(),
            cgroup: into,
            with_socket: meets || self.prepared.options.await_exec,
            fault: self.prepared.options.fault,
        };
        let joined = match launch.pid_namespace {
            Some(index) => Some(sys::namespace::PidNamespace::enter(
                &self.slots.namespaces[index],
            )?),
            None => None,
        };
        let spawned = spawn(plan, &self.slots, &how);
        drop(joined);
        self.group = group;
        let spawned =
            spawned.map_err(|error| error.at(&"starting the container's first process"))?;
        self.record.pid = spawned.started.pid.as_raw_nonzero().get().unsigned_abs();
        self.spawned = Some(spawned);
        if let Some(holder) = self.holder.take() {
            holder.replace(self.group.as_ref(), self.record.pid)?;
        }
        self.watch_fault();
        Ok(())
    }

    /// For crash tests: waits until the child holds at the step that was asked for, and dies there.
    /// Returns when the child waits for us or for `start` before that.
    fn watch_fault(&self) {
        let (Fault::KillAtChild(step), Some(spawned)) =
            (self.prepared.options.fault, &self.spawned)
        else {
            return;
        };
        let meeting = self.next_meeting();
        // Reports count from 1.
        while let Some(report) = Report::read(&spawned.script).filter(|report| report.errno == 0) {
            if report.step > step {
                let _ = kill_process(getpid(), Signal::KILL);
            }
            let ended = process::wait_ended(&spawned.started.pidfd, Some(1)) == Ok(true);
            if ended || meeting.is_some_and(|meeting| report.step > meeting) {
                return;
            }
        }
    }

    /// The child's next step, counted from 0, at which it waits for somebody.
    fn next_meeting(&self) -> Option<u32> {
        let waits = |act: &ChildAct<'_>| {
            matches!(
                act,
                ChildAct::Ask(_)
                    | ChildAct::BeBorn
                    | ChildAct::Terminal { .. }
                    | ChildAct::Seccomp { listener: true, .. }
                    | ChildAct::WaitStart
            )
        };
        let mut meetings = (0u32..)
            .zip(&self.prepared.plan.child)
            .filter(|(_, step)| waits(&step.act));
        meetings.nth(self.answered).map(|(index, _)| index)
    }

    /// Receives the child's request, which must be the one that the plan has next.
    fn answer(&mut self, answer: Answer) -> Result<()> {
        let Some(Spawned {
            socket: Some(socket),
            started,
            ..
        }) = &self.spawned
        else {
            return Err(Error::new(Kind::Bug, "a request without a socket"));
        };
        let mut request = [0u8; 4];
        let message = socket::receive(socket, &mut request)?;
        if message.len == 0 {
            let _ = process::wait_ended(&started.pidfd, None);
            return Err(Error::new(
                Kind::Bug,
                "the container's first process ended before its time",
            ));
        }
        if message.len != 4 || u32::from_ne_bytes(request) != answer.request() {
            return Err(Error::new(
                Kind::Bug,
                format!("the child asked for something else than: {answer}"),
            ));
        }
        if answer == Answer::Listener {
            return self.listener();
        }
        self.unanswered = true;
        match answer {
            Answer::IdMaps => {
                let linux = self.prepared.options.spec.linux.as_ref();
                idmap::write(self.record.pid, linux)
            }
            Answer::Terminal => {
                self.terminal = message.descriptor;
                if let (crate::Terminal::Plain, Some(master)) =
                    (self.prepared.options.terminal, &self.terminal)
                {
                    sys::stdio::end_lines_in_newline(master)?;
                }
                Ok(())
            }
            Answer::Network => {
                if let Some(linux) = &self.prepared.options.spec.linux {
                    self.moved = Some(net_devices::move_in(self.record.pid, linux)?);
                }
                Ok(())
            }
            Answer::Born => self.successor(message.descriptor),
            _ => Ok(()),
        }
    }

    /// The child is about to load its filter; it is answered in between.
    fn listener(&mut self) -> Result<()> {
        let Some(Spawned {
            socket: Some(socket),
            started,
            script,
        }) = &self.spawned
        else {
            return Err(Error::new(Kind::Bug, "a listener without a process"));
        };
        let options = self.prepared.options;
        let loading = Loading {
            // The built-in init is not who loads the filter.
            pidfd: (!options.init).then_some(&started.pidfd),
            pid: self.record.pid,
            script,
            socket,
        };
        loading.hand_over(options.spec, hooks::state(&self.record, Status::Creating))?;
        self.answered += 1;
        self.watch_fault();
        Ok(())
    }

    /// The first process has ended in favour of another, our child like itself.
    fn successor(&mut self, pidfd: Option<OwnedFd>) -> Result<()> {
        let Some(spawned) = &mut self.spawned else {
            return Err(Error::new(Kind::Bug, "a successor of nobody"));
        };
        spawned.started = split::successor(&spawned.started.pidfd, pidfd)?;
        self.record.pid = spawned.started.pid.as_raw_nonzero().get().unsigned_abs();
        Ok(())
    }

    fn finish_answer(&mut self) -> Result<()> {
        if let (
            true,
            Some(Spawned {
                socket: Some(socket),
                ..
            }),
        ) = (self.unanswered, &self.spawned)
        {
            socket::send(socket, &0i32.to_ne_bytes(), &[])?;
            self.answered += 1;
            self.watch_fault();
        }
        self.unanswered = false;
        Ok(())
    }

    fn pid_file(&mut self, path: &str) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file = openat(CWD, path, flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| sys::Error::new("open", path, errno))?;
        file::write_all(&file, format!("{}", self.record.pid).as_bytes(), path)?;
        Ok(())
    }

    fn console_socket(&mut self, path: &str) -> Result<()> {
        let socket = socket::connect_to(path, SocketType::STREAM)?;
        if let Some(master) = self.terminal.take() {
            // containerd and podman read the terminal's name; it is of no use to them but for messages.
            socket::send(&socket, b"/dev/ptmx", &[master.as_fd()])?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if let Some(identity) = process::identity(self.record.pid)? {
            self.record.start_time = identity.start;
        }
        // Nobody needs it earlier, unless there are hooks: the first process is at work meanwhile.
        if !self.record.hooks {
            self.dir.write_config(self.prepared.options.config)?;
        }
        if let Some(filter) = self.prepared.filter {
            filter.keep();
        }
        let waits = self.slots.start_socket.is_some();
        self.record.status = if waits {
            Status::Created
        } else {
            Status::Running
        };
        // The pid file is the caller's from now on; only a failure still takes it away.
        let files = core::mem::take(&mut self.record.files);
        let written = self.dir.write(&self.record);
        self.record.files = files;
        written
    }
}

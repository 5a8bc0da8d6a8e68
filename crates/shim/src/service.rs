//! The task service: what each request does. What takes a command of ours begins here and ends in
//! `finish.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::Engine;
use sys::rustix::fs::OFlags;
use sys::{AsFd, file, process};

use crate::checkpoint;
use crate::finish::{Job, Purpose};
use crate::job::{Command, EXTRA};
use crate::message::{Any, Checkpoint, Create, Exec, Kill, Request, Size, Target, any, timestamp};
use crate::mounts;
use crate::options::Options;
use crate::server::{Call, Shim};
use crate::stats;
use crate::stdio;
use crate::task::{Asker, Process, State, Task};
use crate::terminal::Listener;
use crate::ttrpc::{Code, Reply, Status};
use wire::Message;

/// Stands for the container's name in a command's words.
pub(crate) const ID: &str = "\0";

/// A request's answer; none where it comes later.
pub(crate) type Later = Result<Option<Message>, Status>;

impl Shim {
    /// Acts on a request, or puts it off until what is at work on its process is done.
    pub(crate) fn act(&mut self, call: Call) {
        if let Some(process) = self.busy_with(&call.request) {
            process.queue.push(call);
            return;
        }
        let asker = call.asker;
        match self.begin(asker, call.request) {
            Ok(Some(message)) => self.answer(asker, &Ok(message)),
            Ok(None) => {}
            Err(status) => self.answer(asker, &Err(status)),
        }
    }

    /// The process that a request has to wait for.
    fn busy_with(&mut self, request: &Request) -> Option<&mut Process> {
        let target = match request {
            Request::Start(target)
            | Request::Delete(target)
            | Request::Pause(target)
            | Request::Resume(target)
            | Request::Update(target, _)
            | Request::Checkpoint(Checkpoint { target, .. })
            | Request::Kill(Kill { target, .. })
            | Request::Exec(Exec { target, .. }) => target,
            _ => return None,
        };
        let task = self.tasks.iter_mut().find(|task| task.id == target.id)?;
        let of_container = matches!(
            request,
            Request::Pause(_)
                | Request::Resume(_)
                | Request::Update(..)
                | Request::Checkpoint(_)
                | Request::Exec(_)
        );
        let exec_id = if of_container { "" } else { &*target.exec_id };
        let mut processes = task.processes_mut();
        processes.find(|process| process.busy && process.exec_id == exec_id)
    }

    fn begin(&mut self, asker: Asker, request: Request) -> Later {
        let now = |reply: Reply| reply.map(Some);
        match request {
            Request::State(target) => now(self.state(&target)),
            Request::Create(create) => self.create(asker, create),
            Request::Start(target) => self.start(asker, &target),
            Request::Delete(target) => self.delete(asker, &target),
            Request::Pids(target) => now(self.pids(&target)),
            Request::Pause(target) => self.freeze(asker, &target, true),
            Request::Resume(target) => self.freeze(asker, &target, false),
            Request::Checkpoint(request) => self.checkpoint(asker, &request),
            Request::Kill(kill) => self.kill(asker, &kill),
            Request::Exec(exec) => now(self.exec(exec)),
            Request::ResizePty(target, size) => now(self.resize(&target, size)),
            Request::CloseIo(target, stdin) => now(self.close_io(&target, stdin)),
            Request::Update(target, resources) => self.update(asker, &target, &resources),
            Request::Wait(target) => self.wait(asker, &target),
            Request::Stats(target) => now(self.stats(&target)),
            Request::Connect(target) => Ok(Some(self.connect(&target))),
            Request::Shutdown => {
                self.shut_down();
                Ok(Some(Message::new()))
            }
        }
    }

    /// The task and one of its processes.
    pub(crate) fn find(&mut self, target: &Target) -> Result<(&mut Task, usize), Status> {
        let task = self.tasks.iter_mut().find(|task| task.id == target.id);
        let task = task.ok_or_else(|| {
            let message = format!("container {}: not created by this shim", target.id);
            Status::new(Code::NotFound, message)
        })?;
        let at = task
            .processes()
            .position(|process| process.exec_id == target.exec_id);
        let at = at.ok_or_else(|| {
            let message = format!("process {} does not exist", target.exec_id);
            Status::new(Code::NotFound, message)
        })?;
        Ok((task, at))
    }

    fn state(&mut self, target: &Target) -> Reply {
        let (task, at) = self.find(target)?;
        let process = nth(task, at);
        let (stdio, end) = (&process.stdio, process.end);
        let mut reply = Message::new()
            .text(1, &task.id)
            .text(2, &task.bundle)
            .number(3, process.pid)
            .number(4, task.state_of(process) as u8)
            .text(5, &stdio.stdin)
            .text(6, &stdio.stdout)
            .text(7, &stdio.stderr)
            .number(8, stdio.terminal);
        if let Some(end) = end {
            reply = reply.number(9, end.status).message(10, &timestamp(end.at));
        }
        Ok(reply.text(11, &process.exec_id))
    }

    fn create(&mut self, asker: Asker, create: Create) -> Later {
        if self.tasks.iter().any(|task| task.id == create.id) {
            let message = format!("container {} already exists", create.id);
            return Err(Status::new(Code::AlreadyExists, message));
        }
        let options = Options::parse(&create.options)?;
        let state_root = options.state_root(&self.namespace);
        let checkpoint = checkpoint::images_of(&create.checkpoint, &options);
        let directory = file::open(&create.bundle, OFlags::PATH | OFlags::DIRECTORY)?;
        remember(&create.bundle, &state_root)?;
        let init = Process {
            serial: self.serial(),
            stdio: create.stdio.clone(),
            ..Process::default()
        };
        let task = Task {
            id: create.id,
            bundle: create.bundle,
            directory,
            options,
            state_root,
            rootfs_is_ours: !create.rootfs.is_empty(),
            checkpoint,
            paused: false,
            init,
            execs: Vec::new(),
            held_end: None,
            oom: None,
            oom_kills: 0,
        };
        make_state_root(&task.state_root)?;
        mounts::mount_all(&create.rootfs, &task.rootfs())?;
        let rootfs: Vec<Vec<u8>> = create.rootfs.into_iter().map(|mount| mount.bytes).collect();
        let (serial, is_saved) = (task.init.serial, !task.checkpoint.is_empty());
        self.tasks.push(task);
        if is_saved {
            self.tell_created(serial, &rootfs)?;
            return Ok(Some(Message::new()));
        }
        let started = self.start_creating(asker, serial, rootfs);
        if started.is_err() {
            self.forget_failed(serial);
        }
        started
    }

    /// Takes back a task that could not be made.
    pub(crate) fn forget_failed(&mut self, serial: u64) {
        let at = self
            .tasks
            .iter()
            .position(|task| task.init.serial == serial);
        let Some(at) = at else { return };
        let task = self.tasks.remove(at);
        if task.rootfs_is_ours {
            let _ = mounts::unmount_all(&task.rootfs()); // why it could not be made says more
        }
    }

    fn start_creating(&mut self, asker: Asker, serial: u64, rootfs: Vec<Vec<u8>>) -> Later {
        let pid_file = self.pid_file(serial);
        let mut words = alloc::vec!["create", "--bundle", ".", "--pid-file", &pid_file];
        let task = self.task_of(serial)?;
        if task.options.no_pivot_root {
            words.push("--no-pivot");
        }
        if task.options.no_new_keyring {
            words.push("--no-new-keyring");
        }
        let id = task.id.clone();
        self.start_process(asker, serial, words, &id, None, Purpose::Create(rootfs))
    }

    /// Starts a command that makes a process, with its streams or its terminal.
    pub(crate) fn start_process(
        &mut self,
        asker: Asker,
        serial: u64,
        words: Vec<&str>,
        id: &str,
        extra: Option<&[u8]>,
        purpose: Purpose,
    ) -> Later {
        let namespace = self.namespace.clone();
        let task = self.task_of(serial)?;
        let process = task.processes().find(|process| process.serial == serial);
        let stdio = process
            .map(|process| process.stdio.clone())
            .unwrap_or_default();
        let name = process.map_or(id, |process| {
            if process.is_init() {
                id
            } else {
                &process.exec_id
            }
        });
        let whose = stdio::Whose {
            id: name,
            namespace: &namespace,
        };
        let (mut streams, mut listener) = (None, None);
        if stdio.terminal {
            listener = Some(Listener::open(&task.directory, serial)?);
        } else {
            streams = Some(stdio::open(&stdio, whose, &task.options)?);
        }
        let mut all: Vec<&str> = words;
        if let Some(listener) = &listener {
            all.extend(["--console-socket", &listener.name]);
        }
        all.push(id);
        let running = Command {
            state_root: &task.state_root,
            systemd_cgroup: task.options.systemd_cgroup,
            words: all,
            streams: streams
                .as_ref()
                .map(|own| [own.input.as_fd(), own.output.as_fd(), own.error.as_fd()]),
            extra,
            directory: Some(task.directory.as_fd()),
        }
        .start()?;
        if let (Some(process), Some(streams)) = (self.process_mut(serial), streams) {
            process.kept = streams.kept;
        }
        self.add_job(Job {
            running,
            serial,
            asker: Some(asker),
            listener,
            purpose,
        });
        Ok(None)
    }

    pub(crate) fn add_job(&mut self, job: Job) {
        if let Some(process) = self.process_mut(job.serial) {
            process.busy = true;
        }
        self.jobs.push(job);
    }

    /// Where a process's number is written, relative to the bundle.
    pub(crate) fn pid_file(&self, serial: u64) -> String {
        match self.tasks.iter().any(|task| task.init.serial == serial) {
            true => String::from("init.pid"),
            false => format!("exec-{serial}.pid"),
        }
    }

    /// Starts a command on a container that is there.
    pub(crate) fn run<'w>(
        &mut self,
        asker: Option<Asker>,
        serial: u64,
        words: &[&'w str],
        extra: Option<&[u8]>,
        purpose: Purpose,
    ) -> Later {
        let task = self.task_of(serial)?;
        let named = |word: &&'w str| if *word == ID { &*task.id } else { *word };
        let words = words.iter().map(named).collect();
        let running = Command {
            state_root: &task.state_root,
            systemd_cgroup: task.options.systemd_cgroup,
            words,
            streams: None,
            extra,
            directory: Some(task.directory.as_fd()),
        }
        .start()?;
        self.add_job(Job {
            running,
            serial,
            asker,
            listener: None,
            purpose,
        });
        Ok(None)
    }

    fn start(&mut self, asker: Asker, target: &Target) -> Later {
        let (task, at) = self.find(target)?;
        let process = nth(task, at);
        let state = task.state_of(process);
        if state != State::Created {
            let message = format!("cannot start a process that is {}", word(state));
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let serial = process.serial;
        if process.is_init() && checkpoint::waits_for_restore(task) {
            return self.restore(asker, serial);
        }
        if process.is_init() {
            return self.run(Some(asker), serial, &["start", ID], None, Purpose::Start);
        }
        if task.init.end.is_some() || task.init.unseen_end.is_some() {
            let message = "the container's first process has ended: it is not running";
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let (spec, id) = (process.spec.clone(), task.id.clone());
        let pid_file = self.pid_file(serial);
        let words = alloc::vec![
            "exec",
            "--detach",
            "--process",
            EXTRA,
            "--pid-file",
            &pid_file
        ];
        self.start_process(asker, serial, words, &id, Some(&spec), Purpose::StartExec)
    }

    fn delete(&mut self, asker: Asker, target: &Target) -> Later {
        let (task, at) = self.find(target)?;
        let process = nth(task, at);
        let state = task.state_of(process);
        if !matches!(state, State::Created | State::Stopped) {
            let message = format!("cannot delete a process that is {}", word(state));
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let serial = process.serial;
        if process.is_init() {
            let words = ["delete", "--force", ID];
            return self.run(Some(asker), serial, &words, None, Purpose::Delete);
        }
        let reply = deleted(process);
        let process = task.execs.remove(at - 1);
        stdio::end_logger(&process.kept);
        self.drop_console(serial);
        Ok(Some(reply))
    }

    fn pids(&mut self, target: &Target) -> Reply {
        let (task, _) = self.find(target)?;
        let engine = Engine::new(task.state_root.clone());
        let mut reply = Message::new();
        for pid in engine.processes(&task.id)? {
            let mut info = Message::new().number(1, pid);
            let exec = task.execs.iter().find(|process| process.pid == pid);
            if let Some(exec) = exec {
                let details = Message::new().text(1, &exec.exec_id);
                info = info.message(2, &any("containerd.runc.v1.ProcessDetails", &details));
            }
            reply = reply.message(1, &info);
        }
        Ok(reply)
    }

    fn freeze(&mut self, asker: Asker, target: &Target, freeze: bool) -> Later {
        let target = first_of(target);
        let (task, _) = self.find(&target)?;
        let state = task.state_of(&task.init);
        let fits = match state {
            State::Running => freeze,
            State::Paused => !freeze,
            State::Created | State::Stopped => false,
        };
        let verb = if freeze { "pause" } else { "resume" };
        if !fits {
            let message = format!("cannot {verb} a container that is {}", word(state));
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        let serial = task.init.serial;
        self.run(
            Some(asker),
            serial,
            &[verb, ID],
            None,
            Purpose::Freeze(freeze),
        )
    }

    fn kill(&mut self, asker: Asker, kill: &Kill) -> Later {
        const SIGKILL: u32 = 9;
        let (task, at) = self.find(&kill.target)?;
        let process = nth(task, at);
        if process.pid == 0 {
            let message = "the process was not started";
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        if !process.lives() {
            let message = "process already finished: not running";
            return Err(Status::new(Code::NotFound, message));
        }
        let number = i32::try_from(kill.signal)
            .ok()
            .filter(|number| (0..=64).contains(number));
        let number = number.ok_or_else(|| {
            let message = format!("signal {}: there is none of that number", kill.signal);
            Status::new(Code::InvalidArgument, message)
        })?;
        // The freezer of v1 holds what it froze even against SIGKILL: the engine thaws.
        let by_engine = kill.all || (task.paused && kill.signal == SIGKILL);
        if process.is_init() && by_engine {
            let (serial, text) = (process.serial, format!("{number}"));
            let all = if kill.all { "--all" } else { "--all=false" };
            let words = ["kill", all, ID, &text];
            return self.run(Some(asker), serial, &words, None, Purpose::Kill);
        }
        // It is our child and not reaped: the number is still its own.
        let pid = i32::try_from(process.pid)
            .ok()
            .and_then(sys::rustix::process::Pid::from_raw);
        let open = pid.map(process::open).transpose()?.flatten();
        if let Some(open) = open {
            process::send(&open, number)?;
        }
        Ok(Some(Message::new()))
    }

    /// Kills what a container's first process left behind, where it had no PID namespace of its own.
    pub(crate) fn kill_rest(&mut self, serial: u64) -> Result<(), Status> {
        let words = ["kill", "--all", ID, "KILL"];
        self.run(None, serial, &words, None, Purpose::KillRest)
            .map(drop)
    }

    fn exec(&mut self, exec: Exec) -> Reply {
        let Exec {
            target,
            stdio,
            spec,
        } = exec;
        if !spec.name().ends_with("Process") {
            let message = format!("exec: a process of type {:?}: not supported", spec.type_url);
            return Err(Status::new(Code::InvalidArgument, message));
        }
        let serial = self.serial();
        let (task, _) = self.find(&first_of(&target))?;
        if target.exec_id.is_empty() || task.process(&target.exec_id).is_some() {
            let message = format!("process {:?} already exists", target.exec_id);
            return Err(Status::new(Code::AlreadyExists, message));
        }
        let state = task.state_of(&task.init);
        if !matches!(state, State::Running | State::Created) {
            let message = format!("cannot exec in a container that is {}", word(state));
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        task.execs.push(Process {
            serial,
            exec_id: target.exec_id.clone(),
            stdio,
            spec: spec.value,
            ..Process::default()
        });
        let event = Message::new().text(1, &target.id).text(2, &target.exec_id);
        let kind = "containerd.events.TaskExecAdded";
        self.events.publish("/tasks/exec-added", kind, &event);
        Ok(Message::new())
    }

    fn resize(&mut self, target: &Target, size: Size) -> Reply {
        let (task, at) = self.find(target)?;
        let serial = nth(task, at).serial;
        let mut consoles = self.consoles.iter();
        if let Some(console) = consoles.find(|console| console.process == serial) {
            console.resize(size)?;
        }
        Ok(Message::new())
    }

    fn close_io(&mut self, target: &Target, stdin: bool) -> Reply {
        let (task, at) = self.find(target)?;
        let serial = nth(task, at).serial;
        if let Some(process) = self.process_mut(serial).filter(|_| stdin) {
            process.kept.input_writer = None;
        }
        Ok(Message::new())
    }

    fn update(&mut self, asker: Asker, target: &Target, resources: &Any) -> Later {
        if !resources.name().ends_with("LinuxResources") {
            let message = format!(
                "update: resources of type {:?}: not supported",
                resources.type_url
            );
            return Err(Status::new(Code::InvalidArgument, message));
        }
        let (task, _) = self.find(&first_of(target))?;
        let serial = task.init.serial;
        let words = ["update", "--resources", EXTRA, ID];
        self.run(
            Some(asker),
            serial,
            &words,
            Some(&resources.value),
            Purpose::Update,
        )
    }

    fn wait(&mut self, asker: Asker, target: &Target) -> Later {
        let (task, at) = self.find(target)?;
        let process = nth(task, at);
        let (serial, end) = (process.serial, process.end);
        if let Some(end) = end {
            return Ok(Some(ended(end)));
        }
        if let Some(process) = self.process_mut(serial) {
            process.waiters.push(asker);
        }
        Ok(None)
    }

    fn stats(&mut self, target: &Target) -> Reply {
        let (task, _) = self.find(&first_of(target))?;
        stats::read(&task.state_root, &task.id)
    }

    fn connect(&mut self, target: &Target) -> Message {
        let own = sys::rustix::process::getpid().as_raw_nonzero().get();
        let task = self.tasks.iter().find(|task| task.id == target.id);
        Message::new()
            .number(1, own.unsigned_abs())
            .number(2, task.map_or(0, |task| task.init.pid))
    }

    pub(crate) fn task_of(&self, serial: u64) -> Result<&Task, Status> {
        let has = |task: &&Task| task.processes().any(|process| process.serial == serial);
        let gone = || Status::new(Code::NotFound, "the container is gone");
        self.tasks.iter().find(has).ok_or_else(gone)
    }

    pub(crate) fn process_mut(&mut self, serial: u64) -> Option<&mut Process> {
        let mut processes = self.tasks.iter_mut().flat_map(Task::processes_mut);
        processes.find(|process| process.serial == serial)
    }

    /// The terminal of a process that is no more is copied no more.
    pub(crate) fn drop_console(&mut self, serial: u64) {
        for console in self.consoles.iter_mut().filter(|one| one.process == serial) {
            console.go_on();
        }
        self.consoles.retain(|console| console.process != serial);
    }
}

fn nth(task: &Task, at: usize) -> &Process {
    task.execs.get(at.wrapping_sub(1)).unwrap_or(&task.init)
}

/// The container's first process.
pub(crate) fn first_of(target: &Target) -> Target {
    Target {
        id: target.id.clone(),
        exec_id: String::new(),
    }
}

pub(crate) fn word(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Stopped => "stopped",
        State::Paused => "paused",
    }
}

/// `WaitResponse`.
pub(crate) fn ended(end: crate::task::End) -> Message {
    Message::new()
        .number(1, end.status)
        .message(2, &timestamp(end.at))
}

/// `DeleteResponse`.
pub(crate) fn deleted(process: &Process) -> Message {
    let reply = Message::new().number(1, process.pid);
    match process.end {
        Some(end) => reply.number(2, end.status).message(3, &timestamp(end.at)),
        None => reply,
    }
}

/// States are nobody else's to see.
fn make_state_root(path: &str) -> sys::Result<()> {
    use sys::error::OnCall;
    use sys::rustix::fs::{CWD, Mode, mkdirat};
    let whole = core::iter::once(path.len());
    let ends = path
        .match_indices('/')
        .skip(1)
        .map(|(at, _)| at)
        .chain(whole);
    for end in ends {
        match mkdirat(CWD, &path[..end], Mode::from_raw_mode(0o711)) {
            Ok(()) | Err(sys::Errno::EXIST) => {}
            Err(errno) => return Err(errno).on("mkdir", path),
        }
    }
    Ok(())
}

/// Where the `delete` verb, which is told nothing, finds the container's state.
fn remember(bundle: &str, state_root: &str) -> sys::Result<()> {
    let path = format!("{bundle}/{}", crate::STATE_ROOT_FILE);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    file::write_all(&file::open(&path, flags)?, state_root.as_bytes(), &path)
}

//! What follows when a process ends: a command of ours that a request waits for, or one that containerd
//! knows.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::Engine;
use sys::rustix::fs::{AtFlags, unlinkat};
use sys::rustix::process::{Pid, WaitOptions, waitpid};
use sys::{file, time};

use crate::console::Console;
use crate::job::Running;
use crate::log;
use crate::message::timestamp;
use crate::mounts;
use crate::server::Shim;
use crate::service::{deleted, ended};
use crate::stdio;
use crate::task::{Asker, End, Process, Task};
use crate::terminal::Listener;
use crate::ttrpc::{Reply, Status};
use wire::Message;

/// A command of ours that runs, and what it is for.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) running: Running,
    /// The process that it is at work on.
    pub(crate) serial: u64,
    /// Who asked; nobody did for what we do by ourselves.
    pub(crate) asker: Option<Asker>,
    /// Where the terminal comes, if there is one.
    pub(crate) listener: Option<Listener>,
    pub(crate) purpose: Purpose,
}

/// What a command is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// With the root's mounts, as they were asked for.
    Create(Vec<Vec<u8>>),
    Start,
    StartExec,
    Delete,
    /// Pause, or else resume.
    Freeze(bool),
    Update,
    /// Into this directory.
    Checkpoint(String),
    Restore,
    Kill,
    KillRest,
}

impl Purpose {
    /// As messages have it.
    fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Start => "start",
            Self::StartExec => "exec",
            Self::Delete => "delete",
            Self::Freeze(true) => "pause",
            Self::Freeze(false) => "resume",
            Self::Update => "update",
            Self::Checkpoint(_) => "checkpoint",
            Self::Restore => "restore",
            Self::Kill | Self::KillRest => "kill",
        }
    }
}

impl Shim {
    /// A child of ours ended and was reaped.
    pub(crate) fn process_ended(&mut self, pid: u32, code: i32) {
        if self.events.ended(pid, code == 0) {
            return;
        }
        if let Some(at) = self.jobs.iter().position(|job| job.running.pid == pid) {
            let job = self.jobs.swap_remove(at);
            self.finish(job, code);
            if self.jobs.is_empty() {
                self.strays.clear();
            }
            return;
        }
        if let Some(serial) = self.serial_of(pid) {
            return self.known_ended(serial, code);
        }
        self.forget_logger(pid);
        if !self.jobs.is_empty() {
            self.strays.push((pid, code));
        }
    }

    fn serial_of(&self, pid: u32) -> Option<u64> {
        let mut processes = self.tasks.iter().flat_map(Task::processes);
        let known = processes.find(|process| process.pid == pid && process.lives());
        known.map(|process| process.serial)
    }

    fn forget_logger(&mut self, pid: u32) {
        for process in self.tasks.iter_mut().flat_map(Task::processes_mut) {
            if process.kept.logger == Some(pid) {
                process.kept.logger = None;
            }
        }
    }

    /// A process that containerd knows ended: the events of its beginning come first, and for a container's
    /// first process those of the others' ends.
    fn known_ended(&mut self, serial: u64, code: i32) {
        let Some(process) = self.process_mut(serial) else {
            return;
        };
        if process.busy {
            process.unseen_end = Some(code);
            return;
        }
        let is_init = process.is_init();
        if is_init && self.others_live(serial) {
            if let Some(task) = self
                .tasks
                .iter_mut()
                .find(|task| task.init.serial == serial)
            {
                task.held_end = Some(code);
            }
            match self.kill_rest(serial) {
                Ok(()) => return,
                Err(status) => log::warn("", "what its first process left", &status.message),
            }
        }
        self.conclude(serial, code);
        if !is_init {
            self.release_held(serial);
        }
    }

    /// Whether anything of the container outlives its first process.
    fn others_live(&self, serial: u64) -> bool {
        let Ok(task) = self.task_of(serial) else {
            return false;
        };
        let engine = Engine::new(task.state_root.clone());
        let in_group = || {
            engine
                .processes(&task.id)
                .is_ok_and(|pids| !pids.is_empty())
        };
        task.execs.iter().any(Process::lives) || in_group()
    }

    /// The first process's end is told once no other lives.
    fn release_held(&mut self, serial: u64) {
        let Ok(task) = self.task_of(serial) else {
            return;
        };
        let init = &task.init;
        if task.execs.iter().any(Process::lives) || init.busy {
            return;
        }
        if let Some(code) = task.held_end {
            self.conclude(init.serial, code);
        }
    }

    /// Tells everybody that a process ended.
    fn conclude(&mut self, serial: u64, code: i32) {
        let Ok(task) = self.task_of(serial) else {
            return;
        };
        let id = task.id.clone();
        let end = End {
            status: u32::try_from(code).unwrap_or(255),
            at: time::now(),
        };
        let first_of = |task: &Task| task.init.serial == serial;
        if let Some(at) = self.tasks.iter().position(first_of) {
            // It may have rung just before its end: the count is right only now.
            self.tell_oom(at);
            let task = &mut self.tasks[at];
            (task.held_end, task.oom, task.paused) = (None, None, false);
        }
        let Some(process) = self.process_mut(serial) else {
            return;
        };
        process.end = Some(end);
        process.unseen_end = None;
        process.kept.input_writer = None;
        process.kept.output_readers.clear();
        let name = if process.is_init() {
            &id
        } else {
            &process.exec_id
        };
        let event = Message::new()
            .text(1, &id)
            .text(2, name)
            .number(3, process.pid)
            .number(4, end.status)
            .message(5, &timestamp(end.at));
        let waiters = core::mem::take(&mut process.waiters);
        self.events
            .publish("/tasks/exit", "containerd.events.TaskExit", &event);
        for waiter in waiters {
            self.answer(waiter, &Ok(ended(end)));
        }
    }

    /// A command of ours ended.
    fn finish(&mut self, job: Job, code: i32) {
        let serial = job.serial;
        let done = if code == 0 {
            self.done(&job)
        } else {
            Err(job.running.failure(job.purpose.name()))
        };
        let process = self.process_mut(serial);
        let (queue, unseen) = process.map_or((Vec::new(), None), |process| {
            process.busy = false;
            let queue = core::mem::take(&mut process.queue);
            (queue, process.unseen_end.take())
        });
        if let Some(code) = unseen {
            self.known_ended(serial, code);
        }
        let reply = match done {
            Ok(()) => self.reply(&job),
            Err(status) => {
                self.failed(&job);
                Err(status)
            }
        };
        if let Some(asker) = job.asker {
            self.answer(asker, &reply);
        }
        self.release_held(serial);
        for call in queue {
            self.act(call);
        }
    }

    /// What a command's success changes, before anything else happens to its process.
    fn done(&mut self, job: &Job) -> Result<(), Status> {
        match &job.purpose {
            Purpose::Create(rootfs) => self.created(job, rootfs),
            Purpose::Start => {
                self.started(job.serial);
                Ok(())
            }
            Purpose::StartExec => {
                self.take_process(job)?;
                self.started(job.serial);
                Ok(())
            }
            Purpose::Delete => {
                self.await_end(job.serial);
                Ok(())
            }
            Purpose::Freeze(paused) => {
                self.frozen(job.serial, *paused);
                Ok(())
            }
            Purpose::Checkpoint(images) => {
                self.saved(job.serial, images);
                Ok(())
            }
            Purpose::Restore => self.restored(job),
            Purpose::Update | Purpose::Kill | Purpose::KillRest => Ok(()),
        }
    }

    fn reply(&mut self, job: &Job) -> Reply {
        let pid = self
            .process_mut(job.serial)
            .map_or(0, |process| process.pid);
        match job.purpose {
            Purpose::Create(_) | Purpose::Start | Purpose::StartExec | Purpose::Restore => {
                Ok(Message::new().number(1, pid))
            }
            Purpose::Delete => self.deleted(job.serial),
            _ => Ok(Message::new()),
        }
    }

    fn failed(&mut self, job: &Job) {
        match job.purpose {
            Purpose::Create(_) => self.forget_failed(job.serial),
            Purpose::StartExec => self.exec_failed(job.serial),
            _ => {}
        }
    }

    /// It never ran, so nobody hears of its end but who waits for it.
    fn exec_failed(&mut self, serial: u64) {
        let Some(process) = self.process_mut(serial) else {
            return;
        };
        let end = End {
            status: 255,
            at: time::now(),
        };
        process.end = Some(end);
        stdio::end_logger(&process.kept);
        process.kept = stdio::Kept::default();
        for waiter in core::mem::take(&mut process.waiters) {
            self.answer(waiter, &Ok(ended(end)));
        }
    }

    /// Takes over the process that a command made: its number, and its terminal.
    pub(crate) fn take_process(&mut self, job: &Job) -> Result<u32, Status> {
        let name = self.pid_file(job.serial);
        let task = self.task_of(job.serial)?;
        let text = file::open_at(
            &task.directory,
            &name,
            sys::rustix::fs::OFlags::RDONLY,
            &name,
        )
        .and_then(|file| file::read_all(&file, 32, &name))?;
        let pid = core::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let pid: u32 = pid.ok_or_else(|| {
            Status::new(
                crate::ttrpc::Code::Internal,
                format!("{name}: not a process's number"),
            )
        })?;
        if name != "init.pid" {
            let _ = unlinkat(&task.directory, &*name, AtFlags::empty());
        }
        if let Some(listener) = &job.listener {
            let console = self.open_console(job.serial, listener)?;
            self.consoles.push(console);
        }
        let stray = self
            .strays
            .iter()
            .find(|(stray, _)| *stray == pid)
            .map(|(_, code)| *code);
        if let Some(process) = self.process_mut(job.serial) {
            process.pid = pid;
            process.unseen_end = stray;
            process.spec = Vec::new();
        }
        Ok(pid)
    }

    fn open_console(&mut self, serial: u64, listener: &Listener) -> Result<Console, Status> {
        let master = listener.receive()?;
        let namespace = self.namespace.clone();
        let task = self.task_of(serial)?;
        let id = task.id.clone();
        let stdio = task.processes().find(|process| process.serial == serial);
        let (stdio, name) = stdio.map_or((Default::default(), id.clone()), |process| {
            let name = if process.is_init() {
                &id
            } else {
                &process.exec_id
            };
            (process.stdio.clone(), name.clone())
        });
        let whose = stdio::Whose {
            id: &name,
            namespace: &namespace,
        };
        let mut kept = stdio::Kept::default();
        let output = stdio::open_terminal_output(&stdio.stdout, whose, &mut kept)?;
        let input = match stdio.stdin.is_empty() {
            true => None,
            false => Some(stdio::open_input(&stdio.stdin, &mut kept)?),
        };
        if let Some(process) = self.process_mut(serial) {
            process.kept = kept;
        }
        Ok(Console::new(serial, master, input, output)?)
    }

    fn created(&mut self, job: &Job, rootfs: &[Vec<u8>]) -> Result<(), Status> {
        self.take_process(job)?;
        self.watch_oom(job.serial);
        self.tell_created(job.serial, rootfs)
    }

    /// The event of a container that is there, whether it has a process yet or not.
    pub(crate) fn tell_created(&mut self, serial: u64, rootfs: &[Vec<u8>]) -> Result<(), Status> {
        let task = self.task_of(serial)?;
        let stdio = &task.init.stdio;
        let io = Message::new()
            .text(1, &stdio.stdin)
            .text(2, &stdio.stdout)
            .text(3, &stdio.stderr)
            .number(4, stdio.terminal);
        let mut event = Message::new().text(1, &task.id).text(2, &task.bundle);
        for mount in rootfs {
            event = event.message(3, &Message(mount.clone()));
        }
        let event = event
            .message(4, &io)
            .text(5, &task.checkpoint)
            .number(6, task.init.pid);
        self.events
            .publish("/tasks/create", "containerd.events.TaskCreate", &event);
        Ok(())
    }

    /// Where memory is not counted for the container, nothing can be watched.
    pub(crate) fn watch_oom(&mut self, serial: u64) {
        let mut tasks = self.tasks.iter_mut();
        let Some(task) = tasks.find(|task| task.init.serial == serial) else {
            return;
        };
        let engine = Engine::new(task.state_root.clone());
        let inspected = engine.inspect(&task.id);
        let group = inspected.and_then(|(record, _)| engine.group(&record));
        match group.and_then(|group| Ok(group.watch_oom()?)) {
            Ok(watch) => task.oom = Some(watch),
            Err(why) => log::warn(&task.id, "memory is not watched", &why),
        }
    }

    pub(crate) fn started(&mut self, serial: u64) {
        let Some(process) = self.process_mut(serial) else {
            return;
        };
        process.started = true;
        let (exec_id, pid) = (process.exec_id.clone(), process.pid);
        let Ok(task) = self.task_of(serial) else {
            return;
        };
        let event = Message::new().text(1, &task.id);
        if exec_id.is_empty() {
            let event = event.number(2, pid);
            self.events
                .publish("/tasks/start", "containerd.events.TaskStart", &event);
        } else {
            let event = event.text(2, &exec_id).number(3, pid);
            let kind = "containerd.events.TaskExecStarted";
            self.events.publish("/tasks/exec-started", kind, &event);
        }
    }

    fn frozen(&mut self, serial: u64, paused: bool) {
        let mut tasks = self.tasks.iter_mut();
        let Some(task) = tasks.find(|task| task.init.serial == serial) else {
            return;
        };
        task.paused = paused;
        let event = Message::new().text(1, &task.id);
        let (topic, kind) = match paused {
            true => ("/tasks/paused", "containerd.events.TaskPaused"),
            false => ("/tasks/resumed", "containerd.events.TaskResumed"),
        };
        self.events.publish(topic, kind, &event);
    }

    /// What was deleted before it had started was killed, and may not have been reaped yet.
    fn await_end(&mut self, serial: u64) {
        let Some(process) = self.process_mut(serial) else {
            return;
        };
        if !process.lives() {
            return;
        }
        let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
        let ended = waitpid(pid, WaitOptions::empty()).ok().flatten();
        process.unseen_end = Some(
            ended
                .and_then(|(_, status)| status.exit_status())
                .unwrap_or(137),
        );
    }

    /// `DeleteResponse` of a whole container, which is forgotten.
    fn deleted(&mut self, serial: u64) -> Reply {
        let at = self
            .tasks
            .iter()
            .position(|task| task.init.serial == serial);
        let Some(at) = at else {
            return Ok(Message::new());
        };
        let task = self.tasks.remove(at);
        let unmounted = match task.rootfs_is_ours {
            true => mounts::unmount_all(&task.rootfs()),
            false => Ok(()),
        };
        for process in task.processes() {
            stdio::end_logger(&process.kept);
            self.drop_console(process.serial);
        }
        let reply = deleted(&task.init);
        let mut event = Message::new().text(1, &task.id).number(2, task.init.pid);
        if let Some(end) = task.init.end {
            event = event.number(3, end.status).message(4, &timestamp(end.at));
        }
        self.events
            .publish("/tasks/delete", "containerd.events.TaskDelete", &event);
        unmounted?;
        Ok(reply)
    }
}

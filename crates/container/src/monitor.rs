//! The monitor: one small process for each running container. It starts the container, keeps its log,
//! hands out its streams, sees its end, and starts it again where that is wanted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Options, Result, Terminal, run_or_create};
use plan::Act;
use spec::Spec;
use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::fs::{AtFlags, OFlags, unlinkat};
use sys::rustix::net::{SocketFlags, SocketType, accept_with};
use sys::rustix::pipe::{PipeFlags, pipe_with};
use sys::rustix::process::Signal;
use sys::rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use sys::rustix::time::Timespec;
use sys::signal::{Set, Signals};
use sys::{AsFd, AsRawFd, OwnedFd, file, socket};

use crate::attach::{self, Attached, Channel};
use crate::directory::{Directory, SOCKET};
use crate::ending::Ending;
use crate::log::Log;
use crate::outputs::{Flow, Output, null};
use crate::settings::{Root, Settings};
use crate::store::Store;

/// The least and the greatest pause before a container is started again, and how long it must have run
/// for the pause to start from the least again.
const PAUSE_MS: (u64, u64) = (100, 60_000);
const LASTING_S: i64 = 10;

/// Starts a container's monitor, and waits until the container runs.
///
/// `attach` is whether its streams are wanted.
///
/// # Errors
/// Why the container does not run.
pub fn start(store: &Store, id: &str, attach: bool) -> Result<Attached> {
    let (ours, theirs) = socket::pair()?;
    let program = file::open("/proc/self/exe", OFlags::PATH)?;
    let text = |text: &str| alloc::ffi::CString::new(text).unwrap_or_default();
    let (data, state) = (text(&store.data), text(&store.engine.state_root));
    let (id, number) = (text(id), text(&format!("{}", theirs.as_raw_fd())));
    let how = if attach { c"attach" } else { c"0" };
    sys::launch::launch(&sys::launch::Launch {
        program: program.as_fd(),
        arguments: &[c"stockade", c"monitor", &data, &state, &id, &number, how],
        keep: &[theirs.as_fd()],
        namespaces: 0,
        cgroup: None,
    })?;
    drop(theirs);
    Channel::new(ours).attached()
}

/// The monitor's program: `monitor DATA STATE ID SOCKET attach|RESTARTS`.
pub fn main(words: &[&str]) -> i32 {
    match words {
        [data, state, id, socket, how] => {
            let engine = engine::Engine::new(*state);
            let store = Store {
                data: String::from(*data),
                engine,
            };
            let client = socket.parse().ok().and_then(sys::stdio::inherited);
            let restarts = how.parse().unwrap_or(0);
            run(&store, id, client, *how == "attach", restarts)
        }
        _ => 125,
    }
}

fn run(store: &Store, id: &str, client: Option<OwnedFd>, attach: bool, restarts: u32) -> i32 {
    let _ = sys::rustix::process::setsid();
    let Ok(signals) = Signals::open(Set::OTHERS) else {
        return 125;
    };
    let outcome = leave_streams().and_then(|()| Monitor::open(store, id));
    let result = outcome.and_then(|mut monitor| {
        monitor.restarts = restarts;
        let ended = monitor.serve(client.as_ref(), attach, &signals);
        let code = ended.as_ref().ok().map(|(code, _)| *code);
        let finished = monitor.finish(ended);
        // Whoever waits may rely on what is written down, or out of sight, by then.
        if let Some(code) = code {
            for client in client.iter().chain(&monitor.clients) {
                attach::send_code(client, code);
            }
        }
        let next = finished.as_ref().copied().unwrap_or(Next::Nothing);
        match next {
            Next::Start(row) if monitor.pause(row) => return Ok(Some(row + 1)),
            Next::Start(_) => monitor.give_up()?,
            Next::Clear => monitor.clear()?,
            Next::Nothing => {}
        }
        finished.map(|_| None)
    });
    match result {
        Ok(None) => 0,
        Ok(Some(restarts)) => again(store, id, restarts),
        Err(error) => {
            if let Some(client) = &client {
                attach::send_error(client, &error);
            }
            125
        }
    }
}

/// Executes this program anew: what one life of the container took is given back.
fn again(store: &Store, id: &str, restarts: u32) -> i32 {
    let count = format!("{restarts}");
    let words = [
        "stockade",
        "monitor",
        &store.data,
        &store.engine.state_root,
        id,
        "-",
        &count,
    ];
    sys::launch::execute_self(&words)
}

/// A monitor must not hold the streams of whoever started it.
fn leave_streams() -> Result<()> {
    let null = null()?;
    dup2_stdin(&null).on("dup2", "")?;
    dup2_stdout(&null).on("dup2", "")?;
    dup2_stderr(&null).on("dup2", "")?;
    Ok(())
}

struct Monitor<'s> {
    store: &'s Store,
    directory: Directory,
    settings: Settings,
    log: Log,
    clients: Vec<OwnedFd>,
    restarts: u32,
    started: String,
    started_at: i64,
}

/// What is to be done when a container has ended.
#[derive(Clone, Copy)]
enum Next {
    /// It stays as it is.
    Nothing,
    /// It is started again, after so many times in a row.
    Start(u32),
    /// What it kept is removed.
    Clear,
}

/// The monitor's ends of the container's streams.
struct Streams {
    input: Option<OwnedFd>,
    output: Output,
    error: Output,
    clients: Vec<OwnedFd>,
}

impl<'s> Monitor<'s> {
    fn open(store: &'s Store, id: &str) -> Result<Self> {
        let directory = store.open(id)?;
        if !directory.lock_as_monitor() {
            return Err(Error::new(
                Kind::WrongState,
                format!("container {id} has a monitor already"),
            ));
        }
        let settings = directory.settings()?;
        let log = Log::new(&directory, settings.log)?;
        Ok(Self {
            store,
            directory,
            settings,
            log,
            clients: Vec::new(),
            restarts: 0,
            started: String::new(),
            started_at: 0,
        })
    }

    /// Runs the container to its end: its exit status, and whether memory was out.
    fn serve(
        &mut self,
        client: Option<&OwnedFd>,
        attach: bool,
        signals: &Signals,
    ) -> Result<(i32, bool)> {
        let config = self.directory.config()?;
        let spec = Spec::parse(&config)?;
        let bundle = self.directory.path.clone();
        let id = self.settings.id.clone();
        let options = self.options(&id, &bundle, &spec, &config);
        let listener = self.listen()?;
        let mut streams = self.open_streams()?;
        let engine = self.store.engine.clone();
        let ended = run_or_create(&engine, &options, Act::Run, |launched| {
            leave_streams()?;
            (self.started, self.started_at) = (engine::timestamp_now(), sys::time::now().0);
            if let Some(master) = launched.terminal.take() {
                streams.take_terminal(master)?;
            }
            if let Some(client) = client {
                self.welcome(&mut streams, client, attach)?;
            }
            self.relay(&mut streams, launched, &listener, signals)?;
            let code = launched.wait()?.code();
            let oom = code == 137 && oom_killed(&engine, &id);
            Ok((code, oom))
        });
        leave_streams()?;
        self.clients = core::mem::take(&mut streams.clients);
        let ended = ended?;
        engine.delete(&id, true)?;
        Ok(ended)
    }

    fn options<'a>(
        &self,
        id: &'a str,
        bundle: &'a str,
        spec: &'a Spec<'a>,
        config: &'a [u8],
    ) -> Options<'a> {
        let settings = &self.settings;
        let mut options = Options::new(id, bundle, spec, config);
        let overlay = |target: String, options: &str| plan::Overlay {
            target,
            options: options.into(),
            base: self.directory.path.clone(),
        };
        options.root = Some(match &settings.root {
            Root::Directory(path) => plan::Root::Directory(path.clone()),
            Root::Overlay { options } => {
                plan::Root::Overlay(overlay(self.store.mountpoint(), options))
            }
        });
        options.overlays = settings
            .overlays
            .iter()
            .map(|inside| overlay(format!("/{}", inside.target), &inside.options))
            .collect();
        options.translate_root = settings.translate_root;
        options.init = settings.init;
        options.loopback = settings.loopback;
        options.make_work_dir = true;
        options.count_use = true;
        options.await_exec = true;
        if settings.tty {
            options.terminal = Terminal::Caller;
        }
        options
    }

    fn listen(&self) -> Result<OwnedFd> {
        let _ = unlinkat(self.directory.as_dir(), SOCKET, AtFlags::empty());
        let path = format!(
            "/proc/self/fd/{}/{SOCKET}",
            self.directory.as_dir().as_raw_fd()
        );
        Ok(socket::listen_at(&path, SocketType::SEQPACKET)?)
    }

    /// Makes the container's ends of its streams this process's own, for the container to inherit.
    fn open_streams(&self) -> Result<Streams> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).on("pipe2", "");
        let none = || Output::new(None, "stdout");
        if self.settings.tty {
            return Ok(Streams {
                input: None,
                output: none(),
                error: none(),
                clients: Vec::new(),
            });
        }
        let input = if self.settings.interactive {
            let (theirs, ours) = pipe()?;
            dup2_stdin(&theirs).on("dup2", "")?;
            Some(ours)
        } else {
            None
        };
        let (out, their_out) = pipe()?;
        let (err, their_err) = pipe()?;
        dup2_stdout(&their_out).on("dup2", "")?;
        dup2_stderr(&their_err).on("dup2", "")?;
        let output = Output::new(Some(out), "stdout");
        let error = Output::new(Some(err), "stderr");
        Ok(Streams {
            input,
            output,
            error,
            clients: Vec::new(),
        })
    }

    /// Tells whoever started this that the container runs, with its streams where they are wanted.
    fn welcome(&self, streams: &mut Streams, client: &OwnedFd, attach: bool) -> Result<()> {
        if !attach {
            return attach::send_streams(client, None, None, None);
        }
        streams.hand_out(client, self.settings.tty)?;
        if self.settings.input_once && !self.settings.tty {
            // The client's is the only end that is left: when it closes, the container's input ends.
            streams.input = None;
        }
        Ok(())
    }

    /// Carries what the container prints until its first process ends.
    fn relay(
        &mut self,
        streams: &mut Streams,
        launched: &engine::Launched<'_, '_>,
        listener: &OwnedFd,
        signals: &Signals,
    ) -> Result<()> {
        loop {
            let mut polled = Vec::with_capacity(5);
            polled.push(PollFd::new(&launched.pidfd, PollFlags::IN));
            polled.push(PollFd::new(listener, PollFlags::IN));
            polled.push(PollFd::new(signals, PollFlags::IN));
            for source in [streams.output.source(), streams.error.source()]
                .into_iter()
                .flatten()
            {
                polled.push(PollFd::new(source, PollFlags::IN));
            }
            let waited = poll(&mut polled, None);
            let (ended, knocked) = (
                !polled[0].revents().is_empty(),
                !polled[1].revents().is_empty(),
            );
            drop(polled);
            if !matches!(waited, Ok(_) | Err(sys::Errno::INTR)) {
                waited.on("poll", "")?;
            }
            // What ends others is not for us: a monitor ends with its container.
            while signals.take()?.is_some() {}
            let out = streams.output.go_on(&mut self.log);
            let err = streams.error.go_on(&mut self.log);
            if ended && out != Flow::Some && err != Flow::Some {
                streams.output.end(&mut self.log);
                streams.error.end(&mut self.log);
                return Ok(());
            }
            if knocked {
                // Somebody who goes away at once is no failure of the container.
                let _ = self.admit(streams, listener, &launched.pidfd);
            }
        }
    }

    fn admit(&self, streams: &mut Streams, listener: &OwnedFd, first: &OwnedFd) -> Result<()> {
        let client = accept_with(listener, SocketFlags::CLOEXEC).on("accept", "")?;
        let mut request = [0u8; 1];
        socket::receive(&client, &mut request)?;
        match &request {
            b"a" => {
                streams.hand_out(&client, self.settings.tty)?;
                streams.clients.push(client);
            }
            b"w" => streams.clients.push(client),
            b"k" => drop(sys::process::signal(first, Signal::KILL)?),
            _ => {}
        }
        Ok(())
    }

    /// Writes down how it ended, or takes it out of sight; says what is to be done then.
    fn finish(&mut self, ended: Result<(i32, bool)>) -> Result<Next> {
        // `update` may have changed the restart policy meanwhile.
        if let Ok(settings) = self.directory.settings() {
            self.settings = settings;
        }
        let mut ending = Ending {
            started: self.started.clone(),
            finished: engine::timestamp_now(),
            restarts: self.restarts,
            ..Ending::default()
        };
        let (code, failure) = match ended {
            Ok((code, oom)) => {
                ending.oom_killed = oom;
                (code, None)
            }
            Err(error) => {
                ending.error = error.message.clone();
                (error.exit_code(), Some(error))
            }
        };
        ending.code = Some(code);
        let lasted = sys::time::now().0 - self.started_at >= LASTING_S && self.started_at != 0;
        let row = if lasted { 0 } else { self.restarts };
        ending.restarting = failure.is_none()
            && self.settings.restart.applies(code, row)
            && !self.directory.is_stopped();
        if self.settings.auto_remove && !ending.restarting {
            self.store.retire(&self.settings.id, &self.settings.name)?;
            self.store.retire_anonymous(&self.settings.volumes);
            return match failure {
                None => Ok(Next::Clear),
                Some(error) => self.clear().and(Err(error)),
            };
        }
        self.directory.write_ending(&ending)?;
        match failure {
            Some(error) => Err(error),
            None if ending.restarting => Ok(Next::Start(row)),
            None => Ok(Next::Nothing),
        }
    }

    /// Removes what it kept, and the volumes that go with it.
    fn clear(&self) -> Result<()> {
        self.store.clear_anonymous(&self.settings.volumes);
        self.store.clear(&self.settings.id)
    }

    /// It is not started again after all.
    fn give_up(&self) -> Result<()> {
        let ending = self.directory.ending()?.unwrap_or_default();
        self.directory.write_ending(&Ending {
            restarting: false,
            ..ending
        })
    }

    /// Waits before the next start; false when the container was stopped meanwhile.
    fn pause(&self, row: u32) -> bool {
        let Ok(listener) = self.listen() else {
            return false;
        };
        let (least, most) = PAUSE_MS;
        let milliseconds = least.saturating_mul(1 << row.min(16)).min(most);
        let pause = Timespec {
            tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(0),
            tv_nsec: i64::try_from(milliseconds % 1000 * 1_000_000).unwrap_or(0),
        };
        let mut polled = [PollFd::new(&listener, PollFlags::IN)];
        let _ = poll(&mut polled, Some(&pause));
        !self.directory.is_stopped()
    }
}

impl Streams {
    /// The terminal's master serves as both ends.
    fn take_terminal(&mut self, master: OwnedFd) -> Result<()> {
        let read = master.as_fd().try_clone_to_owned().on("dup", "terminal")?;
        self.output = Output::new(Some(read), "stdout");
        self.input = Some(master);
        Ok(())
    }

    /// Gives a client its own ends of the streams.
    fn hand_out(&mut self, client: &OwnedFd, tty: bool) -> Result<()> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC).on("pipe2", "");
        let (out, our_out) = pipe()?;
        let input = self.input.as_ref().map(|fd| fd.as_fd());
        if tty {
            attach::send_streams(client, input, Some(out.as_fd()), None)?;
        } else {
            let (err, our_err) = pipe()?;
            attach::send_streams(client, input, Some(out.as_fd()), Some(err.as_fd()))?;
            self.error.add(our_err);
        }
        self.output.add(our_out);
        Ok(())
    }
}

fn oom_killed(engine: &engine::Engine, id: &str) -> bool {
    let group = engine
        .inspect(id)
        .and_then(|(record, _)| engine.group(&record));
    let stats = group.and_then(|group| Ok(group.stats()?));
    stats.is_ok_and(|stats| stats.memory.is_some_and(|memory| memory.oom_kills > 0))
}

//! `create` and `run`.

use alloc::format;
use alloc::string::String;

use engine::{Launched, Options, Result, Terminal, run_or_create};
use plan::Act;
use spec::Spec;
use sys::process::Ended;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::io::retry_on_intr;
use sys::rustix::net::SocketType;
use sys::signal::{Set, Signals};
use sys::{AsFd, OwnedFd};

use crate::arguments::Arguments;
use crate::global::Global;
use crate::{Caller, Library, Success, bundle, usage};

#[derive(Default)]
struct Given<'a> {
    id: &'a str,
    bundle: Option<&'a str>,
    config: Option<&'a str>,
    console_socket: Option<&'a str>,
    pidfd_socket: Option<&'a str>,
    pid_file: Option<&'a str>,
    no_pivot: bool,
    no_new_keyring: bool,
    preserve_fds: u32,
    detach: bool,
    keep: bool,
    fault: Option<&'a str>,
}

fn parse<'a>(verb: &'static str, arguments: &mut Arguments<'a>) -> Result<Given<'a>> {
    let mut given = Given::default();
    let run = verb == "run";
    let words = arguments.parse(verb, 1..=1, |arguments, option| {
        match option.name {
            "bundle" | "b" => given.bundle = Some(arguments.value(option)?),
            "config" | "f" => given.config = Some(arguments.value(option)?),
            "console-socket" => given.console_socket = Some(arguments.value(option)?),
            "pidfd-socket" => given.pidfd_socket = Some(arguments.value(option)?),
            "pid-file" => given.pid_file = Some(arguments.value(option)?),
            "no-pivot" => given.no_pivot = arguments.switch(option)?,
            "no-new-keyring" => given.no_new_keyring = arguments.switch(option)?,
            "preserve-fds" => given.preserve_fds = arguments.number(option)?,
            "detach" | "d" if run => given.detach = arguments.switch(option)?,
            "keep" if run => given.keep = arguments.switch(option)?,
            // Orphans go to the container's first process or to init; nobody here adopts them.
            "no-subreaper" if run => drop(arguments.switch(option)?),
            // For the crash tests; not in the help.
            "fault" => given.fault = Some(arguments.value(option)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    given.id = words[0];
    Ok(given)
}

impl<'a> Given<'a> {
    fn options(
        &self,
        global: &Global<'_>,
        bundle: &'a bundle::Bundle,
        spec: &'a Spec<'a>,
    ) -> Result<Options<'a>> {
        let mut options = Options::new(self.id, &bundle.path, spec, &bundle.config);
        options.systemd = global.systemd;
        options.pid_file = self.pid_file;
        options.no_pivot = self.no_pivot;
        options.no_new_keyring = self.no_new_keyring;
        options.listen_fds = crate::listen_fds();
        options.preserve_fds = self.preserve_fds.saturating_add(options.listen_fds);
        // Who names a cgroup looks there for figures and processes, whatever is limited.
        let linux = spec.linux.as_ref();
        let path = linux.and_then(|linux| linux.cgroups_path.as_ref());
        options.count_use = path.is_some_and(|path| !path.is_empty());
        // As runc has it; whoever joins a namespace finds it as its owner left it.
        options.loopback = true;
        let terminal = spec
            .process
            .as_ref()
            .is_some_and(|process| process.terminal);
        if self.console_socket.is_some() && !terminal {
            let message =
                "--console-socket: process.terminal is not set, so there is no terminal to send";
            return Err(crate::usage(message));
        }
        options.terminal = self.console_socket.map_or(Terminal::None, Terminal::Socket);
        if let Some(fault) = self.fault {
            let nonsense = || usage(alloc::format!("--fault: {fault:?} is no fault"));
            options.fault = engine::fault::Fault::parse(fault).ok_or_else(nonsense)?;
        }
        Ok(options)
    }
}

/// `create`.
pub(crate) fn create(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let given = parse("create", arguments)?;
    let bundle = bundle::read(given.bundle, given.config)?;
    let spec = Spec::parse(&bundle.config)?;
    let options = given.options(global, &bundle, &spec)?;
    tell_plan(global, &options, Act::Create, caller)?;
    let receiver = PidfdReceiver::connect(given.pidfd_socket)?;
    run_or_create(&global.engine, &options, Act::Create, |launched| {
        receive(&receiver, launched)
    })?;
    Ok(Success::default())
}

/// With `--debug`, each step that is going to be done.
fn tell_plan(
    global: &Global<'_>,
    options: &Options<'_>,
    act: Act,
    caller: &dyn Caller,
) -> Result<()> {
    if !global.log.debug {
        return Ok(());
    }
    for name in engine::unknown_calls(options.spec) {
        let words =
            || format!("linux.seccomp: no system call is called {name:?}: its rule is left out");
        global.log.debug(caller, words);
    }
    engine::plan_of(&global.engine, options, act, |plan| {
        for step in &plan.host {
            let words = || format!("host: {} [{}]", step.act, step.origin);
            global.log.debug(caller, words);
        }
        for step in &plan.child {
            let words = || format!("container: {} [{}]", step.act, step.origin);
            global.log.debug(caller, words);
        }
        Ok(())
    })
}

/// The terminal that we copy to and from.
pub(crate) fn own_terminal() -> Terminal<'static> {
    if sys::stdio::output_is_terminal() {
        Terminal::Caller
    } else {
        Terminal::Plain
    }
}

/// Who gets a pidfd of the process (`--pidfd-socket`), connected before anything is done.
pub(crate) struct PidfdReceiver(Option<OwnedFd>);

impl PidfdReceiver {
    pub(crate) fn connect(path: Option<&str>) -> Result<Self> {
        let connect = |path| {
            sys::socket::connect_to(path, SocketType::STREAM)
                .map_err(|error| engine::Error::from(error).at(&"--pidfd-socket"))
        };
        path.map(connect).transpose().map(Self)
    }

    pub(crate) fn send(&self, pidfd: &OwnedFd) -> Result<()> {
        let Some(socket) = &self.0 else { return Ok(()) };
        sys::socket::send(socket, b"pidfd", &[pidfd.as_fd()])
            .map_err(|error| engine::Error::from(error).at(&"--pidfd-socket"))
    }
}

/// Hands out the pidfd; nothing is left of a container of which it cannot be had.
fn receive(receiver: &PidfdReceiver, launched: &mut Launched<'_, '_>) -> Result<()> {
    receiver.send(&launched.pidfd).inspect_err(|_| {
        let _ = launched.remove();
    })
}

/// The plan of `run` or `create` and their words, handed to `render`; nothing is done.
///
/// # Errors
/// As the command's own, up to the plan.
pub fn plan(words: &[&str], render: &mut dyn FnMut(&plan::Plan<'_>) -> String) -> Result<String> {
    let mut arguments = Arguments::new(words);
    let global = &crate::global::parse(&mut arguments)?;
    let (verb, act) = match arguments.word() {
        Some("run") => ("run", Act::Run),
        Some("create") => ("create", Act::Create),
        _ => return Err(crate::usage("plan oci: only run and create have a plan")),
    };
    let given = parse(verb, &mut arguments)?;
    let bundle = bundle::read(given.bundle, given.config)?;
    let spec = Spec::parse(&bundle.config)?;
    let mut options = given.options(global, &bundle, &spec)?;
    let terminal = spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    if terminal && verb == "run" && !given.detach && given.console_socket.is_none() {
        options.terminal = Terminal::Caller;
    }
    engine::plan_of(&global.engine, &options, act, |plan| Ok(render(plan)))
}

/// `run`.
pub(crate) fn run(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let given = parse("run", arguments)?;
    let bundle = bundle::read(given.bundle, given.config)?;
    let spec = Spec::parse(&bundle.config)?;
    let mut options = given.options(global, &bundle, &spec)?;
    let library = caller.library();
    let terminal = spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    if terminal && given.console_socket.is_none() && !given.detach {
        if library.is_none() {
            return Ok(Success {
                needs_library: true,
                ..Success::default()
            });
        }
        options.terminal = own_terminal();
    }
    tell_plan(global, &options, Act::Run, caller)?;
    let receiver = PidfdReceiver::connect(given.pidfd_socket)?;
    if given.detach {
        options.await_exec = true;
        run_or_create(&global.engine, &options, Act::Run, |launched| {
            receive(&receiver, launched)
        })?;
        return Ok(Success::default());
    }
    let signals = Signals::open(Set::OTHERS)?;
    let code = run_or_create(&global.engine, &options, Act::Run, |launched| {
        receive(&receiver, launched)?;
        let ended = match (launched.terminal.take(), library) {
            (Some(master), Some(library)) => attend(launched, master, library),
            _ => forward(launched, &signals),
        };
        let removed = if given.keep {
            Ok(())
        } else {
            launched.remove()
        };
        let code = ended?;
        removed.map(|()| code)
    })?;
    global.log.debug(caller, || {
        format!("container {} ended with status {code}", given.id)
    });
    Ok(Success::code(code))
}

fn attend(
    launched: &mut Launched<'_, '_>,
    master: sys::OwnedFd,
    library: &dyn Library,
) -> Result<i32> {
    let copied = library.attend(master, &launched.pidfd);
    let code = launched.wait().map(Ended::code)?;
    copied.map_err(|message| engine::Error::new(engine::Kind::Bug, message))?;
    Ok(code)
}

/// Waits for the payload's end and reaps it.
fn forward(launched: &mut Launched<'_, '_>, signals: &Signals) -> Result<i32> {
    forward_until_end(&launched.pidfd, signals)?;
    Ok(launched.wait()?.code())
}

/// Waits for a process's end; signals that we get are for it.
pub fn forward_until_end(pidfd: &sys::OwnedFd, signals: &Signals) -> Result<()> {
    loop {
        let mut polled = [
            PollFd::new(pidfd, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut polled, None))
            .map_err(|errno| sys::Error::new("poll", "", errno))?;
        if !polled[0].revents().is_empty() {
            return Ok(());
        }
        while let Some(received) = signals.take()? {
            sys::process::send(pidfd, received.signal)?;
        }
    }
}

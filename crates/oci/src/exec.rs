//! `exec`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{ExecOptions, Result, Terminal};
use spec::{CapSet, Process, Spec, Str};

use crate::arguments::{Arguments, number};
use crate::global::Global;
use crate::run::PidfdReceiver;
use crate::{Caller, Success, bundle, usage};

#[derive(Default)]
struct Given<'a> {
    process_file: Option<&'a str>,
    console_socket: Option<&'a str>,
    pidfd_socket: Option<&'a str>,
    apparmor: Option<&'a str>,
    process_label: Option<&'a str>,
    cgroups: Vec<&'a str>,
    pid_file: Option<&'a str>,
    cwd: Option<&'a str>,
    env: Vec<&'a str>,
    user: Option<&'a str>,
    groups: Vec<u32>,
    caps: Vec<&'a str>,
    tty: bool,
    detach: bool,
    no_new_privs: Option<bool>,
    ignore_paused: bool,
    preserve_fds: u32,
}

/// `exec`.
pub(crate) fn exec(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let mut given = Given::default();
    let mut id = None;
    // Options may follow the id; what follows the command is the command's.
    loop {
        if let Some(option) = arguments.option() {
            parse_option(&mut given, arguments, option)?;
        } else if id.is_none() {
            id = arguments.word();
            if id.is_none() {
                return Err(usage(
                    "\"exec\" requires a minimum of 1 argument(s), 0 given",
                ));
            }
        } else {
            break;
        }
    }
    let mut command = arguments.rest();
    if command.first() == Some(&"--") {
        command.remove(0);
    }
    let id = id.unwrap_or("");
    let dir = global.engine.open_state_dir(id)?;
    let config = dir.read_config()?;
    let spec = Spec::parse(&config)?;
    let file = given.process_file.map(read_process).transpose()?;
    let own = match &file {
        Some(text) => {
            serde_json::from_slice(text).map_err(|error| usage(format!("--process: {error}")))?
        }
        None => own_process(&spec, &given, &command)?,
    };
    start(global, id, &given, &own, caller)
}

fn start(
    global: &Global<'_>,
    id: &str,
    given: &Given<'_>,
    process: &Process<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let library = caller.library();
    let mut terminal = given
        .console_socket
        .map_or(Terminal::None, Terminal::Socket);
    if process.terminal && terminal == Terminal::None {
        if given.detach {
            return Err(usage("exec --tty --detach: needs --console-socket"));
        }
        if library.is_none() {
            return Ok(Success {
                needs_library: true,
                ..Success::default()
            });
        }
        terminal = crate::run::own_terminal();
    }
    let listen_fds = crate::listen_fds();
    let options = ExecOptions {
        process,
        terminal,
        pid_file: given.pid_file,
        preserve_fds: given.preserve_fds.saturating_add(listen_fds),
        listen_fds,
        cgroups: &given.cgroups,
        ignore_paused: given.ignore_paused,
        scoped: false,
    };
    let receiver = PidfdReceiver::connect(given.pidfd_socket)?;
    let signals = sys::signal::Signals::open(sys::signal::Set::OTHERS)?;
    let code = global.engine.exec(id, &options, |executed| {
        let told = |words: String| global.log.debug(caller, || words);
        if global.log.debug {
            executed.steps().for_each(told);
        }
        receiver
            .send(&executed.pidfd)
            .inspect_err(|_| executed.end())?;
        if given.detach {
            return Ok(0);
        }
        if let (Some(master), Some(library)) = (executed.terminal.take(), library) {
            let copied = library.attend(master, &executed.pidfd);
            let code = executed.wait()?.code();
            copied.map_err(|message| engine::Error::new(engine::Kind::Bug, message))?;
            return Ok(code);
        }
        crate::run::forward_until_end(&executed.pidfd, &signals)?;
        Ok(executed.wait()?.code())
    })?;
    Ok(Success::code(code))
}

fn parse_option<'a>(
    given: &mut Given<'a>,
    arguments: &mut Arguments<'a>,
    option: crate::arguments::Given<'a>,
) -> Result<()> {
    match option.name {
        "process" | "p" => given.process_file = Some(arguments.value(option)?),
        "console-socket" => given.console_socket = Some(arguments.value(option)?),
        "pid-file" => given.pid_file = Some(arguments.value(option)?),
        "cwd" => given.cwd = Some(arguments.value(option)?),
        "env" | "e" => given.env.push(arguments.value(option)?),
        "user" | "u" => given.user = Some(arguments.value(option)?),
        "additional-gids" | "g" => given.groups.push(arguments.number(option)?),
        "cap" | "c" => given.caps.push(arguments.value(option)?),
        "tty" | "t" => given.tty = arguments.switch(option)?,
        "detach" | "d" => given.detach = arguments.switch(option)?,
        "no-new-privs" => given.no_new_privs = Some(arguments.switch(option)?),
        "pidfd-socket" => given.pidfd_socket = Some(arguments.value(option)?),
        "apparmor" => given.apparmor = Some(arguments.value(option)?),
        "process-label" => given.process_label = Some(arguments.value(option)?),
        "cgroup" => given.cgroups.push(arguments.value(option)?),
        "ignore-paused" => given.ignore_paused = arguments.switch(option)?,
        "preserve-fds" => given.preserve_fds = arguments.number(option)?,
        name => return Err(usage(format!("exec: unknown option --{name}"))),
    }
    Ok(())
}

fn read_process(path: &str) -> Result<Vec<u8>> {
    const LARGEST: usize = 1 << 20;
    let path = bundle::absolute(path)?;
    let file = sys::file::open(&path, sys::rustix::fs::OFlags::RDONLY)?;
    Ok(sys::file::read_all(&file, LARGEST, &path)?)
}

/// The container's own process, changed by the options.
fn own_process<'a>(spec: &Spec<'a>, given: &Given<'a>, command: &[&'a str]) -> Result<Process<'a>> {
    let Some(mut process) = spec.process.clone() else {
        return Err(usage(
            "exec: the container's configuration has no process; use --process",
        ));
    };
    if command.is_empty() {
        return Err(usage("exec args cannot be empty"));
    }
    process.args = command.iter().map(|word| Str::new(word)).collect();
    process.terminal = given.tty;
    process
        .env
        .extend(given.env.iter().map(|entry| Str::new(entry)));
    if let Some(set) = given.no_new_privs {
        process.no_new_privileges = set;
    }
    if let Some(profile) = given.apparmor.filter(|text| !text.is_empty()) {
        process.apparmor_profile = Some(Str::new(profile));
    }
    if let Some(label) = given.process_label.filter(|text| !text.is_empty()) {
        process.selinux_label = Some(Str::new(label));
    }
    process.user.additional_gids.extend(&given.groups);
    if let Some(cwd) = given.cwd {
        process.cwd = Str::new(cwd);
    }
    if let Some(user) = given.user {
        let (uid, gid) = user
            .split_once(':')
            .map_or((user, None), |(uid, gid)| (uid, Some(gid)));
        process.user.uid = number("user", uid)?;
        if let Some(gid) = gid {
            process.user.gid = number("user", gid)?;
        }
    }
    add_capabilities(&mut process, &given.caps)?;
    Ok(process)
}

fn add_capabilities(process: &mut Process<'_>, names: &[&str]) -> Result<()> {
    for name in names {
        let unknown = || usage(format!("--cap: unknown capability {name:?}"));
        let upper: String = name.chars().flat_map(char::to_uppercase).collect();
        let one = CapSet::from_name(&upper).ok_or_else(unknown)?;
        let caps = process.capabilities.get_or_insert_default();
        for set in [&mut caps.bounding, &mut caps.effective, &mut caps.permitted] {
            *set = set.union(one);
        }
        // The kernel takes as ambient only what is inheritable, which --cap does not make it.
        if caps.inheritable != CapSet::EMPTY {
            caps.ambient = caps.ambient.union(one);
        }
    }
    Ok(())
}

//! Commands: those of the host's side, and those in a jail.

use std::os::unix::process::CommandExt;
use std::process::Command;

use engine::{Engine, ExecOptions, Terminal};
use front::app::{Accounts, Storage};
use front::jail::Values;
use spec::{CapSet, Process, Spec, Str};
use sys::rustix::fs::OFlags;
use sys::rustix::process::{Pid, Signal};
use sys::{AsFd, OwnedFd, process};

use super::shelf::Jail;
use crate::app::{Failure, Outcome};

/// What makes a command line a matter of the shell's.
const SHELLS: [char; 18] = [
    '!', '"', '$', '&', '\'', '(', ')', '*', ';', '<', '>', '?', '[', '\\', ']', '`', '|', '~',
];

/// A command in a jail.
pub(super) struct Inside<'a> {
    pub(super) words: Vec<String>,
    /// The user, and whether the host's files say who that is.
    pub(super) user: Option<(&'a str, bool)>,
    pub(super) clean: bool,
    /// Seconds; 0 is for ever.
    pub(super) timeout: u32,
    /// Where its output is added, on the host.
    pub(super) log: Option<&'a str>,
    pub(super) directory: Option<&'a str>,
    /// Whether it may have the terminal that we are on.
    pub(super) interactive: bool,
}

/// The words of a command line: split at blanks where that is all there is to it, else for the shell.
pub(super) fn words(line: &str) -> Vec<String> {
    if line.contains(SHELLS) || line.contains(['{', '}', '\n', '#', '=']) {
        return ["/bin/sh", "-c", line].map(str::to_owned).to_vec();
    }
    line.split_whitespace().map(str::to_owned).collect()
}

fn timeout(values: &Values) -> u32 {
    let seconds = values.number("exec.timeout").unwrap_or(0);
    u32::try_from(seconds).unwrap_or(0)
}

/// Runs the commands of a parameter on the host's side, one after the other.
///
/// # Errors
/// The first that fails.
pub(super) fn outside(
    values: &Values,
    name: &str,
    told: &mut dyn FnMut(&str) -> Outcome<()>,
) -> Outcome<()> {
    for line in values.list(name) {
        told(&format!("run command in the system environment: {line}"))?;
        let ran = on_host(values, &words(line));
        ran.map_err(|why| Failure::new(format!("{name} {line}: {why}")))?;
    }
    Ok(())
}

fn on_host(values: &Values, words: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    if let Some(user) = values.text("exec.system_user") {
        let found = identity("/", user)?;
        command.uid(found.uid).gid(found.gid);
        command.env("HOME", &found.home).env("USER", user);
    }
    if values.flag("exec.clean", false) {
        clean(&mut command);
    }
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let limit = timeout(values);
    if limit > 0 {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pidfd = pid
            .map(process::open)
            .transpose()
            .map_err(|error| error.to_string())?;
        if let Some(pidfd) = pidfd.flatten()
            && !process::wait_ended(&pidfd, Some(limit.saturating_mul(1000))).unwrap_or(true)
        {
            // It leads its own group, so that what it started ends with it.
            let _ = pid.map(|pid| sys::rustix::process::kill_process_group(pid, Signal::KILL));
            let _ = child.wait();
            return Err(format!("timed out after {limit} s"));
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(());
    }
    Err(status.to_string())
}

fn clean(command: &mut Command) {
    let kept = ["HOME", "SHELL", "TERM", "USER"].map(|name| (name, std::env::var(name)));
    command.env_clear();
    command.env(
        "PATH",
        "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin",
    );
    for (name, value) in kept {
        if let Ok(value) = value {
            command.env(name, value);
        }
    }
}

fn identity(root: &str, user: &str) -> Result<front::app::accounts::Identity, String> {
    let asked = front::app::value::user::user(user).map_err(|fault| fault.message)?;
    let accounts = Accounts::read(&Storage::directory(root)).map_err(|fault| fault.message)?;
    accounts.identity(&asked).map_err(|fault| fault.message)
}

/// Runs the commands of a parameter in a jail, one after the other.
///
/// # Errors
/// The first that fails.
pub(super) fn inside(
    engine: &Engine,
    jail: &Jail,
    values: &Values,
    name: &str,
    told: &mut dyn FnMut(&str) -> Outcome<()>,
) -> Outcome<()> {
    let lines: Vec<Vec<String>> = if name == "command" {
        let words: Vec<String> = values.list(name).map(str::to_owned).collect();
        if words.is_empty() {
            Vec::new()
        } else {
            vec![words]
        }
    } else {
        values.list(name).map(words).collect()
    };
    for words in lines {
        let line = words.join(" ");
        told(&format!("run command in jail: {line}"))?;
        let inside = Inside {
            words,
            user: values
                .text("exec.jail_user")
                .map(|user| (user, values.flag("exec.system_jail_user", false))),
            clean: values.flag("exec.clean", false),
            timeout: timeout(values),
            log: values.text("exec.consolelog"),
            directory: None,
            interactive: name == "command",
        };
        let failed = |why: String| Failure::new(format!("{name} {line}: {why}"));
        match run(engine, jail, &inside)? {
            Some(0) => {}
            Some(code) => return Err(failed(format!("exit status {code}"))),
            None => return Err(failed(format!("timed out after {} s", inside.timeout))),
        }
    }
    Ok(())
}

/// Runs a command in a jail: its exit status, or none where its time was up.
///
/// # Errors
/// What kept it from being executed.
pub(super) fn run(engine: &Engine, jail: &Jail, inside: &Inside<'_>) -> Outcome<Option<i32>> {
    let config = engine.open_state_dir(&jail.id)?.read_config()?;
    let spec = Spec::parse(&config).map_err(engine::Error::from)?;
    let root = spec.root.as_ref().map_or("/", |root| root.path.as_str());
    let mut process = spec.process.clone().unwrap_or_default();
    process.args = inside
        .words
        .iter()
        .map(|word| Str::from(word.clone()))
        .collect();
    if let Some(directory) = inside.directory {
        process.cwd = Str::from(directory.to_owned());
    }
    set_environment(&mut process, inside.clean);
    let user = inside.user.or(inside.clean.then_some(("root", false)));
    if let Some((user, of_host)) = user {
        let place = if of_host { "/" } else { root };
        let found = identity(place, user).or_else(|why| match user {
            "root" => Ok(front::app::accounts::Identity {
                home: "/".to_owned(),
                ..Default::default()
            }),
            _ => Err(Failure::new(format!("user {user}: {why}"))),
        })?;
        become_user(&mut process, user, found);
    }
    let on_terminal = inside.interactive
        && inside.log.is_none()
        && crate::terminal::is_terminal(sys::stdio::input())
        && crate::terminal::is_terminal(sys::stdio::output());
    process.terminal = on_terminal;
    let options = ExecOptions {
        process: &process,
        terminal: if on_terminal {
            Terminal::Caller
        } else {
            Terminal::None
        },
        pid_file: None,
        preserve_fds: 0,
        listen_fds: 0,
        cgroups: &[],
        ignore_paused: false,
        scoped: !has_own_network(&spec),
    };
    let redirected = inside.log.map(Redirected::to).transpose()?;
    let signals = crate::terminal::relay::signals(on_terminal)?;
    let mut on_time = true;
    let code = engine.exec(&jail.id, &options, |executed| {
        if let Some(master) = executed.terminal.take() {
            return crate::app::attend_terminal(master, &signals, executed)
                .map_err(|failure| engine::Error::new(engine::Kind::Bug, failure.message));
        }
        if inside.timeout == 0 {
            ::oci::forward_until_end(&executed.pidfd, &signals)?;
        } else if !process::wait_ended(&executed.pidfd, Some(inside.timeout.saturating_mul(1000)))?
        {
            on_time = false;
            process::signal(&executed.pidfd, Signal::KILL)?;
        }
        Ok(executed.wait()?.code())
    });
    drop(redirected);
    // Its parent was outside, so that the jail's first process has not seen it end.
    let _ = engine.kill(&jail.id, engine::keeper::LOOK, false);
    Ok(Some(code?).filter(|_| on_time))
}

/// Whether the host's sockets with abstract names are out of reach anyway.
pub(super) fn has_own_network(spec: &Spec<'_>) -> bool {
    let linux = spec.linux.as_ref();
    linux.is_some_and(|linux| linux.namespace(spec::NamespaceType::Network).is_some())
}

/// The caller's variables, and those that a jail gives; of the caller's alone TERM, where they are to be clean.
fn set_environment(process: &mut Process<'_>, is_clean: bool) {
    let own = std::mem::take(&mut process.env);
    let name = |entry: &str| entry.split('=').next().unwrap_or("").to_owned();
    if !is_clean {
        let callers = std::env::vars_os()
            .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value.to_str()?)));
        process.env = callers.map(Str::from).collect();
    } else if let Ok(term) = std::env::var("TERM") {
        process.env.push(format!("TERM={term}").into());
    }
    for entry in own {
        let given = process.env.iter().any(|known| name(known) == name(&entry));
        // What tells that this is a jail is the jail's to say.
        if !given || entry.starts_with("container") {
            process.env.push(entry);
        }
    }
}

fn become_user(process: &mut Process<'_>, user: &str, found: front::app::accounts::Identity) {
    for (name, value) in [
        ("HOME", found.home.as_str()),
        ("USER", user),
        ("SHELL", "/bin/sh"),
    ] {
        process
            .env
            .retain(|entry| entry.split('=').next() != Some(name));
        process.env.push(format!("{name}={value}").into());
    }
    process.user.uid = found.uid;
    process.user.gid = found.gid;
    let mut groups = found.groups;
    groups.retain(|group| *group != found.gid);
    groups.push(found.gid);
    process.user.additional_gids = groups;
    if found.uid != 0
        && let Some(caps) = &mut process.capabilities
    {
        // As execve(2) leaves an ordinary user: nothing but what it could gain.
        (caps.effective, caps.permitted, caps.ambient) =
            (CapSet::EMPTY, CapSet::EMPTY, CapSet::EMPTY);
    }
}

/// Our standard output and error, while they are a file.
struct Redirected {
    output: OwnedFd,
    error: OwnedFd,
}

impl Redirected {
    fn to(path: &str) -> Outcome<Self> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND;
        let file = sys::file::open(path, flags)
            .map_err(|error| Failure::new(format!("exec.consolelog: {error}")))?;
        let kept = |fd: sys::BorrowedFd<'_>| {
            fd.try_clone_to_owned()
                .map_err(|errno| Failure::from(sys::Error::new("dup", path, errno)))
        };
        let redirected = Self {
            output: kept(sys::stdio::output())?,
            error: kept(sys::stdio::error())?,
        };
        let dup = |done: Result<(), sys::Errno>| {
            done.map_err(|errno| Failure::from(sys::Error::new("dup2", path, errno)))
        };
        dup(sys::rustix::stdio::dup2_stdout(file.as_fd()))?;
        dup(sys::rustix::stdio::dup2_stderr(file.as_fd()))?;
        Ok(redirected)
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        let _ = sys::rustix::stdio::dup2_stdout(&self.output);
        let _ = sys::rustix::stdio::dup2_stderr(&self.error);
    }
}

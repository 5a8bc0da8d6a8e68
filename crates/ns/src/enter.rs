//! `stockade ns enter`: nsenter(1) of util-linux.

use alloc::format;
use alloc::vec::Vec;

use sys::rustix::fs::{CWD, OFlags, fstat, stat};
use sys::rustix::process::{Gid, Uid, chdir, chroot, fchdir};
use sys::rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use sys::{Errno, OwnedFd, file, launch, namespace, signal};

use crate::accounts::number;
use crate::error::{Error, Result};
use crate::execute::{execute, execute_shell, follow};
use crate::kind::{self, ALL, Kind};
use crate::options::{Declared, Parsed, Table, Takes, flag, value};

const fn of_kind(long: &'static str, short: char, help: &'static str) -> Declared {
    joined(long, short, "FILE", help)
}

const fn joined(
    long: &'static str,
    short: char,
    name: &'static str,
    help: &'static str,
) -> Declared {
    Declared {
        long,
        short: Some(short),
        takes: Takes::PerhapsJoined(name),
        help,
    }
}

/// Options and operands.
pub static TABLE: Table = Table {
    name: "ns enter",
    about: "Run a command in namespaces that exist",
    options: &[
        flag(
            "all",
            Some('a'),
            "All namespaces of the target that are not this process's own",
        ),
        value(
            "target",
            Some('t'),
            "PID",
            "The process whose namespaces, root and directory are meant",
        ),
        of_kind(
            "mount",
            'm',
            "The mount namespace, of the target or pinned to FILE",
        ),
        of_kind("uts", 'u', "The namespace of the host's name"),
        of_kind(
            "ipc",
            'i',
            "The namespace of System V IPC and message queues",
        ),
        of_kind("net", 'n', "The network namespace"),
        of_kind("pid", 'p', "The process namespace, for a child"),
        of_kind("cgroup", 'C', "The cgroup namespace"),
        of_kind(
            "user",
            'U',
            "The user namespace; the command is root there unless told else",
        ),
        of_kind("time", 'T', "The time namespace"),
        value("setuid", Some('S'), "UID", "User of the command, inside"),
        value(
            "setgid",
            Some('G'),
            "GID",
            "Group of the command, inside; no others",
        ),
        flag("preserve-credentials", None, "Leave users and groups alone"),
        joined(
            "root",
            'r',
            "DIR",
            "Root directory: the target's, or DIR of this root",
        ),
        joined(
            "wd",
            'w',
            "DIR",
            "Working directory: the target's, or DIR of this root",
        ),
        value("wdns", Some('W'), "DIR", "Working directory, found inside"),
        flag(
            "no-fork",
            Some('F'),
            "Execute the command in this process, not in a child",
        ),
    ],
    operands: (
        "COMMAND [ARG]...",
        "The command; without one the user's shell",
    ),
    needs_operand: false,
    own_failure: 1,
};

/// Everything that is asked for, opened while this process still sees it.
struct Enter<'a> {
    namespaces: Vec<(Kind, OwnedFd)>,
    root: Option<OwnedFd>,
    directory: Option<OwnedFd>,
    directory_inside: Option<&'a str>,
    user: Option<u32>,
    group: Option<u32>,
    preserve: bool,
    fork: bool,
    command: &'a [&'a str],
}

/// Runs it; returns when a forked command has ended, else only to fail.
///
/// # Errors
/// Whatever could not be done: 1, and 126 or 127 where the command could not be executed.
pub fn run(parsed: &Parsed<'_>) -> Result<i32> {
    let enter = Enter::find(parsed)?;
    enter.go_in()?;
    if !enter.fork {
        return Err(enter.become_command());
    }
    let before = signal::block(signal::Set::EMPTY.with(2).with(15))?;
    match launch::fork()? {
        Some(child) => follow(&child.pidfd, before),
        None => {
            signal::set_blocked(before)?;
            Err(enter.become_command())
        }
    }
}

/// The target: its directory in `/proc`, which is that process's and no later one's with the same number.
struct Target(Option<(u32, OwnedFd)>);

impl Target {
    fn find(parsed: &Parsed<'_>) -> Result<Self> {
        let Some(text) = parsed.value("target") else {
            return Ok(Self(None));
        };
        let pid = number(text)
            .filter(|pid| *pid > 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| Error::new(format!("--target {text}: not a process number")))?;
        let path = format!("/proc/{pid}");
        match file::open(&path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(directory) => Ok(Self(Some((pid, directory)))),
            Err(error) if error.errno == Errno::NOENT => {
                Err(Error::new(format!("--target {pid}: no such process")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A file of the target's, or none where it does not exist; `option` is what asks for it.
    fn open(&self, name: &str, flags: OFlags, option: &str) -> Result<Option<OwnedFd>> {
        let Some((pid, directory)) = &self.0 else {
            return Err(Error::new(format!(
                "--{option}: needs --target PID, or a file"
            )));
        };
        match file::open_at(directory, name, flags, &format!("/proc/{pid}/{name}")) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.errno == Errno::NOENT => Ok(None),
            Err(error) if error.errno == Errno::SRCH => {
                Err(Error::new(format!("--target {pid}: the process has ended")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<'a> Enter<'a> {
    fn find(parsed: &'a Parsed<'_>) -> Result<Self> {
        let target = Target::find(parsed)?;
        let mut namespaces = Vec::new();
        for kind in ALL {
            if let Some(namespace) = find_namespace(parsed, &target, kind)? {
                namespaces.push((kind, namespace));
            }
        }
        let of_user = namespaces.iter().any(|(kind, _)| *kind == kind::USER);
        let preserve = parsed.has("preserve-credentials");
        let root_inside = (of_user && !preserve).then_some(0);
        let fork = namespaces.iter().any(|(kind, _)| *kind == kind::PID);
        Ok(Self {
            namespaces,
            root: directory(parsed, &target, "root", "root")?,
            directory: directory(parsed, &target, "wd", "cwd")?,
            directory_inside: parsed.value("wdns"),
            user: id(parsed, "setuid")?.or(root_inside),
            group: id(parsed, "setgid")?.or(root_inside),
            preserve,
            fork: fork && !parsed.has("no-fork"),
            command: &parsed.operands,
        })
    }

    /// Enters one after the other. The user namespace comes first, as it gives rights over what it owns; who may
    /// not enter it yet tries again when the others are entered, which is how rights are given up.
    fn go_in(&self) -> Result<()> {
        let mut late = None;
        // Groups of outside mean nothing inside; not everybody may leave them on both sides.
        let left = self.leaves_groups() && set_thread_groups(&[]).is_ok();
        for (kind, namespace) in &self.namespaces {
            match namespace::enter(namespace, kind.name) {
                Ok(()) => {}
                Err(error) if *kind == kind::USER && error.errno == Errno::PERM => {
                    late = Some(namespace);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(namespace) = late {
            namespace::enter(namespace, kind::USER.name)?;
        }
        if self.leaves_groups() && !left {
            set_thread_groups(&[])
                .map_err(|errno| Error::kernel("cannot leave supplementary groups", errno))?;
        }
        self.change_directories()
    }

    fn leaves_groups(&self) -> bool {
        self.group.is_some() && !self.preserve
    }

    fn change_directories(&self) -> Result<()> {
        let refused = |what: &'static str| move |errno| Error::kernel(what, errno);
        if let Some(root) = &self.root {
            let here = file::open_at(CWD, ".", OFlags::PATH | OFlags::DIRECTORY, ".")?;
            fchdir(root).map_err(refused("--root"))?;
            chroot(".").map_err(refused("--root"))?;
            fchdir(&here).map_err(refused("--root"))?;
        }
        if let Some(directory) = &self.directory {
            fchdir(directory).map_err(refused("--wd"))?;
        }
        if let Some(path) = self.directory_inside {
            chdir(path).map_err(|errno| Error::kernel(&format!("--wdns {path:?}"), errno))?;
        }
        Ok(())
    }

    /// Takes the ids and executes the command. Returns only to fail.
    fn become_command(&self) -> Error {
        if let Err(error) = self.take_ids() {
            return error;
        }
        match self.command {
            [] => execute_shell(),
            words => execute(words),
        }
    }

    fn take_ids(&self) -> Result<()> {
        if let Some(group) = self.group {
            set_thread_gid(Gid::from_raw(group))
                .map_err(|errno| Error::kernel(&format!("cannot become group {group}"), errno))?;
        }
        if let Some(user) = self.user {
            set_thread_uid(Uid::from_raw(user))
                .map_err(|errno| Error::kernel(&format!("cannot become user {user}"), errno))?;
        }
        Ok(())
    }
}

/// The namespace of this kind that is to be entered, if one is.
fn find_namespace(parsed: &Parsed<'_>, target: &Target, kind: Kind) -> Result<Option<OwnedFd>> {
    if let Some(path) = parsed.value(kind.option) {
        return Ok(Some(file::open(path, OFlags::RDONLY)?));
    }
    let name = format!("ns/{}", kind.name);
    if parsed.has(kind.option) {
        let found = target.open(&name, OFlags::RDONLY, kind.option)?;
        return found.map(Some).ok_or_else(|| {
            Error::new(format!(
                "--{}: the kernel has no such namespaces",
                kind.option
            ))
        });
    }
    if !parsed.has("all") {
        return Ok(None);
    }
    let found = target.open(&name, OFlags::RDONLY, "all")?;
    Ok(found.filter(|namespace| !is_own(namespace, kind)))
}

fn is_own(namespace: &OwnedFd, kind: Kind) -> bool {
    match (
        fstat(namespace),
        stat(format!("/proc/self/ns/{}", kind.name)),
    ) {
        (Ok(this), Ok(own)) => this.st_ino == own.st_ino && this.st_dev == own.st_dev,
        _ => false,
    }
}

/// A directory of this root, or the target's own of that name in `/proc/PID`.
fn directory(
    parsed: &Parsed<'_>,
    target: &Target,
    option: &str,
    own: &str,
) -> Result<Option<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    if !parsed.has(option) {
        return Ok(None);
    }
    match parsed.value(option) {
        Some(path) => Ok(Some(file::open(path, flags)?)),
        None => target.open(own, flags, option),
    }
}

fn id(parsed: &Parsed<'_>, option: &str) -> Result<Option<u32>> {
    let wrong = |text| {
        Error::new(format!(
            "--{option} {text}: not a number of a user or group"
        ))
    };
    let text = parsed.value(option);
    text.map(|text| number(text).ok_or_else(|| wrong(text)))
        .transpose()
}

//! `stockade ns new`: unshare(1) of util-linux.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use sys::rustix::process::{
    Gid, Uid, chdir, chroot, getgid, getuid, set_parent_process_death_signal,
};
use sys::rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use sys::{Errno, file, launch, namespace, signal, signal_name};

use crate::accounts::number;
use crate::error::{Error, Result};
use crate::execute::{execute, execute_shell, follow};
use crate::kind::{self, ALL, Kind};
use crate::maps::{self, Maps};
use crate::options::{Declared, Parsed, Table, Takes, flag, value};
use crate::outside::{Duties, Outside, pair};

const fn of_kind(long: &'static str, short: char, help: &'static str) -> Declared {
    Declared {
        long,
        short: Some(short),
        takes: Takes::Perhaps("FILE"),
        help,
    }
}

/// Options and operands.
pub static TABLE: Table = Table {
    name: "ns new",
    about: "Run a command in new namespaces",
    options: &[
        of_kind("mount", 'm', "New mount namespace; pinned to FILE"),
        of_kind("uts", 'u', "New namespace of the host's name"),
        of_kind(
            "ipc",
            'i',
            "New namespace of System V IPC and message queues",
        ),
        of_kind("net", 'n', "New network namespace"),
        of_kind("pid", 'p', "New process namespace, for children (--fork)"),
        of_kind("user", 'U', "New user namespace"),
        of_kind("cgroup", 'C', "New cgroup namespace"),
        of_kind("time", 'T', "New time namespace, for children (--fork)"),
        flag(
            "fork",
            Some('f'),
            "Run the command in a child, and wait for it",
        ),
        value(
            "map-user",
            None,
            "USER",
            "The caller's user is USER inside (implies --user)",
        ),
        value(
            "map-group",
            None,
            "GROUP",
            "The caller's group is GROUP inside (implies --user)",
        ),
        flag(
            "map-root-user",
            Some('r'),
            "The caller is root inside (implies --user)",
        ),
        flag(
            "map-current-user",
            Some('c'),
            "The caller is the same inside (implies --user)",
        ),
        flag(
            "map-auto",
            None,
            "Map the caller's ranges of /etc/subuid and /etc/subgid (implies --user)",
        ),
        value(
            "map-users",
            None,
            "INNER:OUTER:COUNT",
            "Map a range of users, or auto (implies --user)",
        ),
        value(
            "map-groups",
            None,
            "INNER:OUTER:COUNT",
            "Map a range of groups, or auto (implies --user)",
        ),
        Declared {
            long: "kill-child",
            short: None,
            takes: Takes::Perhaps("SIGNAL"),
            help: "When this process dies, the child gets SIGNAL [default: KILL] (implies --fork)",
        },
        Declared {
            long: "mount-proc",
            short: None,
            takes: Takes::Perhaps("DIR"),
            help: "Mount a new procfs on DIR [default: /proc] (implies --mount)",
        },
        value(
            "propagation",
            None,
            "MODE",
            "Of mounts: private, shared, slave, unbindable, unchanged [default: private]",
        ),
        value(
            "setgroups",
            None,
            "allow|deny",
            "Whether setgroups(2) works in the user namespace",
        ),
        flag(
            "keep-caps",
            None,
            "The command keeps the capabilities in the user namespace",
        ),
        value("root", Some('R'), "DIR", "Root directory of the command"),
        value("wd", Some('w'), "DIR", "Working directory of the command"),
        value("setuid", Some('S'), "UID", "User of the command, inside"),
        value(
            "setgid",
            Some('G'),
            "GID",
            "Group of the command, inside; no others",
        ),
        value(
            "monotonic",
            None,
            "SECONDS",
            "Offset of the monotonic clock in the time namespace",
        ),
        value(
            "boottime",
            None,
            "SECONDS",
            "Offset of the clock since boot in the time namespace",
        ),
    ],
    operands: (
        "COMMAND [ARG]...",
        "The command; without one the user's shell",
    ),
    needs_operand: false,
    own_failure: 1,
};

/// What is asked for.
struct New<'a> {
    flags: u32,
    pins: Vec<(Kind, &'a str)>,
    maps: Maps,
    fork: bool,
    kill_child: Option<i32>,
    mount_proc: Option<&'a str>,
    propagation: Option<MountPropagationFlags>,
    setgroups: Option<bool>,
    offsets: String,
    keep_capabilities: bool,
    root: Option<&'a str>,
    directory: Option<&'a str>,
    user: Option<u32>,
    group: Option<u32>,
    command: &'a [&'a str],
}

/// Runs it; returns when a forked command has ended, else only to fail.
///
/// # Errors
/// Whatever could not be done: 1, and 126 or 127 where the command could not be executed.
pub fn run(parsed: &Parsed<'_>) -> Result<i32> {
    New::find(parsed)?.run()
}

impl<'a> New<'a> {
    fn find(parsed: &'a Parsed<'_>) -> Result<Self> {
        let mut flags = 0;
        let mut pins = Vec::new();
        for kind in ALL {
            if parsed.has(kind.option) {
                flags |= kind.flag;
            }
            pins.extend(parsed.value(kind.option).map(|file| (kind, file)));
        }
        let maps = Maps::find(parsed)?;
        if maps != Maps::default() {
            flags |= kind::USER.flag;
        }
        let mount_proc = parsed
            .has("mount-proc")
            .then(|| parsed.value("mount-proc").unwrap_or("/proc"));
        if mount_proc.is_some() {
            flags |= kind::MOUNT.flag;
        }
        let kill_child = parsed
            .has("kill-child")
            .then(|| death_signal(parsed.value("kill-child")))
            .transpose()?;
        let new = Self {
            flags,
            pins,
            maps,
            fork: parsed.has("fork") || kill_child.is_some(),
            kill_child,
            mount_proc,
            propagation: propagation(parsed.value("propagation"))?,
            setgroups: parsed.value("setgroups").map(allowed).transpose()?,
            offsets: offsets(parsed)?,
            keep_capabilities: parsed.has("keep-caps"),
            root: parsed.value("root"),
            directory: parsed.value("wd"),
            user: id(parsed, "setuid")?,
            group: id(parsed, "setgid")?,
            command: &parsed.operands,
        };
        new.check()
    }

    /// Options that contradict each other, or have nothing to act upon.
    fn check(self) -> Result<Self> {
        let says = |text: &str| Err(Error::new(text));
        if !self.offsets.is_empty() && !self.has(kind::TIME) {
            return says("--monotonic and --boottime: only with --time");
        }
        if self.setgroups.is_some() && !self.has(kind::USER) {
            return says("--setgroups: only with --user");
        }
        if self.setgroups == Some(true)
            && self.maps.groups.own.is_some()
            && self.maps.groups.ranges.is_empty()
        {
            return says(
                "--setgroups allow: not with a map of the caller's group alone (user_namespaces(7))",
            );
        }
        let pid = self.pins.iter().any(|(kind, _)| *kind == kind::PID);
        if pid && !self.fork {
            return says(
                "--pid=FILE: only with --fork: a process namespace can be pinned when it has its first process",
            );
        }
        Ok(self)
    }

    fn has(&self, kind: Kind) -> bool {
        self.flags & kind.flag != 0
    }

    fn run(&self) -> Result<i32> {
        let (user, group) = (getuid().as_raw(), getgid().as_raw());
        let ranges = |map: &maps::Map, own| match map.ranges.is_empty() {
            true => Vec::new(),
            false => map.lines(own),
        };
        let duties = Duties {
            users: ranges(&self.maps.users, user),
            groups: ranges(&self.maps.groups, group),
            setgroups: self.setgroups,
            pins: &self.pins,
        };
        let outside = duties.start()?;
        namespace::unshare(self.flags)?;
        if let Some(outside) = &outside {
            outside.map()?;
        }
        self.map_own(user, group)?;
        if !self.offsets.is_empty() {
            file::write_kernel("/proc/self/timens_offsets", self.offsets.as_bytes())?;
        }
        if self.fork {
            return self.run_child(outside);
        }
        if let Some(outside) = outside {
            outside.pin()?;
        }
        Err(self.become_command())
    }

    /// Maps the caller alone, which the kernel lets everybody do.
    fn map_own(&self, user: u32, group: u32) -> Result<()> {
        let (users, groups) = (&self.maps.users, &self.maps.groups);
        if users.own.is_some() && users.ranges.is_empty() {
            file::write_kernel(
                "/proc/self/uid_map",
                maps::text(&users.lines(user)).as_bytes(),
            )?;
        }
        let alone = groups.own.is_some() && groups.ranges.is_empty();
        let deny = alone || self.setgroups == Some(false);
        if deny && groups.ranges.is_empty() {
            file::write_kernel("/proc/self/setgroups", b"deny")?;
        }
        if alone {
            file::write_kernel(
                "/proc/self/gid_map",
                maps::text(&groups.lines(group)).as_bytes(),
            )?;
        }
        Ok(())
    }

    /// The command in a child. Signals from the terminal are its to answer, so that this process outlives it and
    /// can tell how it ended.
    fn run_child(&self, outside: Option<Outside>) -> Result<i32> {
        let interrupts = signal::Set::EMPTY.with(INTERRUPT).with(TERMINATE);
        let before = signal::block(interrupts)?;
        let (go, went) = pair()?;
        let Some(child) = launch::fork()? else {
            drop(go);
            // It is the parent's, who waits for it.
            core::mem::forget(outside);
            signal::set_blocked(before)?;
            if let Some(number) = self.kill_child {
                let number = sys::rustix::process::Signal::from_named_raw(number);
                set_parent_process_death_signal(number)
                    .map_err(|errno| Error::kernel("--kill-child", errno))?;
            }
            // The end of the file without a word: the parent failed, and says why.
            return match file::read_all(&went, 1, "the parent").as_deref() {
                Ok(b"g") => Err(self.become_command()),
                _ => Ok(1),
            };
        };
        drop(went);
        if let Some(outside) = outside {
            outside.pin()?;
        }
        file::write_all(&go, b"g", "the child")?;
        drop(go);
        follow(&child.pidfd, before)
    }

    /// All that is done inside, up to the command. Returns only to fail.
    fn become_command(&self) -> Error {
        if let Err(error) = self.prepare() {
            return error;
        }
        match self.command {
            [] => execute_shell(),
            words => execute(words),
        }
    }

    fn prepare(&self) -> Result<()> {
        if let Some(mode) = self.propagation.filter(|_| self.has(kind::MOUNT)) {
            mount_change("/", mode | MountPropagationFlags::REC)
                .map_err(|errno| Error::kernel("--propagation: cannot change /", errno))?;
        }
        if let Some(root) = self.root {
            chroot(root).map_err(|errno| Error::kernel(&format!("--root {root:?}"), errno))?;
        }
        if let Some(directory) = self.directory.or(self.root.map(|_| "/")) {
            chdir(directory)
                .map_err(|errno| Error::kernel(&format!("--wd {directory:?}"), errno))?;
        }
        if let Some(directory) = self.mount_proc {
            self.mount_proc_on(directory)?;
        }
        self.take_ids()?;
        if self.keep_capabilities && self.has(kind::USER) {
            launch::keep_capabilities();
        }
        Ok(())
    }

    fn mount_proc_on(&self, directory: &str) -> Result<()> {
        let refused = |errno| Error::kernel(&format!("--mount-proc: {directory:?}"), errno);
        if self.root.is_none() {
            let mode = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            match mount_change(directory, mode) {
                // It is no mount.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => return Err(refused(errno)),
            }
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("proc", directory, "proc", flags, None).map_err(refused)
    }

    fn take_ids(&self) -> Result<()> {
        if let Some(group) = self.group {
            set_thread_groups(&[])
                .map_err(|errno| Error::kernel("--setgid: cannot leave other groups", errno))?;
            set_thread_gid(Gid::from_raw(group))
                .map_err(|errno| Error::kernel(&format!("--setgid {group}"), errno))?;
        }
        if let Some(user) = self.user {
            set_thread_uid(Uid::from_raw(user))
                .map_err(|errno| Error::kernel(&format!("--setuid {user}"), errno))?;
        }
        Ok(())
    }
}

const INTERRUPT: i32 = 2;
const TERMINATE: i32 = 15;
const KILL: i32 = 9;

fn death_signal(name: Option<&str>) -> Result<i32> {
    let Some(name) = name else {
        return Ok(KILL);
    };
    // Real-time signals have no constant of their own.
    signal_name::from_text(name)
        .filter(|number| sys::rustix::process::Signal::from_named_raw(*number).is_some())
        .ok_or_else(|| Error::new(format!("--kill-child {name}: no such signal")))
}

fn propagation(mode: Option<&str>) -> Result<Option<MountPropagationFlags>> {
    Ok(Some(match mode.unwrap_or("private") {
        "private" => MountPropagationFlags::PRIVATE,
        "shared" => MountPropagationFlags::SHARED,
        "slave" => MountPropagationFlags::DOWNSTREAM,
        "unbindable" => MountPropagationFlags::UNBINDABLE,
        "unchanged" => return Ok(None),
        other => {
            return Err(Error::new(format!(
                "--propagation {other}: not private, shared, slave, unbindable or unchanged"
            )));
        }
    }))
}

fn allowed(word: &str) -> Result<bool> {
    match word {
        "allow" => Ok(true),
        "deny" => Ok(false),
        other => Err(Error::new(format!(
            "--setgroups {other}: not allow or deny"
        ))),
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

/// The lines of `/proc/PID/timens_offsets` (time_namespaces(7)).
fn offsets(parsed: &Parsed<'_>) -> Result<String> {
    let mut lines = String::new();
    for clock in ["monotonic", "boottime"] {
        if let Some(text) = parsed.value(clock) {
            let seconds: i64 = text
                .parse()
                .map_err(|_| Error::new(format!("--{clock} {text}: not a number of seconds")))?;
            lines += &format!("{clock} {seconds} 0\n");
        }
    }
    Ok(lines)
}

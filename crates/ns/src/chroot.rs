//! `stockade chroot`: chroot(1) of coreutils, and one line about what chroot(2) is not.

use alloc::format;
use alloc::vec::Vec;

use sys::rustix::fs::{CWD, OFlags, stat};
use sys::rustix::process::{Gid, Uid};
use sys::rustix::process::{chroot, fchdir};
use sys::rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use sys::{file, stdio};

use crate::accounts::{Accounts, number};
use crate::error::{Error, Result};
use crate::execute::{execute, shell};
use crate::options::{Parsed, Table, flag, value};

/// Options and operands.
pub static TABLE: Table = Table {
    name: "chroot",
    about: "Run a command with another root directory",
    options: &[
        value(
            "groups",
            None,
            "G,...",
            "Supplementary groups, by name or number; empty for none",
        ),
        value(
            "userspec",
            None,
            "USER[:GROUP]",
            "User and group to run as, by name or number, as NEWROOT knows them",
        ),
        flag(
            "skip-chdir",
            None,
            "Do not change the working directory to /; only where NEWROOT is / already",
        ),
        flag("quiet", Some('q'), "Do not say that chroot is no boundary"),
    ],
    operands: (
        "NEWROOT [COMMAND [ARG]...]",
        "The new root, and the command; without one \"$SHELL\" -i (or /bin/sh -i)",
    ),
    needs_operand: true,
    own_failure: 125,
};

const NO_BOUNDARY: &[u8] = b"stockade chroot: a changed root is no boundary: root can leave it, and \
    processes, network, devices and users are the machine's own; `stockade run` makes a container (-q: be quiet)\n";

/// Runs it; returns only to fail.
///
/// # Errors
/// Whatever could not be done: 125, and 126 or 127 where the command could not be executed.
pub fn run(parsed: &Parsed<'_>) -> Result<i32> {
    let (root, command) = parsed
        .operands
        .split_first()
        .ok_or_else(|| Error::new("NEWROOT is missing"))?;
    let stay = parsed.has("skip-chdir");
    if stay && !is_root(root) {
        return Err(Error::new(format!(
            "--skip-chdir: only where NEWROOT is /, which {root:?} is not"
        )));
    }
    if asks_for_names(parsed) {
        let outside = Accounts::read()?;
        change(root, stay)?;
        Ids::find(parsed, &outside, &Accounts::read()?)?.take()?;
    } else {
        change(root, stay)?;
        let none = Accounts::default();
        Ids::find(parsed, &none, &none)?.take()?;
    }
    if !parsed.has("quiet") {
        // A line that nobody can read is no failure of the command.
        let _ = file::write_all(stdio::error(), NO_BOUNDARY, "standard error");
    }
    Err(match command {
        [] => execute(&[shell(), "-i"]),
        words => execute(words),
    })
}

/// Whether anything has to be looked up: a user, who has groups even by number, or a group by name.
fn asks_for_names(parsed: &Parsed<'_>) -> bool {
    let is_name = |text: &str| !text.is_empty() && number(text).is_none();
    let spec = parsed.value("userspec").unwrap_or("");
    let groups = parsed.value("groups").unwrap_or("");
    let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
    !user.is_empty() || is_name(group) || groups.split(',').any(is_name)
}

/// Whether a path is this process's root directory.
fn is_root(path: &str) -> bool {
    match (stat(path), stat("/")) {
        (Ok(this), Ok(root)) => (this.st_dev, this.st_ino) == (root.st_dev, root.st_ino),
        _ => false,
    }
}

/// Into the directory first, then the root around it: at no time is the working directory outside of the
/// root, which is the best known way out.
fn change(root: &str, stay: bool) -> Result<()> {
    let what = format!("cannot change the root to {root:?}");
    let refused = |errno| Error::kernel(&what, errno);
    if stay {
        return chroot(root).map_err(refused);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let directory = file::open_at(CWD, root, flags, root).map_err(|error| refused(error.errno))?;
    fchdir(&directory).map_err(refused)?;
    chroot(".").map_err(refused)
}

/// Who the command runs as.
struct Ids {
    groups: Option<Vec<u32>>,
    group: Option<u32>,
    user: Option<u32>,
}

impl Ids {
    /// As `--userspec` and `--groups` say. Names are the new root's; those that it does not know may be the old
    /// one's, as in coreutils.
    fn find(parsed: &Parsed<'_>, outside: &Accounts, inside: &Accounts) -> Result<Self> {
        let spec = parsed.value("userspec").unwrap_or("");
        let (user, group) = match spec.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (spec, None),
        };
        let mut ids = Self {
            groups: None,
            group: None,
            user: None,
        };
        let place = |error: Error| Error::new(format!("--userspec {spec}: {}", error.message));
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            let id = inside.group_id(group).or_else(|_| outside.group_id(group));
            ids.group = Some(id.map_err(place)?);
        }
        if !user.is_empty() {
            let known = inside.user(user).map(|found| (inside, found));
            let known = known.or_else(|| Some((outside, outside.user(user)?)));
            match known {
                Some((accounts, found)) => {
                    let group = *ids.group.get_or_insert(found.group);
                    ids.groups = Some(accounts.groups_of(&found, group));
                    ids.user = Some(found.id);
                }
                None => {
                    ids.user = Some(inside.user_id(user).map_err(place)?);
                    if ids.group.is_none() {
                        return Err(Error::new(format!(
                            "--userspec {spec}: user {user} is not in /etc/passwd, so its group has to be given: {user}:GROUP"
                        )));
                    }
                }
            }
        }
        if let Some(list) = parsed.value("groups") {
            ids.groups = Some(groups(list, outside, inside)?);
        }
        Ok(ids)
    }

    /// Becomes them. Groups go first: who is not root any more may not.
    fn take(&self) -> Result<()> {
        if let Some(groups) = &self.groups {
            let groups: Vec<Gid> = groups.iter().map(|id| Gid::from_raw(*id)).collect();
            set_thread_groups(&groups)
                .map_err(|errno| Error::kernel("cannot set supplementary groups", errno))?;
        }
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

fn groups(list: &str, outside: &Accounts, inside: &Accounts) -> Result<Vec<u32>> {
    let id = |text: &str| {
        number(text)
            .map_or_else(|| inside.group_id(text), Ok)
            .or_else(|_| outside.group_id(text))
            .map_err(|error| Error::new(format!("--groups {list}: {}", error.message)))
    };
    if list.is_empty() {
        return Ok(Vec::new());
    }
    list.split(',').map(id).collect()
}

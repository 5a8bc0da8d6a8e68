//! A copy of `/etc` with what everybody on the machine may read, and nothing that identifies it.

use std::ffi::CString;
use std::fmt::Write as _;

use sys::rustix::buffer::spare_capacity;
use sys::rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
    fstat, futimens, mkdirat, openat, readlinkat, symlinkat,
};
use sys::rustix::io::{read, retry_on_intr};
use sys::{AsFd, Errno, OwnedFd};

use super::entries::{self, Entry, failed};
use crate::error::Parsed;

/// The permission bits of a directory that everybody may list and pass through.
pub(super) const EVERYBODY_ENTERS: u32 = 0o005;

/// The permission bit of a file that everybody may read.
const EVERYBODY_READS: u32 = 0o004;

/// The most bytes of an account file.
const ACCOUNTS_MAX: usize = 64 << 20;

/// Files are read in pieces of this size; only the first is searched for keys.
const SEARCHED: usize = 1 << 20;

/// Names in `/etc` itself that are never copied: they are made anew, belong to this machine alone, or
/// hold secrets whatever their mode.
const LEFT_OUT: [&str; 18] = [
    ".pwd.lock",
    "crypttab",
    "fstab",
    "group-",
    "gshadow",
    "gshadow-",
    "hostname",
    "hosts",
    "krb5.keytab",
    "machine-id",
    "passwd-",
    "resolv.conf",
    "shadow",
    "shadow-",
    "subgid-",
    "subuid-",
    "sudoers",
    "wireguard",
];

/// Directories of private keys, below `/etc`; they are made, and stay empty.
const KEY_DIRECTORIES: [&str; 3] = ["ssl/private", "pki/tls/private", "letsencrypt"];

/// Copies `from`, the host's `/etc`, into the empty directory `to`, and adds what must be there.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd) -> Parsed<()> {
    copy_directory(from, to, "")?;
    add_made(to)
}

/// Copies what is in one directory; `path` is it below `/etc`, with a slash at its end.
fn copy_directory(from: &OwnedFd, to: &OwnedFd, path: &str) -> Parsed<()> {
    for entry in entries::list(from)? {
        let below = format!("{path}{}", entry.text());
        if path.is_empty() && LEFT_OUT.contains(&below.as_str()) {
            continue;
        }
        match FileType::from_raw_mode(entry.stat.st_mode) {
            FileType::Directory => copy_subdirectory(from, to, &entry, &below)?,
            FileType::RegularFile if !host_key(&below) => copy_file(from, to, &entry)?,
            FileType::Symlink => copy_link(from, to, &entry)?,
            // Sockets, pipes and devices are no configuration.
            _ => {}
        }
    }
    Ok(())
}

/// The keys by which others know this machine.
fn host_key(path: &str) -> bool {
    path.starts_with("ssh/ssh_host_")
}

fn copy_subdirectory(from: &OwnedFd, to: &OwnedFd, entry: &Entry, path: &str) -> Parsed<()> {
    make_directory(to, &entry.name, &entry.stat)?;
    let open = entry.stat.st_mode & EVERYBODY_ENTERS == EVERYBODY_ENTERS;
    if !open || KEY_DIRECTORIES.contains(&path) {
        return Ok(());
    }
    let (from, to) = (
        entries::open(from, &entry.name)?,
        entries::open(to, &entry.name)?,
    );
    copy_directory(&from, &to, &format!("{path}/"))
}

/// Makes a directory with the mode and the owner of another.
pub(super) fn make_directory(parent: impl AsFd, name: &CString, like: &Stat) -> sys::Result<()> {
    mkdirat(&parent, name, Mode::RWXU).map_err(failed("mkdirat", name))?;
    let made = entries::open(&parent, name)?;
    take_after(&made, name, like)
}

/// Gives a new file or directory the owner and the mode of another. The order matters: a change of
/// owner takes set-user-ID bits away.
fn take_after(made: impl AsFd, name: &CString, like: &Stat) -> sys::Result<()> {
    let (uid, gid) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
    if gives_away() {
        fchown(&made, Some(uid), Some(gid)).map_err(failed("fchown", name))?;
    }
    fchmod(&made, Mode::from_raw_mode(like.st_mode & 0o7777)).map_err(failed("fchmod", name))
}

/// Whether copies get the owners of what they are copies of: an ordinary user can give nothing away.
fn gives_away() -> bool {
    sys::initial::effective_user() == 0
}

fn copy_link(from: &OwnedFd, to: &OwnedFd, entry: &Entry) -> Parsed<()> {
    let target =
        readlinkat(from, &entry.name, Vec::new()).map_err(failed("readlinkat", &entry.name))?;
    symlinkat(&target, to, &entry.name).map_err(failed("symlinkat", &entry.name))?;
    if !gives_away() {
        return Ok(());
    }
    let (uid, gid) = (
        Uid::from_raw(entry.stat.st_uid),
        Gid::from_raw(entry.stat.st_gid),
    );
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    Ok(chownat(to, &entry.name, Some(uid), Some(gid), flags)
        .map_err(failed("fchownat", &entry.name))?)
}

/// Copies a file that everybody may read and that is no key.
fn copy_file(from: &OwnedFd, to: &OwnedFd, entry: &Entry) -> Parsed<()> {
    // What is there now may be another file than the one that was listed.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let source = match openat(from, &entry.name, flags, Mode::empty()) {
        // What an ordinary caller may not read is not for everybody.
        Err(Errno::ACCESS) => return Ok(()),
        other => other.map_err(failed("openat", &entry.name))?,
    };
    let stat = fstat(&source).map_err(failed("fstat", &entry.name))?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !regular || stat.st_mode & EVERYBODY_READS == 0 {
        return Ok(());
    }
    let start = read_some(&source, &entry.name)?;
    if has_private_key(&start) {
        return Ok(());
    }
    let copy = create(to, &entry.name)?;
    let mut part = start;
    while !part.is_empty() {
        sys::file::write_all(&copy, &part, entry.text())?;
        part = read_some(&source, &entry.name)?;
    }
    take_after(&copy, &entry.name, &stat)?;
    let changed = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0),
    };
    let times = Timestamps {
        last_access: changed,
        last_modification: changed,
    };
    Ok(futimens(&copy, &times).map_err(failed("utimensat", &entry.name))?)
}

/// The next bytes of a file, at most [`SEARCHED`]; none at its end.
fn read_some(file: &OwnedFd, name: &CString) -> sys::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SEARCHED);
    while bytes.len() < SEARCHED {
        let count = retry_on_intr(|| read(file, spare_capacity(&mut bytes)));
        if count.map_err(failed("read", name))? == 0 {
            break;
        }
    }
    Ok(bytes)
}

/// Makes a new file of mode 0600.
fn create(directory: impl AsFd, name: &CString) -> Parsed<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed("openat", name))?)
}

/// Whether there is a private key in PEM's form, which a careless mode does not make public.
fn has_private_key(bytes: &[u8]) -> bool {
    let begins =
        |line: &[u8]| line.starts_with(b"-----BEGIN ") && contains(line, b"PRIVATE KEY-----");
    bytes.contains(&b'-') && bytes.split(|byte| *byte == b'\n').any(begins)
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// The files of a machine of its own: no identity, no mounts, locked passwords.
fn add_made(etc: &OwnedFd) -> Parsed<()> {
    let users = names(etc, c"passwd")?;
    let groups = names(etc, c"group")?;
    let shadow = groups
        .iter()
        .find(|(name, _)| name == "shadow")
        .map_or(0, |(_, gid)| *gid);
    add(
        etc,
        c"shadow",
        &locked(&users, ":*::0:99999:7:::"),
        0o640,
        shadow,
    )?;
    add(etc, c"gshadow", &locked(&groups, ":*::"), 0o640, shadow)?;
    for name in [
        c"machine-id",
        c"fstab",
        c"hostname",
        c"hosts",
        c"resolv.conf",
    ] {
        add(etc, name, "", 0o644, 0)?;
    }
    Ok(())
}

/// A line for each name, with a password that nothing matches.
fn locked(names: &[(String, u32)], rest: &str) -> String {
    names.iter().fold(String::new(), |mut text, (name, _)| {
        // Writing to a string does not fail.
        _ = writeln!(text, "{name}{rest}");
        text
    })
}

/// The names and the third fields of a copied account file; none where it is missing.
fn names(etc: &OwnedFd, file: &std::ffi::CStr) -> Parsed<Vec<(String, u32)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = openat(etc, file, flags, Mode::empty()) else {
        return Ok(Vec::new());
    };
    let bytes = sys::file::read_all(&file, ACCOUNTS_MAX, "/etc")?;
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with(['#', '+', '-']))?;
        Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(line)
        .collect())
}

fn add(etc: &OwnedFd, name: &std::ffi::CStr, text: &str, mode: u32, gid: u32) -> Parsed<()> {
    let name = name.to_owned();
    let file = create(etc, &name)?;
    sys::file::write_all(&file, text.as_bytes(), "/etc")?;
    if gives_away() {
        fchown(&file, None, Some(Gid::from_raw(gid))).map_err(failed("fchown", &name))?;
    }
    Ok(fchmod(&file, Mode::from_raw_mode(mode)).map_err(failed("fchmod", &name))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_in_any_form_of_pem() {
        for text in [
            "-----BEGIN PRIVATE KEY-----\nx",
            "# a comment\n-----BEGIN RSA PRIVATE KEY-----\n",
            "cert\n-----BEGIN ENCRYPTED PRIVATE KEY-----\r\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(has_private_key(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----\n",
            "BEGIN PRIVATE KEY",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert!(!has_private_key(text.as_bytes()), "{text}");
        }
    }
}

//! A process that stays outside while this one goes into new namespaces: it writes maps that take rights
//! over the old user namespace, and pins new namespaces in the old mount namespace.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::rustix::mount::mount_bind;
use sys::rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sys::rustix::process::{geteuid, getpid};
use sys::spawn::{Spawn, spawn};
use sys::{OwnedFd, file, initial, launch, process, stdio};

use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::maps::{self, Range};

/// What there is to do from outside.
pub(crate) struct Duties<'a> {
    pub(crate) users: Vec<Range>,
    pub(crate) groups: Vec<Range>,
    pub(crate) setgroups: Option<bool>,
    pub(crate) pins: &'a [(Kind, &'a str)],
}

/// The process, as the one in the namespaces sees it.
pub(crate) struct Outside {
    line: OwnedFd,
    process: launch::Started,
}

/// Two ends of a line.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|errno| Error::kernel("socketpair", errno))
}

impl Duties<'_> {
    /// Starts the process where there is anything to do. It ends with this one.
    pub(crate) fn start(&self) -> Result<Option<Outside>> {
        if self.users.is_empty() && self.groups.is_empty() && self.pins.is_empty() {
            return Ok(None);
        }
        let caller = u32::try_from(getpid().as_raw_nonzero().get()).unwrap_or(0);
        let (line, other) = pair()?;
        if let Some(process) = launch::fork()? {
            return Ok(Some(Outside { line, process }));
        }
        drop(line);
        self.serve(caller, &other);
        sys::exit(0)
    }

    /// Does what it is told by a letter, and answers by a line: empty where all went well.
    fn serve(&self, caller: u32, line: &OwnedFd) {
        let mut letter = [0; 1];
        while sys::rustix::io::read(line, &mut letter) == Ok(1) {
            let outcome = match letter {
                [MAP] => self.map(caller),
                _ => self.pin(caller),
            };
            let mut answer = outcome.map_or_else(|error| error.to_string(), |()| String::new());
            answer.push('\n');
            if file::write_all(line, answer.as_bytes(), "answer").is_err() {
                return;
            }
        }
    }

    fn map(&self, caller: u32) -> Result<()> {
        if self.setgroups == Some(false) {
            file::write_kernel(&format!("/proc/{caller}/setgroups"), b"deny")?;
        }
        write_map(caller, "uid_map", "newuidmap", &self.users)?;
        write_map(caller, "gid_map", "newgidmap", &self.groups)
    }

    fn pin(&self, caller: u32) -> Result<()> {
        for (kind, path) in self.pins {
            let name = kind.of_children;
            pin(&format!("/proc/{caller}/ns/{name}"), path)?;
        }
        Ok(())
    }
}

const MAP: u8 = b'm';
const PIN: u8 = b'p';

impl Outside {
    /// Has the ranges of ids mapped.
    pub(crate) fn map(&self) -> Result<()> {
        self.ask(MAP)
    }

    /// Has the namespaces pinned.
    pub(crate) fn pin(&self) -> Result<()> {
        self.ask(PIN)
    }

    fn ask(&self, letter: u8) -> Result<()> {
        file::write_all(&self.line, &[letter], "the process outside")?;
        let mut answer = Vec::new();
        let mut byte = [0; 1];
        while sys::rustix::io::read(&self.line, &mut byte) == Ok(1) {
            if byte == *b"\n" {
                return match String::from_utf8_lossy(&answer).as_ref() {
                    "" => Ok(()),
                    words => Err(Error::new(words)),
                };
            }
            answer.extend_from_slice(&byte);
        }
        Err(Error::new(
            "the process outside ended before it had answered",
        ))
    }
}

impl Drop for Outside {
    /// It ends when nobody is on the line any more; waiting for it keeps the command free of a child that it
    /// does not know.
    fn drop(&mut self) {
        let _ = sys::rustix::net::shutdown(&self.line, sys::rustix::net::Shutdown::Both);
        process::reap(&self.process.pidfd);
    }
}

/// Root writes maps itself; for others shadow's programs do, as far as subuid(5) lets them.
fn write_map(process: u32, name: &str, program: &str, lines: &[Range]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    if geteuid().is_root() {
        let path = format!("/proc/{process}/{name}");
        return Ok(file::write_kernel(&path, maps::text(lines).as_bytes())?);
    }
    let mut words = Vec::from([String::from(program), format!("{process}")]);
    for line in lines {
        words.extend([line.inner, line.outer, line.count].map(|number| format!("{number}")));
    }
    let texts: Vec<CString> = words
        .iter()
        .filter_map(|word| CString::new(word.as_str()).ok())
        .collect();
    let arguments: Vec<&CStr> = texts.iter().map(CString::as_c_str).collect();
    let path = CString::new(format!("/usr/bin/{program}")).unwrap_or_default();
    let started = spawn(&Spawn {
        program: &path,
        arguments: &arguments,
        environment: &initial::variables(),
        descriptors: &[stdio::input(), stdio::output(), stdio::error()],
        directory: None,
        session: false,
    })?;
    match process::wait(&started.pidfd)?.code() {
        0 => Ok(()),
        code => Err(Error::new(format!(
            "{program} refused the ranges (status {code})"
        ))),
    }
}

/// Mounts a namespace on a file, which is made where it is not there: it lives on without a process.
///
/// # Errors
/// Those of making and mounting; a file that was made for it is gone again.
pub fn pin(namespace: &str, path: &str) -> Result<()> {
    use sys::rustix::fs::{CWD, Mode, OFlags, openat, unlink};
    let mode = Mode::from_raw_mode(0o444);
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let made = openat(CWD, path, flags, mode).is_ok();
    mount_bind(namespace, path).map_err(|errno| {
        if made {
            // The mount's refusal says more than this one's would.
            let _ = unlink(path);
        }
        Error::kernel(&format!("cannot pin {namespace} to {path:?}"), errno)
    })
}

//! Our own OCI commands, each a process of its own that we do not wait for.
//!
//! So one slow hook stops nothing else, what a command allocates is gone with it, and this process stays as
//! small as it began. A container's first process is handed on to us when its command ends, because we are
//! a subreaper.

use alloc::ffi::CString;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::CStr;

use serde::Deserialize;
use sys::error::OnCall;
use sys::rustix::fs::{MemfdFlags, OFlags, SeekFrom, memfd_create, seek};
use sys::spawn::{Spawn, spawn};
use sys::{AsFd, BorrowedFd, OwnedFd, file, launch};

use crate::environment;
use crate::ttrpc::{Code, Status};

/// A log is a line or two.
const LARGEST_LOG: usize = 1 << 20;
/// Where a command finds what belongs to it alone, by descriptor.
const LOG: &str = "/proc/self/fd/3";
/// The file that comes with a command, where there is one.
pub(crate) const EXTRA: &str = "/proc/self/fd/4";

/// A command to run.
#[derive(Debug, Default)]
pub(crate) struct Command<'c> {
    pub(crate) state_root: &'c str,
    pub(crate) systemd_cgroup: bool,
    /// The verb, its options and arguments.
    pub(crate) words: Vec<&'c str>,
    /// Standard input, output and error; none of them where not given.
    pub(crate) streams: Option<[BorrowedFd<'c>; 3]>,
    /// What is to be read at [`EXTRA`].
    pub(crate) extra: Option<&'c [u8]>,
    /// The working directory: the bundle.
    pub(crate) directory: Option<BorrowedFd<'c>>,
}

/// A command that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    log: OwnedFd,
}

/// A line of the log.
#[derive(Deserialize)]
struct Line {
    level: String,
    msg: String,
}

impl Command<'_> {
    pub(crate) fn start(&self) -> sys::Result<Running> {
        let log = memfd_create("log", MemfdFlags::CLOEXEC).on("memfd_create", "log")?;
        let extra = match self.extra {
            Some(bytes) => Some(launch::shared_file("extra", bytes)?),
            None => None,
        };
        if let Some(extra) = &extra {
            seek(extra, SeekFrom::Start(0)).on("lseek", "extra")?;
        }
        let null = file::open("/dev/null", OFlags::RDWR)?;
        let streams = self.streams.unwrap_or([null.as_fd(); 3]);
        let mut descriptors = Vec::from(streams);
        descriptors.push(log.as_fd());
        descriptors.extend(extra.as_ref().map(AsFd::as_fd));
        let words = self.all_words();
        let words: Vec<&CStr> = words.iter().map(|word| &**word).collect();
        let started = spawn(&Spawn {
            program: c"/proc/self/exe",
            arguments: &words,
            environment: &environment::path(),
            descriptors: &descriptors,
            directory: self.directory,
            session: false,
        })?;
        let pid = started.pid.as_raw_nonzero().get().unsigned_abs();
        Ok(Running { pid, log })
    }

    fn all_words(&self) -> Vec<CString> {
        let mut words = alloc::vec![
            "stockade",
            "oci",
            "--root",
            self.state_root,
            "--log",
            LOG,
            "--log-format",
            "json",
        ];
        if self.systemd_cgroup {
            words.push("--systemd-cgroup");
        }
        words.extend(&self.words);
        let texts = words
            .into_iter()
            .map(|word| CString::new(word).unwrap_or_default());
        texts.collect()
    }
}

impl Running {
    /// Why it failed: what it wrote to its log last.
    pub(crate) fn failure(&self, what: &str) -> Status {
        let message = self.last_error();
        let message = message.unwrap_or_else(|| "it ended without a word".to_string());
        let code = match () {
            () if message.contains("does not exist") => Code::NotFound,
            () if message.contains("not running") => Code::NotFound,
            () => Code::Unknown,
        };
        Status::new(code, alloc::format!("OCI runtime {what} failed: {message}"))
    }

    fn last_error(&self) -> Option<String> {
        seek(&self.log, SeekFrom::Start(0)).ok()?;
        let text = file::read_all(&self.log, LARGEST_LOG, "log").ok()?;
        let lines = text.split(|byte| *byte == b'\n');
        let mut errors = lines.filter_map(|line| {
            let line: Line = serde_json::from_slice(line).ok()?;
            (line.level == "error").then_some(line.msg)
        });
        errors.next_back()
    }
}

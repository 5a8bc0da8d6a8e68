//! The log that engines read errors from, in runc's two formats.

use alloc::format;
use alloc::string::{String, ToString};

use engine::Error;
use sys::file;
use sys::rustix::fs::{CWD, Mode, OFlags, openat};

use crate::{Caller, Stream};

/// Where messages go, and which.
#[derive(Debug, Default)]
pub(crate) struct Log<'a> {
    /// A file; standard error if none.
    pub(crate) path: Option<&'a str>,
    pub(crate) json: bool,
    /// What is done is told, too.
    pub(crate) debug: bool,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Warning,
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Log<'_> {
    /// Opens the log's file, so that one that cannot be written is told before anything is done.
    pub(crate) fn check(&self) -> engine::Result<()> {
        self.open().map(drop)
    }

    fn open(&self) -> engine::Result<Option<sys::OwnedFd>> {
        let Some(path) = self.path else {
            return Ok(None);
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        let file = openat(CWD, path, flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| Error::from(sys::Error::new("open", path, errno)).at(&"--log"))?;
        Ok(Some(file))
    }

    /// What is done, for `--debug`; the words are made only then.
    pub(crate) fn debug(&self, caller: &dyn Caller, words: impl FnOnce() -> String) {
        if self.debug {
            self.write(caller, Level::Debug, &words());
        }
    }

    /// An error, in the log's file. On standard error it is told in any case, by who ends the command.
    pub(crate) fn error(&self, error: &Error) {
        if let Ok(Some(file)) = self.open() {
            let line = self.line(Level::Error, &words_of(error));
            let _ = file::write_all(&file, line.as_bytes(), "log");
        }
    }

    /// Writes one line. A log that cannot be written changes nothing.
    pub(crate) fn write(&self, caller: &dyn Caller, level: Level, message: &str) {
        let line = self.line(level, message);
        match self.open() {
            Ok(Some(file)) => drop(file::write_all(&file, line.as_bytes(), "log")),
            Ok(None) => caller.print(Stream::Error, line.as_bytes()),
            Err(_) => {}
        }
    }

    fn line(&self, level: Level, message: &str) -> String {
        let time = engine::timestamp_now();
        let level = level.name();
        let message = serde_json::to_string(message).unwrap_or_default();
        if self.json {
            format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{time}\"}}\n")
        } else {
            format!("time=\"{time}\" level={level} msg={message}\n")
        }
    }
}

/// An error in one line: engines show their users the last line of what they find.
pub(crate) fn words_of(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

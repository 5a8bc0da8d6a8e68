//! The log that engines read errors from, in runc's two formats.

use alloc::format;
use alloc::string::String;

use engine::Error;
use sys::file;
use sys::rustix::fs::{CWD, Mode, OFlags, openat};

use crate::global::Global;

/// Appends an error. A log that cannot be written changes nothing: the error itself is told anyway.
pub(crate) fn write(global: &Global<'_>, error: &Error) {
    let Some(path) = global.log else { return };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
    if let Ok(log) = openat(CWD, path, flags, Mode::from_raw_mode(0o644)) {
        let _ = file::write_all(&log, line(global.log_json, error).as_bytes(), path);
    }
}

fn line(json: bool, error: &Error) -> String {
    let time = engine::timestamp_now();
    let message = serde_json::to_string(&format!("{error}")).unwrap_or_default();
    if json {
        format!("{{\"level\":\"error\",\"msg\":{message},\"time\":\"{time}\"}}\n")
    } else {
        format!("time=\"{time}\" level=error msg={message}\n")
    }
}

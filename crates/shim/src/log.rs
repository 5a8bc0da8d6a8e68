//! What containerd's own log is told, by way of the FIFO `log` in the bundle: what no request asked for, so that
//! nobody could be answered.

use alloc::format;
use core::fmt::Display;

use sys::rustix::io::write;
use sys::stdio;

/// One line, lost where nobody reads.
pub(crate) fn warn(container: &str, what: &str, why: &dyn Display) {
    let time = engine::timestamp_now();
    let words = format!("{what}: {why}");
    let line = format!("time=\"{time}\" level=warning msg={words:?} id={container:?}\n");
    let _ = write(stdio::error(), line.as_bytes());
}

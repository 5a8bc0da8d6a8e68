//! `criu_opts` of `rpc.proto`: what both requests say alike.

use sys::{AsRawFd, OwnedFd};
use wire::Message;

use super::CriuOptions;

/// `CLONE_NEWNET`: what is in a network namespace is not criu's but of whoever connects the container.
const NETWORK: u32 = 0x4000_0000;
/// All that is done, without the parasite's own words.
const LOG_LEVEL: u32 = 4;

/// A descriptor's number as the protocol takes it.
pub(super) fn number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().unsigned_abs()
}

/// `images`, `work` and the switches. Descriptors are our own numbers: criu takes them from us.
pub(super) fn common(
    options: &CriuOptions<'_>,
    images: &OwnedFd,
    work: Option<&OwnedFd>,
    log: &str,
) -> Message {
    let message = Message::new()
        .required(1, number(images))
        .number(4, options.ext_unix_sk)
        .number(5, options.tcp_established)
        .number(7, options.shell_job)
        .number(8, options.file_locks)
        .number(9, LOG_LEVEL)
        .text(10, log)
        .number(12, true)
        .number(16, options.auto_dedup)
        .number(24, true)
        .required(34, options.cgroups.number())
        .number(38, NETWORK)
        .number(50, true);
    match work {
        Some(work) => message.required(17, number(work)),
        None => message,
    }
}

/// `external`, by which criu is told to leave a mount alone, and where it is.
pub(super) fn mount(message: Message, at: &str, what: &str) -> Message {
    let pair = Message::new().text(1, at).text(2, what);
    message.message(23, &pair)
}

/// `inherit_fd`: what criu knows as `key` is its own descriptor `number`.
pub(super) fn inherit(message: Message, key: &str, number: u32) -> Message {
    let pair = Message::new().text(1, key).required(2, number);
    message.message(27, &pair)
}

//! `jail status`: whether this process is in a jail, as `sysctl security.jail.jailed` says on FreeBSD.

use crate::app::{Outcome, print};

/// Prints `security.jail.jailed: 1` or `0`.
pub(super) fn status() -> Outcome<i32> {
    let jailed = is_jailed();
    print::out(&format!("security.jail.jailed: {}\n", u8::from(jailed)))?;
    Ok(0)
}

/// The first process of a jail goes by this name.
fn is_jailed() -> bool {
    let first = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    first.trim_end() == "jail" || std::env::var("container").is_ok_and(|kind| kind == "jail")
}

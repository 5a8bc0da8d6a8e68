//! `jail status`: whether this process is in a jail, as `sysctl security.jail.jailed` says on FreeBSD.

use crate::app::{Outcome, print};

/// Prints `security.jail.jailed: 1` or `0`.
pub(super) fn status() -> Outcome<i32> {
    let jailed = is_jailed();
    print::out(&format!("security.jail.jailed: {}\n", u8::from(jailed)))?;
    Ok(0)
}

/// A jail's first process is the jail's keeper, which is nobody's program.
fn is_jailed() -> bool {
    if std::env::var("container").is_ok_and(|kind| kind == "jail") {
        return true;
    }
    let name = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    name.starts_with("stockade-child") || name.starts_with("stockade")
}

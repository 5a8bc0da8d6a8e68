//! `ending.json`: how a container ended last.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// How a container ended last, or that it is about to be started again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ending {
    /// The payload's exit status, or 128 and the signal; none when nobody was there to see it.
    pub code: Option<i32>,
    /// When it was started.
    pub started: String,
    /// When it ended.
    pub finished: String,
    /// The kernel killed a process of it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: String,
    /// How often it was started again since it was last started by hand.
    pub restarts: u32,
    /// It is going to be started again.
    pub restarting: bool,
}

//! `container.json`: what a container is.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::volumes::VolumeUse;

/// What a container is, besides its OCI configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was made: RFC 3339, UTC.
    pub created: String,
    /// ROOT as it was typed.
    pub image: String,
    /// The digest of its image, where it has one.
    pub image_digest: Option<String>,
    /// Its root.
    pub root: Root,
    /// Overlays inside the root.
    pub overlays: Vec<Overlay>,
    /// The volumes that it uses.
    pub volumes: Vec<VolumeUse>,
    /// The root's owners are translated by its user namespace.
    pub translate_root: bool,
    /// It has a terminal.
    pub tty: bool,
    /// Its standard input stays open.
    pub interactive: bool,
    /// Its standard input ends when the first one that attached to it leaves.
    pub input_once: bool,
    /// The built-in init is its PID 1.
    pub init: bool,
    /// It has a network namespace whose loopback is brought up.
    pub loopback: bool,
    /// It is removed when it ends.
    pub auto_remove: bool,
    /// What is written to its root is thrown away when it ends.
    pub ephemeral: bool,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// The signal that asks it to end.
    pub stop_signal: i32,
    /// Seconds until it is killed then; none: never.
    pub stop_timeout: Option<u32>,
    /// What is kept of what it prints.
    pub log: LogPolicy,
    /// What leaves it, typed by somebody attached; as `--detach-keys` has it.
    pub detach_keys: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The first of the host's ids that are its own (`--userns auto`), and how many.
    pub user_range: Option<(u32, u32)>,
    /// The options it was made from, as they were typed.
    pub options: serde_json::Value,
}

/// Where a container's root is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Root {
    /// A directory of the host.
    Directory(String),
    /// An overlay; its options' relative paths start in the container's directory.
    Overlay {
        /// As mount(2) takes them.
        options: String,
    },
}

impl Default for Root {
    fn default() -> Self {
        Self::Directory(String::new())
    }
}

/// An overlay inside the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlay {
    /// Where, from the container's root.
    pub target: String,
    /// As mount(2) takes them; relative paths start in the container's directory.
    pub options: String,
}

/// What is kept of what a container prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogPolicy {
    /// Nothing (`--log-driver none`).
    pub off: bool,
    /// Bytes that a file may have before another one is begun; 0 is without limit.
    pub max_size: u64,
    /// How many files there may be.
    pub max_files: u32,
}

impl Default for LogPolicy {
    /// At most 100 MB: what Docker's `local` driver keeps.
    fn default() -> Self {
        Self {
            off: false,
            max_size: 20_000_000,
            max_files: 5,
        }
    }
}

/// When a container is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// After a failure, at most so many times in a row; 0: without end.
    OnFailure(u32),
    /// Whenever it ends, unless somebody stopped it.
    Always,
    /// The same; differs from `Always` when the machine starts.
    UnlessStopped,
}

impl RestartPolicy {
    /// Whether a container that ended with `code`, after so many restarts in a row, is started again.
    pub const fn applies(self, code: i32, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::OnFailure(most) => code != 0 && (most == 0 || restarts < most),
            Self::Always | Self::UnlessStopped => true,
        }
    }

    /// Docker's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure(_) => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }
}

//! What a container is beyond its runtime specification; kept in its record as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::app::storage::Storage;
use crate::app::value::log::LogRequest;
use crate::app::value::namespace::{Net, Userns};
use crate::app::value::restart::Restart;

/// What the runtime specification has no words for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// The name that the person gave; `None`: the caller makes one up.
    pub name: Option<String>,
    /// Labels, the image's and the person's.
    pub labels: BTreeMap<String, String>,
    /// What ROOT was, as typed.
    pub root: String,
    /// How the root is put together.
    pub storage: Storage,
    /// What is written to the root is thrown away when the container ends.
    pub ephemeral: bool,
    /// The volumes to make, where they are missing, before the container is.
    pub volumes: Vec<WantedVolume>,
    /// The files to write into the container's own directory before it starts; mounts refer to them.
    pub files: Vec<OwnFile>,
    /// What is kept of what it prints.
    pub log: LogRequest,
    /// When it is started again.
    pub restart: Restart,
    /// The signal that asks it to end.
    pub stop_signal: i32,
    /// Seconds to wait before SIGKILL; `None` waits for ever.
    pub stop_timeout: Option<u32>,
    /// Whether the built-in init is PID 1.
    pub init: bool,
    /// Whether the container is removed when it ends.
    pub auto_remove: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether standard input stays open.
    pub interactive: bool,
    /// Whether it runs in the background.
    pub detach: bool,
    /// What a person types to leave it running; empty: nothing.
    pub detach_keys: Vec<u8>,
    /// Whether signals to the client go to the container.
    pub sig_proxy: bool,
    /// Where the id is written, which must not exist yet; absolute.
    pub cidfile: Option<String>,
    /// Whether it was given every right there is.
    pub privileged: bool,
    /// Its network.
    pub net: Net,
    /// Its user namespace; `auto` is answered by [`super::Lowered::set_user_range`].
    pub userns: Userns,
    /// What the person should know: options that were understood and change nothing here.
    pub notes: Vec<String>,
}

/// A volume that is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedVolume {
    /// Its name.
    pub name: String,
    /// Where it is mounted.
    pub destination: String,
    /// It goes with the container.
    pub anonymous: bool,
    /// An empty one starts with what the root has in its place.
    pub copy: bool,
}

/// A file in the container's own directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFile {
    /// Its name there, one component. It belongs to the container's root user and has mode 0644.
    pub name: String,
    /// What it says.
    pub content: String,
}

//! How a container's root is put together, as plain data for whoever mounts it.

use serde::{Deserialize, Serialize};

/// A root, and what is laid over places in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The root itself.
    pub base: Base,
    /// Copy-on-write mounts inside it, in mounting order. Each needs an upper and a work directory in
    /// the container's own storage, which may not lie inside any of `lower`.
    pub overlays: Vec<Overlay>,
}

/// The root itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// This directory as it is; what is written stays in it. Absolute.
    Directory(String),
    /// An overlay of these directories, the topmost first, under an upper one of the container's own.
    Overlay(Vec<String>),
}

/// A copy-on-write mount inside a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Where, relative to the root: `usr`, `usr/local`.
    pub target: String,
    /// Absolute directories of the host, the topmost first.
    pub lower: Vec<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            base: Base::Directory(String::new()),
            overlays: Vec::new(),
        }
    }
}

impl Storage {
    /// A directory as it is.
    pub fn directory(path: &str) -> Self {
        Self {
            base: Base::Directory(path.to_owned()),
            overlays: Vec::new(),
        }
    }

    /// Directories copy-on-write, the topmost first.
    pub fn layers(layers: Vec<String>) -> Self {
        Self {
            base: Base::Overlay(layers),
            overlays: Vec::new(),
        }
    }
}

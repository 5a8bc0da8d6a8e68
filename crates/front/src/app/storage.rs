//! How a container's root is put together, as plain data for whoever mounts it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result};

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

    /// Refuses a place for upper layers that lies inside a lower one, because overlayfs does.
    ///
    /// # Errors
    /// One line that names both.
    pub fn check_upper(&self, place: &Path) -> Result<()> {
        let base = match &self.base {
            Base::Directory(_) => &[][..],
            Base::Overlay(lower) => lower,
        };
        let mut lower = base
            .iter()
            .chain(self.overlays.iter().flat_map(|overlay| &overlay.lower));
        let real = nearest(place);
        match lower.find(|lower| real.starts_with(nearest(Path::new(lower)))) {
            None => Ok(()),
            Some(lower) => Err(Fault::usage(format!(
                "lies inside {lower}, which the container shares copy-on-write, and overlayfs refuses that"
            ))
            .hint("put the store elsewhere, such as /var/lib/stockade")
            .at(place.display().to_string())),
        }
    }

    /// The overlays to mount, the root's first: `extra` are more options for each, such as `volatile`.
    pub fn overlay_mounts(&self, extra: &str) -> Vec<OverlayMount> {
        let base = match &self.base {
            Base::Directory(_) => None,
            Base::Overlay(lower) => Some(("", lower)),
        };
        let inside = self
            .overlays
            .iter()
            .map(|overlay| (overlay.target.as_str(), &overlay.lower));
        let all = base.into_iter().chain(inside).enumerate();
        all.map(|(number, (target, lower))| OverlayMount::new(number, target, lower, extra))
            .collect()
    }
}

/// An overlay as mount(2) takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayMount {
    /// Where, relative to the root; empty for the root itself.
    pub target: String,
    /// The options; the upper and the work directory are relative to the container's own storage.
    pub options: String,
    /// These two directories, to be made before: `upper0`, `work0`. The upper one needs the mode and
    /// the owner of the topmost lower directory, since it is what the container sees.
    pub directories: [String; 2],
}

impl OverlayMount {
    fn new(number: usize, target: &str, lower: &[String], extra: &str) -> Self {
        let lower: Vec<String> = lower.iter().map(|path| escaped(path)).collect();
        let directories = [format!("upper{number}"), format!("work{number}")];
        let [upper, work] = &directories;
        let mut options = format!(
            "lowerdir={},upperdir={upper},workdir={work}",
            lower.join(":")
        );
        if !extra.is_empty() {
            options.push(',');
            options.push_str(extra);
        }
        Self {
            target: target.to_owned(),
            options,
            directories,
        }
    }
}

/// A path in overlayfs' options, where commas and colons separate.
fn escaped(path: &str) -> String {
    path.chars().fold(String::new(), |mut text, c| {
        if matches!(c, '\\' | ',' | ':') {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

/// The real path of the nearest directory above that exists.
fn nearest(place: &Path) -> PathBuf {
    let found = place
        .ancestors()
        .find_map(|above| std::fs::canonicalize(above).ok());
    found.unwrap_or_else(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_overlays() {
        let mut storage = Storage::layers(vec!["/l/2".to_owned(), "/l/a:b,c".to_owned()]);
        storage.overlays.push(Overlay {
            target: "usr".to_owned(),
            lower: vec!["/usr".to_owned()],
        });
        let mounts = storage.overlay_mounts("volatile");
        assert_eq!(
            mounts[0].options,
            "lowerdir=/l/2:/l/a\\:b\\,c,upperdir=upper0,workdir=work0,volatile"
        );
        assert_eq!(
            (mounts[1].target.as_str(), &mounts[1].directories[0]),
            ("usr", &"upper1".to_owned())
        );
        assert!(Storage::directory("/x").overlay_mounts("").is_empty());
    }

    #[test]
    fn an_upper_layer_inside_a_lower_one_is_refused() {
        let storage = Storage::layers(vec!["/usr".to_owned()]);
        let error = storage
            .check_upper(Path::new("/usr/lib/../new/c1"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("lies inside /usr"), "{error}");
        assert_eq!(storage.check_upper(Path::new("/var/lib/c1")), Ok(()));
        assert_eq!(storage.check_upper(Path::new("/usrx")), Ok(()));
    }
}

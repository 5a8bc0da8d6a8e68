//! `host` as ROOT: the machine's own programs, and nothing else of it.
//!
//! ```text
//!  /usr /opt, package databases      shared, copy-on-write: an overlay over the host's directory
//!  /bin /sbin /lib*                  links as the host has them; real directories like /usr
//!  /etc                              a copy of what everybody may read, without keys and identities
//!  /var /home /root /srv /tmp /run   the container's own; /var has the host's empty directories
//! ```
//!
//! What not everybody may read in the shared directories is hidden by a layer of whiteouts.
//!
//! The copy of `/etc` and the empty directories make up a *template*, a directory of the store under
//! the name of a fingerprint of everything it was made from. A container's root is an overlay over it.
//! As long as nothing in `/etc` changes, a run takes the template that is there.

mod entries;
mod etc;
mod fingerprint;
mod secrets;
mod shared;
mod skeleton;
mod template;

use std::path::Path;

pub use template::{exists, remove_unused};

use super::storage::{Base, Storage};
use crate::error::{About, Fault, Result};

/// Puts together the root of a container that shares this machine's programs.
///
/// `store` is a directory of ours for templates, made when missing; `upper` is where the container's
/// own files will be (it need not exist yet).
///
/// # Errors
/// The store or `upper` lies inside a directory that is shared: overlayfs refuses an upper layer that
/// lies inside its lower one. Or a system call fails; nothing half-made is left then.
pub fn host_root(store: &Path, upper: &Path) -> Result<Storage> {
    host_root_of(Path::new("/"), store, upper)
}

/// The same for a machine whose root is `host`.
fn host_root_of(host: &Path, store: &Path, upper: &Path) -> Result<Storage> {
    let shared = shared::find(host).of("ROOT", "host")?;
    let mut storage = Storage {
        base: Base::Overlay(Vec::new()),
        overlays: shared.overlays.clone(),
    };
    for place in [store, upper] {
        storage.check_upper(place)?;
    }
    let template = template::current(host, store, &shared)?;
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Fault::usage("the path is not UTF-8").at(store.display().to_string()))
    };
    for (number, _, _) in secrets::by_overlay(&shared, &template.secrets) {
        let layer = template.hidden.join(number.to_string());
        storage.overlays[number].lower.insert(0, text(&layer)?);
    }
    storage.base = Base::Overlay(vec![text(&template.root)?]);
    Ok(storage)
}

#[cfg(test)]
mod tests;

//! A process of `exec` may go to cgroups below the container's, which somebody made there
//! (`--cgroup [CONTROLLER[,CONTROLLER]:]PATH`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cgroup::{Group, Leaf};

use crate::error::{Error, Kind, Result};

/// The container's cgroups, open, or those below that are asked for.
///
/// # Errors
/// `BadConfig` for a path that leads elsewhere, or a hierarchy that the container is not in.
pub(crate) fn open(mut leaves: Vec<Leaf>, asked: &[&str]) -> Result<Group> {
    for one in asked {
        let (controllers, path) = one.split_once(':').unwrap_or(("", one));
        let below = below(path)?;
        if controllers.is_empty() && asked.len() > 1 {
            return Err(bad(format!(
                "{one:?}: with another one it takes a controller"
            )));
        }
        for name in controllers.split(',') {
            let is_meant = |leaf: &Leaf| name.is_empty() || is_of(leaf, name);
            if !leaves.iter().any(is_meant) {
                return Err(bad(format!(
                    "unknown controller {name:?}: the container is in no such hierarchy"
                )));
            }
            let meant = leaves.iter_mut().filter(|leaf| is_meant(leaf));
            meant.for_each(|leaf| leaf.path.push_str(&below));
        }
    }
    Group::open(leaves).map_err(|error| Error::from(error).at(&"exec --cgroup"))
}

fn is_of(leaf: &Leaf, name: &str) -> bool {
    leaf.controllers.iter().any(|one| one.v1_name() == name)
}

/// The path with a slash before each component; none of them leads up.
fn below(path: &str) -> Result<String> {
    let mut below = String::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." || part.contains('\0') {
            return Err(bad(format!(
                "bad sub cgroup path {path:?}: it leads out of the container's"
            )));
        }
        below.push('/');
        below.push_str(part);
    }
    Ok(below)
}

fn bad(words: String) -> Error {
    Error::new(Kind::BadConfig, format!("exec --cgroup: {words}"))
}

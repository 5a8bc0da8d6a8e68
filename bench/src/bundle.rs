//! The two bundles, made at bench time from what is installed: A is `runc spec`'s default configuration,
//! B is what podman writes for a plain container, seccomp profile included. The payload is busybox's
//! `true`, static, so that it weighs the same and little for everybody.

use crate::options::Options;
use crate::view::{Place, View};
use crate::{Result, contender, floor, podman};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One bundle, with what each contender needs to run it.
pub(crate) struct Bundle {
    /// `A` or `B`.
    pub(crate) label: String,
    /// A bundle directory whose payload ends at once.
    pub(crate) ending: PathBuf,
    /// The same, with a payload that sleeps.
    pub(crate) sleeping: PathBuf,
    /// The floor program for this bundle; `None` when it could not be built.
    pub(crate) floor: Option<PathBuf>,
}

/// The rootfs's directory in the work directory.
pub(crate) const ROOTFS: &str = "rootfs";
/// The payload that ends at once.
pub(crate) const ENDING: &[&str] = &["/bin/true"];
/// The payload that stays.
pub(crate) const SLEEPING: &[&str] = &["/bin/sleep", "100000"];

/// Makes the bundles that were asked for, and a floor for each.
pub(crate) fn make(options: &Options, view: View, place: &Place) -> Result<Vec<Bundle>> {
    let rootfs = make_rootfs(&place.work)?;
    let mut bundles = Vec::new();
    for label in &options.bundles {
        let config = match label.as_str() {
            "A" => default_config(options, place),
            _ => podman::config(options, place, &rootfs),
        };
        match config {
            Ok(config) => bundles.push(write(options, place, label, config, &rootfs)?),
            Err(error) => eprintln!("skipped: bundle {label} in the {view} view: {error}"),
        }
    }
    Ok(bundles)
}

/// A rootfs of busybox alone, with every mount point there already.
fn make_rootfs(work: &Path) -> Result<PathBuf> {
    let rootfs = work.join(ROOTFS);
    for directory in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
        fs::create_dir_all(rootfs.join(directory))?;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or("busybox is not installed (Debian: busybox-static)")?;
    fs::copy(busybox, rootfs.join("bin/busybox"))?;
    for name in ["sh", "true", "sleep"] {
        symlink("busybox", rootfs.join("bin").join(name))?;
    }
    Ok(rootfs)
}

/// What `spec` writes in this view: runc's where it is installed, crun's, or ours.
fn default_config(options: &Options, place: &Place) -> Result<Value> {
    let directory = place.work.join("spec");
    fs::create_dir_all(&directory)?;
    let ours = contender::ours(options).map(|program| (program, ["oci", "spec"].as_slice()));
    let theirs = ["runc", "crun"].map(|name| (PathBuf::from(name), ["spec"].as_slice()));
    let written = theirs.into_iter().chain(ours).any(|(runtime, words)| {
        let status = Command::new(runtime)
            .args(words)
            .current_dir(&directory)
            .status();
        status.is_ok_and(|status| status.success())
    });
    if !written {
        return Err("nobody's `spec` works".into());
    }
    let bytes = fs::read(directory.join("config.json"))?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn write(
    options: &Options,
    place: &Place,
    label: &str,
    mut config: Value,
    rootfs: &Path,
) -> Result<Bundle> {
    config["process"]["terminal"] = json!(false);
    config["root"]["path"] = json!(rootfs);
    let mut directories = Vec::new();
    for (name, payload) in [("ending", ENDING), ("sleeping", SLEEPING)] {
        config["process"]["args"] = json!(payload);
        let directory = place.work.join(format!("{label}-{name}"));
        fs::create_dir_all(&directory)?;
        fs::write(
            directory.join("config.json"),
            serde_json::to_vec_pretty(&config)?,
        )?;
        directories.push(directory);
    }
    config["process"]["args"] = json!(ENDING);
    let [ending, sleeping] = directories
        .try_into()
        .map_err(|_| "two directories were made")?;
    let floor = match floor::build(options, place, label, &config, &ending) {
        Ok(program) => Some(program),
        Err(error) => {
            eprintln!("skipped: the floor of bundle {label}: {error}");
            None
        }
    };
    Ok(Bundle {
        label: label.to_owned(),
        ending,
        sleeping,
        floor,
    })
}

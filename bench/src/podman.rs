//! podman with a store of its own: the author of bundle B, and the people's-run contender.

use crate::Result;
use crate::options::Options;
use crate::view::{CgroupMount, Place, cgroup_mounts};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The image's name in the store.
pub(crate) const IMAGE: &str = "stockade-bench";

// Without default_ulimits podman asks for the host's hard limits, which a host without CAP_SYS_RESOURCE
// cannot always give again. No event log: it would be written outside the work directory.
const CONF: &str = "\
[containers]
default_ulimits = [\"nofile=1024:4096\", \"nproc=4096:4096\"]
[engine]
cgroup_manager = \"cgroupfs\"
events_logger = \"none\"
";

/// A podman store in the work directory.
pub(crate) struct Podman {
    directory: PathBuf,
    runtime: PathBuf,
}

impl Podman {
    /// A store that has the image made from `rootfs`; `runtime` is the OCI runtime to run it with.
    pub(crate) fn with_image(place: &Place, rootfs: &Path, runtime: &Path) -> Result<Self> {
        let directory = place.work.join("podman");
        let podman = Self {
            directory,
            runtime: runtime.to_owned(),
        };
        if podman.directory.exists() {
            return Ok(podman);
        }
        fs::create_dir(&podman.directory)?;
        fs::write(podman.directory.join("containers.conf"), CONF)?;
        let archive = place.work.join("rootfs.tar");
        run(Command::new("tar")
            .arg("-C")
            .arg(rootfs)
            .arg("-cf")
            .arg(&archive)
            .arg("."))?;
        run(podman
            .command()
            .args(["import", "--quiet"])
            .arg(&archive)
            .arg(IMAGE))?;
        Ok(podman)
    }

    /// A `podman` command on this store.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.env("CONTAINERS_CONF", self.directory.join("containers.conf"));
        for option in ["root", "runroot", "tmpdir"] {
            command
                .arg(format!("--{option}"))
                .arg(self.directory.join(option));
        }
        command.arg("--runtime").arg(&self.runtime);
        command
    }

    /// Where podman puts the configuration of container `id`.
    fn config_path(&self, id: &str) -> PathBuf {
        self.directory
            .join("root/overlay-containers")
            .join(id)
            .join("userdata/config.json")
    }
}

/// Runs a command to its end; an error carries what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let telling = words.lines().find(|line| line.contains("error"));
        let line = telling.or(words.lines().last()).unwrap_or("failed");
        return Err(format!("{name}: {line}").into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The configuration podman writes for a container without a network, with its paths made ours.
pub(crate) fn config(options: &Options, place: &Place, rootfs: &Path) -> Result<Value> {
    let runtime = options
        .peers
        .iter()
        .map(|(_, path)| path)
        .find(|path| run(Command::new(path).arg("--version")).is_ok())
        .ok_or("podman needs crun or runc")?;
    let podman = Podman::with_image(place, rootfs, runtime)?;
    let id = run(podman
        .command()
        .args(["create", "--network", "none"])
        .args(["--cgroup-parent", &format!("/{}", place.prefix)])
        .args([IMAGE, "/bin/true"]))?;
    // The file is written before the runtime is asked, so that a runtime's refusal does not matter.
    let initialised = run(podman.command().args(["init", &id]));
    let written = fs::read(podman.config_path(&id));
    let adapted = match (&written, initialised) {
        (Ok(bytes), _) => adapt(serde_json::from_slice(bytes)?, place),
        (Err(_), Err(error)) => Err(error),
        (Err(error), Ok(_)) => Err(format!("podman's config.json: {error}").into()),
    };
    run(podman.command().args(["rm", "--force", &id]))?;
    place.sweep();
    adapted
}

/// Replaces the files that podman bind-mounts by copies that stay, and lets each runtime choose its
/// cgroup from the container's id, as for bundle A.
fn adapt(mut config: Value, place: &Place) -> Result<Value> {
    let binds = place.work.join("binds");
    fs::create_dir_all(&binds)?;
    let mounts = config["mounts"]
        .as_array_mut()
        .ok_or("podman's config.json has no mounts")?;
    for mount in mounts {
        if mount["type"] != "bind" {
            continue;
        }
        let source = PathBuf::from(mount["source"].as_str().ok_or("a bind without a source")?);
        let copy = binds.join(source.file_name().ok_or("a bind of /")?);
        if source.is_dir() {
            fs::create_dir_all(&copy)?;
        } else {
            fs::copy(&source, &copy)?;
        }
        mount["source"] = json!(copy);
    }
    if let Some(linux) = config["linux"].as_object_mut() {
        linux.remove("cgroupsPath");
    }
    drop_absent_controllers(&mut config)?;
    Ok(config)
}

/// Takes out limits of controllers that the view lacks, with a line: every runtime would refuse them.
fn drop_absent_controllers(config: &mut Value) -> Result<()> {
    let mounts = cgroup_mounts()?;
    let [
        CgroupMount {
            path,
            unified: true,
        },
    ] = mounts.as_slice()
    else {
        return Ok(());
    };
    let controllers = fs::read_to_string(path.join("cgroup.controllers"))?;
    if let Some(resources) = config["linux"]["resources"].as_object_mut() {
        resources.retain(|name, _| {
            let kept = name == "devices" || controllers.split_whitespace().any(|have| have == name);
            if !kept {
                eprintln!(
                    "bundle B: without its {name} limit: cgroup2 has no such controller here"
                );
            }
            kept
        });
    }
    Ok(())
}

//! A bundle turned into C tables and compiled with `floor/floor.c`.
//!
//! Everything that can be decided is decided here, so that the program makes calls and nothing else.
//! What this file does not know it refuses: a floor that silently does less than the bundle asks would
//! flatter nobody but the others.

mod calls;
mod filter;

use crate::options::Options;
use crate::podman::run;
use crate::view::{self, Place};
use crate::{Result, bundle};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("../floor/floor.c");
/// What a v1 device cgroup lets through besides the configuration's own rules.
const DEVICE_RULES: [&str; 10] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Builds the floor program of one bundle.
pub(crate) fn build(
    options: &Options,
    place: &Place,
    label: &str,
    config: &Value,
    directory: &Path,
) -> Result<PathBuf> {
    let header = header(options, place, config, directory)?;
    let source = directory.join("floor.c");
    let program = place.work.join(format!("floor-{label}"));
    fs::write(directory.join("bundle.h"), header)?;
    fs::write(&source, SOURCE)?;
    run(Command::new("cc")
        .args(["-O2", "-static", "-o"])
        .arg(&program)
        .arg(&source))?;
    Ok(program)
}

fn header(options: &Options, place: &Place, config: &Value, directory: &Path) -> Result<String> {
    let process = &config["process"];
    let (namespaces, cgroup_namespace) = namespaces(config)?;
    let last_cap = fs::read_to_string("/proc/sys/kernel/cap_last_cap")?;
    let mut text = String::new();
    for (name, value) in [
        ("NAMESPACES", namespaces),
        ("CGROUP_NAMESPACE", u8::from(cgroup_namespace).to_string()),
        ("ROOTFS", quoted(&config["root"]["path"])?),
        ("HOSTNAME", quoted(&config["hostname"])?),
        ("CWD", quoted(&process["cwd"])?),
        (
            "UMASK",
            process["user"]["umask"]
                .as_u64()
                .unwrap_or(0o22)
                .to_string(),
        ),
        (
            "UID",
            process["user"]["uid"]
                .as_u64()
                .ok_or("process.user.uid")?
                .to_string(),
        ),
        (
            "GID",
            process["user"]["gid"]
                .as_u64()
                .ok_or("process.user.gid")?
                .to_string(),
        ),
        (
            "NO_NEW_PRIVILEGES",
            u8::from(process["noNewPrivileges"] == true).to_string(),
        ),
        ("LAST_CAP", last_cap.trim().to_owned()),
        ("CAP_BOUNDING", capabilities(process, "bounding")?),
        ("CAP_EFFECTIVE", capabilities(process, "effective")?),
        ("CAP_PERMITTED", capabilities(process, "permitted")?),
        ("CAP_INHERITABLE", capabilities(process, "inheritable")?),
        ("CAP_AMBIENT", capabilities(process, "ambient")?),
    ] {
        writeln!(text, "#define {name} {value}")?;
    }
    text += &table("struct limit limits", &limits(process)?);
    text += &table("char *const environment", &strings(&process["env"])?);
    text += &table("char *const arguments", &words(bundle::ENDING));
    text += &cgroups(config)?;
    text += &table("struct op ops", &calls::inside(config)?);
    text += &filter::table(options, place, config, directory)?;
    Ok(text)
}

fn table(declaration: &str, rows: &[String]) -> String {
    format!(
        "static const {declaration}[] = {{\n\t{}\n}};\n",
        rows.join(",\n\t")
    )
}

/// A C string literal; the configuration's strings are plain enough for Rust's escapes to be C's.
fn literal(text: &str) -> String {
    format!("{text:?}")
}

fn quoted(value: &Value) -> Result<String> {
    Ok(literal(
        value.as_str().ok_or("config.json: a string is missing")?,
    ))
}

/// The rows of a NULL-terminated vector.
fn words(words: &[&str]) -> Vec<String> {
    words
        .iter()
        .map(|word| literal(word))
        .chain(["NULL".to_owned()])
        .collect()
}

fn strings(value: &Value) -> Result<Vec<String>> {
    let list = value.as_array().ok_or("config.json: a list is missing")?;
    let mut rows = list.iter().map(quoted).collect::<Result<Vec<_>>>()?;
    rows.push("NULL".to_owned());
    Ok(rows)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn namespaces(config: &Value) -> Result<(String, bool)> {
    let mut flags = vec!["0"];
    let mut cgroup = false;
    for namespace in list(&config["linux"]["namespaces"]) {
        if !namespace["path"].is_null() {
            return Err("a namespace with a path".into());
        }
        match namespace["type"].as_str().unwrap_or_default() {
            "pid" => flags.push("CLONE_NEWPID"),
            "network" => flags.push("CLONE_NEWNET"),
            "ipc" => flags.push("CLONE_NEWIPC"),
            "uts" => flags.push("CLONE_NEWUTS"),
            "mount" => flags.push("CLONE_NEWNS"),
            "cgroup" => cgroup = true,
            other => return Err(format!("a namespace of type {other:?}").into()),
        }
    }
    Ok((format!("({})", flags.join("|")), cgroup))
}

fn capabilities(process: &Value, set: &str) -> Result<String> {
    let mut bits = 0u64;
    for name in list(&process["capabilities"][set]) {
        let name = name.as_str().unwrap_or_default();
        let number = CAPABILITIES
            .iter()
            .position(|known| name.strip_prefix("CAP_") == Some(known));
        bits |= 1 << number.ok_or_else(|| format!("capability {name}"))?;
    }
    Ok(format!("{bits:#x}ULL"))
}

fn limits(process: &Value) -> Result<Vec<String>> {
    let row = |limit: &Value| {
        let kind = limit["type"].as_str().ok_or("process.rlimits: no type")?;
        let (soft, hard) = (&limit["soft"], &limit["hard"]);
        Ok(format!("{{ {kind}, {{ {soft}, {hard} }} }}"))
    };
    list(&process["rlimits"]).iter().map(row).collect()
}

/// The hierarchies that the configuration's resources need, and what is written there. One that asks
/// for nothing is not touched.
fn cgroups(config: &Value) -> Result<String> {
    let resources = config["linux"]["resources"].as_object();
    let mounts = view::cgroup_mounts()?;
    let unified = mounts
        .iter()
        .find(|mount| mount.unified)
        .filter(|_| mounts.len() == 1);
    let mut hierarchies = Vec::new();
    let mut writes = Vec::new();
    if let Some(mount) = unified {
        hierarchies.push(format!("{{ {:?}, 1 }}", mount.path));
    }
    for (resource, value) in resources.into_iter().flatten() {
        let settings = settings(resource, value)?;
        let index = match unified {
            // Device rules are a BPF program there, which this floor does without.
            Some(_) if resource == "devices" => continue,
            Some(mount) => {
                let have = fs::read_to_string(mount.path.join("cgroup.controllers"))?;
                if !have
                    .split_whitespace()
                    .any(|controller| controller == resource)
                {
                    continue;
                }
                0
            }
            None => {
                hierarchies.push(format!("{{ \"/sys/fs/cgroup/{resource}\", 0 }}"));
                hierarchies.len() - 1
            }
        };
        for (file, value) in settings {
            writes.push(format!("{{ {index}, {file:?}, {value:?} }}"));
        }
    }
    Ok(table("struct hierarchy hierarchies", &hierarchies)
        + &table("struct cgroup_write cgroup_writes", &writes))
}

fn settings(resource: &str, value: &Value) -> Result<Vec<(&'static str, String)>> {
    match resource {
        "pids" => Ok(vec![("pids.max", value["limit"].to_string())]),
        "devices" => {
            let deny_all = serde_json::json!([{ "allow": false, "access": "rwm" }]);
            if *value != deny_all {
                return Err(format!("device rules {value}").into());
            }
            let allowed = DEVICE_RULES.map(|rule| ("devices.allow", rule.to_owned()));
            Ok([("devices.deny", "a".to_owned())]
                .into_iter()
                .chain(allowed)
                .collect())
        }
        _ => Err(format!("linux.resources.{resource}").into()),
    }
}

//! A bundle turned into C tables and compiled with `floor/floor.c`.
//!
//! Everything that can be decided is decided here, so that the program makes calls and nothing else.
//! What this file does not know it refuses: a floor that silently does less than the bundle asks would
//! flatter nobody but the others.

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
/// The nodes every container gets: name, major, minor.
const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];
const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];
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
const BIND: &str = "MS_BIND|MS_REC";

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
    text += &table("struct op ops", &operations(config)?);
    text += &filter(options, place, config, directory)?;
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

/// One row of the table of calls.
struct Op<'a> {
    kind: &'a str,
    source: &'a str,
    target: &'a str,
    filesystem: &'a str,
    data: &'a str,
    flags: &'a str,
    device: Option<(u32, u32)>,
    optional: bool,
}

impl Default for Op<'_> {
    fn default() -> Self {
        Op {
            kind: "OP_MOUNT",
            source: "",
            target: "",
            filesystem: "",
            data: "",
            flags: "0",
            device: None,
            optional: false,
        }
    }
}

impl Op<'_> {
    fn row(&self) -> String {
        let pointer = |text: &str| match text {
            "" => "NULL".to_owned(),
            text => literal(text),
        };
        // makedev(3) is no constant expression; these numbers are small enough for the old layout.
        let device = self.device.map_or(0, |(major, minor)| major << 8 | minor);
        format!(
            "{{ {}, {}, {}, {}, {}, {}, {device}, {} }}",
            self.kind,
            pointer(self.source),
            pointer(self.target),
            pointer(self.filesystem),
            pointer(self.data),
            self.flags,
            u8::from(self.optional),
        )
    }
}

/// Everything done inside the rootfs, in order.
fn operations(config: &Value) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    let resources = &config["linux"]["resources"];
    let rootfs = Path::new(config["root"]["path"].as_str().ok_or("root.path")?);
    for mount in list(&config["mounts"]) {
        add_mount(&mut rows, mount, rootfs, resources)?;
    }
    add_devices(&mut rows);
    if !config["linux"]["sysctl"].is_null() {
        add_sysctls(&mut rows, &config["linux"]["sysctl"])?;
    }
    for path in list(&config["linux"]["maskedPaths"]) {
        add_mask(&mut rows, path.as_str().ok_or("linux.maskedPaths")?);
    }
    for path in list(&config["linux"]["readonlyPaths"]) {
        add_read_only(
            &mut rows,
            path.as_str().ok_or("linux.readonlyPaths")?,
            config,
        );
    }
    if config["root"]["readonly"] == true {
        let flags = "MS_REMOUNT|MS_BIND|MS_RDONLY";
        rows.push(
            Op {
                target: ".",
                flags,
                ..Op::default()
            }
            .row(),
        );
    }
    Ok(rows)
}

/// Mount options sorted into what mount(2) wants: flags, propagation, the file system's own words.
struct MountOptions {
    flags: Vec<&'static str>,
    propagation: Option<&'static str>,
    data: Vec<String>,
    bind: bool,
}

fn mount_options(mount: &Value) -> MountOptions {
    let mut sorted = MountOptions {
        flags: vec!["0"],
        propagation: None,
        data: vec![],
        bind: false,
    };
    for option in list(&mount["options"]) {
        match option.as_str().unwrap_or_default() {
            "nosuid" => sorted.flags.push("MS_NOSUID"),
            "nodev" => sorted.flags.push("MS_NODEV"),
            "noexec" => sorted.flags.push("MS_NOEXEC"),
            "ro" => sorted.flags.push("MS_RDONLY"),
            "rw" => {}
            "relatime" => sorted.flags.push("MS_RELATIME"),
            "strictatime" => sorted.flags.push("MS_STRICTATIME"),
            "bind" | "rbind" => sorted.bind = true,
            "rprivate" => sorted.propagation = Some("MS_PRIVATE|MS_REC"),
            "private" => sorted.propagation = Some("MS_PRIVATE"),
            "rslave" => sorted.propagation = Some("MS_SLAVE|MS_REC"),
            own => sorted.data.push(own.to_owned()),
        }
    }
    sorted
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn add_mount(
    rows: &mut Vec<String>,
    mount: &Value,
    rootfs: &Path,
    resources: &Value,
) -> Result<()> {
    let kind = mount["type"].as_str().unwrap_or_default();
    let source = mount["source"].as_str().unwrap_or_default();
    let target = relative(
        mount["destination"]
            .as_str()
            .ok_or("mounts[].destination")?,
    );
    let options = mount_options(mount);
    let flags = options.flags.join("|");
    make_target(rows, source, target, options.bind, rootfs)?;
    if kind == "cgroup" {
        add_cgroup_mount(rows, target, &flags, resources)?;
    } else if options.bind {
        rows.push(
            Op {
                source,
                target,
                flags: BIND,
                ..Op::default()
            }
            .row(),
        );
        if options.flags.len() > 1 {
            let flags = format!("MS_REMOUNT|MS_BIND|{flags}");
            rows.push(
                Op {
                    target,
                    flags: &flags,
                    ..Op::default()
                }
                .row(),
            );
        }
    } else {
        let data = options.data.join(",");
        let mount = Op {
            source,
            target,
            filesystem: kind,
            data: &data,
            flags: &flags,
            ..Op::default()
        };
        rows.push(mount.row());
    }
    if let Some(flags) = options.propagation {
        rows.push(
            Op {
                target,
                flags,
                ..Op::default()
            }
            .row(),
        );
    }
    Ok(())
}

/// A mount point on the fresh /dev is made each time; one in the rootfs is made once, here.
fn make_target(
    rows: &mut Vec<String>,
    source: &str,
    target: &str,
    bind: bool,
    rootfs: &Path,
) -> Result<()> {
    if target.starts_with("dev/") {
        rows.push(
            Op {
                kind: "OP_MKDIR",
                target,
                flags: "0755",
                ..Op::default()
            }
            .row(),
        );
    } else if bind && Path::new(source).is_file() {
        fs::create_dir_all(rootfs.join(target).parent().ok_or("a mount over /")?)?;
        fs::write(rootfs.join(target), "")?;
    } else if !target.starts_with("sys/") && !target.starts_with("proc/") {
        fs::create_dir_all(rootfs.join(target))?;
    }
    Ok(())
}

/// cgroup2 is mounted from inside its namespace; v1 hierarchies are bound, our own cgroup where there is
/// one.
fn add_cgroup_mount(
    rows: &mut Vec<String>,
    target: &str,
    flags: &str,
    resources: &Value,
) -> Result<()> {
    let mounts = view::cgroup_mounts()?;
    if mounts.iter().all(|mount| mount.unified) {
        let filesystem = "cgroup2";
        rows.push(
            Op {
                source: "cgroup",
                target,
                filesystem,
                flags,
                ..Op::default()
            }
            .row(),
        );
        return Ok(());
    }
    let read_only = format!("MS_REMOUNT|MS_BIND|{flags}");
    let filesystem = "tmpfs";
    let writable = flags.replace("|MS_RDONLY", "");
    rows.push(
        Op {
            source: "cgroup",
            target,
            filesystem,
            flags: &writable,
            ..Op::default()
        }
        .row(),
    );
    for mount in mounts.iter().filter(|mount| !mount.unified) {
        let name = mount
            .path
            .file_name()
            .ok_or("a hierarchy at /")?
            .to_string_lossy();
        let source = mount.path.to_string_lossy();
        let target = format!("{target}/{name}");
        let own = !resources[&*name].is_null();
        let kind = if own { "OP_BIND_CGROUP" } else { "OP_MOUNT" };
        let target = target.as_str();
        rows.push(
            Op {
                kind: "OP_MKDIR",
                target,
                flags: "0755",
                ..Op::default()
            }
            .row(),
        );
        rows.push(
            Op {
                kind,
                source: &source,
                target,
                flags: "MS_BIND",
                ..Op::default()
            }
            .row(),
        );
        rows.push(
            Op {
                target,
                flags: &read_only,
                ..Op::default()
            }
            .row(),
        );
    }
    rows.push(
        Op {
            target,
            flags: &read_only,
            ..Op::default()
        }
        .row(),
    );
    Ok(())
}

fn add_devices(rows: &mut Vec<String>) {
    for (name, major, minor) in NODES {
        let target = format!("dev/{name}");
        let (kind, flags, device) = ("OP_MKNOD", "S_IFCHR|0666", Some((major, minor)));
        rows.push(
            Op {
                kind,
                target: &target,
                flags,
                device,
                ..Op::default()
            }
            .row(),
        );
    }
    for (source, name) in LINKS {
        let target = format!("dev/{name}");
        rows.push(
            Op {
                kind: "OP_SYMLINK",
                source,
                target: &target,
                ..Op::default()
            }
            .row(),
        );
    }
}

fn add_sysctls(rows: &mut Vec<String>, sysctls: &Value) -> Result<()> {
    for (key, value) in sysctls.as_object().ok_or("linux.sysctl")? {
        let target = format!("proc/sys/{}", key.replace('.', "/"));
        let source = value.as_str().ok_or("linux.sysctl")?;
        rows.push(
            Op {
                kind: "OP_WRITE",
                source,
                target: &target,
                ..Op::default()
            }
            .row(),
        );
    }
    Ok(())
}

/// A directory is hidden by an empty tmpfs, a file by the null device.
fn add_mask(rows: &mut Vec<String>, path: &str) {
    let target = relative(path);
    let directory = Op {
        source: "tmpfs",
        target,
        filesystem: "tmpfs",
        data: "size=0k",
        flags: "MS_RDONLY",
        ..Op::default()
    };
    let file = Op {
        source: "dev/null",
        target,
        flags: "MS_BIND",
        optional: true,
        ..Op::default()
    };
    rows.push(if Path::new(path).is_dir() {
        directory.row()
    } else {
        file.row()
    });
}

fn add_read_only(rows: &mut Vec<String>, path: &str, config: &Value) {
    let target = relative(path);
    rows.push(
        Op {
            source: target,
            target,
            flags: BIND,
            optional: true,
            ..Op::default()
        }
        .row(),
    );
    if !Path::new(path).exists() {
        return;
    }
    // A remount sets every flag anew: those of the mount the path lies on are kept.
    let beneath = list(&config["mounts"]).iter().find(|mount| {
        mount["destination"]
            .as_str()
            .is_some_and(|parent| path.starts_with(parent))
    });
    let kept = beneath.map_or("0".to_owned(), |mount| mount_options(mount).flags.join("|"));
    let flags = format!("MS_REMOUNT|MS_BIND|MS_RDONLY|{kept}");
    rows.push(
        Op {
            target,
            flags: &flags,
            ..Op::default()
        }
        .row(),
    );
}

/// The seccomp program that a peer loads for this bundle, read off its system call: strace prints it in
/// the words of <linux/filter.h>.
fn filter(options: &Options, place: &Place, config: &Value, directory: &Path) -> Result<String> {
    let none = "#define FILTER_FLAGS 0\n#define FILTER_LENGTH 0\nstatic const struct sock_filter filter[1];\n";
    if config["linux"]["seccomp"].is_null() {
        return Ok(none.to_owned());
    }
    let report = place.work.join("seccomp.trace");
    let mut reason = "no peer is installed".to_owned();
    for (name, program) in &options.peers {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-v", "-e", "trace=seccomp,prctl", "-o"])
            .arg(&report)
            .arg(program);
        command
            .arg("--root")
            .arg(place.work.join("state").join(name))
            .arg("run");
        command
            .arg("--bundle")
            .arg(directory)
            .arg(place.id("filter", 0));
        match run(&mut command) {
            Ok(_) => return filter_from_trace(&fs::read_to_string(&report)?),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(format!("its seccomp program, from a peer under strace: {reason}").into())
}

fn filter_from_trace(trace: &str) -> Result<String> {
    // `seccomp(SECCOMP_SET_MODE_FILTER, FLAGS, {len=N, filter=[…]})`, or without flags
    // `prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {len=N, filter=[…]})`
    let parts = |line: &str| -> Option<(u32, String, String)> {
        let (call, program) = line.split_once(", {len=")?;
        let flags = call
            .split_once("SECCOMP_SET_MODE_FILTER, ")
            .map_or("0", |(_, flags)| flags);
        let (length, rows) = program.split_once(", filter=[")?;
        Some((
            length.parse().ok()?,
            flags.to_owned(),
            rows.split_once("]}")?.0.to_owned(),
        ))
    };
    let longest = trace
        .lines()
        .filter_map(parts)
        .max_by_key(|(length, ..)| *length);
    let (length, flags, rows) = longest.ok_or("no seccomp program was seen")?;
    Ok(format!(
        "#define FILTER_FLAGS ({flags})\n#define FILTER_LENGTH {length}\n\
         static const struct sock_filter filter[] = {{ {rows} }};\n\
         _Static_assert(sizeof(filter) / sizeof(filter[0]) == FILTER_LENGTH, \"whole program\");\n"
    ))
}

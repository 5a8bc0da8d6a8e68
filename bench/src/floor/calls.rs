//! The calls made inside a new container's mount namespace, in order, as rows of `struct op`.

use super::{list, literal};
use crate::{Result, view};
use serde_json::Value;
use std::fs;
use std::path::Path;

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

/// Everything done inside the rootfs, in order.
pub(super) fn inside(config: &Value) -> Result<Vec<String>> {
    let mut calls = Calls(Vec::new());
    let rootfs = Path::new(config["root"]["path"].as_str().ok_or("root.path")?);
    for mount in list(&config["mounts"]) {
        calls.configured_mount(mount, rootfs, &config["linux"]["resources"])?;
    }
    calls.devices();
    if !config["linux"]["sysctl"].is_null() {
        calls.sysctls(&config["linux"]["sysctl"])?;
    }
    for path in list(&config["linux"]["maskedPaths"]) {
        calls.mask(path.as_str().ok_or("linux.maskedPaths")?);
    }
    for path in list(&config["linux"]["readonlyPaths"]) {
        calls.read_only(path.as_str().ok_or("linux.readonlyPaths")?, config);
    }
    if config["root"]["readonly"] == true {
        calls.remount(".", "MS_RDONLY");
    }
    Ok(calls.0)
}

/// Rows of `struct op`: kind, source, target, type, data, flags, device, optional.
struct Calls(Vec<String>);

/// A C string, or NULL for an empty one.
fn pointer(text: &str) -> String {
    if text.is_empty() {
        "NULL".to_owned()
    } else {
        literal(text)
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl Calls {
    fn mount(&mut self, source: &str, target: &str, filesystem: &str, data: &str, flags: &str) {
        let [source, target] = [source, target].map(pointer);
        let [filesystem, data] = [filesystem, data].map(pointer);
        self.0.push(format!(
            "{{ OP_MOUNT, {source}, {target}, {filesystem}, {data}, {flags} }}"
        ));
    }

    fn remount(&mut self, target: &str, flags: &str) {
        self.mount("", target, "", "", &format!("MS_REMOUNT|MS_BIND|{flags}"));
    }

    /// A bind whose target may be missing.
    fn optional_bind(&mut self, source: &str, target: &str, flags: &str) {
        let [source, target] = [source, target].map(pointer);
        self.0.push(format!(
            "{{ OP_MOUNT, {source}, {target}, NULL, NULL, {flags}, 0, 1 }}"
        ));
    }

    fn bind_cgroup(&mut self, hierarchy: &str, target: &str) {
        let [hierarchy, target] = [hierarchy, target].map(pointer);
        self.0
            .push(format!("{{ OP_BIND_CGROUP, {hierarchy}, {target} }}"));
    }

    fn directory(&mut self, target: &str) {
        self.0.push(format!(
            "{{ OP_MKDIR, NULL, {}, NULL, NULL, 0755 }}",
            pointer(target)
        ));
    }

    fn configured_mount(&mut self, mount: &Value, rootfs: &Path, resources: &Value) -> Result<()> {
        let kind = mount["type"].as_str().unwrap_or_default();
        let source = mount["source"].as_str().unwrap_or_default();
        let target = relative(
            mount["destination"]
                .as_str()
                .ok_or("mounts[].destination")?,
        );
        let options = MountOptions::sorted(mount);
        let flags = options.flags.join("|");
        self.mount_point(source, target, options.bind, rootfs)?;
        if kind == "cgroup" {
            self.cgroup_mount(target, &flags, resources)?;
        } else if options.bind {
            self.mount(source, target, "", "", "MS_BIND|MS_REC");
            if options.flags.len() > 1 {
                self.remount(target, &flags);
            }
        } else {
            self.mount(source, target, kind, &options.data.join(","), &flags);
        }
        if let Some(flags) = options.propagation {
            self.mount("", target, "", "", flags);
        }
        Ok(())
    }

    /// A mount point on the fresh /dev is made each time; one in the rootfs is made once, here.
    fn mount_point(&mut self, source: &str, target: &str, bind: bool, rootfs: &Path) -> Result<()> {
        if target.starts_with("dev/") {
            self.directory(target);
        } else if bind && Path::new(source).is_file() {
            fs::create_dir_all(rootfs.join(target).parent().ok_or("a mount over /")?)?;
            fs::write(rootfs.join(target), "")?;
        } else if !target.starts_with("sys/") && !target.starts_with("proc/") {
            fs::create_dir_all(rootfs.join(target))?;
        }
        Ok(())
    }

    /// cgroup2 is mounted from inside its namespace; v1 hierarchies are bound, our own cgroup where there
    /// is one.
    fn cgroup_mount(&mut self, target: &str, flags: &str, resources: &Value) -> Result<()> {
        let mounts = view::cgroup_mounts()?;
        if mounts.iter().all(|mount| mount.unified) {
            self.mount("cgroup", target, "cgroup2", "", flags);
            return Ok(());
        }
        self.mount(
            "cgroup",
            target,
            "tmpfs",
            "",
            &flags.replace("|MS_RDONLY", ""),
        );
        for mount in mounts.iter().filter(|mount| !mount.unified) {
            let name = mount
                .path
                .file_name()
                .ok_or("a hierarchy at /")?
                .to_string_lossy();
            let source = mount.path.to_string_lossy();
            let target = format!("{target}/{name}");
            self.directory(&target);
            if resources[&*name].is_null() {
                self.mount(&source, &target, "", "", "MS_BIND");
            } else {
                self.bind_cgroup(&source, &target);
            }
            self.remount(&target, flags);
        }
        self.remount(target, flags);
        Ok(())
    }

    fn devices(&mut self) {
        for (name, major, minor) in NODES {
            let target = pointer(&format!("dev/{name}"));
            // makedev(3) is no constant expression; these numbers are small enough for the old layout.
            let device = major << 8 | minor;
            self.0.push(format!(
                "{{ OP_MKNOD, NULL, {target}, NULL, NULL, S_IFCHR|0666, {device} }}"
            ));
        }
        for (source, name) in LINKS {
            let [source, target] = [source, &format!("dev/{name}")].map(pointer);
            self.0.push(format!("{{ OP_SYMLINK, {source}, {target} }}"));
        }
    }

    fn sysctls(&mut self, sysctls: &Value) -> Result<()> {
        for (key, value) in sysctls.as_object().ok_or("linux.sysctl")? {
            let target = pointer(&format!("proc/sys/{}", key.replace('.', "/")));
            let value = pointer(value.as_str().ok_or("linux.sysctl")?);
            self.0.push(format!("{{ OP_WRITE, {value}, {target} }}"));
        }
        Ok(())
    }

    /// A directory is hidden by an empty tmpfs, a file by the null device.
    fn mask(&mut self, path: &str) {
        let target = relative(path);
        if Path::new(path).is_dir() {
            self.mount("tmpfs", target, "tmpfs", "size=0k", "MS_RDONLY");
        } else {
            self.optional_bind("dev/null", target, "MS_BIND");
        }
    }

    fn read_only(&mut self, path: &str, config: &Value) {
        let target = relative(path);
        self.optional_bind(target, target, "MS_BIND|MS_REC");
        if !Path::new(path).exists() {
            return;
        }
        // A remount sets every flag anew: those of the mount the path lies on are kept.
        let beneath = list(&config["mounts"]).iter().find(|mount| {
            mount["destination"]
                .as_str()
                .is_some_and(|parent| path.starts_with(parent))
        });
        let kept = beneath.map_or("0".to_owned(), |mount| {
            MountOptions::sorted(mount).flags.join("|")
        });
        self.remount(target, &format!("MS_RDONLY|{kept}"));
    }
}

/// Mount options sorted into what mount(2) wants: flags, propagation, the file system's own words.
struct MountOptions {
    flags: Vec<&'static str>,
    propagation: Option<&'static str>,
    data: Vec<String>,
    bind: bool,
}

impl MountOptions {
    fn sorted(mount: &Value) -> Self {
        let mut sorted = Self {
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
}

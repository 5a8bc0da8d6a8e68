//! Which directories of the host are shared, and which links lead to them.

use std::fs;
use std::path::Path;

use crate::app::storage::Overlay;
use crate::error::{Fault, Parsed};

/// Directories of programs, where they are no links.
const PROGRAMS: [&str; 3] = ["bin", "sbin", "usr"];

/// Directories that may be missing or empty, and then are not shared.
const OPTIONAL: [&str; 1] = ["opt"];

/// What package managers know about `/usr`: without it nothing can be installed or removed inside.
pub(super) const PACKAGES: [&str; 4] = [
    "var/lib/dpkg",
    "var/lib/rpm",
    "var/lib/pacman",
    "lib/apk/db",
];

/// File systems that are no part of the machine's programs.
const NOT_PROGRAMS: [&str; 10] = [
    "autofs",
    "cgroup",
    "cgroup2",
    "devpts",
    "devtmpfs",
    "mqueue",
    "proc",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// What a sparse root has of the host.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// What is laid over the template, in mounting order.
    pub(super) overlays: Vec<Overlay>,
    /// Links in the root directory: name and target.
    pub(super) links: Vec<(String, String)>,
}

/// Looks at the root directory and at what is mounted below the shared directories.
pub(super) fn find(host: &Path) -> Parsed<Shared> {
    let mut shared = Shared::default();
    for name in candidates(host)? {
        let path = host.join(&name);
        match fs::symlink_metadata(&path) {
            Ok(what) if what.is_symlink() => shared
                .links
                .push((name.clone(), text(&fs::read_link(&path)?)?)),
            Ok(what) if what.is_dir() && wanted(&name, &path) => shared.share(host, &name)?,
            _ => {}
        }
    }
    for name in PACKAGES {
        if fs::symlink_metadata(host.join(name)).is_ok_and(|what| what.is_dir())
            && !shared.has(name)
        {
            shared.share(host, name)?;
        }
    }
    if host == Path::new("/") {
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        shared.mounted_below(&table)?;
    }
    Ok(shared)
}

/// The names that are looked at: programs, their libraries under all their names, and the optional.
fn candidates(host: &Path) -> Parsed<Vec<String>> {
    let mut names: Vec<String> = PROGRAMS
        .iter()
        .chain(&OPTIONAL)
        .map(|name| (*name).to_owned())
        .collect();
    for entry in fs::read_dir(host)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        // lib, lib32, lib64, libx32, libo32
        let rest = name.strip_prefix("lib");
        if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("32") || rest.ends_with("64"))
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn text(path: &Path) -> Parsed<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Fault::usage(format!("{} is not UTF-8", path.display())))
}

fn wanted(name: &str, path: &Path) -> bool {
    let optional = OPTIONAL.contains(&name);
    !optional || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

impl Shared {
    fn share(&mut self, host: &Path, name: &str) -> Parsed<()> {
        let path = host.join(name);
        let text = text(&path)?;
        self.overlays.push(Overlay {
            target: name.to_owned(),
            lower: vec![text],
        });
        Ok(())
    }

    /// Whether a path is shared already, by a directory above it.
    fn has(&self, path: &str) -> bool {
        self.overlays
            .iter()
            .any(|overlay| Path::new(path).starts_with(&overlay.target))
    }

    /// An overlay shows what lies under the mounts below its lower directory, so each is laid over it
    /// in its turn.
    fn mounted_below(&mut self, table: &str) -> Parsed<()> {
        let mut points: Vec<String> = Vec::new();
        for (point, fstype) in table.lines().filter_map(mount) {
            let below = point.strip_prefix('/').unwrap_or(&point);
            let inside =
                self.has(below) && !self.overlays.iter().any(|overlay| overlay.target == below);
            if inside
                && !NOT_PROGRAMS.contains(&fstype)
                && !points.iter().any(|known| known == below)
            {
                points.push(below.to_owned());
            }
        }
        points.sort_unstable_by_key(|point| point.matches('/').count());
        for point in points {
            // A single file that is mounted over another stays as it is on disk.
            if Path::new("/").join(&point).is_dir() {
                self.share(Path::new("/"), &point)?;
            }
        }
        Ok(())
    }
}

/// The mount point and the type of a line of mountinfo (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<(String, &str)> {
    let mut fields = line.split(' ');
    let point = fields.nth(4)?;
    let fstype = fields.skip_while(|field| *field != "-").nth(1)?;
    Some((unescaped(point), fstype))
}

/// Undoes the octal escapes of blanks, tabs, line breaks and backslashes.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    escapes.iter().fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_is_shared_too() {
        let mut shared = Shared::default();
        shared.share(Path::new("/"), "usr").unwrap();
        let table = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
            30 27 0:5 / /usr/share rw,relatime shared:1 - ext4 /dev/vdb rw\n\
            31 27 0:6 / /usr/bin rw - autofs x rw\n\
            32 27 0:7 / /usrx rw - ext4 /dev/vdc rw\n\
            33 27 0:8 / /usr/no\\040such rw - ext4 /dev/vdd rw\n";
        shared.mounted_below(table).unwrap();
        let targets: Vec<&str> = shared.overlays.iter().map(|o| o.target.as_str()).collect();
        assert_eq!(targets, ["usr", "usr/share"]);
        assert_eq!(shared.overlays[1].lower, ["/usr/share"]);
    }
}

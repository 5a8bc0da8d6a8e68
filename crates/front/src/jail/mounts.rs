//! What is mounted in a jail: `mount`, `mount.fstab`, `mount.devfs`, `mount.fdescfs`, `mount.procfs`.

use spec::{Mount, Str};

use super::values::Values;
use crate::error::{Fault, Parsed, Result, shown};

/// A line of fstab(5), as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    device: String,
    point: String,
    kind: String,
    options: Vec<String>,
}

/// The mounts in their order. `fstabs` are the texts of `mount.fstab`, in its order.
pub(super) fn mounts(
    values: &Values,
    path: &str,
    fstabs: &[String],
) -> Result<Vec<Mount<'static>>> {
    let mut mounts = Vec::new();
    let mut add = |name: &str, text: &str| -> Result<()> {
        let one = || -> Parsed<Option<Mount<'static>>> {
            let Some(line) = line(text)? else {
                return Ok(None);
            };
            lowered(&line, path)
        };
        mounts.extend(one().map_err(|fault| values.error(name, fault))?);
        Ok(())
    };
    for text in values.list("mount") {
        add("mount", text)?;
    }
    for (number, text) in fstabs.iter().flat_map(|text| (1..).zip(text.lines())) {
        add("mount.fstab", text).map_err(|mut error| {
            error.message = format!("line {number}: {}", error.message);
            error
        })?;
    }
    if values.flag("mount.devfs", false) {
        mounts.extend(devices());
    } else if values.flag("mount.fdescfs", false) {
        let why = "on Linux /dev/fd comes with mount.devfs, which is not set";
        return Err(values.error("mount.fdescfs", Fault::unsupported(why)));
    }
    if values.flag("mount.procfs", false) {
        mounts.push(mount(
            "/proc",
            "proc",
            "proc",
            &["nosuid", "noexec", "nodev"],
        ));
    }
    Ok(mounts)
}

fn mount(to: &str, kind: &str, source: &str, options: &[&str]) -> Mount<'static> {
    Mount {
        destination: to.to_owned().into(),
        fstype: Some(kind.to_owned().into()),
        source: Some(source.to_owned().into()),
        options: options
            .iter()
            .map(|option| Str::from((*option).to_owned()))
            .collect(),
        ..Mount::default()
    }
}

/// The devices of ruleset 4: null, zero, full, random, urandom, tty, fd, stdin and its likes, and terminals.
fn devices() -> [Mount<'static>; 3] {
    let pts = [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        "gid=5",
    ];
    let shm = ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"];
    [
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/dev/shm", "tmpfs", "shm", &shm),
    ]
}

/// A line without its comment; none where nothing is left.
fn line(text: &str) -> Parsed<Option<Line>> {
    let text = text.split('#').next().unwrap_or("");
    let fields: Vec<String> = text.split_whitespace().map(unescaped).collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let [device, point, kind, rest @ ..] = fields.as_slice() else {
        return Err(Fault::usage(format!(
            "{text:?} is no line of fstab(5): DEVICE MOUNTPOINT TYPE [OPTIONS [DUMP [PASS]]]"
        )));
    };
    if rest.len() > 3 {
        return Err(Fault::usage(format!(
            "{text:?} has more fields than a line of fstab(5)"
        )));
    }
    Ok(Some(Line {
        device: device.clone(),
        point: point.clone(),
        kind: kind.clone(),
        options: rest.first().map_or(Vec::new(), |text| {
            text.split(',')
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect()
        }),
    }))
}

/// Blanks in a field are written `\040`.
fn unescaped(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .into_iter()
    .fold(field.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

fn lowered(line: &Line, path: &str) -> Parsed<Option<Mount<'static>>> {
    let to = inside(&line.point, path)?;
    let flags = options(&line.options);
    let flags = flags.iter().map(String::as_str).collect::<Vec<_>>();
    let with = |more: &[&'static str]| -> Vec<&str> {
        more.iter().copied().chain(flags.iter().copied()).collect()
    };
    Ok(Some(match line.kind.as_str() {
        "nullfs" | "bind" | "none" => {
            mount(&to, "bind", &line.device, &with(&["bind", "rprivate"]))
        }
        "tmpfs" => mount(&to, "tmpfs", &line.device, &with(&["nodev"])),
        "procfs" | "linprocfs" | "proc" => {
            mount(&to, "proc", "proc", &with(&["nosuid", "noexec", "nodev"]))
        }
        "linsysfs" | "sysfs" => mount(
            &to,
            "sysfs",
            "sysfs",
            &with(&["nosuid", "noexec", "nodev", "ro"]),
        ),
        "fdescfs" | "devfs" => {
            return Err(Fault::unsupported(format!(
                "{}: comes by mount.devfs, at /dev alone",
                line.kind
            )));
        }
        "unionfs" | "zfs" | "ufs" => {
            return Err(Fault::unsupported(format!(
                "{}: Linux has no such file system",
                line.kind
            )));
        }
        other => mount(&to, other, &line.device, &with(&[])),
    }))
}

/// FreeBSD's options that Linux has no words for, and that change nothing for a mount that goes with its jail.
fn options(given: &[String]) -> Vec<String> {
    let idle = ["late", "auto", "noauto", "failok", "rw"];
    given
        .iter()
        .filter(|option| !idle.contains(&option.as_str()))
        .cloned()
        .collect()
}

/// Where a mount point is in the jail: relative to its root, or, as fstab(5) has it, a path of the host.
fn inside(point: &str, path: &str) -> Parsed<String> {
    let root = path.trim_end_matches('/');
    let rest = match point.strip_prefix(root) {
        Some(rest) if rest.starts_with('/') => rest,
        _ if !point.starts_with('/') => return Ok(format!("/{point}")),
        _ => {
            return Err(Fault::usage(format!(
                "{} is not below the jail's path {}",
                shown(point),
                shown(path)
            )));
        }
    };
    match rest.trim_end_matches('/') {
        "" => Err(Fault::usage(format!(
            "{} is the jail's root itself",
            shown(point)
        ))),
        rest => Ok(rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        match line(text).and_then(|found| lowered(&found.unwrap(), "/j")) {
            Ok(Some(mount)) => {
                let options: Vec<&str> =
                    mount.options.iter().map(|option| option.as_str()).collect();
                let (kind, source) = (mount.fstype.unwrap(), mount.source.unwrap());
                format!(
                    "{} {} {} {}",
                    &*kind,
                    &*source,
                    &*mount.destination,
                    options.join(",")
                )
            }
            Ok(None) => String::new(),
            Err(fault) => fault.message,
        }
    }

    #[test]
    fn lines_of_fstab() {
        assert_eq!(
            one("/usr/src /j/usr/src nullfs ro 0 0"),
            "bind /usr/src /usr/src bind,rprivate,ro"
        );
        assert_eq!(
            one("/a\\040b data nullfs rw,late"),
            "bind /a b /data bind,rprivate"
        );
        assert_eq!(
            one("tmpfs /j/tmp tmpfs rw,size=64m,mode=1777 0 0"),
            "tmpfs tmpfs /tmp nodev,size=64m,mode=1777"
        );
        assert_eq!(
            one("proc /j/proc linprocfs rw 0 0 # x"),
            "proc proc /proc nosuid,noexec,nodev"
        );
        assert_eq!(
            one("/dev/sdb1 /j/mnt ext4 ro,noatime"),
            "ext4 /dev/sdb1 /mnt ro,noatime"
        );
        assert_eq!(
            one("/a /other nullfs"),
            "/other is not below the jail's path /j"
        );
        assert_eq!(
            one("/a /jail nullfs"),
            "/jail is not below the jail's path /j"
        );
        assert_eq!(one("/a /j/ nullfs"), "/j/ is the jail's root itself");
        assert_eq!(
            one("/a /j/b unionfs"),
            "unionfs: Linux has no such file system"
        );
        assert!(one("/a /j/b").contains("no line of fstab(5)"));
        assert_eq!(line(" # nothing").unwrap(), None);
    }
}

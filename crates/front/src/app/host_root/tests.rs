//! Templates of a made-up machine, and of this one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;
use crate::app::Accounts;

struct Machine {
    dir: crate::scratch::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            dir: crate::scratch::tempdir().unwrap(),
        };
        for path in [
            "usr/bin",
            "usr/lib",
            "opt/app/private",
            "usr/lib/deep",
            "usr/local/etc",
            "empty",
            "lib64",
            "etc/ssl/private",
            "etc/ssh",
            "etc/app",
            "var/lib/dpkg",
            "var/lib/web/inside",
            "var/log/web",
            "home/bob",
            "root",
        ] {
            fs::create_dir_all(machine.at(path)).unwrap();
        }
        for (name, target) in [
            ("bin", "usr/bin"),
            ("lib", "usr/lib"),
            ("etc/link", "passwd"),
            ("etc/resolv.conf", "../run/r"),
        ] {
            symlink(target, machine.at(name)).unwrap();
        }
        machine.file(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n",
        );
        machine.file("etc/group", 0o644, "root:x:0:\nshadow:x:42:\nbob:x:1000:\n");
        for (name, mode) in [
            ("usr/lib/key", 0o600),
            ("opt/app/token", 0o640),
            ("opt/app/private/inside", 0o644),
            ("etc/shadow", 0o640),
            ("etc/shadow-", 0o644),
            ("etc/machine-id", 0o444),
            ("etc/ssh/ssh_host_rsa_key", 0o644),
            ("etc/ssh/ssh_host_rsa_key.pub", 0o644),
            ("etc/ssl/private/key", 0o644),
            ("etc/app/token", 0o600),
            ("etc/app/group", 0o640),
            ("root/secret", 0o644),
            ("home/bob/secret", 0o644),
            ("var/lib/web/secret", 0o644),
        ] {
            machine.file(name, mode, "SECRET");
        }
        machine.file(
            "etc/app/tls.pem",
            0o644,
            "SECRET\n-----BEGIN RSA PRIVATE KEY-----\nSECRET\n",
        );
        machine.file("etc/app/conf", 0o755, "open");
        machine.file("etc/ssh/ssh_config", 0o644, "Host *\n");
        fs::set_permissions(
            machine.at("etc/ssl/private"),
            fs::Permissions::from_mode(0o710),
        )
        .unwrap();
        fs::set_permissions(
            machine.at("opt/app/private"),
            fs::Permissions::from_mode(0o750),
        )
        .unwrap();
        machine.file("usr/lib/open", 0o644, "open");
        fs::set_permissions(machine.at("var/lib/web"), fs::Permissions::from_mode(0o750)).unwrap();
        chown(machine.at("etc/app/conf"), Some(7), Some(8)).unwrap();
        chown(machine.at("var/log/web"), Some(33), Some(33)).unwrap();
        machine
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    fn file(&self, path: &str, mode: u32, text: &str) {
        fs::write(self.at(path), text).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Puts the root together with a store beside the machine's directories.
    fn root(&self) -> Result<Storage> {
        host_root_of(
            self.dir.path(),
            &self.at("store/host"),
            &self.at("store/c1"),
        )
    }

    fn template(&self) -> std::path::PathBuf {
        match self.root().unwrap().base {
            Base::Overlay(layers) => layers[0].clone().into(),
            Base::Directory(_) => panic!("not an overlay"),
        }
    }
}

/// All files below a directory with their contents.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                let name = entry
                    .path()
                    .strip_prefix(dir)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                all.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    all
}

#[test]
fn a_template_has_what_everybody_may_read_and_no_secret() {
    let machine = Machine::new();
    let template = machine.template();
    let files = files(&template);
    assert!(
        files.values().all(|text| !text.contains("SECRET")),
        "{files:?}"
    );
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "etc/app/conf",
            "etc/fstab",
            "etc/group",
            "etc/gshadow",
            "etc/hostname",
            "etc/hosts",
            "etc/machine-id",
            "etc/passwd",
            "etc/resolv.conf",
            "etc/shadow",
            "etc/ssh/ssh_config",
        ]
    );
    assert_eq!(
        files["etc/shadow"],
        "root:*::0:99999:7:::\nbob:*::0:99999:7:::\n"
    );
    assert_eq!(files["etc/machine-id"], "");
    let shadow = fs::metadata(template.join("etc/shadow")).unwrap();
    assert_eq!(
        (shadow.mode() & 0o7777, shadow.uid(), shadow.gid()),
        (0o640, 0, 42)
    );
}

#[test]
fn modes_owners_and_links_are_kept() {
    let machine = Machine::new();
    let template = machine.template();
    let conf = fs::metadata(template.join("etc/app/conf")).unwrap();
    assert_eq!(
        (conf.mode() & 0o7777, conf.uid(), conf.gid()),
        (0o755, 7, 8)
    );
    assert_eq!(
        fs::read_link(template.join("etc/link")).unwrap(),
        Path::new("passwd")
    );
    assert_eq!(
        fs::read_link(template.join("bin")).unwrap(),
        Path::new("usr/bin")
    );
    let mode = |path: &str| fs::metadata(template.join(path)).unwrap().mode() & 0o7777;
    assert_eq!(
        (
            mode("tmp"),
            mode("root"),
            mode("etc/ssl/private"),
            mode("var/lib/web")
        ),
        (0o1777, 0o700, 0o710, 0o750)
    );
    assert_eq!(mode("."), 0o755);
    assert_eq!(
        fs::metadata(template.join("var/log/web")).unwrap().uid(),
        33
    );
    assert!(!template.join("var/lib/web/inside").exists());
    assert!(!template.join("home/bob").exists());
    let users = Accounts::read(&machine.root().unwrap()).unwrap();
    let bob = crate::app::value::user::user("bob").unwrap();
    assert_eq!(users.identity(&bob).unwrap().uid, 1000);
}

#[test]
fn programs_and_their_database_are_shared() {
    let machine = Machine::new();
    let storage = machine.root().unwrap();
    let targets: Vec<&str> = storage
        .overlays
        .iter()
        .map(|overlay| overlay.target.as_str())
        .collect();
    assert_eq!(targets, ["lib64", "opt", "usr", "var/lib/dpkg"]);
    // Over what hides things.
    assert_eq!(
        storage.overlays[2].lower[1..],
        [machine.at("usr").to_str().unwrap()]
    );
    for target in targets {
        assert!(machine.template().join(target).is_dir(), "{target}");
    }
}

#[test]
fn a_template_is_made_anew_only_when_something_changed() {
    let machine = Machine::new();
    let first = machine.template();
    assert_eq!(machine.template(), first);
    machine.file("etc/app/conf", 0o755, "OPEN");
    let second = machine.template();
    assert_ne!(second, first);
    machine.file("etc/app/token", 0o644, "now everybody's");
    let third = machine.template();
    assert!(third != second && third.join("etc/app/token").is_file());
    fs::remove_file(machine.at("etc/link")).unwrap();
    symlink("group", machine.at("etc/link")).unwrap();
    let fourth = machine.template();
    assert_eq!(
        fs::read_link(fourth.join("etc/link")).unwrap(),
        Path::new("group")
    );
    fs::remove_dir_all(&third).unwrap();
    let third = fourth;
    fs::write(machine.at("var/lib/web/other"), "x").unwrap();
    assert_eq!(machine.template(), third);
    let kept = third.to_str().unwrap();
    assert_eq!(remove_unused(&machine.at("store/host"), &[kept]), Ok(2));
    assert!(third.is_dir() && !first.exists());
}

#[test]
fn what_a_crash_left_is_no_template_and_goes() {
    let machine = Machine::new();
    fs::create_dir_all(machine.at("store/host/.unfinished/etc")).unwrap();
    machine.file("store/host/.unfinished/etc/half", 0o644, "half");
    let template = machine.template();
    assert!(!template.join("etc/half").exists() && !machine.at("store/host/.unfinished").exists());
}

#[test]
fn many_at_once_make_one_template() {
    let machine = Machine::new();
    let templates: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| machine.template())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(templates.iter().all(|template| *template == templates[0]));
    assert!(templates[0].join("etc/passwd").is_file());
}

#[test]
fn an_upper_layer_inside_a_lower_one_is_refused() {
    let machine = Machine::new();
    let usr = machine.at("usr/local/store");
    let error = host_root_of(machine.dir.path(), &usr, &machine.at("c"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("lies inside") && error.contains("/usr, which the container shares"),
        "{error}"
    );
    symlink("usr", machine.at("elsewhere")).unwrap();
    let error = host_root_of(
        machine.dir.path(),
        &machine.at("store"),
        &machine.at("elsewhere/c"),
    )
    .unwrap_err();
    assert!(error.to_string().contains("overlayfs refuses"), "{error}");
    assert!(!usr.exists());
}

#[test]
fn this_machine() {
    let dir = crate::scratch::tempdir().unwrap();
    let storage = host_root(&dir.path().join("host"), &dir.path().join("c1")).unwrap();
    assert!(
        storage
            .overlays
            .iter()
            .any(|overlay| overlay.target == "usr")
    );
    let Base::Overlay(layers) = &storage.base else {
        panic!("not an overlay")
    };
    let etc = Path::new(&layers[0]).join("etc");
    assert!(etc.join("passwd").is_file());
    let shadow = fs::read_to_string(etc.join("shadow")).unwrap();
    assert!(
        shadow
            .lines()
            .all(|line| line.split(':').nth(1) == Some("*")),
        "{shadow}"
    );
    let again = std::time::Instant::now();
    assert_eq!(
        host_root(&dir.path().join("host"), &dir.path().join("c1")).unwrap(),
        storage
    );
    println!("again: {:?}", again.elapsed());
}

/// What is seen in an overlay of these layers, mounted where nobody else sees it.
fn seen(lower: &[String], script: &str) -> String {
    let mount = format!(
        "mount -t overlay overlay -o lowerdir={} /mnt && cd /mnt && {script}",
        lower.join(":")
    );
    let output = std::process::Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &mount])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn what_not_everybody_may_read_is_hidden() {
    let machine = Machine::new();
    let lower = |target: &str| {
        let storage = machine.root().unwrap();
        let mut overlays = storage.overlays.into_iter();
        let lower = overlays
            .find(|overlay| overlay.target == target)
            .unwrap()
            .lower;
        // Overlays of one layer are not to be had.
        let mut padded = lower;
        padded.push(machine.at("empty").to_str().unwrap().to_owned());
        padded
    };
    let usr = lower("usr");
    assert_eq!(usr.len(), 3, "{usr:?}");
    assert_eq!(seen(&usr, "ls lib; cat lib/open"), "deep\nopen\nopen");
    assert_eq!(
        seen(
            &lower("opt"),
            "ls -A app app/private; stat -c %a app/private"
        ),
        "app:\nprivate\n\napp/private:\n750\n"
    );
    // What packages did not bring is looked at each time, and packages when they change.
    machine.file("usr/local/etc/late", 0o600, "SECRET");
    assert_eq!(seen(&lower("usr"), "ls local/etc"), "");
    machine.file("usr/lib/deep/late", 0o600, "SECRET");
    assert_eq!(seen(&lower("usr"), "ls lib/deep"), "late\n");
    machine.file("var/lib/dpkg/status", 0o644, "changed");
    assert_eq!(seen(&lower("usr"), "ls lib/deep"), "");
}

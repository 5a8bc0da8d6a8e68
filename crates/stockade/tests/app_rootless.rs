//! People's `run` by an ordinary user, who is root inside and nobody else is there. Needs root, to become
//! one that this machine does not know, and a static busybox.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::app::{Place, Ran};

/// A number that no machine gives to anybody.
const USER: u32 = 1_894_018;

/// The binary is where the user can reach it in a mount namespace of the command's own.
const SCRIPT: &str = "
    mount --bind \"$1\" \"$2\" || exit 99
    user=$3; shift 3; cd /
    exec setpriv --reuid $user --regid $user --clear-groups -- \"$@\"";

/// A root and a home of the user's.
struct Home(Place);

impl Home {
    fn new() -> Self {
        let home = Self(Place::new());
        for name in ["home", "run"] {
            fs::create_dir(home.0.path(name)).unwrap();
        }
        fs::write(home.0.path("stockade"), "").unwrap();
        let owner = format!("{USER}:{USER}");
        let given = Command::new("chown")
            .args(["-Rh", &owner])
            .arg(&home.0.0)
            .status();
        assert!(given.unwrap().success());
        home
    }

    fn ran(&self, words: &[&str]) -> Ran {
        let binary = self.0.path("stockade");
        let mut command = Command::new("timeout");
        command.args(["--foreground", "-k", "1", "30", "unshare", "-m"]);
        command.args(["--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
        command.args([env!("CARGO_BIN_EXE_stockade"), &binary, &USER.to_string()]);
        command.arg(&binary).args(words);
        command
            .env("HOME", self.0.path("home"))
            .env("XDG_RUNTIME_DIR", self.0.path("run"));
        command.env_remove("XDG_DATA_HOME").env_remove("USER");
        command.stdin(std::process::Stdio::null());
        command.output().unwrap().into()
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let ran = self.ran(words);
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.out, ran.err);
        ran.out
    }
}

#[test]
fn a_directory_is_run_and_its_files_stay_the_users() {
    let home = Home::new();
    let root = home.0.root();
    let out = home.ok(&[
        "run",
        "--rm",
        &root,
        "sh",
        "-c",
        "id -u; cat /proc/self/uid_map; touch /made",
    ]);
    let words: Vec<_> = out.split_whitespace().collect();
    assert_eq!(words, ["0", "0", &USER.to_string(), "1"]);
    assert_eq!(fs::metadata(home.0.path("root/made")).unwrap().uid(), USER);
    assert!(Path::new(&home.0.path("home/.local/share/stockade/containers")).is_dir());
    assert!(Path::new(&home.0.path("run/stockade")).is_dir());
}

#[test]
fn a_container_lives_in_the_background() {
    let home = Home::new();
    home.ok(&[
        "run",
        "-d",
        "--name",
        "back",
        &home.0.root(),
        "sleep",
        "1000",
    ]);
    assert!(home.ok(&["ps"]).contains("back"));
    assert_eq!(home.ok(&["exec", "back", "id", "-u"]), "0\n");
    let paused = home.ran(&["pause", "back"]);
    assert!(
        paused.code == 0 || paused.err.contains("no cgroup that can be frozen"),
        "{paused:?}"
    );
    home.ok(&["rm", "--force", "back"]);
    assert!(!home.ok(&["ps", "-a"]).contains("back"));
}

#[test]
fn copy_on_write_roots_and_the_hosts_own() {
    let home = Home::new();
    let root = home.0.root();
    let script = "touch /new; mkdir -p /a/b; chmod 0 /a/b; chmod 500 /a; rm /bin/yes; ls /bin/yes";
    let ran = home.ran(&["run", "--rm", "--ephemeral", &root, "sh", "-c", script]);
    assert!(ran.err.contains("No such file"), "{ran:?}");
    assert!(Path::new(&home.0.path("root/bin/yes")).is_symlink());
    assert!(!Path::new(&home.0.path("root/new")).exists());
    let out = home.ok(&[
        "run",
        "--rm",
        "host",
        "sh",
        "-c",
        "id -u; touch /root/x /tmp/y; ls /usr",
    ]);
    assert!(out.starts_with("0\n") && out.contains("bin"), "{out}");
    let left = common::app::names(Path::new(
        &home.0.path("home/.local/share/stockade/containers"),
    ));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_takes_root_is_refused_in_a_line() {
    let home = Home::new();
    let root = home.0.root();
    for (option, value, text) in [
        ("--userns", "auto", "--userns auto: takes root"),
        ("--group-add", "5", "--group-add 5: no group but root's"),
        ("--user", "5", "--user 5: 5 is not in linux.uidMappings"),
        ("--pids-limit", "9", "cannot set pids limit"),
    ] {
        let ran = home.ran(&["run", "--rm", option, value, &root, "true"]);
        assert_eq!(ran.code, 125, "{option}: {ran:?}");
        assert!(ran.err.contains(text), "{option}: {ran:?}");
        let lines = ran.err.lines().filter(|line| !line.starts_with("hint: "));
        assert_eq!(lines.count(), 1, "{ran:?}");
    }
}

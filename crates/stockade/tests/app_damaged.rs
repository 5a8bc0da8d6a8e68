//! People's containers whose files are damaged: every verb ends soon and in one line, and `rm --force`
//! removes all. Needs root and a static busybox.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::app::{Place, assert_no_cgroup, names, until};

#[derive(Clone, Copy, Debug)]
enum Damage {
    Text(&'static str),
    Cut(usize),
    Bit(usize),
    Gone,
    Directory,
    Link(&'static str),
    Fifo,
}

const KINDS: [Damage; 9] = [
    Damage::Text(""),
    Damage::Text("garbage"),
    Damage::Text("[]"),
    Damage::Text("{}"),
    Damage::Gone,
    Damage::Directory,
    Damage::Link("nowhere"),
    Damage::Link("/dev/zero"),
    Damage::Fifo,
];

impl Damage {
    fn does(self, file: &Path) {
        let text = fs::read(file).unwrap_or_default();
        let _ = fs::remove_file(file);
        match self {
            Self::Text(text) => fs::write(file, text).unwrap(),
            Self::Cut(part) => fs::write(file, &text[..text.len() * part / 10]).unwrap(),
            Self::Bit(part) => {
                let mut text = text;
                let at = text.len() * part / 10;
                text[at] ^= 1 << (part % 7);
                fs::write(file, text).unwrap();
            }
            Self::Gone => {}
            Self::Directory => fs::create_dir_all(file.join("a/b")).unwrap(),
            Self::Link(target) => symlink(target, file).unwrap(),
            Self::Fifo => {
                let made = Command::new("mkfifo").arg(file).status().unwrap();
                assert!(made.success());
            }
        }
    }
}

/// Every verb that looks at a container; none removes it. Those that would wait for its end come after `kill`.
const VERBS: [&[&str]; 27] = [
    &["ps", "-a"],
    &["ps", "-aq"],
    &["ps", "-a", "--size"],
    &["inspect", "box"],
    &["logs", "box"],
    &["logs", "--tail", "1", "--timestamps", "box"],
    &["exec", "box", "true"],
    &["exec", "-d", "box", "true"],
    &["top", "box"],
    &["stats", "--no-stream", "box"],
    &["pause", "box"],
    &["unpause", "box"],
    &["update", "--pids-limit", "99", "box"],
    &["rename", "box", "boxes"],
    &["rename", "boxes", "box"],
    &["start", "box"],
    &["images"],
    &["volume", "ls"],
    &["volume", "prune", "--force"],
    &["system", "df"],
    &["kill", "--signal", "0", "box"],
    &["kill", "box"],
    &["attach", "--no-stdin", "box"],
    &["wait", "box"],
    &["stop", "--time", "1", "box"],
    &["restart", "--time", "1", "box"],
    &["rm", "box"],
];

/// Asserts that a command ended by itself, and said why if it failed.
#[track_caller]
fn survived(place: &Place, words: &[&str], of: &str) {
    let ran = place.ran(words);
    // 124 is timeout's own, 134 a signal's; 137 is what the payload was killed with.
    let right = matches!(ran.code, 0 | 1 | 125..=127 | 255);
    let ended = words[0] == "attach" && ran.code == 137;
    assert!(right || ended, "{of}: {words:?}: {ran:?}");
    assert!(!ran.err.contains("panicked"), "{of}: {words:?}: {ran:?}");
    let told = ran.code == 0 || ended || !ran.err.is_empty();
    assert!(told, "{of}: {words:?}: {ran:?}");
}

/// Does each damage to the file of a container that runs, asks every verb, and removes what there is.
fn sweep(file: impl Fn(&Place, &str) -> PathBuf, damages: impl IntoIterator<Item = Damage>) {
    let place = Place::new();
    for damage in damages {
        let id = place.background("box", &[], "echo line; exec sleep 100");
        until("its output", || place.ok(&["logs", "box"]) == "line\n");
        let path = file(&place, &id);
        damage.does(&path);
        let of = format!("{damage:?} of {}", path.file_name().unwrap().display());
        for words in VERBS {
            // What is not stopped is waited for.
            let waits = matches!(words[0], "wait" | "attach");
            if !waits || !of.ends_with("state.json") {
                survived(&place, words, &of);
            }
        }
        let ran = place.ran(&["rm", "--force", &id]);
        // `rm` may have found it fit to be removed.
        let gone = ran.err.contains("no such container");
        assert!(ran.code == 0 || gone, "{of}: {ran:?}");
        place.assert_empty();
        assert_no_cgroup(&id);
        assert_eq!(place.ok(&["ps", "-aq"]), "", "{of}");
        assert!(names(&place.0.join("store/gone")).is_empty(), "{of}");
    }
}

fn all() -> impl Iterator<Item = Damage> {
    let parts = (1..10).step_by(4);
    let samples = parts.flat_map(|part| [Damage::Cut(part), Damage::Bit(part)]);
    KINDS.into_iter().chain(samples)
}

/// A file of the container's own directory.
fn own(name: &'static str) -> impl Fn(&Place, &str) -> PathBuf {
    move |place, id| place.0.join("store/containers").join(id).join(name)
}

#[test]
fn damaged_settings_are_survived() {
    sweep(own("container.json"), all());
}

#[test]
fn damaged_configurations_are_survived() {
    sweep(own("config.json"), all());
}

#[test]
fn damaged_endings_are_survived() {
    sweep(own("ending.json"), KINDS);
}

#[test]
fn damaged_logs_are_survived() {
    sweep(own("container.log"), all());
}

#[test]
fn damaged_sockets_are_survived() {
    sweep(own("attach.sock"), KINDS);
}

#[test]
fn damaged_marks_are_survived() {
    sweep(own("stopped"), KINDS);
}

/// Few of them, as every verb looks for half a second whether it stays so: `oci/damaged.rs` has the others.
#[test]
fn damaged_records_are_survived() {
    sweep(
        |place, id| place.0.join("store/run").join(id).join("state.json"),
        [
            Damage::Text(""),
            Damage::Gone,
            Damage::Directory,
            Damage::Fifo,
            Damage::Bit(5),
        ],
    );
}

/// A damaged container is no obstacle to the others.
#[test]
fn others_go_on() {
    let place = Place::new();
    let bad = place.background("bad", &[], "exec sleep 100");
    place.background("good", &[], "exec sleep 100");
    fs::write(own("container.json")(&place, &bad), "{").unwrap();
    let listed = place.ran(&["ps"]);
    assert!(listed.out.contains("good"), "{listed:?}");
    assert!(
        listed.code == 1 && listed.err.contains("container.json is damaged"),
        "{listed:?}"
    );
    assert_eq!(place.ok(&["exec", "good", "echo", "fine"]), "fine\n");
    let removed = place.ran(&["rm", "--force", "bad", "good"]);
    assert_eq!(
        (removed.code, removed.out.as_str()),
        (0, "bad\ngood\n"),
        "{removed:?}"
    );
    place.assert_empty();
    place.background("bad", &[], "exec sleep 100");
    place.ok(&["rm", "--force", "bad"]);
}

/// Its monitor is there to be told, when nothing else is known of it.
#[test]
fn one_whose_state_is_gone_is_removed_with_its_processes() {
    let place = Place::new();
    let id = place.background("box", &["--restart", "always"], "exec sleep 100");
    let pid = place.field("box", "{{.State.Pid}}");
    fs::remove_dir_all(place.0.join("store/run").join(&id)).unwrap();
    place.ok(&["rm", "--force", "box"]);
    until("its end", || {
        !Path::new("/proc").join(&pid).join("exe").exists()
    });
    place.assert_empty();
}

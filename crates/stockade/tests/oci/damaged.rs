//! A container's files in every state of damage: every verb ends soon and in one line, and one
//! `delete --force` removes all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sys::rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Bundle, Outcome};

/// What may stand in a file's place.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// So many bytes of it.
    Cut(usize),
    /// All of it, but for one bit of one byte.
    Bit(usize, u8),
    Text(&'static str),
    /// Brackets in brackets.
    Deep,
    /// More than anybody wants to read.
    Huge,
    Gone,
    Directory,
    FilledDirectory,
    Link(&'static str),
    Fifo,
}

const KINDS: [Damage; 14] = [
    Damage::Cut(0),
    Damage::Text("garbage"),
    Damage::Text("[]"),
    Damage::Text("{}"),
    Damage::Text("null"),
    Damage::Text("\0\0\0\0\0\0\0\0"),
    Damage::Deep,
    Damage::Huge,
    Damage::Gone,
    Damage::Directory,
    Damage::FilledDirectory,
    Damage::Link("nowhere"),
    Damage::Link("/dev/zero"),
    Damage::Fifo,
];

impl Damage {
    fn does(self, file: &Path) {
        let text = fs::read(file).unwrap_or_default();
        fs::remove_file(file).unwrap();
        match self {
            Self::Cut(len) => fs::write(file, &text[..len]).unwrap(),
            Self::Bit(at, bit) => {
                let mut text = text;
                text[at] ^= 1 << bit;
                fs::write(file, text).unwrap();
            }
            Self::Text(text) => fs::write(file, text).unwrap(),
            Self::Deep => fs::write(file, "[".repeat(100_000)).unwrap(),
            Self::Huge => fs::File::create(file).unwrap().set_len(1 << 33).unwrap(),
            Self::Gone => {}
            Self::Directory => fs::create_dir(file).unwrap(),
            Self::FilledDirectory => {
                fs::create_dir_all(file.join("a/b")).unwrap();
                fs::write(file.join("a/b/c"), "").unwrap();
            }
            Self::Link(target) => symlink(target, file).unwrap(),
            Self::Fifo => {
                mknodat(
                    CWD,
                    file.to_str().unwrap(),
                    FileType::Fifo,
                    Mode::from_raw_mode(0o600),
                    0,
                )
                .unwrap();
            }
        }
    }
}

/// Cuts and flips all over a text of so many bytes, a few of each.
fn samples(len: usize, count: usize) -> impl Iterator<Item = Damage> {
    (0..count).flat_map(move |part| {
        let at = len * part / count;
        [Damage::Cut(at), Damage::Bit(at, (part % 7) as u8)]
    })
}

/// Asserts that a command ended by itself, and said in one line why if it failed.
#[track_caller]
fn survived(outcome: &Outcome, of: &str) {
    assert!(matches!(outcome.code, 0 | 1 | 255), "{of}: {outcome:?}");
    let lines = outcome.err.lines();
    let lines = lines.filter(|line| !line.starts_with("hint: ")).count();
    // `list` warns, and goes on with the others.
    let warned = lines == 1 && outcome.err.contains("level=warning");
    let right = warned || lines == usize::from(outcome.code != 0);
    assert!(right, "{of}: {outcome:?}");
}

/// Every verb that looks at a container; none of them removes it.
fn verbs(bundle: &Bundle) -> Vec<Vec<&str>> {
    let id = bundle.id.as_str();
    let mut verbs = vec![
        vec!["exec", id, "true"],
        vec!["update", "--pids-limit", "99", id],
        vec!["events", "--stats", id],
        vec!["list"],
        vec!["run", id],
        vec!["create", id],
        vec!["checkpoint", "--image-path", "/nonexistent/images", id],
        vec!["kill", id, "0"],
    ];
    verbs.extend(["state", "ps", "pause", "resume", "start"].map(|verb| vec![verb, id]));
    verbs
}

fn make(bundle: &Bundle, started: bool) {
    bundle.create().ok();
    if started {
        bundle.verb("start").ok();
    }
}

/// Does the damage, asks every verb, and removes what there is.
fn sweep(bundle: &Bundle, name: &str, damages: impl Iterator<Item = Damage>) {
    let file = bundle.dir.join("state").join(&bundle.id).join(name);
    for (round, damage) in damages.enumerate() {
        let started = round % 2 == 0;
        make(bundle, started);
        damage.does(&file);
        for words in verbs(bundle) {
            survived(
                &bundle.call(&words),
                &format!("{damage:?} of {name}, {words:?}"),
            );
        }
        let of = format!("{damage:?} of {name}, delete");
        survived(&bundle.verb("delete"), &of);
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.assert_nothing_left(&of);
    }
}

fn len_of(bundle: &Bundle, name: &str) -> usize {
    make(bundle, true);
    let file = bundle.dir.join("state").join(&bundle.id).join(name);
    let len = fs::metadata(file).unwrap().len();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    usize::try_from(len).unwrap()
}

#[test]
fn damaged_records_are_survived() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100");
    sweep(&bundle, "state.json", KINDS.into_iter());
    let len = len_of(&bundle, "state.json");
    sweep(&bundle, "state.json", samples(len, 12));
}

#[test]
fn damaged_copies_of_the_configuration_are_survived() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100");
    sweep(&bundle, "config.json", KINDS.into_iter());
    let len = len_of(&bundle, "config.json");
    sweep(&bundle, "config.json", samples(len, 8));
}

#[test]
fn a_damaged_start_socket_is_survived() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100");
    for damage in KINDS {
        make(&bundle, false);
        damage.does(&bundle.dir.join("state").join(&bundle.id).join("start.sock"));
        survived(&bundle.verb("start"), &format!("{damage:?}"));
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.assert_nothing_left(&format!("{damage:?}"));
    }
}

/// Whatever else a changed byte makes of a record, it is not taken for the truth: what it names would be
/// killed and removed.
#[test]
fn a_record_with_any_byte_changed_is_damaged() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100");
    make(&bundle, true);
    let file = bundle.dir.join("state").join(&bundle.id).join("state.json");
    let text = fs::read(&file).unwrap();
    assert!(engine::Record::parse(&bundle.id, &text).is_ok());
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            let error = engine::Record::parse(&bundle.id, &changed).expect_err("damaged");
            assert!(error.message.contains("damaged state.json"), "{error}");
        }
        assert!(
            engine::Record::parse(&bundle.id, &text[..at]).is_err(),
            "{at}"
        );
    }
    bundle.verb("state").ok();
    fs::write(
        &file,
        String::from_utf8(text).unwrap().replace("sleep", "sleeq"),
    )
    .unwrap();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete --force");
}

#[test]
fn what_is_damaged_is_named() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100");
    make(&bundle, true);
    let file = bundle.dir.join("state").join(&bundle.id).join("state.json");
    fs::write(&file, "{").unwrap();
    for verb in [
        "state", "start", "kill", "pause", "resume", "ps", "delete", "update",
    ] {
        bundle.verb(verb).fails("damaged state.json");
    }
    bundle
        .create()
        .fails("container with given ID already exists");
    fs::remove_file(&file).unwrap();
    for verb in [
        "state", "start", "kill", "pause", "resume", "ps", "delete", "update",
    ] {
        bundle.verb(verb).fails("state.json");
    }
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete --force");
}

//! Importing processes that are killed at any moment, and several at once.

mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::{Digest, Progress, Request, Store};
use support::tar::Tar;
use support::{Layout, Packing, Scratch, import, names};

const STORE: &str = "STOCKADE_TEST_STORE";
const SOURCE: &str = "STOCKADE_TEST_SOURCE";

/// Prints what the parent counts.
struct Lines;

impl Progress for Lines {
    fn layer(&mut self, index: usize, _: usize, _: &Digest) {
        println!("unpacks {index}");
    }
}

/// Not a test by itself: what the other tests start, and kill.
#[test]
fn child() {
    let (Some(store), Some(source)) = (std::env::var_os(STORE), std::env::var_os(SOURCE)) else {
        return;
    };
    let store = Store::open(store.as_ref()).unwrap();
    store
        .import(Request::of(source.as_ref()), &mut Lines)
        .unwrap();
    println!("imported");
}

fn start(store: &std::path::Path, source: &std::path::Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(STORE, store)
        .env(SOURCE, source)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// An image that takes a while.
fn large(scratch: &Scratch) -> Layout {
    let layers: Vec<Vec<u8>> = (0..4)
        .map(|layer| {
            let mut tar = Tar::new();
            for file in 0..400 {
                let content = format!("{layer} {file}\n").repeat(400);
                tar.file(
                    &format!("d{layer}/e{}/f{file}", file % 7),
                    content.as_bytes(),
                );
            }
            tar.file(&format!("d{}/.wh.e1", layer.max(1) - 1), b"");
            tar.finish()
        })
        .collect();
    Layout::of(scratch.join("layout"), &layers, Packing::Gzip)
}

#[test]
fn a_killed_import_leaves_nothing_that_the_next_one_minds() {
    let scratch = Scratch::new();
    let layout = large(&scratch);
    let mut whole = {
        let start_time = Instant::now();
        let output = start(&scratch.join("first"), &layout.path)
            .wait_with_output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        start_time.elapsed()
    };
    let store = Store::open(&scratch.join("store")).unwrap();
    let mut killed = 0_u32;
    for round in 0..40_u32 {
        let mut child = start(store.path(), &layout.path);
        // Over the whole time, and a little beyond, in an order that looks random.
        let moment = whole * ((round * 17) % 40) / 36;
        std::thread::sleep(moment);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            // It was quicker than the first one: the machine has less to do by now.
            whole = whole.min(moment);
        } else {
            killed += 1;
        }
        if round % 4 == 3 {
            let image = import(&store, &layout.path).unwrap();
            assert_eq!(image.layers.len(), 4);
            assert!(store.verify().unwrap().is_empty());
            assert_eq!(names(&store, "tmp"), [""; 0]);
            let digest = image.digest.clone();
            drop(image);
            store.remove(&digest, &|_| None).unwrap();
            assert_eq!(names(&store, "layers"), [""; 0]);
        }
    }
    assert!(killed >= 10, "only {killed} were killed in time");
}

#[test]
fn of_many_at_once_one_works_and_the_others_use_it() {
    let scratch = Scratch::new();
    let layout = large(&scratch);
    let store = scratch.join("store");
    let children: Vec<Child> = (0..6).map(|_| start(&store, &layout.path)).collect();
    let mut unpacked = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("imported"));
        unpacked += text.matches("unpacks").count();
    }
    assert_eq!(unpacked, 4);
    let store = Store::open(&store).unwrap();
    assert!(store.verify().unwrap().is_empty());
    assert_eq!(names(&store, "tmp"), [""; 0]);
}

/// The worker dies, a waiting one takes over.
#[test]
fn a_waiting_import_takes_over_from_a_killed_one() {
    let scratch = Scratch::new();
    let layout = large(&scratch);
    let path = scratch.join("store");
    for _ in 0..5 {
        let mut first = start(&path, &layout.path);
        let made = || fs::read_dir(path.join("tmp")).is_ok_and(|mut tmp| tmp.next().is_some());
        let limit = Instant::now() + Duration::from_secs(20);
        while !made() && first.try_wait().unwrap().is_none() && Instant::now() < limit {
            std::thread::yield_now();
        }
        let second = start(&path, &layout.path);
        first.kill().unwrap();
        first.wait().unwrap();
        let output = second.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let store = Store::open(&path).unwrap();
        assert!(store.verify().unwrap().is_empty());
        let digest = store.list().unwrap()[0].digest.clone();
        store.remove(&digest, &|_| None).unwrap();
        assert_eq!(names(&store, "tmp"), [""; 0]);
    }
}

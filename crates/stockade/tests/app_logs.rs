//! What is kept of what a container prints, when there is too much of it. Needs root and a static busybox.

mod common;

use std::fs;

use common::app::{Place, names};

fn lines(first: u32, last: u32) -> String {
    (first..=last).map(|number| format!("{number}\n")).collect()
}

/// The files of a container's log, with their sizes, by name.
fn files(place: &Place, id: &str) -> Vec<(String, u64)> {
    let directory = place.0.join("store/containers").join(id);
    let mut found: Vec<(String, u64)> = names(&directory)
        .into_iter()
        .filter(|name| name.starts_with("container.log"))
        .map(|name| {
            let size = fs::metadata(directory.join(&name)).unwrap().len();
            (name, size)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_log_is_cut_into_files_and_the_oldest_go() {
    let place = Place::new();
    let options = ["--log-opt", "max-size=10k", "--log-opt", "max-file=3"];
    let id = place.background("talk", &options, "seq 1000");
    assert_eq!(place.ok(&["wait", "talk"]), "0\n");
    let files = files(&place, &id);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["container.log", "container.log.1", "container.log.2"]
    );
    assert!(files.iter().all(|(_, size)| (1..=10_000).contains(size)));
    let kept = place.ok(&["logs", "talk"]);
    let first: u32 = kept.lines().next().unwrap().parse().unwrap();
    assert!((500..900).contains(&first), "{first}");
    assert_eq!(kept, lines(first, 1000));
    // The last lines may begin in an older file.
    let tail = 1000 - first - 5;
    assert_eq!(
        place.ok(&["logs", "-n", &tail.to_string(), "talk"]),
        lines(first + 6, 1000)
    );
    assert_eq!(
        place.field("talk", "{{json .HostConfig.LogConfig}}"),
        r#"{"Type":"json-file","Config":{"max-file":"3","max-size":"10000"}}"#
    );
    // The next life goes on in the same files.
    place.ok(&["start", "talk"]);
    assert_eq!(place.ok(&["wait", "talk"]), "0\n");
    assert!(place.ok(&["logs", "talk"]).ends_with(&lines(900, 1000)));
    place.ok(&["rm", "talk"]);
    place.assert_empty();
}

#[test]
fn one_file_begins_anew() {
    let place = Place::new();
    let options = ["--log-opt", "max-size=5k", "--log-opt", "max-file=1"];
    let id = place.background("talk", &options, "seq 500");
    assert_eq!(place.ok(&["wait", "talk"]), "0\n");
    assert_eq!(files(&place, &id).len(), 1);
    assert!(place.ok(&["logs", "talk"]).ends_with("\n499\n500\n"));
}

#[test]
fn a_log_is_followed_from_file_to_file() {
    let place = Place::new();
    let options = ["--log-opt", "max-size=2k", "--log-opt", "max-file=100"];
    let script = "for i in $(seq 1 20); do seq $((i * 20 - 19)) $((i * 20)); sleep 0.02; done";
    place.background("talk", &options, script);
    assert_eq!(place.ok(&["logs", "-f", "talk"]), lines(1, 400));
}

#[test]
fn no_log_is_no_log() {
    let place = Place::new();
    let id = place.background("mute", &["--log-driver", "none"], "echo heard");
    assert_eq!(place.ok(&["wait", "mute"]), "0\n");
    assert_eq!(files(&place, &id), []);
    let ran = place.ran(&["logs", "mute"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("--log-driver none"), "{}", ran.err);
    let ran = place.run(&["--log-driver", "none"], "echo heard");
    assert_eq!(ran.out, "heard\n");
}

#[test]
fn what_is_no_option_of_a_log_is_refused() {
    let place = Place::new();
    for (options, text) in [
        (["--log-opt", "max-size=0"], "--log-opt max-size=0: "),
        (
            ["--log-opt", "tag=x"],
            "--log-opt tag=x: tag: not built yet",
        ),
        (["--log-driver", "syslog"], "--log-driver syslog: "),
    ] {
        let ran = place.run(&options, "true");
        assert_eq!(ran.code, 125);
        assert!(ran.err.contains(text), "{}", ran.err);
    }
    place.assert_empty();
}

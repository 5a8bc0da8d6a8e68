//! The kinds of root: directories, copy-on-write, images, the machine's own programs; and user
//! namespaces on each. Needs root, a static busybox and tar.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use common::app::{Place, until};

fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {err}");
    String::from_utf8(output.stdout).unwrap()
}

fn digest(path: &str) -> String {
    must("sha256sum", &[path])[..64].to_owned()
}

const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"User":"ann",
    "Env":["PATH=/bin","FROM=image"],"Entrypoint":["sh","-c"],"Cmd":["id; pwd; echo $FROM"],
    "WorkingDir":"/work","StopSignal":"SIGUSR1","Labels":{"of":"image"}},
    "rootfs":{"type":"layers","diff_ids":["sha256:LOWER","sha256:UPPER"]}}"#;

/// Two layers of the place's root, the upper one with a whiteout: their files and the configuration.
fn layers(place: &Place) -> ([String; 2], String) {
    let (lower, upper) = (place.path("lower.tar"), place.path("upper.tar"));
    fs::write(place.path("root/etc/gone"), "").unwrap();
    must(
        "tar",
        &["-C", &place.root(), "--numeric-owner", "-cf", &lower, "."],
    );
    fs::create_dir_all(place.path("upper/etc")).unwrap();
    fs::write(place.path("upper/etc/.wh.gone"), "").unwrap();
    fs::write(place.path("upper/etc/new"), "upper").unwrap();
    must(
        "tar",
        &[
            "-C",
            &place.path("upper"),
            "-cf",
            &upper,
            "etc/.wh.gone",
            "etc/new",
        ],
    );
    let config = CONFIG
        .replace("LOWER", &digest(&lower))
        .replace("UPPER", &digest(&upper));
    ([lower, upper], config)
}

fn docker_archive(place: &Place) -> String {
    let ([_, _], config) = layers(place);
    fs::write(place.path("config.json"), config).unwrap();
    let manifest =
        r#"[{"Config":"config.json","RepoTags":["test:1"],"Layers":["lower.tar","upper.tar"]}]"#;
    fs::write(place.path("manifest.json"), manifest).unwrap();
    let archive = place.path("docker.tar");
    let files = ["manifest.json", "config.json", "lower.tar", "upper.tar"];
    must(
        "tar",
        &[
            &["-C", place.0.to_str().unwrap(), "-cf", &archive][..],
            &files,
        ]
        .concat(),
    );
    archive
}

fn oci_layout(place: &Place) -> String {
    let ([lower, upper], config) = layers(place);
    fs::create_dir_all(place.path("oci/blobs/sha256")).unwrap();
    let blob = |path: &str, kind: &str| {
        let (digest, size) = (digest(path), fs::metadata(path).unwrap().size());
        fs::rename(path, place.path(&format!("oci/blobs/sha256/{digest}"))).unwrap();
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{digest}","size":{size}}}"#
        )
    };
    must("gzip", &[&upper]);
    let layers = [
        blob(&lower, "layer.v1.tar"),
        blob(&format!("{upper}.gz"), "layer.v1.tar+gzip"),
    ];
    let written = |text: String| {
        let path = place.path("blob");
        fs::write(&path, text).unwrap();
        path
    };
    let config = blob(&written(config), "config.v1+json");
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#,
        layers.join(",")
    );
    let manifest = blob(&written(manifest), "manifest.v1+json");
    fs::write(
        place.path("oci/oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    fs::write(
        place.path("oci/index.json"),
        format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#),
    )
    .unwrap();
    place.path("oci")
}

/// What every image test finds, whichever way the image came.
fn check_image(place: &Place, image: &str) {
    let as_is = place.ok(&["run", "--rm", image]);
    assert_eq!(
        as_is,
        "uid=1000(ann) gid=1000(ann) groups=10(wheel),1000(ann)\n/work\nimage\n"
    );
    let run = |options: &[&str], words: &[&str]| {
        place.ok(&[&["run", "--rm"], options, &[image], words].concat())
    };
    assert_eq!(run(&[], &["echo $FROM"]), "image\n");
    assert_eq!(
        run(
            &["-e", "FROM=me", "-w", "/tmp", "-u", "0"],
            &["echo $FROM; pwd; id -u"]
        ),
        "me\n/tmp\n0\n"
    );
    assert_eq!(run(&["--entrypoint", "cat"], &["/etc/new"]), "upper");
    assert_eq!(
        run(&["--entrypoint", ""], &["ls", "/etc"])
            .matches("gone")
            .count(),
        0
    );
    place.ok(&[
        "run",
        "-d",
        "--name",
        "img",
        image,
        "trap 'exit 4' USR1; echo set; while :; do sleep 0.05; done",
    ]);
    until("the trap is set", || place.ok(&["logs", "img"]) == "set\n");
    assert_eq!(place.field("img", "{{.Config.Labels.of}}"), "image");
    place.ok(&["stop", "img"]);
    assert_eq!(place.ok(&["wait", "img"]), "4\n");
    place.ok(&["rm", "img"]);
    place.assert_empty();
}

#[test]
fn docker_archives() {
    let place = Place::new();
    let archive = docker_archive(&place);
    check_image(&place, &archive);
    let inside = "cat /proc/self/uid_map; stat -c %u /etc/passwd; echo x >/etc/new; chown ann /etc/new; stat -c %u:%g /etc/new";
    let out = place.ok(&[
        "run",
        "--rm",
        "-u",
        "0",
        "--userns",
        "0:300000:65536",
        &archive,
        inside,
    ]);
    let words: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(words, ["0", "300000", "65536", "0", "1000:0"]);
}

#[test]
fn oci_layouts() {
    let place = Place::new();
    let layout = oci_layout(&place);
    check_image(&place, &layout);
}

#[test]
fn a_damaged_archive_is_refused() {
    let place = Place::new();
    let archive = docker_archive(&place);
    let mut bytes = fs::read(&archive).unwrap();
    // Of one of busybox' pages.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let ran = place.ran(&["run", "--rm", &archive]);
    assert_eq!((ran.code, ran.out.as_str()), (125, ""), "{}", ran.err);
    assert!(ran.err.contains("sha256:"), "{}", ran.err);
    place.assert_empty();
}

#[test]
fn what_is_written_stays_in_a_directory_but_not_in_an_ephemeral_one() {
    let place = Place::new();
    let script = "echo x >/etc/new; rm /etc/group; ls /etc";
    let out = place.says(&["--ephemeral"], script);
    assert!(out.contains("new\n") && !out.contains("group\n"), "{out}");
    assert!(!fs::exists(place.path("root/etc/new")).unwrap());
    assert!(fs::exists(place.path("root/etc/group")).unwrap());
    place.says(&[], script);
    assert!(fs::exists(place.path("root/etc/new")).unwrap());
    assert!(!fs::exists(place.path("root/etc/group")).unwrap());
}

#[test]
fn user_namespaces_on_a_directory() {
    let place = Place::new();
    let before = fs::metadata(place.path("root/etc/passwd")).unwrap();
    let script = "id -u; stat -c %u:%g /etc/passwd /; echo >>/etc/hosts; touch /tmp/new; chown ann /tmp/new; stat -c %u /tmp/new";
    assert_eq!(
        place.says(&["--userns", "auto"], script),
        "0\n0:0\n0:0\n1000\n"
    );
    let after = fs::metadata(place.path("root/etc/passwd")).unwrap();
    assert_eq!(
        (after.uid(), after.ctime(), after.ctime_nsec()),
        (before.uid(), before.ctime(), before.ctime_nsec())
    );
    assert_eq!(
        fs::metadata(place.path("root/tmp/new")).unwrap().uid(),
        1000
    );

    // Each has a range of its own, and the host sees it.
    let ranges = ["one", "two"].map(|name| {
        place.background(name, &["--userns", "auto"], "sleep 100");
        let pid = place.field(name, "{{.State.Pid}}");
        let uid = fs::metadata(format!("/proc/{pid}")).unwrap().uid();
        let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
        assert!(
            map.split_whitespace().nth(1) == Some(&uid.to_string()),
            "{uid}: {map}"
        );
        uid
    });
    assert!(
        ranges[0].abs_diff(ranges[1]) >= 65_536 && ranges[0] >= 100_000,
        "{ranges:?}"
    );
    assert_eq!(place.ok(&["exec", "one", "id", "-u"]), "0\n");
    assert_eq!(
        place.ok(&[
            "exec",
            "-u",
            "ann",
            "one",
            "stat",
            "-c",
            "%u",
            "/etc/passwd"
        ]),
        "0\n"
    );
}

#[test]
fn user_namespaces_on_copy_on_write_roots() {
    let place = Place::new();
    let script = "stat -c %u:%g /etc/passwd /; echo x >>/etc/passwd; rm /etc/group; touch /tmp/new; \
        chown ann /tmp/new; stat -c %u /tmp/new; stat -c %u /etc/passwd; mkdir /d && rm -r /home && ls -d /d";
    let out = place.says(&["--userns", "auto", "--ephemeral"], script);
    assert_eq!(out, "0:0\n0:0\n1000\n0\n/d\n");
    assert_eq!(
        fs::metadata(place.path("root/etc/passwd")).unwrap().uid(),
        0
    );
    assert!(fs::exists(place.path("root/etc/group")).unwrap());
    // It is the same container when it is started again, with the range that it had.
    place.background(
        "kept",
        &["--userns", "auto", "--ephemeral"],
        "echo again >>/root/log; cat /root/log; stat -c %u /root/log",
    );
    assert_eq!(place.ok(&["wait", "kept"]), "0\n");
    place.ok(&["start", "--attach", "kept"]);
    assert_eq!(place.ok(&["logs", "kept"]), "again\n0\nagain\nagain\n0\n");

    let script = "stat -c %u:%g /usr /usr/bin/env /etc; touch /usr/new /etc/new /var/new && stat -c %u /usr/new /etc/new";
    let ran = place.ran(&[
        "run", "--rm", "--userns", "auto", "host", "sh", "-c", script,
    ]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "0:0\n0:0\n0:0\n0\n0\n"),
        "{}",
        ran.err
    );
    assert!(!fs::exists("/usr/new").unwrap() && !fs::exists("/etc/new").unwrap());
}

#[test]
fn the_machines_own_programs() {
    let place = Place::new();
    let script = "grep -c '^root:[!*]*:' /etc/shadow; ls /etc/ssh/*key /root/* /home/* 2>/dev/null; \
        touch /usr/new /etc/new /opt/new && rm /usr/bin/env && echo changed; bash -c 'echo bash'; \
        test -s /etc/machine-id || echo no id";
    let host = |options: &[&str], script: &str| {
        place.ran(&[&["run"], options, &["host", "sh", "-c", script]].concat())
    };
    let ran = host(&["--rm"], script);
    assert_eq!(ran.out, "1\nchanged\nbash\nno id\n", "{}", ran.err);
    for path in ["/usr/new", "/etc/new", "/opt/new"] {
        assert!(!fs::exists(path).unwrap(), "{path}");
    }
    assert!(fs::exists("/usr/bin/env").unwrap());
    // dpkg's own knowledge is there, and locks are its own.
    let ran = host(
        &["--rm"],
        "dpkg-query -W -f '${Status}\\n' dpkg; dpkg --configure -a && echo quiet",
    );
    assert_eq!(ran.out, "install ok installed\nquiet\n", "{}", ran.err);
    // Without --rm it is kept.
    let ran = host(
        &["--name", "kept"],
        "cat /opt/mine 2>/dev/null; echo mine >/opt/mine",
    );
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    place.ok(&["start", "-a", "kept"]);
    assert_eq!(place.ok(&["logs", "kept"]), "mine\n");
    place.ok(&["rm", "kept"]);
    place.assert_empty();
}

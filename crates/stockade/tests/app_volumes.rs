//! Volumes, images, and what is removed with what. Needs root and a static busybox.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use common::app::{Place, names};

fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    String::from_utf8(output.stdout).unwrap()
}

/// An archive of the place's root, with a volume at `/data` that has something in it.
fn archive(place: &Place) -> String {
    let data = place.path("root/data");
    fs::create_dir_all(format!("{data}/below")).unwrap();
    fs::write(format!("{data}/below/file"), "of the image").unwrap();
    symlink("below/file", format!("{data}/link")).unwrap();
    fs::set_permissions(
        format!("{data}/below/file"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    chown(&data, Some(1000), Some(10)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o750)).unwrap();
    let (layer, archive) = (place.path("layer.tar"), place.path("image.tar"));
    must(
        "tar",
        &["-C", &place.root(), "--numeric-owner", "-cf", &layer, "."],
    );
    let digest = must("sha256sum", &[&layer])[..64].to_owned();
    let config = r#"{"architecture":"ARCH","os":"linux","config":{"Cmd":["true"],"Env":["PATH=/bin"],
        "Volumes":{"/data":{}}},"rootfs":{"type":"layers","diff_ids":["sha256:DIGEST"]}}"#;
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let config = config.replace("DIGEST", &digest).replace("ARCH", arch);
    fs::write(place.path("config.json"), config).unwrap();
    let manifest = r#"[{"Config":"config.json","RepoTags":["test:1"],"Layers":["layer.tar"]}]"#;
    fs::write(place.path("manifest.json"), manifest).unwrap();
    let files = ["manifest.json", "config.json", "layer.tar"];
    let place = place.0.to_str().unwrap();
    must(
        "tar",
        &[&["-C", place, "-cf", &archive][..], &files].concat(),
    );
    archive
}

fn volumes(place: &Place) -> Vec<String> {
    let text = place.ok(&["volume", "ls", "-q"]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_named_volume_outlives_its_containers() {
    let place = Place::new();
    assert_eq!(
        place.says(&["-v", "keep:/kept"], "echo one >/kept/file"),
        ""
    );
    assert_eq!(
        place.says(&["-v", "keep:/other:ro"], "cat /other/file"),
        "one\n"
    );
    let ran = place.run(
        &["--mount", "type=volume,src=keep,dst=/k,readonly"],
        "echo >/k/file",
    );
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("Read-only file system"), "{}", ran.err);
    assert_eq!(volumes(&place), ["keep"]);
    let mountpoint = place.path("store/volumes/keep/_data");
    assert_eq!(
        place.ok(&[
            "volume",
            "inspect",
            "-f",
            "{{.Mountpoint}} {{.Driver}}",
            "keep"
        ]),
        format!("{mountpoint} local\n")
    );
    assert_eq!(
        fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
        "one\n"
    );
    assert_eq!(place.ok(&["volume", "rm", "keep"]), "keep\n");
    assert_eq!(names(&place.0.join("store/volumes")), [""; 0]);
    place.assert_empty();
}

#[test]
fn volumes_are_made_listed_and_removed() {
    let place = Place::new();
    assert_eq!(
        place.ok(&["volume", "create", "--label", "a=b", "one"]),
        "one\n"
    );
    assert_eq!(place.ok(&["volume", "create", "one"]), "one\n");
    let made_up = place.ok(&["volume", "create"]);
    assert_eq!(made_up.trim().len(), 64);
    assert_eq!(
        place.ok(&["volume", "ls", "--filter", "label=a=b"]),
        "DRIVER    VOLUME NAME\nlocal     one\n"
    );
    place.background("user", &["-v", "one:/v"], "sleep 100");
    assert_eq!(
        place.field(
            "user",
            "{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}}{{end}}"
        ),
        "volume one /v"
    );
    assert_eq!(
        place.ok(&["volume", "ls", "-q", "-f", "dangling=true"]),
        made_up
    );
    let ran = place.ran(&["volume", "rm", "one"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("volume one is in use by user"),
        "{}",
        ran.err
    );
    let ran = place.ran(&["volume", "rm", "nosuch"]);
    assert!(ran.err.contains("no such volume: nosuch"), "{}", ran.err);
    place.ok(&["volume", "rm", "-f", "nosuch"]);
    place.ok(&["rm", "-f", "user"]);
    // Only what nobody named goes by itself.
    let pruned = place.ok(&["volume", "prune", "-f"]);
    assert!(pruned.contains(made_up.trim()), "{pruned}");
    assert_eq!(volumes(&place), ["one"]);
    place.ok(&["volume", "prune", "-f", "-a"]);
    assert_eq!(volumes(&place), [""; 0]);
    for name in ["../x", "x", "a/b", ".x", "a b"] {
        let ran = place.ran(&["volume", "create", name]);
        assert!(
            ran.err.contains("invalid volume name"),
            "{name}: {}",
            ran.err
        );
    }
    let ran = place.run(&["-v", "x y:/z"], "true");
    assert_eq!(ran.code, 125);
    assert!(
        ran.err.contains("neither a path nor the name"),
        "{}",
        ran.err
    );
}

#[test]
fn a_volume_starts_as_what_the_image_has() {
    let place = Place::new();
    let image = archive(&place);
    let script = "ls -A /data; cat /data/link; stat -c '%u:%g %a' /data /data/below/file";
    let wanted = "below\nlink\nof the image1000:10 750\n0:0 640\n";
    let shell = |options: &[&str], script: &str| {
        place.ok(&[&["run"], options, &[&image, "sh", "-c", script]].concat())
    };
    // The image's own, which goes with the container.
    assert_eq!(shell(&["--rm"], script), wanted);
    assert_eq!(volumes(&place), [""; 0]);
    // A named one in its place, filled once.
    assert_eq!(shell(&["--rm", "-v", "db:/data"], script), wanted);
    shell(&["--rm", "-v", "db:/data"], "rm /data/link");
    assert_eq!(shell(&["--rm", "-v", "db:/data"], "ls /data"), "below\n");
    assert_eq!(shell(&["--rm", "-v", "new:/data:nocopy"], "ls /data"), "");
    assert_eq!(volumes(&place), ["db", "new"]);
    // An anonymous one stays without --rm, unless it is told to go.
    shell(&["--name", "aa"], "true");
    shell(&["--name", "bb"], "true");
    assert_eq!(volumes(&place).len(), 4);
    place.ok(&["rm", "aa"]);
    place.ok(&["rm", "-v", "bb"]);
    assert_eq!(volumes(&place).len(), 3);
    place.assert_empty();
}

#[test]
fn volumes_with_ids_of_their_own() {
    let place = Place::new();
    let userns = ["--userns", "0:300000:65536"];
    let own = |options: &[&str], script: &str| place.says(&[&userns, options].concat(), script);
    let host = place.path("shared");
    fs::create_dir(&host).unwrap();
    fs::write(format!("{host}/roots"), "").unwrap();
    let script = "stat -c %u:%g /v/roots; touch /v/new; chown 1000:10 /v/new; stat -c %u:%g /v/new";
    assert_eq!(
        own(&["-v", &format!("{host}:/v")], script),
        "0:0\n1000:10\n"
    );
    let owner = |path: &str| {
        let what = fs::metadata(path).unwrap();
        (what.uid(), what.gid())
    };
    assert_eq!(owner(&format!("{host}/new")), (1000, 10));
    let script = "stat -c %u:%g /v/roots";
    assert_eq!(
        own(&["-v", &format!("{host}:/v:noidmap")], script),
        "65534:65534\n"
    );
    own(&["-v", "named:/v"], "touch /v/file");
    assert_eq!(owner(&place.path("store/volumes/named/_data/file")), (0, 0));
}

#[test]
fn a_network_is_joined_with_its_names() {
    let place = Place::new();
    place.background(
        "first",
        &["--hostname", "one", "--add-host", "peer:192.0.2.7"],
        "sleep 100",
    );
    let net = ["--net", "container:first"];
    let link = |name: &str| place.ok(&["exec", name, "readlink", "/proc/1/ns/net"]);
    let joined = place.says(
        &net,
        "readlink /proc/self/ns/net; grep -c peer /etc/hosts; ip link",
    );
    assert!(joined.starts_with(&(link("first") + "1\n")), "{joined}");
    assert!(joined.contains("LOOPBACK,UP"), "{joined}");
    let name = place.says(&["--uts", "container:first"], "hostname");
    assert_eq!(name, "one\n");
    for (options, text) in [
        (
            &["--dns", "192.0.2.1"][..],
            "--dns 192.0.2.1: conflicts with --net container:first",
        ),
        (
            &["--hostname", "x"],
            "--hostname x: conflicts with --net container:first",
        ),
    ] {
        let ran = place.run(&[&net, options].concat(), "true");
        assert!(ran.err.contains(text), "{}", ran.err);
    }
    let ran = place.run(&["--net", "container:nosuch"], "true");
    assert!(ran.err.contains("no such container: nosuch"), "{}", ran.err);
}

#[test]
fn images_are_listed_and_removed() {
    let place = Place::new();
    assert_eq!(place.ok(&["images", "-q"]), "");
    let image = archive(&place);
    place.ok(&["run", "--name", "user", &image, "true"]);
    let shown = place.ok(&[
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}} {{.Containers}}",
    ]);
    assert_eq!(shown, "test:1 1\n");
    let id = place.ok(&["images", "-q"]);
    let ran = place.ran(&["rmi", "test:1"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("is used by container user"), "{}", ran.err);
    let used = place.ok(&[
        "system",
        "df",
        "--format",
        "{{.Type}} {{.TotalCount}} {{.Active}}",
    ]);
    assert_eq!(used, "Images 1 1\nContainers 1 0\nLocal Volumes 1 1\n");
    place.ok(&["rm", "-v", "user"]);
    // A container that throws itself away in the background leaves no hold on it.
    place.ok(&[
        "run", "-d", "--rm", "--name", "short", &image, "sleep", "0.1",
    ]);
    place.ran(&["wait", "short"]);
    place.ok(&["rmi", id.trim()]);
    assert_eq!(place.ok(&["images", "-q"]), "");
    let layers = place.0.join("store/images/layers");
    assert_eq!(names(&layers), [""; 0]);
    let ran = place.ran(&["rmi", "test:1"]);
    assert!(ran.err.contains("no such image: test:1"), "{}", ran.err);
}

#[test]
fn prune_removes_what_nothing_needs() {
    let place = Place::new();
    let image = archive(&place);
    place.ok(&[
        "run",
        "--name",
        "old",
        &image,
        "sh",
        "-c",
        "echo x >/written",
    ]);
    place.ok(&["run", "-d", "--name", "on", &place.root(), "sleep", "100"]);
    // What a remover that was killed has left.
    fs::create_dir_all(place.path("store/gone/half/of/it")).unwrap();
    let pruned = place.ok(&["system", "prune", "-f", "-a", "--volumes"]);
    for text in [
        "Deleted container: ",
        "Deleted image: sha256:",
        "Deleted volume: ",
    ] {
        assert_eq!(pruned.matches(text).count(), 1, "{pruned}");
    }
    assert_eq!(place.ok(&["ps", "-a", "--format", "{{.Names}}"]), "on\n");
    assert_eq!(names(Path::new(&place.path("store/gone"))), [""; 0]);
    let ran = place.ran(&["system", "prune"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("Go on? [y/N]"), "{}", ran.out);
}

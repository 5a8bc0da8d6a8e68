//! Images that podman builds and saves, in each of its formats, against podman's own view of them.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::overlay::Overlay;
use support::{Scratch, import};

/// podman with a store of its own, which goes with the scratch directory.
struct Podman {
    root: PathBuf,
    run: PathBuf,
}

impl Podman {
    fn output(&self, arguments: &[&str]) -> String {
        let output = Command::new("podman")
            // Plain directories: nothing is mounted that could be left behind.
            .args(["--storage-driver", "vfs", "--root"])
            .arg(&self.root)
            .arg("--runroot")
            .arg(&self.run)
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {arguments:?}: {text}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

const CONTAINERFILE: &str = r#"
FROM scratch
ADD base.tar /
COPY new /lib/new
COPY new /etc/
RUN ["/bin/busybox", "sh", "-c", "cd /etc; rm gone; rm -r dir; mkdir dir; echo y >dir/y; ln kept linked; ln -s /lib sym; mkfifo pipe; chown 1:2 kept; chmod 4711 kept"]
RUN ["/bin/busybox", "sh", "-c", "cd /etc; rm -r dir sym; echo file >dir; mkdir sym; echo z >sym/z; rm -r /opt; touch -d @86400 /usr"]
CMD ["/bin/sh", "-c", "true"]
ENV A=b
WORKDIR /w
STOPSIGNAL SIGINT
LABEL l=v
EXPOSE 80/tcp
VOLUME /v
"#;

/// Name to kind, mode, owner, size, links, time, content.
type View = BTreeMap<PathBuf, String>;

fn view(root: &Path) -> View {
    let mut view = View::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let metadata = entry.metadata().unwrap();
            let kind = metadata.file_type();
            let mut text = format!(
                "{:o} {}:{} {}",
                metadata.mode(),
                metadata.uid(),
                metadata.gid(),
                metadata.mtime()
            );
            if kind.is_file() {
                let content = fs::read(entry.path()).unwrap();
                text += &format!(
                    " links {} {}",
                    metadata.nlink(),
                    image::Digest::of(&content)
                );
            } else if kind.is_symlink() {
                text += &format!(" -> {}", fs::read_link(entry.path()).unwrap().display());
            } else if kind.is_dir() {
                todo.push(path.clone());
            }
            view.insert(path, text);
        }
    }
    view
}

#[test]
fn images_of_podman_look_the_same_here() {
    let there = Command::new("podman").arg("--version").output().is_ok();
    assert!(there, "podman is missing: scripts/setup installs it");
    // podman's locks and storage want a file system on disk.
    let scratch = Scratch::on_disk();
    let podman = Podman {
        root: scratch.join("root"),
        run: scratch.join("run"),
    };
    let context = scratch.join("context");
    let base = scratch.join("base");
    for directory in ["bin", "etc/dir/sub", "usr/lib", "opt/x", "w"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    fs::create_dir(&context).unwrap();
    fs::copy("/bin/busybox", base.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", base.join("bin/sh")).unwrap();
    std::os::unix::fs::symlink("usr/lib", base.join("lib")).unwrap();
    for file in ["etc/gone", "etc/kept", "etc/dir/sub/x", "opt/x/y"] {
        fs::write(base.join(file), file).unwrap();
    }
    fs::write(context.join("new"), "new").unwrap();
    fs::write(context.join("Containerfile"), CONTAINERFILE).unwrap();
    let archive = context.join("base.tar");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(&base)
        .arg("-cf")
        .arg(&archive)
        .arg(".")
        .status();
    assert!(tar.unwrap().success());
    let directory = context.to_str().unwrap();
    podman.output(&[
        "build",
        "--isolation",
        "chroot",
        "--layers",
        "-t",
        "stockade/test:1",
        directory,
    ]);
    let theirs = view(Path::new(&podman.output(&[
        "image",
        "mount",
        "stockade/test:1",
    ])));
    assert!(theirs.len() > 15);
    for format in ["oci-archive", "docker-archive", "oci-dir", "docker-dir"] {
        let saved = scratch.join(format);
        let path = saved.to_str().unwrap();
        podman.output(&[
            "save",
            "-q",
            "--format",
            format,
            "-o",
            path,
            "stockade/test:1",
        ]);
        if format == "docker-dir" {
            // Skopeo's private form, neither a layout nor an archive.
            assert!(import(&scratch.store(), &saved).is_err());
            continue;
        }
        let image = import(&scratch.store(), &saved).unwrap();
        assert!(image.layers.len() >= 4, "{:?}", image.layers);
        let ours = view(&Overlay::new(&image.layers, &scratch.join("bottom")).path());
        for (path, text) in &theirs {
            assert_eq!(ours.get(path), Some(text), "{format}: {}", path.display());
        }
        assert_eq!(ours.len(), theirs.len());
        assert_eq!(image.config.cmd, ["/bin/sh", "-c", "true"]);
        assert!(image.config.env.contains(&"A=b".to_owned()));
        assert_eq!(image.config.working_dir, "/w");
        assert_eq!(image.config.stop_signal, "SIGINT");
        assert_eq!(image.config.labels["l"], "v");
        assert_eq!(image.config.exposed_ports, ["80/tcp"]);
        assert_eq!(image.config.volumes, ["/v"]);
    }
    assert!(scratch.store().verify().unwrap().is_empty());
    podman.output(&["image", "umount", "--all"]);
}

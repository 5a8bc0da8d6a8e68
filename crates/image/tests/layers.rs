//! What good layers become.

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use image::Progress;
use support::overlay::Overlay;
use support::tar::{Header, Tar, record};
use support::{Layout, Packing, Scratch, import, import_layers};

fn overlay(scratch: &Scratch, layers: &[Vec<u8>]) -> Overlay {
    let image = import_layers(scratch, layers).unwrap();
    Overlay::new(&image.layers, &scratch.join("bottom"))
}

fn xattr(path: &Path, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = vec![0; 1 << 16];
    let path = path.as_os_str().as_bytes();
    let length = sys::rustix::fs::lgetxattr(path, key, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

/// As containers of the image see paths: through the links of the layers below.
#[test]
fn entries_under_a_link_of_a_lower_layer_go_where_it_points() {
    let scratch = Scratch::new();
    let base = Tar::new()
        .dir("usr/lib")
        .symlink("lib", "usr/lib")
        .symlink("abs", "/usr/lib")
        .symlink("dangling", "opt/new")
        .file("usr/lib/old", b"old")
        .finish();
    let top = Tar::new()
        .file("lib/x", b"x")
        .file("abs/deep/y", b"y")
        .file("lib/.wh.old", b"")
        .file("dangling/z", b"z")
        .hard_link("lib/x2", "abs/x")
        .finish();
    let overlay = overlay(&scratch, &[base, top]);
    let view = overlay.view();
    assert_eq!(view["lib"], "-> usr/lib");
    assert_eq!(view["usr/lib/x"], "file x");
    assert_eq!(view["usr/lib/x2"], "file x");
    assert_eq!(view["usr/lib/deep/y"], "file y");
    assert_eq!(view["opt/new/z"], "file z");
    assert!(!view.contains_key("usr/lib/old"));
}

#[test]
fn a_directory_entry_replaces_a_lower_link_and_what_follows_goes_into_it() {
    let scratch = Scratch::new();
    let base = Tar::new().dir("usr/lib").symlink("lib", "usr/lib").finish();
    let top = Tar::new()
        .file("lib/through", b"")
        .dir("lib")
        .file("lib/inside", b"")
        .finish();
    let hidden = Tar::new()
        .file("lib/again", b"")
        .file(".wh.lib", b"")
        .file("lib/fresh", b"")
        .finish();
    let first = overlay(&scratch, &[base.clone(), top]).view();
    assert_eq!(first["lib"], "dir");
    assert!(first.contains_key("usr/lib/through") && first.contains_key("lib/inside"));
    let scratch = Scratch::new();
    let second = overlay(&scratch, &[base, hidden]).view();
    assert!(second.contains_key("usr/lib/again"), "{second:?}");
    assert!(second.contains_key("lib/fresh") && !second.contains_key("usr/lib/fresh"));
}

#[test]
fn an_opaque_root_hides_all_lower_layers() {
    let scratch = Scratch::new();
    let base = Tar::new().file("old", b"").dir("d").finish();
    let middle = Tar::new()
        .file(".wh..wh..opq", b"")
        .file("new", b"")
        .finish();
    let top = Tar::new().file("d/x", b"").finish();
    let image = import_layers(&scratch, &[base, middle, top]).unwrap();
    assert_eq!(image.layers.len(), 2);
    let overlay = Overlay::new(&image.layers, &scratch.join("bottom"));
    let names: Vec<String> = overlay.view().into_keys().collect();
    assert_eq!(names, ["d", "d/x", "new"]);
}

/// A directory on the way that the layer does not describe stays as it is below.
#[test]
fn directories_that_are_not_described_keep_their_attributes() {
    let scratch = Scratch::new();
    let capability = b"\x01\0\0\x02\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let base = Tar::new()
        .entry(
            Header::new(b"./", b'5').mode(0o711).owner(5, 6).mtime(7),
            b"",
        )
        .pax(&[(b"SCHILY.xattr.user.a", b"b")])
        .entry(
            Header::new(b"d", b'5').mode(0o1750).owner(1, 2).mtime(3),
            b"",
        )
        .pax(&[(b"SCHILY.xattr.security.capability", capability)])
        .entry(
            Header::new(b"d/f", b'0').mode(0o6755).owner(1, 2).mtime(3),
            b"",
        )
        .finish();
    let top = Tar::new().file("d/e/x", b"").hard_link("g", "d/f").finish();
    let image = import_layers(&scratch, &[base, top]).unwrap();
    let root = image.layers[0].metadata().unwrap();
    assert_eq!(
        (root.mode() & 0o7777, root.uid(), root.gid(), root.mtime()),
        (0o711, 5, 6, 7)
    );
    let d = image.layers[0].join("d").metadata().unwrap();
    assert_eq!(
        (d.mode() & 0o7777, d.uid(), d.gid(), d.mtime()),
        (0o1750, 1, 2, 3)
    );
    assert_eq!(xattr(&image.layers[0].join("d"), b"user.a").unwrap(), b"b");
    let e = image.layers[0].join("d/e").metadata().unwrap();
    assert_eq!((e.mode() & 0o7777, e.uid()), (0o755, 0));
    for layer in &image.layers {
        let f = layer.join("d/f").metadata().unwrap();
        assert_eq!(
            (f.mode() & 0o7777, f.uid(), f.gid(), f.mtime()),
            (0o6755, 1, 2, 3)
        );
        assert_eq!(
            xattr(&layer.join("d/f"), b"security.capability").unwrap(),
            capability
        );
    }
}

#[test]
fn a_directory_described_again_has_only_the_last_attributes() {
    let scratch = Scratch::new();
    let layer = Tar::new()
        .pax(&[(b"SCHILY.xattr.user.a", b"1")])
        .entry(Header::new(b"d", b'5').mode(0o700).mtime(1), b"")
        .file("d/x", b"")
        .pax(&[(b"SCHILY.xattr.user.b", b"2")])
        .entry(
            Header::new(b"d/", b'5').mode(0o2775).owner(8, 9).mtime(2),
            b"",
        )
        .file("d/y", b"")
        .finish();
    let image = import_layers(&scratch, &[layer]).unwrap();
    let path = image.layers[0].join("d");
    let d = path.metadata().unwrap();
    assert_eq!(
        (d.mode() & 0o7777, d.uid(), d.gid(), d.mtime()),
        (0o2775, 8, 9, 2)
    );
    assert_eq!(xattr(&path, b"user.a"), None);
    assert_eq!(xattr(&path, b"user.b").unwrap(), b"2");
    assert!(path.join("x").exists() && path.join("y").exists());
    assert_eq!(
        path.join("y").metadata().unwrap().gid(),
        0,
        "set-group-id took over"
    );
}

#[test]
fn extended_attributes_hold_any_bytes() {
    let scratch = Scratch::new();
    let value = b"a\nb=c\0 12 path=/etc/passwd\n\xff";
    let layer = Tar::new()
        .pax(&[
            (b"SCHILY.xattr.user.\xff=x".as_slice(), b"".as_slice()),
            (b"SCHILY.xattr.user.any", value),
            (b"SCHILY.xattr.security.selinux", b"system_u:object_r:x\0"),
            (b"SCHILY.xattr.com.apple.provenance", b"x"),
        ])
        .file("f", b"")
        .pax(&[(b"SCHILY.xattr.security.selinux", b"label")])
        .symlink("l", "f")
        .finish();
    let layout = Layout::of(scratch.join("layout"), &[layer], Packing::Plain);
    #[derive(Default)]
    struct Notes(Vec<String>);
    impl Progress for Notes {
        fn note(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }
    let mut notes = Notes::default();
    let image = scratch
        .store()
        .import(image::Request::of(&layout.path), &mut notes)
        .unwrap();
    let f = image.layers[0].join("f");
    assert_eq!(xattr(&f, b"user.any").unwrap(), value);
    assert_eq!(
        xattr(&f, b"user.\xff").unwrap(),
        b"x=",
        "the first = ends the key"
    );
    assert_eq!(xattr(&f, b"security.selinux"), None);
    assert_eq!(notes.0.len(), 2, "{:?}", notes.0);
    assert!(notes.0[0].contains("security.selinux") && notes.0[1].contains("com.apple"));
}

#[test]
fn times_keep_their_nanoseconds_and_may_be_before_1970() {
    let scratch = Scratch::new();
    let layer = Tar::new()
        .pax(&[(b"mtime", b"1234567890.123456789")])
        .file("f", b"")
        .pax(&[(b"mtime", b"-1.5")])
        .symlink("l", "nowhere")
        .pax(&[(b"mtime", b"5.25")])
        .dir("d")
        .file("d/x", b"")
        .finish();
    let image = import_layers(&scratch, &[layer]).unwrap();
    let time = |name: &str| {
        let metadata = image.layers[0].join(name).symlink_metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    assert_eq!(time("f"), (1_234_567_890, 123_456_789));
    assert_eq!(time("l"), (-2, 500_000_000));
    assert_eq!(time("d"), (5, 250_000_000));
}

#[test]
fn long_names_of_both_kinds_are_read() {
    let scratch = Scratch::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let gnu = |kind, name: &str| {
        let header = Header::new(b"././@LongLink", kind).set(257, b"ustar  \0");
        (header, [name.as_bytes(), b"\0"].concat())
    };
    let mut tar = Tar::new();
    let (header, data) = gnu(b'L', &long);
    tar.entry(header, &data)
        .entry(Header::new(b"cut", b'0'), b"long");
    let (header, data) = gnu(b'K', &long);
    tar.entry(header, &data)
        .entry(Header::new(b"link", b'2').link(b"cut"), b"");
    // POSIX' own: a prefix.
    tar.entry(Header::new(b"name", b'0').set(345, b"pre/fix"), b"");
    let image = import_layers(&scratch, &[tar.finish()]).unwrap();
    let root = &image.layers[0];
    assert_eq!(fs::read(root.join(&long)).unwrap(), b"long");
    assert_eq!(
        fs::read_link(root.join("link")).unwrap().to_str().unwrap(),
        long
    );
    assert!(root.join("pre/fix/name").is_file());
}

#[test]
fn a_comment_for_all_entries_is_fine() {
    let scratch = Scratch::new();
    let layer = Tar::new()
        .entry(Header::new(b"g", b'g'), &record(b"comment", b"of git"))
        .file("f", b"x")
        .finish();
    assert!(import_layers(&scratch, &[layer]).is_ok());
}

/// GNU tar's four ways to write a file with holes, from GNU tar.
#[test]
fn files_with_holes_are_unpacked_with_them() {
    for format in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let scratch = Scratch::new();
        let source = scratch.join("source");
        fs::create_dir(&source).unwrap();
        let file = fs::File::create(source.join("holes")).unwrap();
        // More regions than fit into one header block.
        for region in 0_u64..40 {
            file.write_all_at(format!("region {region}").as_bytes(), region << 20)
                .unwrap();
        }
        file.set_len(100 << 20).unwrap();
        fs::write(source.join("after"), b"after").unwrap();
        let path = scratch.join("layer.tar");
        let status = Command::new("tar")
            .args(["--sparse", "--sort=name", "-C"])
            .arg(&source)
            .args(format)
            .arg("-cf")
            .arg(&path)
            .args(["holes", "after"])
            .status();
        assert!(status.unwrap().success());
        let tar = fs::read(&path).unwrap();
        assert!(tar.len() < 4 << 20, "{format:?} wrote no holes");
        let image = import_layers(&scratch, &[tar]).unwrap();
        let unpacked = image.layers[0].join("holes");
        let metadata = unpacked.metadata().unwrap();
        assert_eq!(metadata.len(), 100 << 20, "{format:?}");
        assert!(metadata.blocks() * 512 < 8 << 20, "{format:?} was filled");
        assert!(fs::read(&unpacked).unwrap() == fs::read(source.join("holes")).unwrap());
        assert_eq!(fs::read(image.layers[0].join("after")).unwrap(), b"after");
    }
}

/// What GNU tar and this reader make of the same real tree.
#[test]
fn a_real_tree_is_unpacked_as_by_gnu_tar() {
    let scratch = Scratch::new();
    for format in ["gnu", "posix", "ustar", "v7"] {
        let source = scratch.join(format);
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::write(source.join("a/b/file"), vec![b'x'; 100_000]).unwrap();
        fs::hard_link(source.join("a/b/file"), source.join("a/link")).unwrap();
        std::os::unix::fs::symlink("../nowhere", source.join("a/sym")).unwrap();
        fs::set_permissions(source.join("a"), fs::Permissions::from_mode(0o3711)).unwrap();
        std::os::unix::fs::chown(source.join("a/b/file"), Some(1000), Some(2000)).unwrap();
        let path = scratch.join("layer.tar");
        let tar = |arguments: &[&std::ffi::OsStr]| {
            assert!(
                Command::new("tar")
                    .args(arguments)
                    .status()
                    .unwrap()
                    .success()
            );
        };
        let option = format!("--format={format}");
        let options = [
            option.as_ref(),
            "-C".as_ref(),
            source.as_os_str(),
            "-cf".as_ref(),
        ];
        tar(&[&options[..], &[path.as_os_str(), ".".as_ref()]].concat());
        let expected = scratch.join(&format!("{format}-tar"));
        fs::create_dir(&expected).unwrap();
        let options = [
            "--numeric-owner".as_ref(),
            "-C".as_ref(),
            expected.as_os_str(),
        ];
        tar(&[&options[..], &["-xpf".as_ref(), path.as_os_str()]].concat());
        let layout = Layout::of(
            scratch.join(&format!("{format}-layout")),
            &[fs::read(&path).unwrap()],
            Packing::Zstd,
        );
        let image = import(&scratch.store(), &layout.path).unwrap();
        for name in [".", "a", "a/b", "a/b/file", "a/link", "a/sym"] {
            let of = |root: &Path| {
                let metadata = root.join(name).symlink_metadata().unwrap();
                let size = if metadata.is_dir() {
                    0
                } else {
                    metadata.size()
                };
                let links = if metadata.is_dir() {
                    0
                } else {
                    metadata.nlink()
                };
                let mtime = metadata.mtime();
                (
                    metadata.mode(),
                    metadata.uid(),
                    metadata.gid(),
                    size,
                    links,
                    mtime,
                )
            };
            assert_eq!(of(&image.layers[0]), of(&expected), "{format} {name}");
        }
    }
}

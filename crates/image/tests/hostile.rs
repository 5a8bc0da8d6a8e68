//! Archives that are made to do harm: refused in one line with nothing left in the store, or
//! contained in the layer.

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;

use image::{Kind, Limits};
use support::overlay::Overlay;
use support::tar::{Header, Tar, record};
use support::{Layout, Packing, Scratch, assert_empty, import, import_layers, import_limited};

/// The layer must be refused with these words, and leave nothing.
#[track_caller]
fn refused(layer: Vec<u8>, words: &str) {
    refused_over(&[layer], words);
}

#[track_caller]
fn refused_over(layers: &[Vec<u8>], words: &str) {
    let scratch = Scratch::new();
    let error = import_layers(&scratch, layers).expect_err("was accepted");
    let text = error.to_string();
    assert!(text.contains(words), "{text}");
    assert!(
        !text.contains('\n') && !text.chars().any(char::is_control),
        "{text:?}"
    );
    assert_empty(&scratch.store());
}

/// A layer of one entry.
fn one(header: Header) -> Vec<u8> {
    Tar::new().entry(header, b"").finish()
}

#[test]
fn dot_dot_is_refused() {
    for path in [
        "../evil",
        "a/../../evil",
        "/../evil",
        "..",
        "a/..",
        "./../evil",
    ] {
        refused(Tar::new().file(path, b"x").finish(), "\"..\"");
    }
    refused(
        Tar::new()
            .file("a", b"")
            .hard_link("b", "../../etc/shadow")
            .finish(),
        "\"..\"",
    );
}

#[test]
fn absolute_paths_mean_the_root_of_the_image() {
    let scratch = Scratch::new();
    let layer = Tar::new()
        .file("/stockade-evil", b"x")
        .hard_link("b", "/stockade-evil")
        .finish();
    let image = import_layers(&scratch, &[layer]).unwrap();
    assert!(image.layers[0].join("stockade-evil").exists());
    assert!(image.layers[0].join("b").exists());
    assert!(!std::path::Path::new("/stockade-evil").exists());
}

/// Every way to make a link and then write through it ends inside the layer.
#[test]
fn writing_through_a_link_stays_inside() {
    let scratch = Scratch::new();
    let outside = scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), b"untouched").unwrap();
    let target = outside.to_str().unwrap();
    let up = format!("../../../../../../../../../..{target}");
    let layer = Tar::new()
        .symlink("abs", target)
        .file("abs/planted", b"x")
        .symlink("rel", &up)
        .file("rel/planted2", b"x")
        .symlink("file", &format!("{target}/victim"))
        .file("file", b"overwritten")
        .symlink("one", "two")
        .symlink("two", &up)
        .dir("one/dir")
        .symlink("again", &format!("{target}/victim"))
        .hard_link("hard", "again")
        .file("hard", b"overwritten")
        .symlink("up", "..")
        .file("up/up/top", b"x")
        .finish();
    let image = import_layers(&scratch, &[layer]).unwrap();
    let root = &image.layers[0];
    assert_eq!(fs::read(outside.join("victim")).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let inside = target.trim_start_matches('/');
    assert_eq!(fs::read(root.join(inside).join("planted")).unwrap(), b"x");
    assert_eq!(fs::read(root.join(inside).join("planted2")).unwrap(), b"x");
    assert!(root.join(inside).join("dir").is_dir());
    assert_eq!(fs::read(root.join("file")).unwrap(), b"overwritten");
    assert_eq!(fs::read(root.join("hard")).unwrap(), b"overwritten");
    assert!(root.join("again").is_symlink());
    assert!(root.join("top").is_file());
}

#[test]
fn links_in_a_circle_are_refused() {
    let layer = Tar::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", b"")
        .finish();
    refused(layer, "symbolic links");
}

#[test]
fn hard_links_out_are_refused() {
    refused(
        Tar::new().hard_link("x", "/etc/shadow").finish(),
        "not in this layer nor below",
    );
    let through = Tar::new()
        .symlink("d", "/etc")
        .hard_link("x", "d/shadow")
        .finish();
    refused(through, "not in this layer nor below");
    refused(
        Tar::new().dir("d").hard_link("x", "d").finish(),
        "directory",
    );
    refused(Tar::new().hard_link("x", "/").finish(), "not in this layer");
    refused(one(Header::new(b"x", b'1')), "without a target");
    // A whiteout is no file to link to, in this layer or below.
    let base = Tar::new().file("f", b"x").finish();
    let whiteout = Tar::new().file(".wh.f", b"").finish();
    let link = Tar::new().hard_link("g", "f").finish();
    refused_over(&[base.clone(), whiteout, link], "not in this layer");
    let both = Tar::new().file(".wh.f", b"").hard_link("g", "f").finish();
    refused_over(&[base, both], "not in this layer");
}

#[test]
fn a_hard_link_is_never_shared_with_the_layer_below() {
    let scratch = Scratch::new();
    let base = Tar::new()
        .entry(Header::new(b"f", b'0').mode(0o4755).owner(3, 4), b"low")
        .finish();
    let top = Tar::new()
        .hard_link("g", "f")
        .entry(Header::new(b"h", b'0'), b"new")
        .finish();
    let image = import_layers(&scratch, &[base, top]).unwrap();
    let [top, base] = &image.layers[..] else {
        panic!()
    };
    let (low, high) = (
        base.join("f").metadata().unwrap(),
        top.join("f").metadata().unwrap(),
    );
    assert_ne!((low.dev(), low.ino()), (high.dev(), high.ino()));
    assert_eq!(low.nlink(), 1);
    assert_eq!(high.ino(), top.join("g").metadata().unwrap().ino());
    assert_eq!(
        (high.mode() & 0o7777, high.uid(), high.gid()),
        (0o4755, 3, 4)
    );
    assert_eq!(low.mtime(), high.mtime());
}

#[test]
fn devices_are_inert_nodes_and_never_whiteouts() {
    let whiteout = one(Header::new(b"x", b'3').device(0, 0));
    refused(whiteout, "0/0");
    refused(
        one(Header::new(b"x", b'3').device(1 << 12, 0)),
        "out of range",
    );
    refused(
        one(Header::new(b"x", b'4').device(0, 1 << 20)),
        "out of range",
    );
    let scratch = Scratch::new();
    let image = import_layers(
        &scratch,
        &[one(Header::new(b"null", b'3').mode(0o6666).device(1, 3))],
    );
    let image = image.unwrap();
    let node = image.layers[0].join("null").symlink_metadata().unwrap();
    assert_eq!((node.rdev(), node.mode() & 0o7777), (0x103, 0o6666));
    // Nobody else can reach it.
    assert_eq!(
        scratch.join("store").metadata().unwrap().mode() & 0o7777,
        0o700
    );
}

#[test]
fn whiteouts_are_of_one_plain_name() {
    for name in [
        ".wh.",
        ".wh..",
        ".wh...",
        "d/.wh...",
        ".wh..wh.x",
        ".wh.d/x",
        "a/.wh./b",
    ] {
        refused(Tar::new().file(name, b"").finish(), "whiteout");
    }
    refused(
        Tar::new().file(".wh.x", b"data").finish(),
        "whiteout: not an empty file",
    );
    refused(
        Tar::new().dir(".wh.x").finish(),
        "whiteout: not an empty file",
    );
    refused(
        Tar::new().symlink(".wh.x", "y").finish(),
        "whiteout: not an empty file",
    );
    let layer = Tar::new().symlink("a", ".wh.b/c").file("a/x", b"").finish();
    refused(layer, "whiteout");
}

#[test]
fn overlayfs_cannot_be_spoken_to() {
    for key in [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "trusted.x",
        "user.overlay.opaque",
    ] {
        let key = format!("SCHILY.xattr.{key}");
        let layer = Tar::new().pax(&[(key.as_bytes(), b"y")]).dir("d").finish();
        refused(layer, "may not come from an image");
    }
}

#[test]
fn bombs_are_stopped_at_the_limits() {
    let limits = || Limits {
        image_bytes: 1 << 20,
        entries: 100,
        ..Limits::default()
    };
    let stopped = |layers: &[Vec<u8>], packing, words: &str| {
        let scratch = Scratch::new();
        let error = import_limited(&scratch, layers, packing, limits()).unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_empty(&scratch.store());
    };
    let big = Tar::new().file("big", &vec![0; 8 << 20]).finish();
    stopped(std::slice::from_ref(&big), Packing::Gzip, "bytes allowed");
    stopped(std::slice::from_ref(&big), Packing::Zstd, "bytes allowed");
    stopped(&[big], Packing::Plain, "bytes allowed");
    // Two layers that are each within the limit.
    let half = |name| Tar::new().file(name, &vec![0; 600 << 10]).finish();
    stopped(&[half("a"), half("b")], Packing::Gzip, "bytes allowed");
    let many = |count: usize| {
        let mut tar = Tar::new();
        for index in 0..count {
            tar.file(&format!("f{index}"), b"");
        }
        tar.finish()
    };
    stopped(&[many(101)], Packing::Plain, "100 entries");
    // A lower layer's file that is copied up counts.
    let base = Tar::new().file("f", &vec![0; 400 << 10]).finish();
    let two = Tar::new()
        .hard_link("g", "f")
        .file("h", &vec![0; 400 << 10])
        .finish();
    stopped(&[base, two], Packing::Plain, "bytes allowed");
    // A hole costs nothing but looks like data.
    let sparse = Tar::new()
        .pax(&[
            (b"GNU.sparse.major", b"0"),
            (b"GNU.sparse.minor", b"1"),
            (b"GNU.sparse.size", b"9000000000000000000"),
            (b"GNU.sparse.map", b"0,0"),
        ])
        .file("hole", b"")
        .finish();
    stopped(&[sparse], Packing::Plain, "bytes allowed");
}

#[test]
fn huge_sizes_are_refused() {
    let size = |field: &[u8]| one(Header::new(b"x", b'0').set(124, field));
    refused(
        size(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
        "out of range",
    );
    refused(
        size(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
        "out of range",
    );
    refused(
        size(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        "negative",
    );
    refused(size(b"77777777777\0"), "cut off");
    refused(size(b"00000099999\0"), "not a number");
    let extended = Tar::new()
        .entry(Header::new(b"x", b'x').size(1 << 30), b"")
        .finish();
    refused(extended, "extended headers of more than");
    let long = Tar::new()
        .entry(Header::new(b"x", b'L').size(0o77_777_777_777), b"")
        .finish();
    refused(long, "extended headers of more than");
}

#[test]
fn owners_that_the_kernel_cannot_store_are_refused() {
    for uid in [b"4294967295", b"4294967296"] {
        refused(
            Tar::new().pax(&[(b"uid", uid)]).file("x", b"").finish(),
            "uid",
        );
        refused(
            Tar::new().pax(&[(b"gid", uid)]).file("x", b"").finish(),
            "gid",
        );
    }
    refused(
        Tar::new().pax(&[(b"uid", b"-1")]).file("x", b"").finish(),
        "uid",
    );
    refused(one(Header::new(b"x", b'0').set(108, &[0xff; 8])), "uid");
}

#[test]
fn weird_extended_headers_are_refused() {
    let raw = |data: &[u8]| {
        Tar::new()
            .entry(Header::new(b"pax", b'x'), data)
            .file("x", b"")
            .finish()
    };
    refused(raw(b"9 path=x"), "malformed");
    refused(raw(b"9999 path=x\n"), "malformed");
    refused(raw(b"9 path=x\ngarbage"), "malformed");
    refused(
        raw(&[record(b"path", b"a"), vec![0; 10]].concat()),
        "malformed",
    );
    refused(raw(&record(b"path", b"a\0/../b")), "NUL");
    refused(raw(&record(b"path", b"../../evil")), "\"..\"");
    refused(raw(&record(b"size", b"18446744073709551616")), "size");
    refused(raw(&record(b"SCHILY.xattr.", b"x")), "not a name");
    refused(
        raw(&record(b"SCHILY.xattr.user.x", &vec![0; 70_000])),
        "70000 bytes",
    );
    refused(raw(&record(b"path", &[b'x'; 5000])), "5000 bytes");
    refused(raw(&record(b"path", &[b'x'; 300])), "255 bytes");
    // Two names, of which readers choose different ones.
    let mut two = Tar::new();
    two.entry(Header::new(b"././@LongLink", b'L'), b"one\0")
        .pax(&[(b"path", b"two")]);
    refused(two.file("x", b"").finish(), "beside a PAX");
    let twice = Tar::new()
        .pax(&[(b"path", b"a")])
        .pax(&[(b"path", b"b")])
        .file("x", b"")
        .finish();
    refused(twice, "two extended headers");
    let orphan = Tar::new().pax(&[(b"path", b"a")]).finish();
    refused(orphan, "without its entry");
    let global = Tar::new()
        .entry(Header::new(b"g", b'g'), &record(b"path", b"evil"))
        .file("x", b"")
        .finish();
    refused(global, "global header");
    let between = Tar::new()
        .pax(&[(b"path", b"a")])
        .entry(Header::new(b"g", b'g'), &record(b"comment", b"c"))
        .file("x", b"")
        .finish();
    refused(between, "global header between");
}

/// The size of the extended header's own record is of the entry, not of headers in between: the
/// classic way to smuggle entries past one of two readers.
#[test]
fn a_size_record_cannot_smuggle_entries() {
    let scratch = Scratch::new();
    let hidden = Tar::new().file("hidden", b"").finish();
    let mut data = hidden[..512].to_vec();
    data.resize(512, 0);
    let mut tar = Tar::new();
    tar.pax(&[(b"size", b"512")]);
    // Its plain header says that it has no data.
    tar.raw(&Header::new(b"carrier", b'0').bytes()).raw(&data);
    let image = import_layers(&scratch, &[tar.file("after", b"").finish()]).unwrap();
    assert_eq!(fs::read(image.layers[0].join("carrier")).unwrap(), data);
    assert!(!image.layers[0].join("hidden").exists());
    assert!(image.layers[0].join("after").exists());
    for kind in b"123456" {
        let header = Header::new(b"x", *kind).link(b"y").device(1, 3).size(512);
        refused(one(header), "is ambiguous");
    }
}

#[test]
fn unknown_kinds_of_entry_are_refused_by_name() {
    for kind in [b'V', b'M', b'D', b'A', b'X', b'N'] {
        let words = format!("type '{}'", char::from(kind));
        refused(one(Header::new(b"x", kind)), &words);
    }
    refused(one(Header::new(b"x/", b'0')), "ends in a slash");
    refused(one(Header::new(b"", b'0')), "without a name");
    refused(
        one(Header::new(b"./", b'0').set(2, b".")),
        "root is not a directory",
    );
    refused(
        one(Header::new(b".", b'2').link(b"/etc")),
        "root is not a directory",
    );
}

#[test]
fn a_path_through_a_file_is_refused() {
    refused(
        Tar::new().file("f", b"").file("f/x", b"").finish(),
        "f is not a directory",
    );
    let base = Tar::new().file("f", b"").finish();
    let top = Tar::new().file("f/x", b"").finish();
    refused_over(&[base, top], "f is not a directory");
}

#[test]
fn paths_that_resolve_too_long_are_refused() {
    let deep = vec!["d"; 1500].join("/");
    let layer = Tar::new()
        .file(&format!("{deep}/x"), b"")
        .symlink("s", "t/t/t")
        .pax(&[(b"linkpath", deep.as_bytes())])
        .symlink("l", "x")
        .file(&format!("l/{deep}/y"), b"")
        .finish();
    refused(layer, "resolves to more than");
}

/// Thousands of levels are removed without as many descriptors.
#[test]
fn a_deep_tree_is_replaced() {
    let scratch = Scratch::new();
    let deep = vec!["d"; 2000].join("/");
    let layer = Tar::new()
        .file(&format!("{deep}/x"), b"")
        .file("d", b"flat")
        .finish();
    let image = import_layers(&scratch, &[layer]).unwrap();
    assert_eq!(fs::read(image.layers[0].join("d")).unwrap(), b"flat");
}

#[test]
fn archives_that_are_cut_off_or_damaged_are_refused() {
    let whole = Tar::new().file("a", &[b'x'; 2000]).dir("d").finish();
    for length in [100, 512, 600, 2000, 2600] {
        let cut = whole[..length].to_vec();
        let scratch = Scratch::new();
        // Cut where an entry ends is what the digest is for.
        assert!(import_layers(&scratch, &[cut]).is_err(), "{length}");
        assert_empty(&scratch.store());
    }
    let mut damaged = whole.clone();
    damaged[300] ^= 1;
    refused(damaged, "checksum");
    refused(
        Tar::new()
            .file("a", b"")
            .raw(&[0; 512])
            .file("b", b"")
            .finish(),
        "single zero block",
    );
    refused(b"not a tar archive at all".to_vec(), "cut off");
    refused(vec![b'x'; 1024], "checksum");
}

/// Content that is not what its digest or size says.
#[test]
fn bad_digests_and_sizes_are_refused() {
    let layer = vec![Tar::new().file("a", b"content").finish()];
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        for blob in 0..3 {
            let scratch = Scratch::new();
            let layout = Layout::of(scratch.join("layout"), &layer, packing);
            let blobs = layout.path.join("blobs/sha256");
            let mut paths: Vec<_> = fs::read_dir(blobs)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            paths.sort();
            let mut content = fs::read(&paths[blob]).unwrap();
            let middle = content.len() / 2;
            content[middle] ^= 1;
            fs::write(&paths[blob], &content).unwrap();
            let store = scratch.store();
            let error = import(&store, &layout.path).unwrap_err();
            assert_eq!(error.kind(), Kind::BadImage, "{error}");
            assert!(
                error.to_string().contains("does not match"),
                "{packing:?}: {error}"
            );
            assert_empty(&store);
            content.push(b' ');
            fs::write(&paths[blob], &content).unwrap();
            let error = import(&store, &layout.path).unwrap_err().to_string();
            assert!(error.contains("size"), "{error}");
            fs::remove_file(&paths[blob]).unwrap();
            assert!(import(&store, &layout.path).is_err());
            assert_empty(&store);
        }
    }
}

#[test]
fn a_wrong_diff_id_is_refused_and_takes_good_layers_with_it() {
    let scratch = Scratch::new();
    let good = Tar::new().file("a", b"").finish();
    let other = Tar::new().file("b", b"").finish();
    let mut layout = Layout::new(scratch.join("layout"));
    let config = support::config(&support::host(), &[good.clone(), good.clone()]);
    layout
        .index
        .push(layout.image(&config, &[good, other], Packing::Gzip));
    layout.finish();
    let store = scratch.store();
    let error = import(&store, &layout.path).unwrap_err().to_string();
    assert!(
        error.contains("layer 2") && error.contains("diff id does not match"),
        "{error}"
    );
    assert_empty(&store);
}

#[test]
fn a_media_type_that_lies_is_refused() {
    let scratch = Scratch::new();
    let layer = Tar::new().file("a", b"").finish();
    let layout = Layout::of(scratch.join("layout"), &[layer], Packing::Gzip);
    // The layout's documents are rewritten to say zstd.
    let mut lie = Layout::new(scratch.join("lie"));
    let manifest = fs::read_dir(layout.path.join("blobs/sha256"))
        .unwrap()
        .find_map(|entry| {
            let path = entry.unwrap().path();
            let text = String::from_utf8(fs::read(&path).unwrap()).ok()?;
            fs::copy(
                &path,
                lie.path
                    .join("blobs/sha256")
                    .join(path.file_name().unwrap()),
            )
            .unwrap();
            text.contains("layers\":[")
                .then_some(text)
                .filter(|text| text.contains("schemaVersion"))
        });
    for entry in fs::read_dir(layout.path.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(
            &path,
            lie.path
                .join("blobs/sha256")
                .join(path.file_name().unwrap()),
        )
        .unwrap();
    }
    let manifest = manifest.unwrap().replace("+gzip", "+zstd");
    lie.index.push(lie.blob(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.as_bytes(),
    ));
    lie.finish();
    let error = import(&scratch.store(), &lie.path).unwrap_err().to_string();
    assert!(error.contains("says zstd, the content is gzip"), "{error}");
    assert_empty(&scratch.store());
}

#[test]
fn later_entries_replace_earlier_ones_of_any_kind() {
    let scratch = Scratch::new();
    let layer = Tar::new()
        .file("twice", b"one")
        .file("twice", b"two")
        .dir("d")
        .file("d/x", b"")
        .file("d", b"file for a directory")
        .symlink("l", "/etc")
        .dir("l")
        .file("l/x", b"")
        .file("f", b"")
        .dir("f")
        .file("f/x", b"")
        .entry(Header::new(b"f/fifo", b'6').mode(0o600), b"")
        .symlink("f/fifo", "nowhere")
        .finish();
    let image = import_layers(&scratch, &[layer]).unwrap();
    let view = Overlay::new(&image.layers, &scratch.join("bottom")).view();
    let view: Vec<String> = view
        .iter()
        .map(|(path, what)| format!("{path} {what}"))
        .collect();
    assert_eq!(
        view,
        [
            "d file file for a directory",
            "f dir",
            "f/fifo -> nowhere",
            "f/x file ",
            "l dir",
            "l/x file ",
            "twice file two",
        ]
    );
}

#[test]
fn archives_with_odd_members_are_refused() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let path = scratch.join("archive.tar");
    let layer = vec![Tar::new().file("a", b"x").finish()];
    let refuse = |bytes: &[u8], words: &str| {
        fs::write(&path, bytes).unwrap();
        let error = import(&store, &path).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_empty(&store);
    };
    let whole = support::docker_archive(&layer, "x:1");
    refuse(&whole[..whole.len() - 1600], "cut off");
    refuse(
        &Tar::new().file("etc/passwd", b"").finish(),
        "not an image archive",
    );
    refuse(b"", "not an image archive");
    refuse(&[0; 4096], "not an image archive");
    refuse(b"BZh91AY&SY junk", "bzip2");
    let twice = Tar::new()
        .file("manifest.json", b"[]")
        .file("./manifest.json", b"[]")
        .finish();
    refuse(&twice, "twice in the archive");
    let out = Tar::new()
        .symlink("manifest.json", "../../etc/passwd")
        .finish();
    refuse(&out, "leaves the archive");
    let circle = Tar::new()
        .symlink("manifest.json", "a")
        .symlink("a", "manifest.json")
        .finish();
    refuse(&circle, "too many links");
    let absent = br#"[{"Config":"x.json","RepoTags":null,"Layers":["l"]}]"#;
    refuse(
        &Tar::new().file("manifest.json", absent).finish(),
        "not in the archive",
    );
    let escape = br#"[{"Config":"../../etc/passwd","RepoTags":null,"Layers":[]}]"#;
    refuse(
        &Tar::new().file("manifest.json", escape).finish(),
        "not in the archive",
    );
    let mut lying = support::docker_archive(&layer, "x:1");
    let at = lying
        .windows(6)
        .position(|bytes| bytes == b"\"A=1\"]")
        .unwrap();
    lying[at + 3] = b'2';
    refuse(&lying, "digest does not match");
}

#[test]
fn a_layout_cannot_make_us_read_elsewhere_or_wait() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let layout = Layout::of(
        scratch.join("layout"),
        &[Tar::new().finish()],
        Packing::Plain,
    );
    let index = layout.path.join("index.json");
    fs::remove_file(&index).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&index)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(
        import(&store, &layout.path)
            .unwrap_err()
            .to_string()
            .contains("not a regular file")
    );
    fs::remove_file(&index).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &index).unwrap();
    assert!(import(&store, &layout.path).is_err());
    assert!(import(&store, std::path::Path::new("/dev/zero")).is_err());
    assert_empty(&store);
}

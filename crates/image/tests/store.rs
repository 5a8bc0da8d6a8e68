//! The store: found again without reading, shared by many, collected.

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use image::{Digest, Kind, Platform, Progress, Request, Silent, Store};
use support::tar::Tar;
use support::{Layout, Packing, Scratch, docker_archive, host, import, names};

fn file(name: &str) -> Vec<u8> {
    Tar::new().file(name, name.as_bytes()).finish()
}

/// Sources are remembered only when they are older than a file system's tick.
fn settle() {
    std::thread::sleep(Duration::from_millis(60));
}

/// Counts the layers that are unpacked.
#[derive(Default)]
struct Count(usize);

impl Progress for Count {
    fn layer(&mut self, _: usize, _: usize, _: &Digest) {
        self.0 += 1;
    }
}

fn unpacked(store: &Store, source: &Path) -> usize {
    let mut count = Count::default();
    store.import(Request::of(source), &mut count).unwrap();
    count.0
}

#[test]
fn every_form_of_an_image_is_the_same_image() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let layers = [file("a"), file("b")];
    let mut first = true;
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let layout = Layout::of(scratch.join(&format!("{packing:?}")), &layers, packing);
        let archive = scratch.join("archive.tar");
        for bytes in [layout.archive(), Packing::Gzip.pack(&layout.archive())] {
            fs::write(&archive, bytes).unwrap();
            assert_eq!(unpacked(&store, &archive), if first { 2 } else { 0 });
            first = false;
        }
        assert_eq!(unpacked(&store, &layout.path), 0);
    }
    let archive = scratch.join("docker.tar");
    let plain = docker_archive(&layers, "x:1");
    for bytes in [plain.clone(), Packing::Zstd.pack(&plain)] {
        fs::write(&archive, bytes).unwrap();
        assert_eq!(unpacked(&store, &archive), 0);
    }
    let image = import(&store, &archive).unwrap();
    assert_eq!(image.config.cmd, ["/bin/sh"]);
    assert_eq!(image.config.env, ["A=1"]);
    assert_eq!(image.names, ["x:1"]);
    assert_eq!(image.digest, image.config_digest);
    assert_eq!(fs::read(image.layers[0].join("b")).unwrap(), b"b");
    assert_eq!(fs::read(image.layers[1].join("a")).unwrap(), b"a");
    assert_eq!(names(&store, "layers").len(), 2);
    assert_eq!(names(&store, "tmp").len(), 0);
}

/// The path that a start of a container takes: nothing of the image's content is touched.
#[test]
fn an_unchanged_source_is_not_read_again() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let layout = Layout::of(scratch.join("layout"), &[file("a")], Packing::Gzip);
    settle();
    let image = import(&store, &layout.path).unwrap();
    fs::remove_dir_all(layout.path.join("blobs")).unwrap();
    let best = (0..20)
        .map(|_| {
            let start = Instant::now();
            let again = import(&Store::open(store.path()).unwrap(), &layout.path).unwrap();
            assert_eq!(again.digest, image.digest);
            start.elapsed()
        })
        .min();
    assert!(best < Some(Duration::from_millis(1)), "{best:?}");
}

#[test]
fn a_changed_source_is_read_again() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let archive = scratch.join("archive.tar");
    // The same length, the same time of modification.
    let time = fs::File::open("/proc/self/exe")
        .unwrap()
        .metadata()
        .unwrap()
        .modified()
        .unwrap();
    let mut digests = Vec::new();
    for name in ["a", "b", "c"] {
        fs::write(&archive, docker_archive(&[file(name)], "x:1")).unwrap();
        fs::File::options()
            .write(true)
            .open(&archive)
            .unwrap()
            .set_modified(time)
            .unwrap();
        settle();
        for _ in 0..2 {
            let image = import(&store, &archive).unwrap();
            assert!(image.layers[0].join(name).exists());
            digests.push(image.digest);
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 3);
    // At once, within a tick: never an old answer.
    for index in 0..50 {
        let name = format!("{index:02}");
        fs::write(&archive, docker_archive(&[file(&name)], "x:1")).unwrap();
        assert!(
            import(&store, &archive).unwrap().layers[0]
                .join(&name)
                .exists()
        );
    }
}

#[test]
fn a_layer_that_is_gone_is_unpacked_again() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let layout = Layout::of(
        scratch.join("layout"),
        &[file("a"), file("b")],
        Packing::Gzip,
    );
    settle();
    let image = import(&store, &layout.path).unwrap();
    fs::remove_dir_all(image.layers[0].parent().unwrap()).unwrap();
    assert_eq!(store.verify().unwrap().len(), 1);
    assert_eq!(unpacked(&store, &layout.path), 1);
    assert_eq!(store.verify().unwrap().len(), 0);
}

#[test]
fn verify_finds_what_was_changed() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let layout = Layout::of(scratch.join("layout"), &[file("a")], Packing::Gzip);
    let image = import(&store, &layout.path).unwrap();
    let path = image.layers[0].join("a");
    assert!(store.verify().unwrap().is_empty());
    let wrong = |words: &str| {
        let wrong = store.verify().unwrap();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].to_string().contains(words), "{}", wrong[0]);
    };
    fs::write(&path, "changed").unwrap();
    wrong("not as they were");
    fs::remove_file(&path).unwrap();
    wrong("not as they were");
    store.remove(&drop_image(image), &|_| None).unwrap();
    let image = import(&store, &layout.path).unwrap();
    let config = store
        .path()
        .join("blobs")
        .join(format!("sha256-{}", image.config_digest.hex()));
    fs::write(config, "{}").unwrap();
    wrong("the content is");
}

/// While an image lives nothing is removed.
fn drop_image(image: image::Image) -> Digest {
    image.digest.clone()
}

#[test]
fn removing_an_image_keeps_what_others_have() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let one = Layout::of(
        scratch.join("one"),
        &[file("base"), file("x")],
        Packing::Gzip,
    );
    let two = Layout::of(
        scratch.join("two"),
        &[file("base"), file("yy")],
        Packing::Gzip,
    );
    let one = drop_image(import(&store, &one.path).unwrap());
    let two = import(&store, &two.path).unwrap();
    let list = store.list().unwrap();
    assert_eq!(list.len(), 2);
    let own: u64 = list.iter().map(|image| image.own_bytes).sum();
    assert_eq!((own, list[0].layers), (3, 2));
    let two = drop_image(two);
    let user = |digest: &image::Digest| (*digest == two).then(|| "container-1".to_owned());
    let error = store.remove(&two, &user).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("container-1"), "{error}");
    assert_eq!(store.remove(&one, &user).unwrap(), 1);
    assert_eq!(names(&store, "layers").len(), 2);
    assert!(store.verify().unwrap().is_empty());
    let nobody = |_: &image::Digest| None;
    store.remove(&two, &nobody).unwrap();
    for part in ["layers", "images", "blobs", "sources", "tmp"] {
        assert_eq!(names(&store, part).len(), 0, "{part}");
    }
    assert_eq!(
        store.remove(&two, &nobody).unwrap_err().kind(),
        Kind::NotFound
    );
    assert!(store.get(&two).unwrap().is_none());
}

#[test]
fn the_image_of_a_name_is_found_and_several_need_one() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut layout = Layout::new(scratch.join("layout"));
    for name in ["docker.io/library/one:latest", "localhost/two:2"] {
        let layers = [file(&name[name.len() - 1..])];
        let manifest = layout.image(&support::config(&host(), &layers), &layers, Packing::Gzip);
        let names = format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#);
        layout.index.push(manifest + &names);
    }
    layout.finish();
    let ask = |reference: Option<&str>| {
        let request = Request {
            reference,
            ..Request::of(&layout.path)
        };
        store.import(request, &mut Silent)
    };
    let error = ask(None).unwrap_err();
    assert_eq!(error.kind(), Kind::Ambiguous);
    assert!(error.hint_text().unwrap().contains("localhost/two:2"));
    let one = ask(Some("one")).unwrap();
    assert_eq!(one.names, ["docker.io/library/one:latest"]);
    assert_eq!(ask(Some("two:2")).unwrap().names, ["localhost/two:2"]);
    assert_eq!(
        ask(Some(&one.digest.to_string())).unwrap().digest,
        one.digest
    );
    assert_eq!(ask(Some("two")).unwrap_err().kind(), Kind::NotFound);
    settle();
    // Each question is remembered for itself.
    for (reference, name) in [
        ("one", "docker.io/library/one:latest"),
        ("two:2", "localhost/two:2"),
    ] {
        for _ in 0..2 {
            assert_eq!(ask(Some(reference)).unwrap().names, [name]);
        }
    }
}

#[test]
fn the_platform_chooses_from_indexes_inside_one_another() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut layout = Layout::new(scratch.join("layout"));
    let index = |layout: &Layout, manifests: &str| {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{manifests}]}}"#);
        layout.blob("application/vnd.oci.image.index.v1+json", text.as_bytes())
    };
    let manifests: Vec<String> = [("s390x", ""), ("arm", "v6"), ("arm", "v7")]
        .iter()
        .map(|(architecture, variant)| {
            let layers = [file(&format!("{architecture}{variant}"))];
            let config = support::config(architecture, &layers);
            let manifest = layout.image(&config, &layers, Packing::Gzip);
            format!(
                r#"{manifest},"platform":{{"os":"linux","architecture":"{architecture}","variant":"{variant}"}}}}"#
            )
        })
        .collect();
    let attestation = layout.blob("application/vnd.oci.image.manifest.v1+json", b"{}")
        + r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"},"platform":{"os":"unknown","architecture":"unknown"}}"#;
    let inner = index(&layout, &(manifests.join(",") + "," + &attestation)) + "}";
    layout.index.push(index(&layout, &inner));
    layout.finish();
    let ask = |platform: &str| {
        let platform: Platform = platform.parse().unwrap();
        let request = Request {
            platform: Some(&platform),
            ..Request::of(&layout.path)
        };
        store.import(request, &mut Silent)
    };
    for (platform, name) in [("s390x", "s390x"), ("arm/v6", "armv6"), ("arm/v7", "armv7")] {
        let image = ask(&format!("linux/{platform}")).unwrap();
        assert!(image.layers[0].join(name).exists());
    }
    assert_eq!(ask("linux/arm").unwrap_err().kind(), Kind::Ambiguous);
    let error = ask("linux/mips").unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.hint_text().unwrap().contains("linux/arm/v7"));
    assert_eq!(
        import(&store, &layout.path).unwrap_err().kind(),
        Kind::NotFound
    );
    // A chain of indexes that is longer than anybody needs.
    let mut deep = Layout::new(scratch.join("deep"));
    let mut descriptor = index(&deep, "");
    for _ in 0..5 {
        descriptor = index(&deep, &(descriptor + "}"));
    }
    deep.index.push(descriptor);
    deep.finish();
    assert_eq!(
        import(&store, &deep.path).unwrap_err().kind(),
        Kind::TooLarge
    );
}

/// Newer versions of `docker save` write both forms into one archive: the one with digests is read.
#[test]
fn an_archive_of_both_forms_is_read_by_its_digests() {
    let scratch = Scratch::new();
    let layout = Layout::of(scratch.join("layout"), &[file("oci")], Packing::Gzip);
    let docker = docker_archive(&[file("docker")], "x:1");
    // One archive after the other: the two zero blocks between them are left out.
    let both = [&docker[..docker.len() - 1024], &layout.archive()].concat();
    let archive = scratch.join("archive.tar");
    fs::write(&archive, both).unwrap();
    let image = import(&scratch.store(), &archive).unwrap();
    assert!(image.layers[0].join("oci").exists());
    assert_ne!(image.digest, image.config_digest);
}

#[test]
fn an_image_for_another_machine_is_refused_with_a_hint() {
    let scratch = Scratch::new();
    let layers = [file("a")];
    let mut layout = Layout::new(scratch.join("layout"));
    let manifest = layout.image(&support::config("s390x", &layers), &layers, Packing::Gzip);
    layout.index.push(manifest);
    layout.finish();
    let error = import(&scratch.store(), &layout.path).unwrap_err();
    assert!(error.to_string().contains("for linux/s390x"), "{error}");
    assert!(
        error
            .hint_text()
            .unwrap()
            .contains("--platform linux/s390x")
    );
}

#[test]
fn an_image_without_layers_has_an_empty_one() {
    let scratch = Scratch::new();
    let layout = Layout::of(scratch.join("layout"), &[], Packing::Plain);
    let store = scratch.store();
    let image = import(&store, &layout.path).unwrap();
    assert_eq!(image.layers, [store.path().join("empty")]);
    assert_eq!(fs::read_dir(&image.layers[0]).unwrap().count(), 0);
    // An empty layer is one, too.
    let layout = Layout::of(scratch.join("other"), &[Tar::new().finish()], Packing::Gzip);
    assert_eq!(import(&store, &layout.path).unwrap().layers.len(), 1);
}

#[test]
fn sha512_is_a_digest_too() {
    let scratch = Scratch::new();
    let layout = Layout::of(scratch.join("layout"), &[file("a")], Packing::Gzip);
    let index = fs::read_to_string(layout.path.join("index.json")).unwrap();
    let hex = index.split("sha256:").nth(1).unwrap()[..64].to_owned();
    let manifest = fs::read(layout.path.join("blobs/sha256").join(&hex)).unwrap();
    let digest = Digest::with(image::Algorithm::Sha512, &manifest);
    fs::create_dir(layout.path.join("blobs/sha512")).unwrap();
    fs::write(
        layout.path.join("blobs/sha512").join(digest.hex()),
        &manifest,
    )
    .unwrap();
    let index = index.replace(&format!("sha256:{hex}"), &digest.to_string());
    fs::write(layout.path.join("index.json"), index).unwrap();
    let store = scratch.store();
    assert_eq!(import(&store, &layout.path).unwrap().digest, digest);
    assert!(store.verify().unwrap().is_empty());
}

#[test]
fn a_store_of_somebody_else_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.join("theirs");
    fs::create_dir(&path).unwrap();
    std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
    assert!(
        Store::open(&path)
            .unwrap_err()
            .to_string()
            .contains("another user")
    );
}

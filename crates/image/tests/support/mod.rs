//! What the tests are made of: directories that vanish, archives written byte by byte, layouts, and
//! an overlay that nobody else can see.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

pub mod overlay;
pub mod tar;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use image::{Digest, Image, Limits, Request, Silent, Store};

/// A directory of the test's own, removed in the end. In memory where there is such a file system:
/// the store syncs what it unpacks.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            Self::below(memory)
        } else {
            Self::on_disk()
        }
    }

    pub fn on_disk() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(base: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("stockade-image-{}-{count}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn store(&self) -> Store {
        Store::open(&self.join("store")).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a layer of a test is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }

    pub fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => tar.to_vec(),
            Self::Gzip => {
                let fast = flate2::Compression::fast();
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), fast);
                gzip.write_all(tar).unwrap();
                gzip.finish().unwrap()
            }
            Self::Zstd => zstd::encode_all(tar, 1).unwrap(),
        }
    }
}

/// The configuration document for these layers.
pub fn config(architecture: &str, layers: &[Vec<u8>]) -> String {
    let ids: Vec<String> = layers
        .iter()
        .map(|tar| format!("\"{}\"", Digest::of(tar)))
        .collect();
    let ids = ids.join(",");
    format!(
        r#"{{"architecture":"{architecture}","os":"linux","config":{{"Cmd":["/bin/sh"],"Env":["A=1"]}},
        "rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#
    )
}

/// This machine's architecture in images' words.
pub fn host() -> String {
    image::Platform::host().architecture
}

/// An OCI layout being written.
pub struct Layout {
    pub path: PathBuf,
    pub index: Vec<String>,
}

impl Layout {
    pub fn new(path: PathBuf) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self {
            path,
            index: Vec::new(),
        }
    }

    /// A layout with one image of these layers.
    pub fn of(path: PathBuf, layers: &[Vec<u8>], packing: Packing) -> Self {
        let mut layout = Self::new(path);
        let manifest = layout.image(&config(&host(), layers), layers, packing);
        layout.index.push(manifest);
        layout.finish();
        layout
    }

    /// Writes a blob and answers its descriptor, without the last brace.
    pub fn blob(&self, media_type: &str, content: &[u8]) -> String {
        let digest = Digest::of(content);
        fs::write(self.path.join("blobs/sha256").join(digest.hex()), content).unwrap();
        let size = content.len();
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}"#)
    }

    /// Writes an image's blobs and answers its manifest's descriptor, without the last brace.
    pub fn image(&self, config: &str, layers: &[Vec<u8>], packing: Packing) -> String {
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{}", packing.suffix());
        let layers: Vec<String> = layers
            .iter()
            .map(|tar| self.blob(&media_type, &packing.pack(tar)) + "}")
            .collect();
        let config = self.blob(
            "application/vnd.oci.image.config.v1+json",
            config.as_bytes(),
        ) + "}";
        let layers = layers.join(",");
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#);
        self.blob(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.as_bytes(),
        )
    }

    pub fn finish(&self) {
        let manifests: Vec<String> = self
            .index
            .iter()
            .map(|descriptor| format!("{descriptor}}}"))
            .collect();
        let manifests = manifests.join(",");
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{manifests}]}}"#);
        fs::write(self.path.join("index.json"), index).unwrap();
    }

    /// The layout as an archive.
    pub fn archive(&self) -> Vec<u8> {
        let mut tar = tar::Tar::new();
        for name in ["oci-layout", "index.json"] {
            tar.file(name, &fs::read(self.path.join(name)).unwrap());
        }
        for entry in fs::read_dir(self.path.join("blobs/sha256")).unwrap() {
            let entry = entry.unwrap();
            let name = format!("blobs/sha256/{}", entry.file_name().into_string().unwrap());
            tar.file(&name, &fs::read(entry.path()).unwrap());
        }
        tar.finish()
    }
}

/// What `docker save` writes of one image, layers uncompressed.
pub fn docker_archive(layers: &[Vec<u8>], tag: &str) -> Vec<u8> {
    let config = config(&host(), layers);
    let name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let mut tar = tar::Tar::new();
    let mut names = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        names.push(format!("\"{index}/layer.tar\""));
        tar.file(&format!("{index}/layer.tar"), layer);
    }
    tar.file(&name, config.as_bytes());
    let names = names.join(",");
    let manifest = format!(r#"[{{"Config":"{name}","RepoTags":["{tag}"],"Layers":[{names}]}}]"#);
    tar.file("manifest.json", manifest.as_bytes());
    tar.finish()
}

/// Imports the only image of `source`.
pub fn import(store: &Store, source: &Path) -> image::Result<Image> {
    store.import(Request::of(source), &mut Silent)
}

/// Imports an image of these layers into a store of its own.
pub fn import_layers(scratch: &Scratch, layers: &[Vec<u8>]) -> image::Result<Image> {
    let layout = Layout::of(scratch.join("layout"), layers, Packing::Plain);
    import(&scratch.store(), &layout.path)
}

/// The same with other limits.
pub fn import_limited(
    scratch: &Scratch,
    layers: &[Vec<u8>],
    packing: Packing,
    limits: Limits,
) -> image::Result<Image> {
    let layout = Layout::of(scratch.join("layout"), layers, packing);
    let store = Store::open_with(&scratch.join("store"), limits).unwrap();
    import(&store, &layout.path)
}

/// The names below a directory of the store.
pub fn names(store: &Store, part: &str) -> Vec<String> {
    match fs::read_dir(store.path().join(part)) {
        Err(_) => Vec::new(),
        Ok(entries) => entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect(),
    }
}

/// Fails unless the store holds nothing at all.
pub fn assert_empty(store: &Store) {
    for part in ["layers", "images", "blobs", "sources", "tmp"] {
        assert_eq!(names(store, part), [""; 0], "left in {part}");
    }
}

//! A directory in memory that goes with its owner, a layout in it, and what lies beside the store.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Digest, Limits, Request, Silent, Store};

/// A directory for one run.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A fresh one, with something in it that nobody may touch.
    pub fn new() -> Self {
        let path = Path::new("/dev/shm").join(format!("stockade-fuzz-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("layout/blobs/sha256")).expect("a directory");
        fs::write(path.join("outside"), "untouched").expect("a file");
        let layout = r#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(path.join("layout/oci-layout"), layout).expect("a file");
        Self(path)
    }

    /// A blob of the layout.
    pub fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = self.0.join("layout/blobs/sha256").join(digest.hex());
        fs::write(path, bytes).expect("a blob");
        digest
    }

    /// The layout's index.
    pub fn index(&self, bytes: &[u8]) {
        fs::write(self.0.join("layout/index.json"), bytes).expect("an index");
    }

    /// Imports `source`; a refusal is one line and leaves nothing, and in any case all stays inside.
    pub fn import(&self, source: &Path, reference: Option<&str>) {
        let limits = Limits {
            image_bytes: 1 << 20,
            entries: 500,
            document_bytes: 64 << 10,
            ..Limits::default()
        };
        let store = Store::open_with(&self.0.join("store"), limits).expect("a store");
        let request = Request {
            reference,
            ..Request::of(source)
        };
        match store.import(request, &mut Silent) {
            Ok(image) => {
                assert!(store.verify().expect("a store").is_empty());
                let digest = image.digest.clone();
                drop(image);
                store.remove(&digest, &|_| None).expect("the image goes");
            }
            Err(error) => {
                let message = error.to_string();
                assert!(!message.chars().any(char::is_control), "{message:?}");
            }
        }
        store.gc().expect("a store");
        self.assert_clean();
    }

    /// The layout.
    pub fn layout(&self) -> PathBuf {
        self.0.join("layout")
    }

    /// A file of that content.
    pub fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("archive");
        fs::write(&path, bytes).expect("a file");
        path
    }

    fn assert_clean(&self) {
        for part in ["layers", "images", "blobs", "tmp"] {
            let left = fs::read_dir(self.0.join("store").join(part));
            assert_eq!(left.map_or(0, Iterator::count), 0, "left in {part}");
        }
        let outside = fs::read_to_string(self.0.join("outside"));
        assert_eq!(outside.expect("a file"), "untouched");
        let expected = ["archive", "layout", "outside", "store"];
        for entry in fs::read_dir(&self.0).expect("a directory").flatten() {
            let name = entry.file_name();
            assert!(expected.iter().any(|known| name == *known), "{name:?}");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

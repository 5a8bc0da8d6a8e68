//! The store's own files: small JSON documents, each replaced by one rename.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::Entry;
use sys::rustix::fs::{OFlags, Stat, fsync};

use super::temporary::TemporaryFile;
use super::{Image, Store, Use};
use crate::config::Document;
use crate::digest::Digest;
use crate::error::{Error, Of, Result};
use crate::platform::Platform;

/// The version of all records; another one is not understood.
const FORMAT: u32 = 1;
/// Bytes of a record at most.
const MOST: usize = 16 << 20;

/// `images/ALG-HEX.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    pub(super) format: u32,
    pub(super) digest: Digest,
    pub(super) config: Digest,
    pub(super) manifest: bool,
    pub(super) names: Vec<String>,
    /// Base first.
    pub(super) layers: Vec<LayerRecord>,
}

/// A layer: in an image's record, and as `layers/ALG-HEX/layer.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    pub(super) chain: Digest,
    pub(super) diff_id: Digest,
    /// Bytes of the files in it.
    pub(super) bytes: u64,
    /// Entries of its archive.
    pub(super) entries: u64,
    /// Nothing below it is to be seen.
    #[serde(default)]
    pub(super) opaque: bool,
    /// What its directory holds.
    pub(super) tree: Digest,
}

/// `sources/DEV-INO.json`: what a file was found to hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SourceRecord {
    pub(super) format: u32,
    pub(super) identity: Identity,
    pub(super) path: String,
    pub(super) found: Vec<FoundImage>,
}

/// What was asked for, and what it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FoundImage {
    pub(super) reference: Option<String>,
    pub(super) platform: Option<Platform>,
    pub(super) digest: Digest,
}

/// What changes when a file's content does: the kernel sets the time of change, nobody else can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Identity {
    pub(super) fn new(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    pub(super) fn file_name(&self) -> String {
        format!("{:x}-{:x}.json", self.device, self.inode)
    }

    /// Whether the last change is long enough ago that another one would get another time: file
    /// systems count time in ticks of up to 10 ms.
    pub(super) fn is_settled(&self) -> bool {
        let now = sys::rustix::time::clock_gettime(sys::rustix::time::ClockId::Realtime);
        let (seconds, nanoseconds) = self.changed;
        let elapsed = now
            .tv_sec
            .saturating_sub(seconds)
            .saturating_mul(1_000_000_000)
            .saturating_add(now.tv_nsec)
            .saturating_sub_unsigned(nanoseconds);
        elapsed > 40_000_000
    }
}

/// A record that says which version it is.
pub(super) trait Record: Serialize + DeserializeOwned {
    fn format(&self) -> u32;
}

macro_rules! records {
    ($($record:ident),*) => {
        $(impl Record for $record {
            fn format(&self) -> u32 {
                self.format
            }
        })*
    };
}
records!(ImageRecord, SourceRecord);

impl ImageRecord {
    pub(super) fn new(digest: Digest, config: Digest) -> Self {
        let (manifest, names, layers) = (false, Vec::new(), Vec::new());
        Self {
            format: FORMAT,
            digest,
            config,
            manifest,
            names,
            layers,
        }
    }
}

impl SourceRecord {
    pub(super) fn new(identity: Identity, path: String) -> Self {
        Self {
            format: FORMAT,
            identity,
            path,
            found: Vec::new(),
        }
    }
}

/// The name of an image's record.
pub(super) fn image_file(digest: &Digest) -> String {
    format!("{}.json", digest.file_name())
}

/// The content of `name`, or nothing when there is no such file.
pub(super) fn read(directory: &OwnedFd, name: &str) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
    match sys::file::open_at(directory, name, flags, name) {
        Err(error) if error.errno == sys::Errno::NOENT => Ok(None),
        Err(error) => Err(error.into()),
        Ok(file) => Ok(Some(sys::file::read_all(&file, MOST, name)?)),
    }
}

impl Store {
    /// A record, or nothing when there is none, or one that this version does not understand.
    pub(super) fn record<T: Record>(&self, part: &str, name: &str) -> Result<Option<T>> {
        let path = format!("{part}/{name}");
        let Some(bytes) = read(&self.directory, &path)? else {
            return Ok(None);
        };
        let record: Option<T> = serde_json::from_slice(&bytes).ok();
        Ok(record.filter(|record| record.format() == FORMAT))
    }

    /// Writes a record in place of the one that may be there.
    pub(super) fn write_record<T: Record>(&self, part: &str, name: &str, record: &T) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(record).map_err(|e| Error::bad(e.to_string()))?;
        text.push(b'\n');
        self.write(part, name, &text)
    }

    /// Writes a file in place of the one that may be there; it is on the disk in the end.
    pub(super) fn write(&self, part: &str, name: &str, content: &[u8]) -> Result<()> {
        let directory = self.part(part)?;
        let temporary = TemporaryFile::new(self)?;
        sys::file::write_all(temporary.file(), content, name)?;
        fsync(temporary.file()).on("fsync", name)?;
        temporary.persist(&Entry::named(&directory, name.as_bytes())?)?;
        fsync(&directory).on("fsync", part)?;
        Ok(())
    }

    /// The image of a record, when all of it is there.
    pub(super) fn image(&self, record: ImageRecord, in_use: Use) -> Result<Option<Image>> {
        let Some(config) = read(
            &self.directory,
            &format!("blobs/{}", record.config.file_name()),
        )?
        else {
            return Ok(None);
        };
        let document = Document::parse(&config).of(|| &record.config)?;
        let visible = visible(&record.layers);
        let mut layers: Vec<_> = visible
            .iter()
            .rev()
            .map(|layer| self.layer_path(&layer.chain))
            .collect();
        for layer in visible {
            let path = format!("layers/{}/diff", layer.chain.file_name());
            if sys::root::open_directory(&self.directory, path.as_bytes()).is_err() {
                return Ok(None);
            }
        }
        if layers.is_empty() {
            self.part("empty")?;
            layers.push(self.path.join("empty"));
        }
        Ok(Some(Image {
            digest: record.digest,
            config_digest: record.config,
            platform: document.platform(),
            config: document.config,
            created: document.created,
            names: record.names,
            layers,
            _in_use: in_use,
        }))
    }
}

/// Those layers of an image that anything is seen of; base first.
pub(super) fn visible(layers: &[LayerRecord]) -> &[LayerRecord] {
    let bottom = layers.iter().rposition(|layer| layer.opaque).unwrap_or(0);
    &layers[bottom..]
}

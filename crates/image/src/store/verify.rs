//! Whether the store still holds what was verified when it came in.

use std::collections::BTreeSet;

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::{Entry, list_xattrs, names, xattr};
use sys::rustix::fs::{FileType, Stat, fstat};

use super::Store;
use super::import::read_layer;
use super::records::{self, ImageRecord};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Of, Result};

impl Store {
    /// Checks everything that the images of the store are made of: documents against their digests,
    /// layers against what they were like when they were unpacked: every name, kind, owner, mode,
    /// time, size, link and extended attribute. Answers what is wrong.
    ///
    /// The content of files is not read: only a failing disk changes it without changing the time.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn verify(&self) -> Result<Vec<Error>> {
        let _in_use = self.share()?;
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        for image in self.images()? {
            let digest = image.digest.clone();
            let results = self
                .documents(&image)
                .into_iter()
                .chain(self.stack(&image, &mut seen));
            wrong.extend(results.map(|error| error.of(format!("image {digest}"))));
        }
        Ok(wrong)
    }

    fn documents(&self, image: &ImageRecord) -> Vec<Error> {
        let manifest = image.manifest.then_some(&image.digest);
        let documents = [Some(&image.config), manifest].into_iter().flatten();
        documents
            .filter_map(|digest| self.document(digest).of(|| digest).err())
            .collect()
    }

    fn document(&self, digest: &Digest) -> Result<()> {
        let content = records::read(&self.directory, &format!("blobs/{}", digest.file_name()))?;
        let content = content.ok_or_else(|| Error::not_found("missing"))?;
        let found = Digest::with(digest.algorithm(), &content);
        if found != *digest {
            return Err(Error::bad(format!("the content is {found}")));
        }
        Ok(())
    }

    /// The layers of an image; each layer is looked at once.
    fn stack(&self, image: &ImageRecord, seen: &mut BTreeSet<Digest>) -> Vec<Error> {
        let new = image
            .layers
            .iter()
            .filter(|layer| seen.insert(layer.chain.clone()));
        new.filter_map(|layer| {
            let check = || {
                let directory = self.layer(&layer.chain)?;
                let directory = directory.ok_or_else(|| Error::not_found("missing"))?;
                if read_layer(&directory)? != *layer {
                    return Err(Error::bad("layer.json is not as it was"));
                }
                let diff = Entry::named(&directory, b"diff")?.open_directory()?;
                if tree(&diff)? != layer.tree {
                    return Err(Error::bad("its files are not as they were unpacked"));
                }
                Ok(())
            };
            check().of(|| format!("layer {}", layer.chain)).err()
        })
        .collect()
    }
}

/// A digest of all that is in a directory but the content of files.
pub(super) fn tree(top: &OwnedFd) -> Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let root = fstat(top).on("fstat", "diff")?;
    describe(&mut hasher, b".", &root);
    attributes(&mut hasher, &list_xattrs(top, "diff")?, |key| {
        Ok(xattr(top, key, "diff")?)
    })?;
    let mut todo = vec![b".".to_vec()];
    while let Some(path) = todo.pop() {
        let directory = sys::root::open_directory(top, &path)
            .map_err(|errno| sys::Error::new("openat2", "diff", errno))?;
        let mut found = names(&directory, "diff")?;
        found.sort_unstable();
        for name in &found {
            let slot = Entry::named(&directory, name)?;
            let stat = slot
                .stat()?
                .ok_or_else(|| Error::not_found("it vanishes"))?;
            describe(&mut hasher, name, &stat);
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => todo.push([path.as_slice(), name].join(&b'/')),
                FileType::Symlink => bytes(&mut hasher, &slot.read_link()?),
                _ => {}
            }
            attributes(
                &mut hasher,
                &slot.list_xattrs()?,
                |key| Ok(slot.xattr(key)?),
            )?;
        }
        // So that a name of the next directory is not taken for one of this.
        hasher.update(b"end");
    }
    Ok(hasher.finish())
}

fn describe(hasher: &mut Hasher, name: &[u8], stat: &Stat) {
    bytes(hasher, name);
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let size = if directory { 0 } else { stat.st_size };
    for number in [stat.st_mode, stat.st_uid, stat.st_gid] {
        hasher.update(&number.to_le_bytes());
    }
    for number in [size, stat.st_mtime] {
        hasher.update(&number.to_le_bytes());
    }
    for number in [stat.st_mtime_nsec, stat.st_rdev] {
        hasher.update(&number.to_le_bytes());
    }
}

/// Extended attributes but labels, which a host may change.
fn attributes(
    hasher: &mut Hasher,
    list: &[u8],
    value: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<()> {
    let ours = |key: &&[u8]| !key.is_empty() && *key != b"security.selinux";
    let mut keys: Vec<&[u8]> = list.split(|&byte| byte == 0).filter(ours).collect();
    keys.sort_unstable();
    for key in keys {
        bytes(hasher, key);
        bytes(hasher, &value(key)?);
    }
    Ok(())
}

/// Bytes of any length, so that two in a row cannot be taken for two others.
fn bytes(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&crate::wide(bytes.len()).to_le_bytes());
    hasher.update(bytes);
}

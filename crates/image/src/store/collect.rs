//! What is in the store, who uses it, and how it goes.

use std::collections::BTreeSet;

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::{Entry, names};
use sys::rustix::fs::{FlockOperation, flock, fsync};

use super::records::{ImageRecord, SourceRecord, image_file};
use super::{Image, Store};
use crate::digest::Digest;
use crate::error::{Error, Kind, Of, Result};

/// An image in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// As [`Image::digest`].
    pub digest: Digest,
    /// As [`Image::config_digest`].
    pub config_digest: Digest,
    /// The names that its sources gave it.
    pub names: Vec<String>,
    /// The number of its layers.
    pub layers: usize,
    /// Bytes of all files in its layers, those that it shares with other images too.
    pub bytes: u64,
    /// Bytes of the layers that no other image has.
    pub own_bytes: u64,
}

impl Store {
    /// The images in the store, by digest.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let _in_use = self.share()?;
        let images = self.images()?;
        let summary = |image: &ImageRecord| {
            let others = images.iter().filter(|other| other.digest != image.digest);
            let shared: BTreeSet<&Digest> = others
                .flat_map(|other| &other.layers)
                .map(|layer| &layer.chain)
                .collect();
            let own = image
                .layers
                .iter()
                .filter(|layer| !shared.contains(&layer.chain));
            Summary {
                digest: image.digest.clone(),
                config_digest: image.config.clone(),
                names: image.names.clone(),
                layers: image.layers.len(),
                bytes: image.layers.iter().map(|layer| layer.bytes).sum(),
                own_bytes: own.map(|layer| layer.bytes).sum(),
            }
        };
        Ok(images.iter().map(summary).collect())
    }

    /// An image of the store by its digest, or nothing when it does not have it whole.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn get(&self, digest: &Digest) -> Result<Option<Image>> {
        let in_use = self.share()?;
        match self.record::<ImageRecord>("images", &image_file(digest))? {
            Some(record) => self.image(record, in_use),
            None => Ok(None),
        }
    }

    /// Removes an image, and the layers that no other image has; answers the bytes of their files.
    ///
    /// `user` says who uses an image, if anybody does. It is asked when nobody can be about to: whoever
    /// makes something of an image holds its [`Image`] until it is known as a user.
    ///
    /// # Errors
    /// When there is no such image, or it is used.
    pub fn remove(&self, digest: &Digest, user: &dyn Fn(&Digest) -> Option<String>) -> Result<u64> {
        let _alone = self.exclude()?;
        let images = self.part("images")?;
        let name = image_file(digest);
        if Entry::named(&images, name.as_bytes())?.stat()?.is_none() {
            return Err(Error::not_found("no such image in the store").of(digest));
        }
        if let Some(user) = user(digest) {
            return Err(Error::new(Kind::Busy, format!("the image is used by {user}")).of(digest));
        }
        remove_file(&images, &name)?;
        fsync(&images).on("fsync", "images")?;
        self.collect()
    }

    /// Removes what no image needs; answers the bytes of its files.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn gc(&self) -> Result<u64> {
        let _alone = self.exclude()?;
        self.collect()
    }

    /// The store is ours alone here.
    fn collect(&self) -> Result<u64> {
        self.sweep()?;
        let images = self.images()?;
        let layers = images.iter().flat_map(|image| &image.layers);
        let layers: BTreeSet<String> = layers.map(|layer| layer.chain.file_name()).collect();
        let blobs = images
            .iter()
            .flat_map(|image| [&image.config, &image.digest]);
        let blobs: BTreeSet<String> = blobs.map(Digest::file_name).collect();
        let mut freed = 0_u64;
        for name in self
            .entries("layers")?
            .iter()
            .filter(|name| !layers.contains(*name))
        {
            freed = freed.saturating_add(self.remove_layer(name).of(|| name)?);
        }
        let directory = self.part("blobs")?;
        for name in self
            .entries("blobs")?
            .iter()
            .filter(|name| !blobs.contains(*name))
        {
            remove_file(&directory, name)?;
        }
        self.forget_sources(&images)?;
        Ok(freed)
    }

    /// Moves a layer to where half a layer is nothing wrong, then removes it.
    fn remove_layer(&self, name: &str) -> Result<u64> {
        let (layers, temporary) = (self.part("layers")?, self.part("tmp")?);
        let layer = Entry::named(&layers, name.as_bytes())?;
        let directory = layer.open_directory()?;
        let bytes = super::import::read_layer(&directory).map_or(0, |record| record.bytes);
        flock(&directory, FlockOperation::LockExclusive).on("flock", name)?;
        let gone = Entry::named(&temporary, name.as_bytes())?;
        layer.rename(&gone)?;
        gone.remove_tree()?;
        Ok(bytes)
    }

    /// Removes what leads to images that are no longer there.
    fn forget_sources(&self, images: &[ImageRecord]) -> Result<()> {
        let directory = self.part("sources")?;
        for name in self.entries("sources")? {
            let Some(mut record) = self.record::<SourceRecord>("sources", &name)? else {
                remove_file(&directory, &name)?;
                continue;
            };
            let before = record.found.len();
            record
                .found
                .retain(|found| images.iter().any(|image| image.digest == found.digest));
            if record.found.is_empty() {
                remove_file(&directory, &name)?;
            } else if record.found.len() != before {
                self.write_record("sources", &name, &record)?;
            }
        }
        Ok(())
    }

    /// The records of all images.
    pub(super) fn images(&self) -> Result<Vec<ImageRecord>> {
        let mut images = Vec::new();
        for name in self.entries("images")? {
            // One of another version keeps nothing alive here, but is not touched either.
            images.extend(self.record::<ImageRecord>("images", &name)?);
        }
        Ok(images)
    }

    /// The names in a part of the store, sorted.
    pub(super) fn entries(&self, part: &str) -> Result<Vec<String>> {
        let found = names(self.part(part)?, part)?;
        let mut found: Vec<String> = found
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok())
            .collect();
        found.sort_unstable();
        Ok(found)
    }
}

fn remove_file(directory: &OwnedFd, name: &str) -> Result<()> {
    match Entry::named(directory, name.as_bytes())?.unlink() {
        Err(error) if error.errno != sys::Errno::NOENT => Err(error.into()),
        _ => Ok(()),
    }
}

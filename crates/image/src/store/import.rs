//! From a source to an image whose layers are unpacked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::Entry;
use sys::rustix::fs::{Mode, fchmod, fsync, syncfs};

use super::records::{FoundImage, Identity, ImageRecord, LayerRecord, SourceRecord, image_file};
use super::temporary::{Claim, TemporaryLayer};
use super::{Image, Request, Store, records, verify};
use crate::decode::{self, Blob};
use crate::digest::Digest;
use crate::error::{Error, Of, Result};
use crate::progress::Progress;
use crate::select::{self, Chosen, LayerFile};
use crate::source::{self, Member, Source};
use crate::tar::Archive;
use crate::unpack;

/// Questions that are remembered for one source.
const MOST_FOUND: usize = 16;

impl Store {
    /// The image that is wanted, unpacked unless the store has it already.
    ///
    /// A source that was not changed since it was last imported is not read again. Otherwise its
    /// index, manifest and configuration are, and layers only where the store lacks them. Several
    /// processes may import the same at once: one unpacks, the others use it.
    ///
    /// # Errors
    /// When there is no such image, it is malformed, hostile, too large or not what its digests say,
    /// or the kernel refuses; nothing of it is kept then.
    pub fn import(&self, request: Request<'_>, progress: &mut dyn Progress) -> Result<Image> {
        let source = request.source;
        if let Some(image) = self.remembered(request).of(|| source.display())? {
            return Ok(image);
        }
        self.sweep()?;
        let in_use = self.share()?;
        let opened = Source::open(source, &self.directory, &self.limits);
        let opened = opened.of(|| source.display())?;
        let chosen = select::choose(&opened, request.reference, request.platform, &self.limits);
        let chosen = chosen.of(|| source.display())?;
        let record = match self.known(&chosen)? {
            Some(record) => record,
            None => self
                .unpack(&opened, chosen, progress)
                .of(|| source.display())?,
        };
        self.remember(&opened, request, &record.digest)?;
        self.image(record, in_use)?.ok_or_else(|| {
            Error::not_found("the image vanished from the store").of(source.display())
        })
    }

    /// The image that is wanted, if the store has it and its source was not changed since it was
    /// imported. Nothing is written.
    ///
    /// # Errors
    /// When there is no such source, or the kernel refuses.
    pub fn already(&self, request: Request<'_>) -> Result<Option<Image>> {
        self.remembered(request).of(|| request.source.display())
    }

    /// The image that this request led to when the source was as it is now.
    fn remembered(&self, request: Request<'_>) -> Result<Option<Image>> {
        let stat = source::identity(request.source)?;
        let identity = Identity::new(&stat);
        let Some(record) = self.record::<SourceRecord>("sources", &identity.file_name())? else {
            return Ok(None);
        };
        let found = record.found.into_iter().find(|found| asked(found, request));
        let Some(found) = found.filter(|_| record.identity == identity) else {
            return Ok(None);
        };
        let in_use = self.share()?;
        match self.record::<ImageRecord>("images", &image_file(&found.digest))? {
            Some(record) => self.image(record, in_use),
            None => Ok(None),
        }
    }

    /// Remembers what the source holds, unless it may be changed without our noticing.
    fn remember(&self, source: &Source, request: Request<'_>, digest: &Digest) -> Result<()> {
        let identity = Identity::new(&source.stat);
        let unchanged =
            source::identity(request.source).is_ok_and(|stat| Identity::new(&stat) == identity);
        if !unchanged || !identity.is_settled() {
            return Ok(());
        }
        let name = identity.file_name();
        let known = self.record::<SourceRecord>("sources", &name)?;
        let known = known.filter(|record| record.identity == identity);
        let mut record = known.unwrap_or_else(|| {
            SourceRecord::new(identity, request.source.to_string_lossy().into_owned())
        });
        record.found.retain(|found| !asked(found, request));
        record.found.truncate(MOST_FOUND - 1);
        let reference = request.reference.map(str::to_owned);
        let platform = request.platform.cloned();
        record.found.insert(
            0,
            FoundImage {
                reference,
                platform,
                digest: digest.clone(),
            },
        );
        self.write_record("sources", &name, &record)
    }

    /// The record of the chosen image, when the store has all of it.
    fn known(&self, chosen: &Chosen) -> Result<Option<ImageRecord>> {
        let record = self.record::<ImageRecord>("images", &image_file(&chosen.digest))?;
        let Some(mut record) = record else {
            return Ok(None);
        };
        for layer in &record.layers {
            if self.layer(&layer.chain)?.is_none() {
                return Ok(None);
            }
        }
        let blob = format!("blobs/{}", record.config.file_name());
        if records::read(&self.directory, &blob)?.is_none() {
            return Ok(None);
        }
        let new = chosen
            .names
            .iter()
            .filter(|name| !record.names.contains(name));
        let new: Vec<String> = new.cloned().collect();
        if !new.is_empty() {
            record.names.extend(new);
            self.write_record("images", &image_file(&record.digest), &record)?;
        }
        Ok(Some(record))
    }

    /// Unpacks what the store lacks of the chosen image, and records it.
    fn unpack(
        &self,
        source: &Source,
        chosen: Chosen,
        progress: &mut dyn Progress,
    ) -> Result<ImageRecord> {
        let mut import = Import {
            store: self,
            source,
            read: AtomicU64::new(0),
            total: 0,
            progress: RefCell::new(progress),
            layers: Vec::new(),
            fresh: Vec::new(),
        };
        import.layers(&chosen.layers)?;
        import.persist()?;
        let mut record = ImageRecord::new(chosen.digest, chosen.config_digest);
        record.layers = import
            .layers
            .into_iter()
            .map(|layer| layer.record)
            .collect();
        record.names = chosen.names;
        self.write("blobs", &record.config.file_name(), &chosen.config)?;
        if let Some(manifest) = &chosen.manifest {
            record.manifest = true;
            self.write("blobs", &record.digest.file_name(), manifest)?;
        }
        self.write_record("images", &image_file(&record.digest), &record)?;
        Ok(record)
    }
}

/// Whether this is what was asked for.
fn asked(found: &FoundImage, request: Request<'_>) -> bool {
    found.reference.as_deref() == request.reference && found.platform.as_ref() == request.platform
}

/// An import under way.
struct Import<'i> {
    store: &'i Store,
    source: &'i Source,
    /// Bytes of the source's layers that were read, by the reading thread.
    read: AtomicU64,
    total: u64,
    progress: RefCell<&'i mut dyn Progress>,
    /// Base first.
    layers: Vec<Ready>,
    /// Those that have no name yet.
    fresh: Vec<TemporaryLayer>,
}

/// A layer that is unpacked.
struct Ready {
    diff: Rc<OwnedFd>,
    record: LayerRecord,
}

impl Import<'_> {
    fn layers(&mut self, files: &[LayerFile]) -> Result<()> {
        self.total = self.missing_bytes(files)?;
        let mut chain: Option<Digest> = None;
        for (index, file) in files.iter().enumerate() {
            let id = chain_id(chain.as_ref(), &file.diff_id);
            let claim = self
                .store
                .claim(&id, || self.progress.borrow_mut().waiting(&file.diff_id))?;
            let ready = match claim {
                Claim::Ready(directory) => open_layer(&directory).of(|| &id)?,
                Claim::Ours(temporary) => {
                    self.progress
                        .borrow_mut()
                        .layer(index, files.len(), &file.diff_id);
                    let object = || format!("layer {} ({})", index + 1, file.diff_id);
                    let ready = self.layer(file, id.clone(), &temporary).of(object)?;
                    self.fresh.push(temporary);
                    ready
                }
            };
            self.layers.push(ready);
            chain = Some(id);
        }
        Ok(())
    }

    /// Bytes of those layers that the store does not have.
    fn missing_bytes(&self, files: &[LayerFile]) -> Result<u64> {
        let mut chain: Option<Digest> = None;
        let mut total = 0_u64;
        for file in files {
            let id = chain_id(chain.as_ref(), &file.diff_id);
            if self.store.layer(&id)?.is_none() {
                let stated = file.size.map(Ok);
                let size = stated.unwrap_or_else(|| self.member(file).map(|member| member.size))?;
                total = total.saturating_add(size);
            }
            chain = Some(id);
        }
        Ok(total)
    }

    fn member(&self, file: &LayerFile) -> Result<Member> {
        self.source
            .file(&file.file)?
            .ok_or_else(|| Error::not_found("its content is not in the image").of(&file.file))
    }

    fn layer(&self, file: &LayerFile, chain: Digest, into: &TemporaryLayer) -> Result<Ready> {
        let slot = Entry::named(&into.directory, b"diff")?;
        slot.make_directory()?;
        let diff = slot.open_directory()?;
        fchmod(&diff, Mode::from_raw_mode(0o755)).on("fchmod", "diff")?;
        let unpacked = self.decode(file, slot.open_directory()?)?;
        let record = LayerRecord {
            chain,
            diff_id: file.diff_id.clone(),
            bytes: unpacked.bytes,
            entries: unpacked.entries,
            opaque: unpacked.opaque,
            tree: verify::tree(&diff)?,
        };
        write_layer(&into.directory, &record)?;
        Ok(Ready {
            diff: Rc::new(diff),
            record,
        })
    }

    /// Streams the layer's blob into `diff`, verified.
    fn decode(&self, file: &LayerFile, diff: OwnedFd) -> Result<unpack::Unpacked> {
        let member = self.member(file)?;
        let blob = Blob {
            reader: member.reader,
            size: file.size.unwrap_or(member.size),
            digest: file.digest.clone(),
            compression: file.compression,
            diff_id: file.diff_id.clone(),
        };
        let limits = &self.store.limits;
        let used = self
            .layers
            .iter()
            .fold(0, |sum: u64, layer| sum.saturating_add(layer.record.bytes));
        let budget = limits.image_bytes.saturating_sub(used);
        let lowers = self
            .visible()
            .rev()
            .map(|layer| Rc::clone(&layer.diff))
            .collect();
        let mut note = |text: &str| self.progress.borrow_mut().note(text);
        let mut tick = || {
            self.progress
                .borrow_mut()
                .bytes(self.read.load(Ordering::Relaxed), self.total);
        };
        decode::stream(blob, budget, &self.read, &mut tick, |tar| {
            let mut archive = Archive::new(tar, limits);
            unpack::layer(&mut archive, diff, lowers, limits, budget, &mut note)
        })
    }

    /// The layers that an entry can see; base first.
    fn visible(&self) -> impl DoubleEndedIterator<Item = &Ready> {
        let bottom = self
            .layers
            .iter()
            .rposition(|layer| layer.record.opaque)
            .unwrap_or(0);
        self.layers[bottom..].iter()
    }

    /// Puts the new layers on the disk, all at once, and gives them their names, base first: a layer
    /// that has a name has all below it.
    fn persist(&mut self) -> Result<()> {
        let Some(first) = self.fresh.first() else {
            return Ok(());
        };
        syncfs(&first.directory).on("syncfs", "layers")?;
        let layers = self.store.part("layers")?;
        for temporary in &mut self.fresh {
            temporary.persist(&layers)?;
        }
        Ok(fsync(&layers).on("fsync", "layers")?)
    }
}

/// OCI image-spec, image configuration, "Layer ChainID".
fn chain_id(below: Option<&Digest>, diff_id: &Digest) -> Digest {
    match below {
        None => diff_id.clone(),
        Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
    }
}

fn write_layer(directory: &OwnedFd, record: &LayerRecord) -> Result<()> {
    let text = serde_json::to_vec_pretty(record).map_err(|error| Error::bad(error.to_string()))?;
    let file = Entry::named(directory, b"layer.json")?.create()?;
    fchmod(&file, Mode::from_raw_mode(0o600)).on("fchmod", "layer.json")?;
    Ok(sys::file::write_all(&file, &text, "layer.json")?)
}

fn open_layer(directory: &OwnedFd) -> Result<Ready> {
    let diff = Entry::named(directory, b"diff")?.open_directory()?;
    Ok(Ready {
        diff: Rc::new(diff),
        record: read_layer(directory)?,
    })
}

/// The record of a layer, from its directory.
pub(super) fn read_layer(directory: &OwnedFd) -> Result<LayerRecord> {
    let text = records::read(directory, "layer.json")?;
    let text = text.ok_or_else(|| Error::not_found("layer.json is missing"))?;
    crate::manifest::json(&text).of(|| "layer.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_is_of_all_layers_up_to_it() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        assert_eq!(chain_id(None, &one), one);
        let both = Digest::of(format!("{one} {two}").as_bytes());
        assert_eq!(chain_id(Some(&one), &two), both);
    }
}

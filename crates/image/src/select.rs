//! Which image of a source: by reference, then by platform.

use std::collections::BTreeMap;

use crate::config::Document;
use crate::digest::Digest;
use crate::error::{Error, Kind, Of, Result, shown};
use crate::limits::Limits;
use crate::manifest::{Compression, Content, Descriptor, Index, Manifest, Saved, json};
use crate::platform::Platform;
use crate::source::{Source, blob_name};

/// The image that was chosen, its documents read and verified.
pub(crate) struct Chosen {
    /// Of the manifest, or of the configuration where there is none (a Docker archive).
    pub(crate) digest: Digest,
    pub(crate) manifest: Option<Vec<u8>>,
    pub(crate) config_digest: Digest,
    pub(crate) config: Vec<u8>,
    pub(crate) document: Document,
    /// The names that the source gives it.
    pub(crate) names: Vec<String>,
    /// Base first.
    pub(crate) layers: Vec<LayerFile>,
}

/// A layer's file in the source.
pub(crate) struct LayerFile {
    pub(crate) file: String,
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
    pub(crate) compression: Option<Compression>,
    pub(crate) diff_id: Digest,
}

/// Annotations that name an image in an index: OCI's, and Docker's and containerd's with the whole
/// name.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];
/// What buildx marks the attestations with that it puts beside images.
const ATTESTATION: &str = "vnd.docker.reference.type";

/// Chooses the image of `source` that `reference` names, for `platform` or else this machine's.
///
/// # Errors
/// When there is none, several answer, or its documents are malformed or not what their digests say.
pub(crate) fn choose(
    source: &Source,
    reference: Option<&str>,
    platform: Option<&Platform>,
    limits: &Limits,
) -> Result<Chosen> {
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let chosen = if let Some(index) = source.text("index.json", limits)? {
        check_layout(source, limits)?;
        let index = Index::parse(&index).of(|| "index.json")?;
        Candidates::new(source, wanted, limits).choose(index, reference)?
    } else {
        let saved = source.text("manifest.json", limits)?;
        let saved = saved.ok_or_else(|| Error::not_found("manifest.json is missing"))?;
        choose_saved(
            source,
            json(&saved).of(|| "manifest.json")?,
            reference,
            limits,
        )?
    };
    check_platform(&chosen, wanted)?;
    Ok(chosen)
}

fn check_layout(source: &Source, limits: &Limits) -> Result<()> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let text = source.text("oci-layout", limits)?;
    let text = text.ok_or_else(|| Error::bad("not an OCI image layout: it has no oci-layout"))?;
    let layout: Layout = json(&text).of(|| "oci-layout")?;
    if !layout.image_layout_version.starts_with("1.") {
        return Err(Error::unsupported(format!(
            "oci-layout: imageLayoutVersion: {:?} is not supported",
            shown(layout.image_layout_version.as_bytes())
        )));
    }
    Ok(())
}

/// An image is run by a kernel: what its configuration says must fit, whatever an index said.
fn check_platform(chosen: &Chosen, wanted: &Platform) -> Result<()> {
    let of = chosen.document.platform();
    // Old tools leave it out.
    let silent = of.os.is_empty() && of.architecture.is_empty();
    if silent || wanted.suits(&of).is_some() {
        return Ok(());
    }
    Err(
        Error::not_found(format!("the image is for {of}, not for {wanted}"))
            .hint(format!("--platform {of} runs it where the kernel can")),
    )
}

/// A manifest somewhere in the indexes of a source.
struct Candidate {
    descriptor: Descriptor,
    platform: Option<Platform>,
    names: Vec<String>,
}

/// Gathers the manifests that may be meant.
struct Candidates<'s> {
    source: &'s Source,
    wanted: &'s Platform,
    limits: &'s Limits,
    entries: usize,
    found: Vec<Candidate>,
}

impl<'s> Candidates<'s> {
    fn new(source: &'s Source, wanted: &'s Platform, limits: &'s Limits) -> Self {
        Self {
            source,
            wanted,
            limits,
            entries: 0,
            found: Vec::new(),
        }
    }

    fn choose(mut self, index: Index, reference: Option<&str>) -> Result<Chosen> {
        let names: Vec<String> = index.manifests.iter().flat_map(names).collect();
        for descriptor in index.manifests {
            let answers = reference.is_none_or(|wanted| answers(&descriptor, wanted));
            if answers {
                let names = self::names(&descriptor);
                self.gather(descriptor, None, names, 1)?;
            }
        }
        if let (Some(reference), true) = (reference, self.found.is_empty()) {
            return Err(no_such_reference(reference, &names));
        }
        let candidate = self.best(&names)?;
        from_manifest(self.source, candidate, self.limits)
    }

    /// Adds a descriptor's manifest, or those of the index that it is.
    fn gather(
        &mut self,
        descriptor: Descriptor,
        platform: Option<&Platform>,
        names: Vec<String>,
        depth: usize,
    ) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.index_entries {
            let most = self.limits.index_entries;
            return Err(Error::too_large(format!(
                "indexes with more than {most} entries"
            )));
        }
        if descriptor.annotation(ATTESTATION).is_some() {
            return Ok(());
        }
        let platform = descriptor.platform.clone().or_else(|| platform.cloned());
        match descriptor.content().of(|| &descriptor.digest)? {
            Content::Manifest => {
                self.found.push(Candidate {
                    descriptor,
                    platform,
                    names,
                });
                Ok(())
            }
            Content::Index if depth >= self.limits.index_depth => Err(Error::too_large(format!(
                "more than {depth} indexes inside one another"
            ))),
            Content::Index => {
                let content = self.source.document(&descriptor, self.limits)?;
                let index = Index::parse(&content).of(|| &descriptor.digest)?;
                for inner in index.manifests {
                    self.gather(inner, platform.as_ref(), names.clone(), depth + 1)?;
                }
                Ok(())
            }
            _ => {
                Err(Error::bad("mediaType: neither an index nor a manifest").of(descriptor.digest))
            }
        }
    }

    /// The one that suits best; there must be only one.
    fn best(&mut self, all_names: &[String]) -> Result<Candidate> {
        let suits = |candidate: &Candidate| match &candidate.platform {
            // Its configuration is asked once it is chosen.
            None => Some(0),
            Some(platform) => self.wanted.suits(platform),
        };
        let offered = || {
            let platforms = self
                .found
                .iter()
                .filter_map(|found| found.platform.as_ref());
            list(platforms.map(ToString::to_string))
        };
        let Some(top) = self.found.iter().filter_map(suits).max() else {
            return Err(match self.found.is_empty() {
                true => Error::not_found("there is no image in it"),
                false => Error::not_found(format!("no image for {}", self.wanted))
                    .hint(format!("it has {}", offered())),
            });
        };
        let best: BTreeMap<String, usize> = (0..self.found.len())
            .filter(|&at| suits(&self.found[at]) == Some(top))
            .map(|at| (self.found[at].descriptor.digest.to_string(), at))
            .collect();
        match best.values().next() {
            Some(&only) if best.len() == 1 => Ok(self.found.swap_remove(only)),
            _ => Err(ambiguous(all_names)),
        }
    }
}

fn names(descriptor: &Descriptor) -> Vec<String> {
    let mut names: Vec<String> = NAMES
        .iter()
        .filter_map(|key| descriptor.annotation(key))
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// Whether a top-level entry of an index is what `reference` names.
fn answers(descriptor: &Descriptor, reference: &str) -> bool {
    descriptor.digest.to_string() == reference
        || names(descriptor)
            .iter()
            .any(|name| same_name(name, reference))
}

/// Compares image names as people abbreviate them: `busybox` is `docker.io/library/busybox:latest`.
fn same_name(one: &str, other: &str) -> bool {
    one == other || full_name(one) == full_name(other)
}

fn full_name(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let name = name.strip_prefix("localhost/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

fn no_such_reference(reference: &str, names: &[String]) -> Error {
    let error = Error::not_found(format!(
        "no image named {:?} in it",
        shown(reference.as_bytes())
    ));
    match names {
        [] => error.hint("its images have no names"),
        names => error.hint(format!("it has {}", list(names.iter().cloned()))),
    }
}

fn ambiguous(names: &[String]) -> Error {
    let error = Error::new(Kind::Ambiguous, "several images in it");
    match names {
        [] => error.hint("name one by its digest"),
        names => error.hint(format!("name one of {}", list(names.iter().cloned()))),
    }
}

/// The first few of many, for a message.
fn list(items: impl Iterator<Item = String>) -> String {
    const MOST: usize = 8;
    let mut items: Vec<String> = items
        .take(MOST + 1)
        .map(|item| shown(item.as_bytes()))
        .collect();
    if items.len() > MOST {
        items[MOST] = "…".to_owned();
    }
    items.join(", ")
}

fn from_manifest(source: &Source, candidate: Candidate, limits: &Limits) -> Result<Chosen> {
    let digest = candidate.descriptor.digest.clone();
    let bytes = source.document(&candidate.descriptor, limits)?;
    let manifest = Manifest::parse(&bytes, limits).of(|| &digest)?;
    let config = source.document(&manifest.config, limits)?;
    let config_digest = manifest.config.digest;
    let document = Document::parse(&config).of(|| &config_digest)?;
    check_count(manifest.layers.len(), &document).of(|| &config_digest)?;
    let layers = manifest.layers.iter().zip(&document.rootfs.diff_ids);
    let layers = layers.map(|(layer, diff_id)| layer_file(layer, diff_id));
    let layers = layers.collect::<Result<_>>().of(|| &digest)?;
    let (manifest, names) = (Some(bytes), candidate.names);
    Ok(Chosen {
        digest,
        manifest,
        config_digest,
        config,
        document,
        names,
        layers,
    })
}

fn layer_file(layer: &Descriptor, diff_id: &Digest) -> Result<LayerFile> {
    let Content::Layer(compression) = layer.content().of(|| &layer.digest)? else {
        return Err(Error::bad("mediaType: not a layer").of(&layer.digest));
    };
    Ok(LayerFile {
        file: blob_name(&layer.digest),
        digest: Some(layer.digest.clone()),
        size: Some(layer.size),
        compression: Some(compression),
        diff_id: diff_id.clone(),
    })
}

fn check_count(layers: usize, document: &Document) -> Result<()> {
    let ids = document.rootfs.diff_ids.len();
    if layers != ids {
        return Err(Error::bad(format!(
            "rootfs.diff_ids: {ids} for {layers} layers"
        )));
    }
    Ok(())
}

fn choose_saved(
    source: &Source,
    images: Vec<Saved>,
    reference: Option<&str>,
    limits: &Limits,
) -> Result<Chosen> {
    let tags = |image: &Saved| image.repo_tags.clone().unwrap_or_default();
    let all: Vec<String> = images.iter().flat_map(tags).collect();
    let answers = |image: &Saved| {
        reference.is_none_or(|wanted| {
            tags(image).iter().any(|tag| same_name(tag, wanted))
                || named_digest(&image.config).is_some_and(|digest| digest.to_string() == wanted)
        })
    };
    let mut answering = images.into_iter().filter(answers);
    match (answering.next(), answering.next(), reference) {
        (Some(image), None, _) => from_saved(source, image, limits).of(|| "manifest.json"),
        (Some(_), Some(_), _) => Err(ambiguous(&all)),
        (None, _, Some(reference)) => Err(no_such_reference(reference, &all)),
        (None, _, None) => Err(Error::not_found("there is no image in it")),
    }
}

/// The digest that a configuration's file is named by, where it is.
fn named_digest(file: &str) -> Option<Digest> {
    let name = file.rsplit('/').next()?;
    let hex = name.strip_suffix(".json").unwrap_or(name);
    format!("sha256:{hex}").parse().ok()
}

fn from_saved(source: &Source, image: Saved, limits: &Limits) -> Result<Chosen> {
    let missing =
        |name: &str| Error::bad("named, but not in the archive").of(shown(name.as_bytes()));
    let config = source
        .text(&image.config, limits)?
        .ok_or_else(|| missing(&image.config))?;
    let config_digest = Digest::of(&config);
    if named_digest(&image.config).is_some_and(|named| named != config_digest) {
        return Err(Error::bad(format!(
            "digest does not match: the content is {config_digest}"
        ))
        .of(shown(image.config.as_bytes())));
    }
    let document = Document::parse(&config).of(|| shown(image.config.as_bytes()))?;
    let files = image.layers.unwrap_or_default();
    if files.len() > limits.layers {
        let (count, most) = (files.len(), limits.layers);
        return Err(Error::too_large(format!(
            "Layers: {count} of them, at most {most} are allowed"
        )));
    }
    check_count(files.len(), &document)?;
    let layers = files
        .into_iter()
        .zip(&document.rootfs.diff_ids)
        .map(|(file, diff_id)| LayerFile {
            file,
            digest: None,
            size: None,
            compression: None,
            diff_id: diff_id.clone(),
        });
    Ok(Chosen {
        digest: config_digest.clone(),
        manifest: None,
        layers: layers.collect(),
        names: image.repo_tags.unwrap_or_default(),
        config_digest,
        config,
        document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_people_abbreviate_them() {
        assert!(same_name("docker.io/library/busybox:latest", "busybox"));
        assert!(same_name("localhost/x:1", "x:1"));
        assert!(!same_name("docker.io/library/busybox:1", "busybox"));
        assert!(!same_name("example.com/busybox:latest", "busybox"));
        assert!(same_name("example.com:5000/a", "example.com:5000/a:latest"));
    }
}

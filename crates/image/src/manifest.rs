//! The documents of an image: descriptors, indexes, manifests, and `docker save`'s manifest.json.
//!
//! OCI image-spec: descriptor, image index, image manifest; Docker image manifest version 2,
//! schema 2. Unknown fields are ignored, as both say; unknown media types are refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::limits::Limits;
use crate::platform::Platform;

/// What a descriptor's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Index,
    Manifest,
    Config,
    Layer(Compression),
}

/// How a layer's tar archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Names content and says what and how large it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

impl Descriptor {
    /// What the media type says that the content is.
    pub(crate) fn content(&self) -> Result<Content> {
        content(&self.media_type)
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

fn content(media_type: &str) -> Result<Content> {
    if let Some(kind) = media_type.strip_prefix("application/vnd.oci.image.") {
        match kind {
            "index.v1+json" => return Ok(Content::Index),
            "manifest.v1+json" => return Ok(Content::Manifest),
            "config.v1+json" => return Ok(Content::Config),
            _ => {}
        }
        let layer = kind
            .strip_prefix("layer.v1.tar")
            .or_else(|| kind.strip_prefix("layer.nondistributable.v1.tar"));
        match layer {
            Some("") => return Ok(Content::Layer(Compression::None)),
            Some("+gzip") => return Ok(Content::Layer(Compression::Gzip)),
            Some("+zstd") => return Ok(Content::Layer(Compression::Zstd)),
            _ => {}
        }
    }
    match media_type
        .strip_prefix("application/vnd.docker.")
        .unwrap_or("")
    {
        "distribution.manifest.list.v2+json" => Ok(Content::Index),
        "distribution.manifest.v2+json" => Ok(Content::Manifest),
        "container.image.v1+json" => Ok(Content::Config),
        "image.rootfs.diff.tar" => Ok(Content::Layer(Compression::None)),
        "image.rootfs.diff.tar.gzip" | "image.rootfs.foreign.diff.tar.gzip" => {
            Ok(Content::Layer(Compression::Gzip))
        }
        "image.rootfs.diff.tar.zstd" => Ok(Content::Layer(Compression::Zstd)),
        "distribution.manifest.v1+json" | "distribution.manifest.v1+prettyjws" => Err(
            Error::unsupported("media type: Docker's schema 1 is not supported"),
        ),
        _ => Err(Error::unsupported(format!(
            "media type {:?} is not supported",
            shown(media_type.as_bytes())
        ))),
    }
}

/// An image index or Docker manifest list, or the `index.json` of a layout.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

impl Index {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        Shape::check(bytes, &[Content::Index])?;
        json(bytes)
    }
}

/// An image manifest, OCI's or Docker's schema 2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

impl Manifest {
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        Shape::check(bytes, &[Content::Manifest])?;
        let manifest: Self = json(bytes)?;
        if manifest.config.content().ok() != Some(Content::Config) {
            return Err(Error::unsupported(format!(
                "config.mediaType {:?}: not a container image",
                shown(manifest.config.media_type.as_bytes())
            )));
        }
        if manifest.layers.len() > limits.layers {
            return Err(Error::too_large(format!(
                "layers: {} of them, at most {} are allowed",
                manifest.layers.len(),
                limits.layers
            )));
        }
        Ok(manifest)
    }
}

/// The fields that tell the kinds of document apart. A document that could be read as two kinds is
/// refused, so that nobody is shown one image and runs another (CVE-2021-41190).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Shape {
    fn check(bytes: &[u8], wanted: &[Content]) -> Result<()> {
        let shape: Self = json(bytes)?;
        if shape.fs_layers.is_some() {
            return Err(Error::unsupported(
                "fsLayers: Docker's schema 1 is not supported",
            ));
        }
        if shape.schema_version != Some(2) {
            return Err(Error::bad("schemaVersion: not 2"));
        }
        if let Some(media_type) = &shape.media_type
            && !wanted.contains(&content(media_type)?)
        {
            return Err(Error::bad(
                "mediaType: not the kind of document that was asked for",
            ));
        }
        if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
            return Err(Error::bad(
                "manifests: stands beside layers or config, so it is ambiguous",
            ));
        }
        Ok(())
    }
}

/// One image of `docker save`'s manifest.json.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    /// The configuration's file in the archive.
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    /// The layers' files in the archive, base first.
    #[serde(default)]
    pub(crate) layers: Option<Vec<String>>,
}

/// Reads a JSON document; the error says where it is malformed.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{DIGEST}","size":3}}"#)
    }

    #[test]
    fn both_families_of_media_types_are_known_and_no_others() {
        let gzip = Content::Layer(Compression::Gzip);
        assert_eq!(
            content("application/vnd.oci.image.layer.v1.tar+gzip").unwrap(),
            gzip
        );
        assert_eq!(
            content("application/vnd.docker.image.rootfs.diff.tar.gzip").unwrap(),
            gzip
        );
        for refused in [
            "",
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/vnd.oci.empty.v1+json",
        ] {
            assert!(content(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_document_of_two_kinds_is_refused() {
        let config = descriptor("application/vnd.oci.image.config.v1+json");
        let good = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
        let limits = Limits::default();
        assert!(Manifest::parse(good.as_bytes(), &limits).is_ok());
        for bad in [
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"manifests":[]}}"#),
            format!(r#"{{"schemaVersion":1,"config":{config},"layers":[]}}"#),
            format!(r#"{{"config":{config},"layers":[]}}"#),
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":{config},"layers":[]}}"#
            ),
            format!(
                r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
                descriptor("application/vnd.cncf.helm.config.v1+json")
            ),
            r#"{"schemaVersion":2,"config":"#.to_owned(),
        ] {
            assert!(Manifest::parse(bad.as_bytes(), &limits).is_err(), "{bad}");
        }
        assert!(Index::parse(br#"{"schemaVersion":2,"manifests":[]}"#).is_ok());
        assert!(
            Index::parse(
                br#"{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"x","size":-1}]}"#
            )
            .is_err()
        );
    }
}

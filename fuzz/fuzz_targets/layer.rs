//! A layer, unpacked on top of another into a store: inside, or refused with nothing left.
#![no_main]

#[allow(dead_code, reason = "archives are another target's")]
mod scratch;

use libfuzzer_sys::fuzz_target;
use scratch::Scratch;

const OCI: &str = "application/vnd.oci.image";

fuzz_target!(|bytes: &[u8]| {
    // The first byte says where the archive is cut into two layers.
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let at = (usize::from(*cut) * 512).min(bytes.len());
    let scratch = Scratch::new();
    let layers = [&bytes[..at], &bytes[at..]].map(|tar| (scratch.blob(tar), tar.len()));
    let ids: Vec<_> = layers.iter().map(|(digest, _)| format!("\"{digest}\"")).collect();
    let architecture = image::Platform::host().architecture;
    let config = format!(
        r#"{{"architecture":"{architecture}","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    let descriptor = |kind: &str, digest: &image::Digest, size: usize| {
        format!(r#"{{"mediaType":"{OCI}.{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let parts: Vec<_> = layers.iter().map(|(digest, len)| descriptor("layer.v1.tar", digest, *len)).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor("config.v1+json", &scratch.blob(config.as_bytes()), config.len()),
        parts.join(",")
    );
    let digest = scratch.blob(manifest.as_bytes());
    let entry = descriptor("manifest.v1+json", &digest, manifest.len());
    scratch.index(format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#).as_bytes());
    scratch.import(&scratch.layout(), None);
});

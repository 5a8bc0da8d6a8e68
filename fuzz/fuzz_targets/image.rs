//! What an image is made of: a reference, index, manifest, configuration and layers, as a layout and as an
//! archive.
//!
//! The input is a list of parts that a byte 0xff ends: the reference, the index, then blobs. In a document
//! `@N` stands for the digest of part N and `#N` for its size, so that hostile documents get past the
//! digests.
#![no_main]

mod scratch;

use libfuzzer_sys::fuzz_target;
use scratch::Scratch;

fuzz_target!(|bytes: &[u8]| {
    let scratch = Scratch::new();
    let mut parts: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0xff).map(<[u8]>::to_vec).collect();
    if parts.len() < 2 {
        // No document by itself: an archive, as `docker save` writes them, or compressed.
        scratch.import(&scratch.file(bytes), None);
        return;
    }
    parts.truncate(10);
    for at in (1..parts.len()).rev() {
        let digest = scratch.blob(&parts[at]).to_string();
        let size = parts[at].len().to_string();
        for part in &mut parts[1..at] {
            *part = replaced(part, &format!("@{at}"), &digest);
            *part = replaced(part, &format!("#{at}"), &size);
        }
    }
    for part in &parts[2..] {
        scratch.blob(part);
    }
    scratch.index(&parts[1]);
    let reference = String::from_utf8_lossy(&parts[0]);
    let reference = (!reference.is_empty()).then_some(reference.as_ref());
    scratch.import(&scratch.layout(), reference);
});

fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

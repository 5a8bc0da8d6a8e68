//! What an import tells while it works.

use crate::digest::Digest;

/// Hears how an import goes. Every method may do nothing; none may take long.
pub trait Progress {
    /// Layer `index` of `count` (from 0, the base first) begins to be unpacked.
    fn layer(&mut self, index: usize, count: usize, digest: &Digest) {
        let _ = (index, count, digest);
    }

    /// `done` of `total` bytes of the source have been read, of all layers that are to be unpacked.
    fn bytes(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }

    /// Another process is unpacking this layer; its work will be used.
    fn waiting(&mut self, digest: &Digest) {
        let _ = digest;
    }

    /// Something about the image that is worth a line, such as what was deliberately left out.
    fn note(&mut self, text: &str) {
        let _ = text;
    }
}

/// Hears nothing.
pub struct Silent;

impl Progress for Silent {}

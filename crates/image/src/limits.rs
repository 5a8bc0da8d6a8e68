//! How much an image may ask for.

/// Bounds on what an import takes; the defaults are far above any image that people use.
///
/// Everything that an image makes us hold in memory or write to the disk is bounded by one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all layers together, uncompressed, holes of sparse files counted as if written.
    pub image_bytes: u64,
    /// Entries in one layer.
    pub entries: u64,
    /// Bytes of a path, as written and as resolved.
    pub path_bytes: usize,
    /// Bytes of an entry's extended header (long names, PAX records with extended attributes).
    pub header_bytes: usize,
    /// Bytes of one extended attribute's value; the kernel's own limit is 65,536.
    pub xattr_bytes: usize,
    /// Data regions in one sparse file.
    pub sparse_regions: usize,
    /// Layers in an image; twice what Docker makes, half what overlayfs takes.
    pub layers: usize,
    /// Bytes of an index, manifest, or configuration.
    pub document_bytes: usize,
    /// Indexes inside one another.
    pub index_depth: usize,
    /// Entries in all indexes of a source together, and files in an archive.
    pub index_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            image_bytes: 128 << 30,
            entries: 8 << 20,
            path_bytes: 4096,
            header_bytes: 1 << 20,
            xattr_bytes: 64 << 10,
            sparse_regions: 64 << 10,
            layers: 256,
            document_bytes: 8 << 20,
            index_depth: 4,
            index_entries: 4096,
        }
    }
}

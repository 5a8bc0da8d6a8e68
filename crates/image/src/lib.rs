//! Images: OCI layouts, OCI archives and Docker archives, unpacked once into a store of layers.
//!
//! ```text
//!  layout dir, archive      source     one way to read a blob of any of them
//!        |                  select     which manifest: reference and platform
//!        |                  decode     verified bytes -> decompressed, verified bytes (own thread)
//!        |                  tar        bytes -> entries; strict, bounded
//!        v                  unpack     entries -> a directory that overlayfs takes as a lower layer
//!     store                 layers by chain id, records, locks, clean-up
//! ```
//!
//! Everything in a source is hostile but its path: digests are checked before anything is kept, paths
//! are resolved one component at a time, sizes and counts are bounded by [`Limits`]. What is not
//! supported is refused by name. The library prints nothing; it reports through [`Progress`].
#![forbid(unsafe_code)]

mod config;
mod decode;
mod digest;
mod error;
mod file;
mod limits;
mod manifest;
mod platform;
mod progress;
mod select;
mod source;
mod store;
pub mod tar;
mod unpack;

pub use config::{Healthcheck, ImageConfig};
pub use digest::{Algorithm, Digest};
pub use error::{Error, Kind, Result};
pub use limits::Limits;
pub use platform::Platform;
pub use progress::{Progress, Silent};
pub use store::{Image, Request, Store, Summary};

/// A length as a size of content. Lossless: no machine has addresses of more than 64 bits.
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

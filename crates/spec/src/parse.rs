//! From the text of a document to a [`Spec`], and back.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{Error, Kind, Spec};

impl<'a> Spec<'a> {
    /// Reads a document; what it returns borrows from the text.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(text).map_err(|error| Error {
            kind: Kind::Invalid,
            place: String::new(),
            message: error.to_string(),
            hint: None,
        })
    }

    /// Writes the document, compact.
    pub fn to_json(&self) -> Vec<u8> {
        // Writing to memory does not fail, and no key of ours is anything but a string.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

//! `mounts`: what is mounted over the root.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::text::{null_is_default, optional};
use crate::{IdMap, Str};

/// One of `mounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount<'a> {
    /// Where, inside; relative to `/` if it does not begin with one.
    #[serde(borrow)]
    pub destination: Str<'a>,
    /// The file system's type; of no meaning for a bind mount.
    #[serde(
        borrow,
        rename = "type",
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub fstype: Option<Str<'a>>,
    /// The device, or the directory or file to bind; relative to the bundle if it does not begin with `/`.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub source: Option<Str<'a>>,
    /// Options, as `mount(8)` has them.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub options: Vec<Str<'a>>,
    /// How owners are translated; always with `gid_mappings`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub uid_mappings: Vec<IdMap>,
    /// How groups are translated; always with `uid_mappings`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub gid_mappings: Vec<IdMap>,
}

//! The document's root: `config.json`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::text::{is_false, null_is_default, optional};
use crate::{Linux, Map, Mount, Process, Str};

/// A container's configuration, `config.json` (runtime-spec 1.3, `config.md`), as far as it is about
/// Linux. Fields that are not known here are ignored, as the specification says; values that are not
/// known are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec<'a> {
    /// The version of the specification that the document follows.
    #[serde(borrow, rename = "ociVersion")]
    pub oci_version: Str<'a>,
    /// What runs. Absent: the container can be created, never started.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process<'a>>,
    /// The root file system. [`Spec::check`] requires one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root<'a>>,
    /// The host name inside; needs a UTS namespace.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub hostname: Option<Str<'a>>,
    /// The NIS domain name inside; needs a UTS namespace.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub domainname: Option<Str<'a>>,
    /// What is mounted over the root, in this order.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub mounts: Vec<Mount<'a>>,
    /// Programs to run at points of the container's life.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks<'a>>,
    /// Data of whoever made the document.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "empty"
    )]
    pub annotations: Map<'a, Str<'a>>,
    /// What only Linux has.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux<'a>>,
}

/// `root`: the root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root<'a> {
    /// Its directory: absolute, or below the bundle's.
    #[serde(borrow)]
    pub path: Str<'a>,
    /// Whether it is mounted read-only.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_false"
    )]
    pub readonly: bool,
}

/// `hooks`: programs to run at points of the container's life, each list in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks<'a> {
    /// Deprecated; with `createRuntime`, before its hooks.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub prestart: Vec<Hook<'a>>,
    /// In the runtime's namespaces, when the container's exist and before its root is changed.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub create_runtime: Vec<Hook<'a>>,
    /// In the container's namespaces but with the runtime's files, before the root is changed.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub create_container: Vec<Hook<'a>>,
    /// In the container, by `start`, before the payload is executed.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub start_container: Vec<Hook<'a>>,
    /// In the runtime's namespaces, after the payload was executed.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub poststart: Vec<Hook<'a>>,
    /// In the runtime's namespaces, when the container has been deleted.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub poststop: Vec<Hook<'a>>,
}

/// A program that the runtime runs, with the container's state on its standard input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook<'a> {
    /// The program's absolute path.
    #[serde(borrow)]
    pub path: Str<'a>,
    /// Its arguments, with the zeroth; if there are none, `path` is the zeroth.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub args: Vec<Str<'a>>,
    /// Its whole environment.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<Str<'a>>,
    /// Seconds until it is killed; more than 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// Whether a map has no entry; such are not written.
pub(crate) fn empty<V>(map: &Map<'_, V>) -> bool {
    map.is_empty()
}

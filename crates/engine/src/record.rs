//! A container's record: what was made for it, so that it can be undone, twice, after a crash.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use cgroup::{Controller, Controllers, Leaf, Version};
use serde::{Deserialize, Serialize};

pub use spec::state::Status;

use crate::error::{Error, Kind, Result};
use crate::scope::UnitRecord;

/// The format of records; another one is not read.
const FORMAT: u32 = 1;

/// What is written in `state.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The record's format.
    pub format: u32,
    /// The container's name.
    pub id: String,
    /// How far it was when this was written. What it is now, the kernel says; `paused` is one that was frozen
    /// before it was started.
    pub status: Status,
    /// Its first process as the host numbers it; 0 before there is one.
    #[serde(default)]
    pub pid: u32,
    /// When that process started, in clock ticks since boot.
    #[serde(default)]
    pub start_time: u64,
    /// The bundle's absolute path.
    pub bundle: String,
    /// The root's directory on the host.
    pub rootfs: String,
    /// When it was made: RFC 3339, UTC.
    pub created: String,
    /// Who made it.
    pub uid: u32,
    /// Its cgroups.
    #[serde(default)]
    pub cgroups: Vec<CgroupRecord>,
    /// Its unit, where systemd made the cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitRecord>,
    /// Files outside the state directory that go with the container.
    #[serde(default)]
    pub files: Vec<String>,
    /// Whether the configuration has hooks, for which later commands have to read it.
    #[serde(default)]
    pub hooks: bool,
    /// The configuration's annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A container's cgroup in one hierarchy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CgroupRecord {
    /// 1 or 2.
    pub version: u8,
    /// The hierarchy's mount point.
    pub mount: String,
    /// The cgroup below it.
    pub path: String,
    /// How many leading components of the path are not the container's own.
    pub shared: usize,
    /// v1: the hierarchy's controllers; v2: those the container needs.
    #[serde(default)]
    pub controllers: Vec<String>,
}

impl CgroupRecord {
    /// The record of a leaf.
    pub fn new(leaf: &Leaf) -> Self {
        Self {
            version: if leaf.version == Version::V1 { 1 } else { 2 },
            mount: leaf.mount.clone().into_owned(),
            path: leaf.path.clone(),
            shared: leaf.shared,
            controllers: leaf
                .controllers
                .iter()
                .map(|one| String::from(one.v1_name()))
                .collect(),
        }
    }

    /// The leaf again.
    pub fn leaf(&self) -> Leaf {
        let controllers = self.controllers.iter().filter_map(|name| {
            Controller::ALL
                .into_iter()
                .find(|one| one.v1_name() == name)
        });
        Leaf {
            version: if self.version == 1 {
                Version::V1
            } else {
                Version::V2
            },
            controllers: controllers.fold(Controllers::NONE, Controllers::with),
            mount: Cow::Owned(self.mount.clone()),
            path: self.path.clone(),
            shared: self.shared,
        }
    }
}

impl Record {
    /// A record of this version's format.
    pub fn new(id: &str) -> Self {
        Self {
            format: FORMAT,
            id: id.into(),
            ..Self::default()
        }
    }

    /// The record as it is written: JSON whose last member is a checksum of what stands before it. What a
    /// record names is killed and removed, so not one changed byte of it may be taken for the truth.
    ///
    /// # Errors
    /// A bug of ours.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self).map_err(|error| {
            let message = alloc::format!("state.json cannot be written: {error}");
            Error::new(Kind::Bug, message)
        })?;
        // The closing brace comes after the checksum.
        text.pop();
        Ok(Self::sealed(text))
    }

    /// A record's members, with the opening brace and without the closing one, as a record with its checksum.
    pub fn sealed(mut members: Vec<u8>) -> Vec<u8> {
        let tail = tail(&members);
        members.extend_from_slice(&tail);
        members
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When it is damaged or of another format.
    pub fn parse(id: &str, text: &[u8]) -> Result<Self> {
        let damaged = |why: &dyn Display| damaged(id, why);
        match text.split_last_chunk::<TAIL>() {
            Some((body, end)) if *end == tail(body) => {}
            _ => return Err(damaged(&"its checksum is another")),
        }
        let record: Self = serde_json::from_slice(text).map_err(|error| damaged(&error))?;
        if record.format != FORMAT || record.id != id {
            return Err(damaged(&"not of this version, or of another container"));
        }
        Ok(record)
    }

    /// The leaves of its cgroups.
    pub fn leaves(&self) -> Vec<Leaf> {
        self.cgroups.iter().map(CgroupRecord::leaf).collect()
    }
}

/// What is said of a container whose record cannot be read.
pub(crate) fn damaged(id: &str, why: &dyn Display) -> Error {
    let message = alloc::format!("container {id}: damaged state.json: {why}");
    Error::new(Kind::Bug, message)
        .hint("`delete --force`, or `rm --force`, removes what is left of it")
}

/// How long what stands behind a record's other members is.
const TAIL: usize = SUM_NAME.len() + 16 + SUM_END.len();
const SUM_NAME: &[u8] = b",\"checksum\":\"";
const SUM_END: &[u8] = b"\"}";

/// The checksum of the text before it (FNV-1a), as the last member. Any one changed byte changes it.
fn tail(body: &[u8]) -> [u8; TAIL] {
    let sum = body.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let digits = sum
        .to_be_bytes()
        .into_iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    let all = SUM_NAME
        .iter()
        .copied()
        .chain(digits)
        .chain(SUM_END.iter().copied());
    let mut tail = [0; TAIL];
    tail.iter_mut()
        .zip(all)
        .for_each(|(place, byte)| *place = byte);
    tail
}

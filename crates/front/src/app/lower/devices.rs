//! Device nodes of the host, and what the devices cgroup lets through.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use spec::{Access, Device, DeviceRule, DeviceRuleType, DeviceType};
use sys::rustix::fs::{major, minor};

use super::{Asked, Origins};
use crate::app::value::device::{self as grammar, DeviceRequest};
use crate::error::{About, Fault, Parsed, Result};

/// The nodes of `/dev` that every container has anyway, or that are no devices of the machine.
const NOT_THE_HOSTS: [&str; 12] = [
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "urandom",
    "zero",
];

/// How deep directories of nodes may nest.
const DEPTH: u32 = 8;

/// The nodes to make and the rules for them. The first rule denies everything; the engine adds those
/// of the default nodes.
pub(super) fn lower(
    asked: &Asked<'_>,
    origins: &mut Origins,
) -> Result<(Vec<Device<'static>>, Vec<DeviceRule>)> {
    let mut nodes = Nodes::default();
    for text in &asked.options.device {
        let request = grammar::device(text).of("--device", text)?;
        nodes.request(&request).of("--device", text)?;
        nodes.note(origins, &crate::error::asked("--device", text));
    }
    if asked.options.privileged {
        nodes
            .all_of("/dev", "/dev", Access::ALL, 0)
            .of("--privileged", "/dev")?;
        nodes.note(origins, "--privileged");
        return Ok((nodes.devices, vec![rule(true, Access::ALL)]));
    }
    for text in &asked.options.device_cgroup_rule {
        let asked_rule = grammar::rule(text).of("--device-cgroup-rule", text)?;
        let place = format!("linux.resources.devices[{}]", nodes.rules.len());
        origins.option(&place, "--device-cgroup-rule", text);
        nodes.rules.push(DeviceRule {
            allow: true,
            kind: asked_rule.kind,
            major: asked_rule.major.map(i64::from),
            minor: asked_rule.minor.map(i64::from),
            access: asked_rule.access,
        });
    }
    Ok((nodes.devices, nodes.rules))
}

fn rule(allow: bool, access: Access) -> DeviceRule {
    DeviceRule {
        allow,
        access,
        ..DeviceRule::default()
    }
}

/// The nodes so far, and the rules that go with them.
struct Nodes {
    devices: Vec<Device<'static>>,
    rules: Vec<DeviceRule>,
    /// How many there were at the last note.
    noted: usize,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            rules: vec![rule(false, Access::ALL)],
            noted: 0,
        }
    }
}

impl Nodes {
    /// What one `--device` names: a node, or a directory of nodes.
    fn request(&mut self, request: &DeviceRequest) -> Parsed<()> {
        let before = self.rules.len();
        if Path::new(&request.source).is_dir() {
            self.all_of(&request.source, &request.destination, request.access, 0)?;
        } else {
            self.one(&request.source, &request.destination, request.access)?;
        }
        if self.rules.len() == before {
            return Err(Fault::not_found(format!(
                "no device node in {}",
                request.source
            )));
        }
        Ok(())
    }

    /// The node `source` under the name `destination`.
    fn one(&mut self, source: &str, destination: &str, access: Access) -> Parsed<()> {
        let node = std::fs::metadata(source)
            .map_err(|error| Fault::not_found(crate::error::words(&error)))?;
        let (kind, rule_kind) = if node.file_type().is_char_device() {
            (DeviceType::Char, DeviceRuleType::Char)
        } else if node.file_type().is_block_device() {
            (DeviceType::Block, DeviceRuleType::Block)
        } else {
            return Err(Fault::usage(format!("{source} is not a device node")));
        };
        let (major, minor) = (major(node.rdev()), minor(node.rdev()));
        self.devices.retain(|known| known.path != destination);
        self.devices.push(Device {
            path: destination.to_owned().into(),
            kind,
            major,
            minor,
            file_mode: Some(node.mode() & 0o7777),
            uid: Some(node.uid()),
            gid: Some(node.gid()),
        });
        let (major, minor) = (Some(i64::from(major)), Some(i64::from(minor)));
        self.rules.push(DeviceRule {
            allow: true,
            kind: rule_kind,
            major,
            minor,
            access,
        });
        Ok(())
    }

    /// All nodes below a directory. Links and what disappears meanwhile are passed over.
    fn all_of(
        &mut self,
        source: &str,
        destination: &str,
        access: Access,
        depth: u32,
    ) -> Parsed<()> {
        let mut entries: Vec<_> = std::fs::read_dir(source)?.collect::<std::io::Result<_>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else {
                continue;
            };
            if source == "/dev" && NOT_THE_HOSTS.contains(&name) {
                continue;
            }
            let (from, to) = (format!("{source}/{name}"), format!("{destination}/{name}"));
            if kind.is_dir() && depth < DEPTH {
                self.all_of(&from, &to, access, depth + 1)?;
            } else if kind.is_char_device() || kind.is_block_device() {
                self.one(&from, &to, access)?;
            }
        }
        Ok(())
    }

    /// Notes what asked for the nodes since the last note.
    fn note(&mut self, origins: &mut Origins, text: &str) {
        for index in self.noted..self.devices.len() {
            origins.text(format!("linux.devices[{index}]"), text.to_owned());
        }
        self.noted = self.devices.len();
    }
}

//! Tasks, huge pages, RDMA, packets, and raw keys of v2.

use alloc::string::String;

use spec::{HugepageLimit, Map, Network, Pids, Place, Rdma, Str};

use super::number::decimal;
use super::{Absent, Lowering, Version, only_v1};
use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::layout::Mode;

const PIDS: Place = Place::field("linux.resources.pids.limit");
const HUGEPAGES: &str = "linux.resources.hugepageLimits";
const RDMA: Place = Place::field("linux.resources.rdma");
const CLASS: Place = Place::field("linux.resources.network.classID");
const PRIORITIES: &str = "linux.resources.network.priorities";
const UNIFIED: Place = Place::field("linux.resources.unified");

impl<'r> Lowering<'r, '_, '_> {
    /// 0 and everything below mean no limit, as with every other runtime.
    pub(super) fn pids(&mut self, pids: &Pids) -> Result<()> {
        let Some(limit) = pids.limit else {
            return Ok(());
        };
        let home = self.home(Controller::Pids, PIDS)?;
        let value = match u64::try_from(limit) {
            // 0 is what older clients write for no limit.
            Ok(0) | Err(_) => "max".into(),
            Ok(n) => decimal(n),
        };
        self.set(home, "pids.max", value, PIDS);
        Ok(())
    }

    /// The limit of use, and of reservation where the kernel (5.7) counts it, so that a program is told at
    /// mmap(2) instead of being killed at its first touch.
    pub(super) fn hugetlb(&mut self, limits: &'r [HugepageLimit<'_>]) -> Result<()> {
        for (i, limit) in limits.iter().enumerate() {
            let place = Place::item(HUGEPAGES, i);
            let size = limit.page_size.as_str();
            if !is_page_size(size) {
                return Err(Error::bad(
                    place.at("pageSize"),
                    "must be such as \"64KB\", \"2MB\" or \"1GB\"",
                ));
            }
            let home = self.home(Controller::Hugetlb, place)?;
            let (limit_file, reserved_file) = match home.version {
                Version::V1 => (".limit_in_bytes", ".rsvd.limit_in_bytes"),
                Version::V2 => (".max", ".rsvd.max"),
            };
            let value = decimal(limit.limit);
            self.set(
                home,
                ["hugetlb.", size, limit_file].concat(),
                value.clone(),
                place,
            );
            let reserved = ["hugetlb.", size, reserved_file].concat();
            self.set(home, reserved, value, place).absent = Absent::Ignored;
        }
        Ok(())
    }

    pub(super) fn rdma(&mut self, devices: &Map<'_, Rdma>) -> Result<()> {
        for (name, limits) in devices {
            if !is_device_name(name) {
                return Err(Error::bad(
                    RDMA,
                    ["not the name of a device: \"", name, "\""].concat(),
                ));
            }
            let home = self.home(Controller::Rdma, RDMA)?;
            let text = |n: Option<u32>| n.map_or_else(|| "max".into(), |n| decimal(n.into()));
            let (handles, objects) = (text(limits.hca_handles), text(limits.hca_objects));
            let line = [name, " hca_handle=", &handles, " hca_object=", &objects].concat();
            self.set(home, "rdma.max", line, RDMA);
        }
        Ok(())
    }

    pub(super) fn network(&mut self, network: &'r Network<'_>) -> Result<()> {
        if let Some(class) = network.class_id.filter(|n| *n != 0) {
            if self.layout.mode() == Mode::Unified {
                return Err(only_v1(CLASS, "cgroup v2 has no classes of packets"));
            }
            let home = self.home(Controller::NetCls, CLASS)?;
            self.set(home, "net_cls.classid", decimal(class.into()), CLASS);
        }
        for (i, priority) in network.priorities.iter().enumerate() {
            let place = Place::item(PRIORITIES, i);
            if self.layout.mode() == Mode::Unified {
                return Err(only_v1(place, "cgroup v2 has no priorities of packets"));
            }
            if !is_device_name(&priority.name) {
                return Err(Error::bad(place.at("name"), "not the name of an interface"));
            }
            let home = self.home(Controller::NetPrio, place)?;
            let line = [
                priority.name.as_str(),
                " ",
                &decimal(priority.priority.into()),
            ]
            .concat();
            self.set(home, "net_prio.ifpriomap", line, place);
        }
        Ok(())
    }

    /// Raw files of v2, last, so that they override. A value of several lines is several writes, for a
    /// keyed file takes one key at a time.
    pub(super) fn unified_keys(&mut self, keys: &'r Map<'_, Str<'_>>) -> Result<()> {
        for (key, value) in keys {
            let Some(prefix) = prefix_of(key) else {
                return Err(Error::bad(
                    UNIFIED,
                    ["not a file of a controller: \"", key, "\""].concat(),
                ));
            };
            let home = match Controller::named(prefix) {
                _ if self.layout.unified.is_none() => {
                    return Err(Error::unsupported(
                        UNIFIED,
                        "this host has no cgroup v2 hierarchy",
                    ));
                }
                // Without a controller: the core's own limits and switches, in the first leaf.
                _ if prefix == "cgroup" => super::Home {
                    leaf: 0,
                    version: Version::V2,
                },
                Some(one) => self.home(one, UNIFIED)?,
                None => return Err(unknown(key)),
            };
            if home.version == Version::V1 {
                let words = [
                    "\"",
                    key,
                    "\": this host has that controller on cgroup v1 only",
                ]
                .concat();
                return Err(Error::unsupported(UNIFIED, words));
            }
            for line in value.split('\n').filter(|line| !line.is_empty()) {
                self.set(home, key.as_str(), line, UNIFIED);
            }
        }
        Ok(())
    }
}

fn unknown(key: &str) -> Error {
    Error::unsupported(UNIFIED, ["no controller has a file \"", key, "\""].concat())
}

/// The controller that a raw key belongs to, if it is `controller.file` with nothing that could lead
/// elsewhere. Of the core's files only those that limit are allowed: the others move, kill, freeze.
fn prefix_of(key: &str) -> Option<&str> {
    let (prefix, rest) = key.split_once('.')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    let allowed =
        prefix != "cgroup" || ["max.depth", "max.descendants", "pressure"].contains(&rest);
    (!rest.is_empty() && key.bytes().all(plain) && !key.contains("..") && allowed).then_some(prefix)
}

/// As the kernel prints sizes of huge pages (`hugetlb_cgroup`): a number and KB, MB or GB.
fn is_page_size(size: &str) -> bool {
    let digits: String = size.chars().take_while(char::is_ascii_digit).collect();
    (1..=6).contains(&digits.len()) && ["KB", "MB", "GB"].contains(&&size[digits.len()..])
}

fn is_device_name(name: &str) -> bool {
    !name.is_empty() && name.len() < 64 && name.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

//! A container's unit, where systemd makes the cgroup (`--systemd-cgroup`).
//!
//! systemd makes no scope without a process, and the container's first one is to be born in its cgroup. So the
//! scope is made around a holder: a process of ours that waits for nothing, ends with us, and is ended once the
//! container's first process is there.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use cgroup::{Controller, Group, Lowered, Version};
use plan::{Answer, ChildAct, Origin, Plan, Step};
use serde::{Deserialize, Serialize};
use spec::Resources;
use sys::process;
use sys::rustix::process::Signal;
use systemd::{Property, Side, Systemd, Unit, annotation, limits};

use crate::error::{Error, Kind, Result};
use crate::launching::{SlotTable, Spawn, Spawned, spawn};
use crate::options::Options;

/// Where a container's unit is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub unit: Unit,
    side: Side,
    /// The manager's own cgroup; empty for the machine's.
    above: String,
    annotated: Vec<Property>,
}

/// A container's unit in its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnitRecord {
    /// Its name.
    pub name: String,
    /// Whether it is the user's own manager's.
    #[serde(default)]
    pub user: bool,
}

impl UnitRecord {
    fn side(&self) -> Side {
        if self.user { Side::User } else { Side::System }
    }
}

impl Scope {
    /// The unit that a configuration asks for. Nothing is changed by looking.
    pub(crate) fn find(options: &Options<'_>) -> Result<Self> {
        let side = Side::of_this_process()?;
        let linux = options.spec.linux.as_ref();
        let asked = linux.and_then(|linux| linux.cgroups_path.as_deref());
        let unit = Unit::of_path(asked, options.id, side)?;
        let above = match side {
            Side::System => String::new(),
            Side::User => Systemd::connect(side)?.cgroup()?,
        };
        let annotations = options.spec.annotations.iter();
        let annotated = annotations
            .filter_map(|(key, value)| annotation::parse(key, value).transpose())
            .collect::<systemd::Result<_>>()?;
        Ok(Self {
            unit,
            side,
            above,
            annotated,
        })
    }

    /// The cgroup's path.
    pub(crate) fn cgroup(&self) -> String {
        [&*self.above, &*self.unit.cgroup()].concat()
    }

    pub(crate) fn record(&self) -> UnitRecord {
        UnitRecord {
            name: self.unit.name.clone(),
            user: self.side == Side::User,
        }
    }

    /// Has the unit made, with a holder in it.
    pub(crate) fn start(
        &self,
        lowered: &Lowered<'_>,
        resources: &Resources<'_>,
    ) -> Result<Option<Holder>> {
        let mut properties = limits::properties(lowered)?;
        let names = sys::file::read_text("/proc/devices").unwrap_or_default();
        properties.extend(limits::device_properties(resources, &names)?);
        properties.extend_from_slice(&self.annotated);
        let holder = if self.unit.is_slice() {
            None
        } else {
            Some(Holder::start()?)
        };
        let pid = holder.as_ref().map_or(0, Holder::pid);
        Systemd::connect(self.side)?.start(&self.unit, pid, &properties)?;
        Ok(holder)
    }
}

/// The process around which a scope is made; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Holder(Spawned);

impl Holder {
    fn start() -> Result<Self> {
        let mut plan = Plan::default();
        // Never answered: the child waits until we end it, or end.
        plan.child.push(Step {
            origin: Origin::Always("systemd makes no scope without a process"),
            act: ChildAct::Ask(Answer::Ready),
        });
        let how = Spawn {
            with_socket: true,
            ..Spawn::default()
        };
        Ok(Self(spawn(&plan, &SlotTable::default(), &how)?))
    }

    fn pid(&self) -> u32 {
        self.0.started.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The container's first process takes its place. On v1, where systemd finds a unit's processes by a
    /// hierarchy of its own, the first process has still to enter that: it is moved there.
    pub(crate) fn replace(self, group: Option<&Group>, pid: u32) -> Result<()> {
        let Some(group) = group else { return Ok(()) };
        let own = |leaf: &&cgroup::Leaf| {
            leaf.version == Version::V1 && leaf.controllers.has(Controller::Systemd)
        };
        for leaf in group.leaves().iter().filter(own) {
            Group::open(Vec::from([leaf.to_owned()]))?.join(pid)?;
        }
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = process::signal(&self.0.started.pidfd, Signal::KILL);
        process::reap(&self.0.started.pidfd);
    }
}

/// Tells systemd of other limits.
pub(crate) fn update(unit: &UnitRecord, lowered: &Lowered<'_>) -> Result<()> {
    let properties = limits::properties(lowered)?;
    if properties.is_empty() {
        return Ok(());
    }
    Ok(Systemd::connect(unit.side())?.set(&unit.name, &properties)?)
}

/// Has a unit stopped whose processes have ended, so that its name is free.
pub(crate) fn stop(unit: &UnitRecord) -> Result<()> {
    match Systemd::connect(unit.side()) {
        Ok(mut manager) => Ok(manager.stop(&unit.name)?),
        // A scope without processes ends by itself.
        Err(_) => Ok(()),
    }
}

impl From<systemd::Error> for Error {
    fn from(error: systemd::Error) -> Self {
        let kind = match (error.place, error.errno) {
            (Some(_), _) => Kind::BadConfig,
            (None, Some(errno)) => Kind::Kernel(errno),
            (None, None) if error.is("UnitExists") => Kind::Busy,
            (None, None) => Kind::Unsupported,
        };
        let prefix = if error.place.is_some() {
            "config.json: "
        } else {
            ""
        };
        let made = Self::new(kind, alloc::format!("{prefix}{error}"));
        Self {
            hint: error.hint,
            ..made
        }
    }
}

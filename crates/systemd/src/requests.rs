//! What is asked of systemd's manager (org.freedesktop.systemd1(5)).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bus::{Bus, Side};
use crate::error::{Error, Result};
use crate::message::{Call, Kind};
use crate::name::Unit;
use crate::property::{Property, Value, write_all};
use crate::wire::Writer;

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

/// A connection to a manager.
#[derive(Debug)]
pub struct Systemd {
    bus: Bus,
    subscribed: bool,
}

impl Systemd {
    /// Connects to a manager.
    ///
    /// # Errors
    /// When there is none.
    pub fn connect(side: Side) -> Result<Self> {
        Ok(Self {
            bus: Bus::connect(side)?,
            subscribed: false,
        })
    }

    /// The cgroup that this manager's units are below; empty for the machine's own.
    ///
    /// # Errors
    /// When it does not say.
    pub fn cgroup(&mut self) -> Result<String> {
        let call = Call {
            interface: "org.freedesktop.DBus.Properties",
            ..method("Get", "ss")
        };
        let mut body = Writer::default();
        body.text(INTERFACE);
        body.text("ControlGroup");
        self.bus.call(&call, &body.finish(), |answer| {
            match answer.signature()? {
                "s" => Ok(String::from(answer.text()?.trim_end_matches('/'))),
                _ => Err(Error::protocol("ControlGroup is no text")),
            }
        })
    }

    /// Starts a transient unit, of which `pid` is the first process, and waits until it stands. A slice has
    /// no process, and may be there already.
    ///
    /// What a failed unit of the same name has left is taken away.
    ///
    /// # Errors
    /// `UnitExists` ([`Error::is`]) when there is one of that name; why the job failed.
    pub fn start(&mut self, unit: &Unit, pid: u32, properties: &[Property]) -> Result<()> {
        self.subscribe()?;
        let mut all = base(unit, pid);
        // The configuration's word counts more than the usual.
        all.retain(|one| !properties.iter().any(|other| other.name == one.name));
        all.extend_from_slice(properties);
        let mut body = Writer::default();
        body.text(&unit.name);
        body.text("replace");
        write_all(&all, &mut body);
        body.array(8, |_| ());
        let body = body.finish();
        let call = method("StartTransientUnit", "ssa(sv)a(sa(sv))");
        let mut started = self.job(&call, &body, &unit.name);
        if exists(&started) && !unit.is_slice() {
            // One that has failed stays until somebody has looked at it; one that runs, stays.
            self.reset_failed(&unit.name)?;
            started = self.job(&call, &body, &unit.name);
        }
        if exists(&started) && unit.is_slice() {
            return Ok(());
        }
        started
    }

    /// Changes properties of a unit, until it ends.
    ///
    /// # Errors
    /// The first property that systemd refuses.
    pub fn set(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        let mut body = Writer::default();
        body.text(unit);
        body.u32(1);
        write_all(properties, &mut body);
        self.bus.call(
            &method("SetUnitProperties", "sba(sv)"),
            &body.finish(),
            |_| Ok(()),
        )
    }

    /// Stops a unit and forgets that it failed. One that is gone is no error.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&mut self, unit: &str) -> Result<()> {
        self.subscribe()?;
        let mut body = Writer::default();
        body.text(unit);
        body.text("replace");
        let stopped = self.job(&method("StopUnit", "ss"), &body.finish(), unit);
        match stopped {
            Err(error) if error.is("NoSuchUnit") => return Ok(()),
            other => other?,
        }
        self.reset_failed(unit)
    }

    /// Moves processes of ours into a unit's cgroup.
    ///
    /// # Errors
    /// When systemd refuses.
    pub fn attach(&mut self, unit: &str, pids: &[u32]) -> Result<()> {
        let mut body = Writer::default();
        body.text(unit);
        body.text("");
        body.array(4, |body| pids.iter().for_each(|pid| body.u32(*pid)));
        self.bus.call(
            &method("AttachProcessesToUnit", "ssau"),
            &body.finish(),
            |_| Ok(()),
        )
    }

    fn reset_failed(&mut self, unit: &str) -> Result<()> {
        let mut body = Writer::default();
        body.text(unit);
        let reset = self
            .bus
            .call(&method("ResetFailedUnit", "s"), &body.finish(), |_| Ok(()));
        match reset {
            Err(error) if error.is("NoSuchUnit") => Ok(()),
            other => other,
        }
    }

    /// Has the ends of jobs told.
    fn subscribe(&mut self) -> Result<()> {
        if self.subscribed {
            return Ok(());
        }
        let rule =
            format!("type='signal',path='{PATH}',interface='{INTERFACE}',member='JobRemoved'");
        let call = Call {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "AddMatch",
            signature: "s",
        };
        let mut body = Writer::default();
        body.text(&rule);
        match self.bus.call(&call, &body.finish(), |_| Ok(())) {
            // systemd's own socket has no bus behind it, and tells everything.
            Err(error) if error.name.is_some() => {}
            other => other?,
        }
        self.bus.call(&method("Subscribe", ""), &[], |_| Ok(()))?;
        self.subscribed = true;
        Ok(())
    }

    /// Makes a call that starts a job, and waits for the job's end.
    fn job(&mut self, call: &Call<'_>, body: &[u8], unit: &str) -> Result<()> {
        let job = self
            .bus
            .call(call, body, |answer| Ok(String::from(answer.text()?)))?;
        // The bus keeps order, and systemd tells of the job's end only after it has told of the job.
        let result = self.bus.until(|message| {
            if message.kind != Kind::Signal
                || message.member != "JobRemoved"
                || message.signature != "uoss"
            {
                return Ok(None);
            }
            let mut body = message.body();
            body.u32()?;
            if body.text()? != job {
                return Ok(None);
            }
            body.text()?;
            Ok(Some(String::from(body.text()?)))
        })?;
        if result == "done" {
            return Ok(());
        }
        Err(Error::new(format!(
            "systemd: {}: the job for {unit} ended: {result}",
            call.member
        ))
        .hint(format!("`systemctl status {unit}` may tell more")))
    }
}

fn method<'c>(member: &'c str, signature: &'c str) -> Call<'c> {
    Call {
        destination: NAME,
        path: PATH,
        interface: INTERFACE,
        member,
        signature,
    }
}

fn exists(started: &Result<()>) -> bool {
    matches!(started, Err(error) if error.is("UnitExists"))
}

/// What every container's unit is given.
fn base(unit: &Unit, pid: u32) -> Vec<Property> {
    let description = format!("container {}", unit.name);
    let mut properties = Vec::from([Property::new("Description", Value::Text(description))]);
    let yes = |name: &'static str| Property::new(name, Value::Bool(true));
    if unit.is_slice() {
        let wants = Value::List {
            of: "s",
            items: Vec::from([Value::text(&unit.slice)]),
        };
        properties.push(Property::new("Wants", wants));
    } else {
        let first = Value::List {
            of: "u",
            items: Vec::from([Value::U32(pid)]),
        };
        properties.extend([
            Property::new("Slice", Value::text(&unit.slice)),
            Property::new("PIDs", first),
            yes("Delegate"),
            // A scope whose processes were killed for their memory counts as failed, and stayed.
            Property::new("CollectMode", Value::text("inactive-or-failed")),
        ]);
    }
    properties.extend(
        [
            "CPUAccounting",
            "MemoryAccounting",
            "IOAccounting",
            "TasksAccounting",
        ]
        .map(yes),
    );
    properties.push(Property::new("DefaultDependencies", Value::Bool(false)));
    properties
}

//! `create` and `run`.

use alloc::format;
use alloc::string::String;
use core::cell::Cell;

use plan::{Act, HookKind, Plan};
use spec::Str;
use sys::process::{self, Ended};
use sys::rustix::process::{Signal, geteuid};
use sys::{OwnedFd, socket};

use crate::error::{Error, Kind, Result};
use crate::hooks::Inside;
use crate::launching::Launching;
use crate::options::Options;
use crate::prepare::Cgroups;
use crate::record::{Record, Status};
use crate::report;
use crate::state_dir::StateDir;
use crate::{Engine, delete, hooks, rootless, teardown};

/// A container that was made; its first process lives or has just ended.
#[derive(Debug)]
pub struct Launched<'p, 'a> {
    /// Its record.
    pub record: Record,
    /// Its first process.
    pub pidfd: OwnedFd,
    /// The terminal's master, where [`crate::Terminal::Caller`] was asked for.
    pub terminal: Option<OwnedFd>,
    plan: &'p Plan<'a>,
    options: &'p Options<'a>,
    dir: StateDir,
    script: OwnedFd,
    socket: Option<OwnedFd>,
    ended: bool,
}

impl Launched<'_, '_> {
    /// Waits until the payload was executed.
    ///
    /// # Errors
    /// What kept it from being; the process has ended then.
    pub fn await_exec(&mut self) -> Result<()> {
        let Some(socket) = self.socket.take() else {
            return Ok(());
        };
        // The child's end closes at execve, or with the child.
        while socket::receive(&socket, &mut [0u8; 4])?.len != 0 {}
        self.failure()
    }

    /// Waits for the payload's end and reaps it.
    ///
    /// # Errors
    /// What kept the payload from being executed.
    pub fn wait(&mut self) -> Result<Ended> {
        let ended = process::wait(&self.pidfd)?;
        self.ended = true;
        self.failure()?;
        Ok(ended)
    }

    /// Takes away what was made for the container, killing it where [`Launched::wait`] has not seen it
    /// end. One that somebody has deleted meanwhile is gone already.
    ///
    /// # Errors
    /// The first of what could not be undone.
    pub fn remove(&mut self) -> Result<()> {
        match self.dir.lock() {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        }
        self.end();
        if self.failure().is_ok() {
            self.record.files.clear();
        }
        delete::remove(&self.dir, &self.record, None, Some(self.options.spec))
    }

    fn end(&mut self) {
        if !self.ended {
            let _ = process::signal(&self.pidfd, Signal::KILL);
            process::reap(&self.pidfd);
            self.ended = true;
        }
    }

    /// Takes a container that did not come to run away again.
    fn discard(&mut self, error: Error) -> Error {
        self.end();
        if self.dir.lock().is_ok() {
            let _ = teardown::teardown(&self.dir, &self.record, None);
        }
        error
    }

    fn failure(&self) -> Result<()> {
        report::failure(self.plan, &self.script).map_or(Ok(()), Err)
    }
}

/// Makes the plan of `options` and hands it to `act`; nothing is changed.
///
/// # Errors
/// The field or fact because of which there is none.
pub fn plan_of<T>(
    engine: &Engine,
    options: &Options<'_>,
    what: Act,
    act: impl FnOnce(&Plan<'_>) -> Result<T>,
) -> Result<T> {
    engine.with_plan(options, what, Cgroups::All, |prepared| act(prepared.plan))
}

/// Makes a container, and hands it to `attend` while the plan that explains its errors still stands.
///
/// # Errors
/// What failed; nothing of the container is left then. `attend`'s own errors leave the container as it
/// is.
pub fn run_or_create<T>(
    engine: &Engine,
    options: &Options<'_>,
    what: Act,
    attend: impl FnOnce(&mut Launched<'_, '_>) -> Result<T>,
) -> Result<T> {
    let mut attend = Some(attend);
    let denied = Cell::new(false);
    let mut attempt = |cgroups| {
        engine.with_plan(options, what, cgroups, |prepared| {
            let dir = engine.make_or_mend(options.id)?;
            let record = first_record(options);
            let mut launching = Launching::new(prepared, dir, record);
            let carried_out = launching.carry_out();
            denied.set(launching.denied);
            carried_out?;
            let poststart = what == Act::Run && has_poststart(options);
            let Launching {
                record,
                spawned,
                terminal,
                dir,
                ..
            } = launching;
            let Some(spawned) = spawned else {
                return Err(Error::new(Kind::Bug, "the plan has no launch"));
            };
            let (script, socket, pidfd) = (spawned.script, spawned.socket, spawned.started.pidfd);
            // From now on the kernel tells how the container is.
            dir.unlock();
            let mut launched = Launched {
                record,
                pidfd,
                terminal,
                plan: prepared.plan,
                options: prepared.options,
                dir,
                script,
                socket,
                ended: false,
            };
            if what == Act::Run && options.await_exec {
                let executed = launched.await_exec();
                executed.map_err(|error| launched.discard(error))?;
            }
            if poststart {
                let state = hooks::state(&launched.record, Status::Running);
                hooks::run_all(HookKind::Poststart, options.spec, &state, Inside::default())
                    .map_err(|error| launched.discard(error))?;
            }
            match attend.take() {
                Some(attend) => attend(&mut launched),
                None => Err(Error::new(Kind::Bug, "attended twice")),
            }
        })
    };
    match attempt(Cgroups::All) {
        // Nothing was asked of a cgroup that may not be made, so it is done without.
        Err(error)
            if denied.get() && rootless::is_denied(&error) && engine.spares_cgroups(options) =>
        {
            attempt(Cgroups::Permitted)
        }
        other => other,
    }
}

fn has_poststart(options: &Options<'_>) -> bool {
    options
        .spec
        .hooks
        .as_ref()
        .is_some_and(|hooks| !hooks.poststart.is_empty())
}

pub(crate) fn first_record(options: &Options<'_>) -> Record {
    let owned = |text: &Str<'_>| String::from(text.as_str());
    let annotations = options
        .spec
        .annotations
        .iter()
        .map(|(key, value)| (owned(key), owned(value)))
        .collect();
    Record {
        status: Status::Creating,
        bundle: options.bundle.into(),
        rootfs: options.root_path(),
        created: timestamp_now(),
        uid: geteuid().as_raw(),
        hooks: options.spec.hooks.is_some(),
        annotations,
        ..Record::new(options.id)
    }
}

impl Engine {
    /// Makes the state directory, after removing what a runtime that was killed left under this name.
    pub(crate) fn make_or_mend(&self, id: &str) -> Result<StateDir> {
        match self.make_state_dir(id) {
            Err(error) if error.kind == Kind::Busy => {
                if !self.mend(id)? {
                    return Err(error);
                }
                self.make_state_dir(id)
            }
            other => other,
        }
    }

    /// Removes a container whose making was never finished and is not going on. Says whether it did.
    fn mend(&self, id: &str) -> Result<bool> {
        let dir = match self.open_state_dir(id) {
            Err(error) if error.kind == Kind::NotFound => return Ok(true),
            other => other?,
        };
        if dir.is_locked() {
            return Ok(false);
        }
        match dir.lock() {
            Err(error) if error.kind == Kind::NotFound => return Ok(true),
            other => other?,
        }
        if !dir.has_record() {
            // One that is lost tells nothing of what there may be.
            if dir.has_config() {
                return Ok(false);
            }
            // Nothing is made before the record is there.
            return dir.remove().map(|()| true);
        }
        let Ok(record) = dir.read() else {
            return Ok(false);
        };
        if record.status != Status::Creating {
            return Ok(false);
        }
        Ok(teardown::teardown(&dir, &record, None).is_empty())
    }
}

/// The time now, as [`Record::created`] has it.
pub fn timestamp_now() -> String {
    timestamp(sys::time::now())
}

/// RFC 3339 with nanoseconds, UTC. Days are counted in years that start in March, so that the leap day
/// is the last (Howard Hinnant's `civil_from_days`).
fn timestamp((seconds, nanoseconds): (i64, u32)) -> String {
    let (days, rest) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn timestamps_are_rfc_3339() {
        assert_eq!(timestamp((0, 0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            timestamp((951_782_400, 5)),
            "2000-02-29T00:00:00.000000005Z"
        );
        assert_eq!(
            timestamp((1_795_374_061, 0)),
            "2026-11-22T19:01:01.000000000Z"
        );
    }
}

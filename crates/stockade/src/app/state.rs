//! How a container is: the kernel is asked first, then what its monitor wrote down.

use std::time::{Duration, SystemTime};

use container::{Directory, Ending, Settings, Store};
use engine::{Kind, Record, Status};
use front::app::RunOptions;
use spec::Spec;
use sys::Errno;

use super::failure::Outcome;
use crate::output::rows::State;
use crate::output::units;

/// The exit code of a container whose end nobody saw, as containerd has it.
pub(crate) const UNKNOWN_CODE: i32 = 255;

/// Why its exit code is not known.
pub(crate) const UNSEEN_END: &str = "its monitor was killed: nobody saw how it ended";

/// How long, and how often, a container is looked at that is just being started or cleaned up after.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOKS: u32 = 200;
/// A monitor lets go of its lock for a moment when it executes itself anew for a restart.
const LOOKS_FOR_MONITOR: u32 = 10;
const LOOKS_TO_BE_SURE: u32 = 2;

/// How a container is now.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    /// What it is doing.
    pub(crate) phase: State,
    /// Its runtime state, while it runs.
    pub(crate) record: Option<Record>,
    /// The last exit code: 0 before the first, [`UNKNOWN_CODE`] when nobody saw it.
    pub(crate) code: i32,
    /// When its process was last started.
    pub(crate) started: Option<SystemTime>,
    /// When its process last ended.
    pub(crate) finished: Option<SystemTime>,
    /// The kernel killed a process of it for want of memory, the last time it ran.
    pub(crate) oom_killed: bool,
    /// Why it could not be started; or what is not known about its end.
    pub(crate) error: String,
    /// How often it was started again since it was last started by hand.
    pub(crate) restarts: u32,
}

impl Now {
    /// Its first process as the host numbers it.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.record.as_ref().map(|record| record.pid)
    }
}

/// What was seen in one look.
struct Look {
    runtime: Option<(Record, Status)>,
    monitor: bool,
    ending: Option<Ending>,
    /// When the last monitor began.
    began: Option<SystemTime>,
}

impl Look {
    fn take(store: &Store, directory: &Directory, id: &str) -> Outcome<Self> {
        let runtime = match store.engine.inspect(id) {
            Ok(found) => Some(found),
            // A directory without a record is being made or removed.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Kernel(Errno::NOENT)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            runtime,
            monitor: directory.has_monitor(),
            ending: directory.ending()?,
            began: began(directory),
        })
    }

    fn restarting(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.restarting)
    }

    /// Whether it ran when the machine, or its monitor in the midst of cleaning up, was stopped: after
    /// its last monitor began no end was written down.
    fn is_lost(&self) -> bool {
        let finished = self
            .ending
            .as_ref()
            .and_then(|ending| moment(&ending.finished));
        self.runtime.is_none() && !self.monitor && !self.restarting() && self.began > finished
    }

    /// How many looks this is to be waited for to become something else: a monitor starts its
    /// container, or cleans up after it.
    fn looks_worth(&self) -> u32 {
        let status = self.runtime.as_ref().map(|(_, status)| *status);
        match (status, self.monitor) {
            (None, true) if !self.restarting() => LOOKS,
            (None, false) if self.restarting() => LOOKS_FOR_MONITOR,
            (Some(Status::Stopped | Status::Creating | Status::Created), true) => LOOKS,
            // A monitor may have cleaned up, or begun, in the midst of this look.
            (Some(Status::Stopped | Status::Creating | Status::Created), false) => LOOKS_TO_BE_SURE,
            (None, false) if self.is_lost() => LOOKS_TO_BE_SURE,
            _ => 0,
        }
    }
}

/// When the container's last monitor began: it makes its socket then.
fn began(directory: &Directory) -> Option<SystemTime> {
    std::fs::symlink_metadata(directory.socket_path())
        .and_then(|socket| socket.modified())
        .ok()
}

/// How the container with this id, whose directory this is, is now.
///
/// # Errors
/// What cannot be read.
pub(crate) fn now(store: &Store, directory: &Directory, id: &str) -> Outcome<Now> {
    let mut looks = 0;
    loop {
        match Look::take(store, directory, id) {
            Ok(look) if looks >= look.looks_worth() => return Ok(told(look)),
            // A record whose first write is under way looks damaged.
            Err(failure) if looks >= LOOKS_FOR_MONITOR || !directory.has_monitor() => {
                return Err(failure);
            }
            _ => {}
        }
        looks += 1;
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn told(look: Look) -> Now {
    let (restarting, is_lost) = (look.restarting(), look.is_lost());
    let ending = look.ending;
    match look.runtime {
        Some((record, Status::Running)) => alive(State::Running, record, ending),
        Some((record, Status::Paused)) => alive(State::Paused, record, ending),
        Some((record, Status::Stopped)) => unseen_end(&record, ending),
        Some((_, Status::Creating | Status::Created)) => ended(State::Created, ending),
        None if restarting && look.monitor => ended(State::Restarting, ending),
        None if is_lost => lost(look.began, ending),
        None if ending.is_some() => ended(State::Exited, ending),
        None => ended(State::Created, None),
    }
}

fn alive(phase: State, record: Record, ending: Option<Ending>) -> Now {
    let started = moment(&record.created);
    let restarts = match &ending {
        Some(ending) if ending.restarting => ending.restarts + 1,
        _ => 0,
    };
    let last = ended(phase, ending);
    let error = String::new();
    Now {
        record: Some(record),
        code: 0,
        started,
        restarts,
        error,
        oom_killed: false,
        ..last
    }
}

/// Its monitor was killed, and then it ended.
fn unseen_end(record: &Record, ending: Option<Ending>) -> Now {
    Now {
        code: UNKNOWN_CODE,
        started: moment(&record.created),
        finished: None,
        error: UNSEEN_END.into(),
        ..ended(State::Exited, ending)
    }
}

/// Nobody saw its end, and there is no record of its last run.
fn lost(began: Option<SystemTime>, ending: Option<Ending>) -> Now {
    Now {
        code: UNKNOWN_CODE,
        started: began,
        finished: None,
        error: UNSEEN_END.into(),
        ..ended(State::Exited, ending)
    }
}

fn ended(phase: State, ending: Option<Ending>) -> Now {
    let ending = ending.unwrap_or(Ending {
        code: Some(0),
        ..Ending::default()
    });
    Now {
        phase,
        record: None,
        code: ending.code.unwrap_or(UNKNOWN_CODE),
        started: moment(&ending.started),
        finished: moment(&ending.finished),
        oom_killed: ending.oom_killed,
        error: ending.error,
        restarts: ending.restarts,
    }
}

/// A time that we wrote; none where there is none yet.
pub(crate) fn moment(text: &str) -> Option<SystemTime> {
    units::moment(text, SystemTime::now()).ok()
}

/// All that is known of a container.
pub(crate) struct Known {
    /// The whole id.
    pub(crate) id: String,
    /// Its directory.
    pub(crate) directory: Directory,
    /// What it is.
    pub(crate) settings: Settings,
    /// The options it was made from.
    pub(crate) options: RunOptions,
    /// Its OCI configuration, as text.
    pub(crate) config: Vec<u8>,
    /// How it is.
    pub(crate) now: Now,
}

impl Known {
    /// Reads all about the container that a name or the start of an id stands for.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(crate) fn find(store: &Store, given: &str) -> Outcome<Self> {
        Self::read(store, store.find(given)?)
    }

    /// Reads all about the container with this id.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(crate) fn read(store: &Store, id: String) -> Outcome<Self> {
        let directory = store.open(&id)?;
        let settings = directory.settings()?;
        let options = serde_json::from_value(settings.options.clone()).unwrap_or_default();
        let now = now(store, &directory, &id)?;
        let config = directory.config()?;
        Ok(Self {
            id,
            directory,
            settings,
            options,
            config,
            now,
        })
    }

    /// Its OCI configuration.
    ///
    /// # Errors
    /// When it is damaged.
    pub(crate) fn spec(&self) -> Outcome<Spec<'_>> {
        Ok(Spec::parse(&self.config).map_err(engine::Error::from)?)
    }

    /// Whether it runs, be it paused.
    pub(crate) fn runs(&self) -> bool {
        self.now.record.is_some()
    }
}

/// All containers that are there. One that goes away meanwhile is left out; of one that cannot be read
/// the reason is given in the second list.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn all(store: &Store) -> Outcome<(Vec<Known>, Vec<super::Failure>)> {
    let (mut known, mut failures) = (Vec::new(), Vec::new());
    for id in store.ids()? {
        match read_patiently(store, &id) {
            Some(Ok(one)) => known.push(one),
            Some(Err(failure)) => failures.push(failure),
            None => {}
        }
    }
    Ok((known, failures))
}

/// One that is just being removed may be met with half of its files gone: none, a moment later.
fn read_patiently(store: &Store, id: &str) -> Option<Outcome<Known>> {
    const ATTEMPTS: u32 = 10;
    let mut read = Known::read(store, id.to_owned());
    for _ in 1..ATTEMPTS {
        if read.is_ok() {
            break;
        }
        std::thread::sleep(LOOK_AGAIN);
        read = Known::read(store, id.to_owned());
    }
    (read.is_ok() || has_settings(store, id)).then_some(read)
}

/// `container.json` is written last when a container is made.
fn has_settings(store: &Store, id: &str) -> bool {
    std::path::Path::new(&store.path(id))
        .join("container.json")
        .exists()
}

//! `--follow`: waiting for a log to grow.

use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime};

use container::Directory;
use sys::OwnedFd;
use sys::error::OnCall;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use sys::rustix::time::Timespec;

use super::super::failure::Outcome;

/// How often is looked whether the monitor still lives, besides every time that it writes something.
const LOOK: Duration = Duration::from_millis(250);
/// A monitor that executes itself anew for a restart lets go of its lock for a moment.
const MOMENT: Duration = Duration::from_millis(30);

/// What came of waiting.
#[derive(PartialEq, Eq)]
pub(super) enum Change {
    /// There may be something to read, or nobody to write any more.
    Perhaps,
    /// The last moment that was wanted is over.
    TimeIsUp,
}

/// A watch over a container's directory.
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Starts to watch.
    pub(super) fn new(directory: &Directory) -> Outcome<Self> {
        let path = &directory.path;
        let watch =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).on("inotify_init", path)?;
        inotify::add_watch(
            &watch,
            path.as_str(),
            WatchFlags::MODIFY | WatchFlags::CREATE,
        )
        .on("inotify_add_watch", path)?;
        Ok(Self(watch))
    }

    /// Whether somebody is there who writes the log.
    pub(super) fn is_written(&self, directory: &Directory) -> bool {
        directory.has_monitor() || {
            std::thread::sleep(MOMENT);
            directory.has_monitor()
        }
    }

    /// Waits for something to change.
    pub(super) fn wait(&self, until: Option<SystemTime>) -> Outcome<Change> {
        let left = match until.map(|until| until.duration_since(SystemTime::now())) {
            Some(Err(_)) => return Ok(Change::TimeIsUp),
            Some(Ok(left)) => left.min(LOOK),
            None => LOOK,
        };
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        // Interrupted or not, the log is looked at again.
        let _ = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout));
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        while events.next().is_ok() {}
        Ok(Change::Perhaps)
    }
}

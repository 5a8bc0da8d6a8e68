//! What a filter returns: an action with its data, as the kernel has it.

use alloc::format;
use alloc::string::String;

use spec::seccomp::Action;
use spec::{Error, Kind, Place};

/// A filter's return value (`SECCOMP_RET_…`): the action in the upper half, its data in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Verdict(pub(crate) u32);

/// `EPERM`, the errno of an action that names none.
const EPERM: u32 = 1;
/// `ENOSYS`.
const ENOSYS: u32 = 38;
/// The kernel makes any larger errno this one (`MAX_ERRNO`).
const MAX_ERRNO: u32 = 4095;
/// What a return value has room for.
const MAX_DATA: u32 = 0xffff;

impl Verdict {
    /// `SECCOMP_RET_KILL_THREAD`.
    pub(crate) const KILL_THREAD: Self = Self(0);
    /// The call fails as one that the kernel does not know.
    pub(crate) const NO_SUCH_CALL: Self = Self(0x0005_0000 | ENOSYS);

    /// What `action` is to the kernel.
    ///
    /// # Errors
    /// An errno that is out of range, or given to an action that carries none; `place` is its field.
    pub(crate) fn of(action: Action, errno: Option<u32>, place: Place) -> Result<Self, Error> {
        let data = |most| match errno {
            None => Ok(EPERM),
            Some(errno) if errno <= most => Ok(errno),
            Some(errno) => Err(refuse(place, format!("{errno} is more than {most}"))),
        };
        let value = match action {
            Action::Errno => return Ok(Self(0x0005_0000 | data(MAX_ERRNO)?)),
            Action::Trace => return Ok(Self(0x7ff0_0000 | data(MAX_DATA)?)),
            Action::Kill | Action::KillThread => Self::KILL_THREAD.0,
            Action::KillProcess => 0x8000_0000,
            Action::Trap => 0x0003_0000,
            Action::Notify => 0x7fc0_0000,
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        };
        match errno {
            None => Ok(Self(value)),
            Some(_) => Err(refuse(place, format!("{} carries no errno", action.name()))),
        }
    }

    /// The order in which the kernel prefers actions when several filters disagree: less is stronger.
    pub(crate) fn rank(self) -> i32 {
        (self.0 & 0xffff_0000).cast_signed()
    }

    /// Whether a call that nobody has heard of yet should fail with `ENOSYS` instead: where the action
    /// forbids, but not where it allows, logs, or asks somebody who can decide better.
    pub(crate) fn forbids(self) -> bool {
        self.rank() <= Self::NO_SUCH_CALL.rank() && self != Self::NO_SUCH_CALL
    }
}

/// A configuration error at `place`.
pub(crate) fn refuse(place: Place, message: String) -> Error {
    Error {
        kind: Kind::Invalid,
        place: format!("{place}"),
        message,
        hint: None,
    }
}

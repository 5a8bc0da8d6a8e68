//! What an ordinary user is spared, and where an ordinary user's states are.

use alloc::format;
use alloc::string::String;

use sys::initial::{effective_user, variable};
use sys::namespace::in_user_namespace;

use crate::Engine;
use crate::error::{Error, Kind};

/// Whether cgroups are had where they may be had (runc's `--rootless`), or are a duty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rootless {
    /// As the caller is: an ordinary user, or root of a user namespace alone, is rootless.
    #[default]
    Auto,
    /// Rootless whoever asks.
    Yes,
    /// Never rootless.
    No,
}

impl Rootless {
    /// Whether what may not be had is done without. For root this is asked only once something was
    /// refused: it costs a system call.
    pub(crate) fn holds(self) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::Auto => effective_user() != 0 || in_user_namespace(),
        }
    }

    /// Whether containers without a cgroup path of their own go beside the caller's cgroup. Root's go
    /// where every container's do, in a user namespace too, as long as that may be had.
    pub(crate) fn beside_own(self) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::Auto => effective_user() != 0,
        }
    }
}

impl Engine {
    /// Where states are that nobody gave a place for: `system` for root; `NAME` below `XDG_RUNTIME_DIR`
    /// for an ordinary user and for who is root in a user namespace alone, unless called root there.
    pub fn default_state_root(system: &str, name: &str) -> String {
        let honoured = |_: &&str| {
            effective_user() != 0 || in_user_namespace() && variable("USER") != Some("root")
        };
        match variable("XDG_RUNTIME_DIR").filter(honoured) {
            Some(directory) => format!("{}/{name}", directory.trim_end_matches('/')),
            None => String::from(system),
        }
    }
}

/// The refusal of a capability that only the host's root has.
pub(crate) fn is_denied(error: &Error) -> bool {
    use sys::Errno;
    matches!(
        error.kind,
        Kind::Kernel(Errno::PERM | Errno::ACCESS | Errno::ROFS)
    )
}

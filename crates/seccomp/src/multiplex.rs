//! i386's `socketcall` and `ipc`: one number, a dozen calls each. The first argument says which; the
//! others are elsewhere than in the call's own form.

use spec::seccomp::SyscallArg;

use crate::numbers::{CALLS, index_of};
use crate::rules::masked;

/// A way to make a call through a multiplexed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `socketcall` with this first argument (`SYS_…` of `linux/net.h`).
    Socketcall(u8),
    /// `ipc` with this first argument (`linux/ipc.h`).
    Ipc(u8),
}

const DOORS: [(&str, Door); 32] = [
    ("accept", Door::Socketcall(5)),
    ("accept4", Door::Socketcall(18)),
    ("bind", Door::Socketcall(2)),
    ("connect", Door::Socketcall(3)),
    ("getpeername", Door::Socketcall(7)),
    ("getsockname", Door::Socketcall(6)),
    ("getsockopt", Door::Socketcall(15)),
    ("listen", Door::Socketcall(4)),
    ("msgctl", Door::Ipc(14)),
    ("msgget", Door::Ipc(13)),
    ("msgrcv", Door::Ipc(12)),
    ("msgsnd", Door::Ipc(11)),
    ("recv", Door::Socketcall(10)),
    ("recvfrom", Door::Socketcall(12)),
    ("recvmmsg", Door::Socketcall(19)),
    ("recvmsg", Door::Socketcall(17)),
    ("semctl", Door::Ipc(3)),
    ("semget", Door::Ipc(2)),
    ("semop", Door::Ipc(1)),
    ("semtimedop", Door::Ipc(4)),
    ("send", Door::Socketcall(9)),
    ("sendmmsg", Door::Socketcall(20)),
    ("sendmsg", Door::Socketcall(16)),
    ("sendto", Door::Socketcall(11)),
    ("setsockopt", Door::Socketcall(14)),
    ("shmat", Door::Ipc(21)),
    ("shmctl", Door::Ipc(24)),
    ("shmdt", Door::Ipc(22)),
    ("shmget", Door::Ipc(23)),
    ("shutdown", Door::Socketcall(13)),
    ("socket", Door::Socketcall(1)),
    ("socketpair", Door::Socketcall(8)),
];

/// The way to make a call through another one, if there is one; the call by its index in [`CALLS`].
pub(crate) fn door(index: usize) -> Option<Door> {
    OF_CALLS[index]
}

static OF_CALLS: [Option<Door>; CALLS.len()] = of_calls();

const fn of_calls() -> [Option<Door>; CALLS.len()] {
    let mut doors = [None; CALLS.len()];
    let mut at = 0;
    while at < DOORS.len() {
        // A name that is in no table does not compile.
        doors[index_of(DOORS[at].0)] = Some(DOORS[at].1);
        at += 1;
    }
    doors
}

impl Door {
    /// The number of the multiplexed call on i386.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Socketcall(_) => 102,
            Self::Ipc(_) => 117,
        }
    }

    /// How a filter recognises the call. The kernel looks at the low 16 bits of `ipc`'s argument: the
    /// others hold a version.
    pub(crate) fn condition(self) -> SyscallArg {
        match self {
            Self::Socketcall(which) => masked(0, u64::MAX, which.into()),
            Self::Ipc(which) => masked(0, 0xffff, which.into()),
        }
    }

    fn bit(self) -> u64 {
        match self {
            Self::Socketcall(which) => 1 << which,
            Self::Ipc(which) => 1 << (32 + which),
        }
    }
}

/// Which doors have had a rule.
#[derive(Default)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Whether it is the first time for this one.
    pub(crate) fn is_first(&mut self, door: Door) -> bool {
        let first = self.0 & door.bit() == 0;
        self.0 |= door.bit();
        first
    }
}

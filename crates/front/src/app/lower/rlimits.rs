//! `--ulimit`, and what stands where nothing is said: limits are never those that whoever starts a
//! container happens to have.

use spec::{CapSet, Rlimit, RlimitKind};

use super::namespaces::Spaces;
use super::{Asked, Origins};
use crate::app::value::namespace::Userns;
use crate::app::value::ulimit;
use crate::error::{About, Result};

const UNLIMITED: u64 = u64::MAX;

/// What a login on a Debian machine has (systemd's defaults, and the kernel's), soft and hard. Processes
/// are limited by `--pids-limit`, not for each user. Pending signals, which the kernel limits by the
/// machine's size, are as many as this process may have.
const DEFAULTS: [(RlimitKind, u64, u64); 16] = [
    (RlimitKind::As, UNLIMITED, UNLIMITED),
    (RlimitKind::Core, 0, UNLIMITED),
    (RlimitKind::Cpu, UNLIMITED, UNLIMITED),
    (RlimitKind::Data, UNLIMITED, UNLIMITED),
    (RlimitKind::Fsize, UNLIMITED, UNLIMITED),
    (RlimitKind::Locks, UNLIMITED, UNLIMITED),
    (RlimitKind::Memlock, 8 << 20, 8 << 20),
    (RlimitKind::Msgqueue, 819_200, 819_200),
    (RlimitKind::Nice, 0, 0),
    (RlimitKind::Nofile, 1024, 524_288),
    (RlimitKind::Nproc, UNLIMITED, UNLIMITED),
    (RlimitKind::Rss, UNLIMITED, UNLIMITED),
    (RlimitKind::Rtprio, 0, 0),
    (RlimitKind::Rttime, UNLIMITED, UNLIMITED),
    (RlimitKind::Sigpending, UNLIMITED, UNLIMITED),
    (RlimitKind::Stack, 8 << 20, UNLIMITED),
];

/// Every limit there is: the options', and the defaults in the place of others.
pub(super) fn lower(
    asked: &Asked<'_>,
    spaces: &Spaces,
    origins: &mut Origins,
) -> Result<Vec<Rlimit>> {
    let raises = spaces.userns == Userns::Host
        && asked
            .machine
            .capabilities
            .contains(CapSet::from_name("CAP_SYS_RESOURCE").unwrap_or_default());
    let mut limits: Vec<Rlimit> = DEFAULTS
        .iter()
        .map(|default| default_limit(asked, *default, raises))
        .collect();
    for text in &asked.options.ulimit {
        let limit = ulimit::ulimit(text).of("--ulimit", text)?;
        for (at, known) in limits.iter_mut().enumerate() {
            if known.kind == limit.kind {
                origins.option(&format!("process.rlimits[{at}]"), "--ulimit", text);
                *known = limit;
            }
        }
    }
    Ok(limits)
}

/// A default, lowered to what the container's first process may give itself.
fn default_limit(
    asked: &Asked<'_>,
    (kind, soft, hard): (RlimitKind, u64, u64),
    raises: bool,
) -> Rlimit {
    let own = asked.machine.hard_limits.iter().find(|(of, _)| *of == kind);
    let own = own.map_or(UNLIMITED, |(_, own)| *own);
    let most = if raises && kind != RlimitKind::Sigpending {
        UNLIMITED
    } else {
        own
    };
    Rlimit {
        kind,
        soft: soft.min(most),
        hard: hard.min(most),
    }
}

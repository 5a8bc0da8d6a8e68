//! `--userns auto`: a range of the host's ids that nobody else uses.

use container::Store;

use super::failure::{Failure, Outcome};

/// Below this are the host's own users; above the last, what `dynamic` ranges of others use.
const FIRST: u32 = 524_288;
const LAST: u32 = 1_878_982_656;

/// The first free id for a range of this size, beside all containers that have one and all of the host's
/// subordinate ranges.
///
/// Whoever makes containers at the same moment is kept out by the lock on the store.
pub(crate) fn pick(store: &Store, size: u32) -> Outcome<u32> {
    let mut taken = subordinate_ranges();
    for id in store.ids()? {
        let settings = store.open(&id).and_then(|directory| directory.settings());
        taken.extend(settings.ok().and_then(|settings| settings.user_range));
    }
    taken.sort_unstable();
    let mut candidate = FIRST;
    for (first, count) in taken {
        let end = first.saturating_add(count);
        if end <= candidate {
            continue;
        }
        if first >= candidate.saturating_add(size) {
            break;
        }
        candidate = end.next_multiple_of(65_536);
    }
    if candidate.saturating_add(size) > LAST {
        return Err(Failure::new(format!(
            "--userns auto: no free range of {size} ids is left"
        )));
    }
    Ok(candidate)
}

/// The ranges of `/etc/subuid` and `/etc/subgid` (subuid(5)).
fn subordinate_ranges() -> Vec<(u32, u32)> {
    let mut ranges = Vec::new();
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        ranges.extend(text.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        }));
    }
    ranges
}

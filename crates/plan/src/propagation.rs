//! Propagation by the kernel's numbers.

use spec::Propagation;

const MS_UNBINDABLE: u64 = 1 << 17;
const MS_PRIVATE: u64 = 1 << 18;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;

/// `MS_REC`: for all mounts below, too.
pub(crate) const RECURSIVE: u64 = 1 << 14;

/// The flag of mount(2) and mount_setattr(2), without `MS_REC`.
pub(crate) const fn flag(propagation: Propagation) -> u64 {
    match propagation.single() {
        Propagation::Private => MS_PRIVATE,
        Propagation::Shared => MS_SHARED,
        Propagation::Slave => MS_SLAVE,
        _ => MS_UNBINDABLE,
    }
}

/// What the first process does to all mounts that it has from the host, as a flag of mount(2): nothing that
/// it mounts may reach the host, unless mounts are shared with it. Then `/` alone is cut off, on which the
/// root is going to stand.
pub(crate) fn of_the_host(given: Option<Propagation>) -> u64 {
    match given.map(Propagation::single) {
        None | Some(Propagation::Slave) => MS_SLAVE | RECURSIVE,
        Some(Propagation::Shared) => MS_PRIVATE,
        // What is unbindable could not become a bind mount's source.
        Some(_) => MS_PRIVATE | RECURSIVE,
    }
}

/// What is done to the root once it is one: pivot_root(2) takes no shared mount.
pub(crate) fn of_the_root(given: Propagation) -> Option<u64> {
    let late = matches!(
        given.single(),
        Propagation::Shared | Propagation::Unbindable
    );
    late.then(|| flag(given))
}

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

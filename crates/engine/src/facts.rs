//! What this host and process can do, by few system calls.

use plan::Facts;
use spec::{CapSet, NamespaceType, Spec};
use sys::error::OnCall;
use sys::rustix::thread::capabilities;

use crate::error::Result;

/// `CAP_SYS_ADMIN` of linux/capability.h.
const SYS_ADMIN: u32 = 21;

/// Looks at the process, as far as a container of `spec` is concerned by it.
pub(crate) fn find(spec: &Spec<'_>) -> Result<Facts> {
    let own = capabilities(None).on("capget", "")?;
    let permitted = CapSet(own.permitted.bits());
    let administers = permitted.0 >> SYS_ADMIN & 1 == 1;
    let linux = spec.linux.as_ref();
    let new_users = linux.is_some_and(|linux| linux.namespace(NamespaceType::User).is_some());
    Ok(Facts {
        permitted,
        administers,
        // Root of a user namespace may still be in a mount namespace that it does not own.
        copies_mounts: administers && (!new_users || sys::mount::detached("/", false).is_ok()),
    })
}

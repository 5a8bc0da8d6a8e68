//! What this host and process can do, by few system calls.

use plan::Facts;
use spec::{CapSet, Linux, NamespaceType, Process, Spec};
use sys::error::OnCall;
use sys::file;
use sys::rustix::fs::statfs;
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
    let (apparmor, selinux) = modules(spec.process.as_ref(), linux);
    Ok(Facts {
        apparmor,
        selinux,
        permitted,
        administers,
        // Root of a user namespace may still be in a mount namespace that it does not own.
        copies_mounts: administers && (!new_users || sys::mount::detached("/", false).is_ok()),
    })
}

/// Whether AppArmor and SELinux are enabled; neither is looked at unless a label asks for it.
pub(crate) fn modules(process: Option<&Process<'_>>, linux: Option<&Linux<'_>>) -> (bool, bool) {
    let profile = process.is_some_and(|process| process.apparmor_profile.is_some());
    let label = process.is_some_and(|process| process.selinux_label.is_some())
        || linux.is_some_and(|linux| linux.mount_label.is_some());
    (profile && has_apparmor(), label && has_selinux())
}

fn has_apparmor() -> bool {
    let enabled = file::read_text("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.starts_with('Y'))
}

/// Its file system is mounted where it always is: a root that hides it hides SELinux from everybody.
fn has_selinux() -> bool {
    const SELINUX_MAGIC: i64 = 0xf97c_ff8c;
    statfs("/sys/fs/selinux").is_ok_and(|found| found.f_type == SELINUX_MAGIC)
}

//! Labels of security modules: what names one fails where the kernel has no such module, rather than run
//! unconfined.

use alloc::format;
use alloc::string::String;

use spec::{Linux, Place, Process, Str};

use crate::error::Error;
use crate::request::Facts;

/// Refuses labels for modules that this kernel does not have.
///
/// # Errors
/// The first such field.
pub fn check_labels(
    process: Option<&Process<'_>>,
    linux: Option<&Linux<'_>>,
    facts: &Facts,
) -> Result<(), Error> {
    let given = |label: Option<&Str<'_>>| label.is_some_and(|label| !label.is_empty());
    let apparmor = process.and_then(|process| process.apparmor_profile.as_ref());
    let selinux = process.and_then(|process| process.selinux_label.as_ref());
    let mounts = linux.and_then(|linux| linux.mount_label.as_ref());
    let refused = |field, what| Err(Error::unsupported(Place::field(field), what));
    if given(apparmor) && !facts.apparmor {
        return refused(
            "process.apparmorProfile",
            "AppArmor is not enabled in this kernel",
        );
    }
    if given(selinux) && !facts.selinux {
        return refused(
            "process.selinuxLabel",
            "SELinux is not enabled in this kernel",
        );
    }
    if given(mounts) && !facts.selinux {
        return refused("linux.mountLabel", "SELinux is not enabled in this kernel");
    }
    Ok(())
}

/// The options of a new file system with `linux.mountLabel` as its context. Those of the kernel's own have
/// labels by its policy, and take none.
pub(crate) fn with_context(kind: &str, data: String, linux: Option<&Linux<'_>>) -> String {
    let label = linux.and_then(|linux| linux.mount_label.as_deref());
    match label.filter(|label| !label.is_empty()) {
        Some(label) if !matches!(kind, "proc" | "sysfs" | "mqueue" | "cgroup" | "cgroup2") => {
            let separator = if data.is_empty() { "" } else { "," };
            format!("{data}{separator}context=\"{label}\"")
        }
        _ => data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_label_is_an_option_of_new_file_systems_alone() {
        let linux = Linux {
            mount_label: Some(Str::new("system_u:object_r:svirt_t:s0:c1,c2")),
            ..Linux::default()
        };
        let data = |kind, data: &str| with_context(kind, data.into(), Some(&linux));
        assert_eq!(
            data("tmpfs", "mode=755"),
            "mode=755,context=\"system_u:object_r:svirt_t:s0:c1,c2\""
        );
        assert_eq!(
            data("devpts", ""),
            "context=\"system_u:object_r:svirt_t:s0:c1,c2\""
        );
        assert_eq!(data("proc", "hidepid=2"), "hidepid=2");
        assert_eq!(with_context("tmpfs", "a".into(), None), "a");
    }

    #[test]
    fn labels_without_their_module_are_refused() {
        let process = Process {
            apparmor_profile: Some(Str::new("p")),
            ..Process::default()
        };
        let none = Facts::default();
        let all = Facts {
            apparmor: true,
            selinux: true,
            ..none
        };
        let refused = check_labels(Some(&process), None, &none).expect_err("refused");
        assert_eq!(refused.place, Place::field("process.apparmorProfile"));
        assert!(check_labels(Some(&process), None, &all).is_ok());
        let empty = Process {
            apparmor_profile: Some(Str::new("")),
            ..Process::default()
        };
        assert!(check_labels(Some(&empty), None, &none).is_ok());
    }
}

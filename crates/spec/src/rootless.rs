//! A configuration for an ordinary user (`spec --rootless`).

use alloc::vec;

use crate::{IdMap, Mount, Namespace, NamespaceType, Spec, Str};

/// Changes a configuration to one that an ordinary user can run: in a user namespace where the user `uid`
/// and the group `gid` are root and nobody else is, with the host's network and `/sys`, and without limits.
///
/// What is changed, and to what, is `runc spec --rootless`'s.
pub fn make_rootless(spec: &mut Spec<'_>, uid: u32, gid: u32) {
    if let Some(linux) = &mut spec.linux {
        let replaced = [NamespaceType::Network, NamespaceType::User];
        linux
            .namespaces
            .retain(|namespace| !replaced.contains(&namespace.kind));
        linux.namespaces.push(Namespace::new(NamespaceType::User));
        let own = |host| IdMap {
            container: 0,
            host,
            size: 1,
        };
        linux.uid_mappings = vec![own(uid)];
        linux.gid_mappings = vec![own(gid)];
        linux.resources = None;
    }
    for mount in &mut spec.mounts {
        if mount.destination.trim_end_matches('/') == "/sys" {
            bind_host_sys(mount);
        } else {
            let mapped =
                |option: &Str<'_>| !option.starts_with("uid=") && !option.starts_with("gid=");
            mount.options.retain(mapped);
        }
    }
}

/// Who has the host's network may not mount a sysfs of it.
fn bind_host_sys(mount: &mut Mount<'_>) {
    mount.fstype = Some("none".into());
    mount.source = Some("/sys".into());
    let options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
    mount.options = options.into_iter().map(Str::new).collect();
}

#[cfg(test)]
mod tests {
    use super::make_rootless;
    use crate::{NamespaceType, Spec, default_spec};

    #[test]
    fn the_default_becomes_an_ordinary_users() {
        let mut spec = default_spec();
        make_rootless(&mut spec, 1000, 100);
        let text = spec.to_json();
        let spec = Spec::parse(&text).expect("a configuration");
        spec.check().expect("one that is right");
        let linux = spec.linux.as_ref().expect("linux");
        assert!(linux.resources.is_none());
        assert_eq!(
            (linux.uid_mappings[0].host, linux.gid_mappings[0].host),
            (1000, 100)
        );
        assert!(linux.namespace(NamespaceType::User).is_some());
        assert!(linux.namespace(NamespaceType::Network).is_none());
        let options = |path: &str| {
            let mount = spec.mounts.iter().find(|m| m.destination.as_str() == path);
            let options = &mount.expect("the mount").options;
            options
                .iter()
                .map(|o| o.as_str())
                .collect::<alloc::vec::Vec<_>>()
        };
        assert!(!options("/dev/pts").contains(&"gid=5"));
        assert_eq!(
            options("/sys"),
            ["rbind", "nosuid", "noexec", "nodev", "ro"]
        );
    }
}

//! `--security-opt`.

use crate::error::{Fault, Parsed};

/// One thing asked of a container's confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security<'a> {
    /// `seccomp=unconfined`
    SeccompUnconfined,
    /// `seccomp=builtin`
    SeccompBuiltin,
    /// `seccomp=FILE`: a profile in OCI's or Docker's JSON.
    SeccompFile(&'a str),
    /// `no-new-privileges[=true|false]`
    NoNewPrivileges(bool),
    /// `systempaths=unconfined`: nothing of `/proc` and `/sys` is masked or read-only.
    SystemPathsUnconfined,
    /// `writable-cgroups[=true|false]`
    WritableCgroups(bool),
    /// `apparmor=unconfined`, `label=disable`: what is so here anyway.
    Nothing,
}

/// `NAME[=VALUE]`; Docker's old `NAME:VALUE` too.
pub fn security(text: &str) -> Parsed<Security<'_>> {
    let (name, value) = match text.split_once(['=', ':']) {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    match (name, value) {
        ("seccomp", Some("unconfined")) => Ok(Security::SeccompUnconfined),
        ("seccomp", Some("builtin")) => Ok(Security::SeccompBuiltin),
        ("seccomp", Some(file)) if !file.is_empty() => Ok(Security::SeccompFile(file)),
        ("no-new-privileges", value) => Ok(Security::NoNewPrivileges(boolean(value)?)),
        ("systempaths", Some("unconfined")) => Ok(Security::SystemPathsUnconfined),
        ("writable-cgroups", value) => Ok(Security::WritableCgroups(boolean(value)?)),
        ("apparmor", Some("unconfined")) | ("label", Some("disable")) => Ok(Security::Nothing),
        ("apparmor" | "label" | "mask" | "unmask" | "proc-opts" | "credentialspec", _) => {
            Err(Fault::unsupported(format!("{name}: not built yet")))
        }
        _ => Err(Fault::usage("not a security option").hint(
            "seccomp=unconfined|FILE, no-new-privileges, systempaths=unconfined, writable-cgroups",
        )),
    }
}

fn boolean(value: Option<&str>) -> Parsed<bool> {
    match value {
        None => Ok(true),
        Some(text) => super::name::boolean(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_options() {
        assert_eq!(
            security("seccomp=unconfined"),
            Ok(Security::SeccompUnconfined)
        );
        assert_eq!(
            security("seccomp:unconfined"),
            Ok(Security::SeccompUnconfined)
        );
        assert_eq!(security("seccomp=/a=b"), Ok(Security::SeccompFile("/a=b")));
        assert_eq!(
            security("no-new-privileges"),
            Ok(Security::NoNewPrivileges(true))
        );
        assert_eq!(
            security("no-new-privileges:true"),
            Ok(Security::NoNewPrivileges(true))
        );
        assert_eq!(
            security("no-new-privileges=false"),
            Ok(Security::NoNewPrivileges(false))
        );
        assert_eq!(security("apparmor=unconfined"), Ok(Security::Nothing));
        assert_eq!(
            security("apparmor=mine").unwrap_err().kind,
            crate::Kind::Unsupported
        );
        for text in [
            "",
            "seccomp",
            "seccomp=",
            "no-new-privileges=maybe",
            "x=y",
            "systempaths=x",
        ] {
            assert!(security(text).is_err(), "{text:?}");
        }
    }
}

//! `--cap-add`, `--cap-drop`: capabilities(7) by name, and the set that a container starts with.

use spec::CapSet;

use crate::error::{Fault, Parsed};

/// The fourteen that a container has when nothing is said, Docker's.
pub const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// What one `--cap-add` or `--cap-drop` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// `ALL`
    All,
    /// One capability.
    One(CapSet),
}

/// `ALL`, `NET_ADMIN` or `CAP_NET_ADMIN`, in any case.
pub fn named(text: &str) -> Parsed<Named> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if bare == "ALL" {
        return Ok(Named::All);
    }
    CapSet::from_name(&format!("CAP_{bare}"))
        .map(Named::One)
        .ok_or_else(|| {
            Fault::usage("not a capability").hint("ALL, or a name as in capabilities(7)")
        })
}

/// The set of [`DEFAULT`].
pub fn default_set() -> CapSet {
    DEFAULT
        .iter()
        .filter_map(|name| CapSet::from_name(name))
        .fold(CapSet::EMPTY, CapSet::union)
}

/// The set that remains of [`DEFAULT`] after `add` and `drop`.
///
/// `ALL` added means all but those dropped; `ALL` dropped means only those added; otherwise what is
/// both dropped and added is added. `None` when both name `ALL`.
pub fn adjusted(add: &[Named], drop: &[Named]) -> Option<CapSet> {
    let (every_added, added) = sum(add);
    let (every_dropped, dropped) = sum(drop);
    match (every_added, every_dropped) {
        (true, true) => None,
        (true, false) => Some(CapSet::ALL.without(dropped)),
        (false, true) => Some(added),
        (false, false) => Some(default_set().without(dropped).union(added)),
    }
}

/// Whether `ALL` is among them, and those named one by one.
fn sum(named: &[Named]) -> (bool, CapSet) {
    named
        .iter()
        .fold((false, CapSet::EMPTY), |(all, set), name| match name {
            Named::All => (true, set),
            Named::One(one) => (all, set.union(*one)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(add: &[&str], drop: &[&str]) -> Option<Vec<&'static str>> {
        let parse = |names: &[&str]| names.iter().map(|n| named(n).unwrap()).collect::<Vec<_>>();
        Some(adjusted(&parse(add), &parse(drop))?.names().collect())
    }

    #[test]
    fn names() {
        let one = Ok(Named::One(CapSet::from_name("CAP_NET_ADMIN").unwrap()));
        for text in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"] {
            assert_eq!(named(text), one, "{text}");
        }
        assert_eq!(named("all"), Ok(Named::All));
        for text in ["", "CAP_", "NET", "CAP_CAP_NET_ADMIN", "NET_ADMIN "] {
            assert!(named(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sets_as_docker_makes_them() {
        let mut default = DEFAULT.to_vec();
        default.sort_unstable();
        assert_eq!(set(&[], &[]).unwrap(), default);
        assert_eq!(adjusted(&[Named::All], &[]), Some(CapSet::ALL));
        assert_eq!(set(&[], &["ALL"]).unwrap(), [""; 0]);
        assert_eq!(
            set(&["NET_ADMIN", "CHOWN"], &["ALL"]).unwrap(),
            ["CAP_CHOWN", "CAP_NET_ADMIN"]
        );
        assert_eq!(
            set(&["ALL"], &["SYS_ADMIN"]).unwrap().len(),
            CapSet::ALL.names().count() - 1
        );
        assert_eq!(set(&["CHOWN"], &["CHOWN"]).unwrap(), default);
        assert_eq!(set(&["SYS_TIME"], &["CHOWN"]).unwrap().len(), DEFAULT.len());
        assert_eq!(set(&["ALL"], &["ALL"]), None);
    }
}

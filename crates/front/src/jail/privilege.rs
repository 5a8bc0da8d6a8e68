//! `allow.*`: what root in a jail may do, as capabilities. What is not here nobody in a jail can have.

use spec::CapSet;

use super::values::Values;

/// Parameters that allow something, with what FreeBSD says where nothing is said.
const ALLOWED: [(&str, bool); 11] = [
    ("allow.adjtime", false),
    ("allow.chflags", false),
    ("allow.mlock", false),
    ("allow.raw_sockets", false),
    ("allow.read_msgbuf", false),
    ("allow.reserved_ports", true),
    ("allow.settime", false),
    ("allow.socket_af", false),
    ("allow.suser", true),
    ("allow.sysvipc", false),
    ("allow.unprivileged_proc_debug", true),
];

/// What root may do among the jail's own files and processes.
const OWN: [&str; 9] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
];
/// As these, but not needed by everybody: file capabilities, and chroot(2) within the jail.
const MORE: [&str; 2] = ["CAP_SETFCAP", "CAP_SYS_CHROOT"];

/// What a jail allows.
#[derive(Clone, Copy, Debug)]
pub struct Permissions<'v> {
    values: &'v Values,
}

impl<'v> Permissions<'v> {
    /// What these parameters allow.
    pub fn of(values: &'v Values) -> Self {
        Self { values }
    }

    /// Whether `allow.NAME` holds.
    pub fn allows(&self, name: &str) -> bool {
        let default = ALLOWED.iter().find(|(known, _)| *known == name);
        self.values
            .flag(name, default.is_some_and(|(_, allowed)| *allowed))
    }

    /// Each `allow.*` that can be given, and whether it is.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, bool)> + '_ {
        ALLOWED.iter().map(|(name, _)| (*name, self.allows(name)))
    }

    /// What is allowed here and not in `parent`: no jail gives more than it has.
    pub fn beyond(&self, parent: &Self) -> Option<&'static str> {
        self.iter()
            .find(|(name, allowed)| *allowed && !parent.allows(name))
            .map(|(name, _)| name)
    }

    /// Whether the jail has a network stack of its own.
    pub fn has_network(&self) -> bool {
        self.values.text("vnet") == Some("new")
    }

    /// The most that any process of the jail can have.
    pub fn capabilities(&self) -> CapSet {
        if !self.allows("allow.suser") {
            return CapSet::EMPTY;
        }
        let securelevel = self.values.number("securelevel").unwrap_or(-1);
        let clock = self.allows("allow.settime") || self.allows("allow.adjtime");
        let wanted = [
            (
                self.allows("allow.chflags") && securelevel < 1,
                "CAP_LINUX_IMMUTABLE",
            ),
            (self.allows("allow.mlock"), "CAP_IPC_LOCK"),
            (self.allows("allow.raw_sockets"), "CAP_NET_RAW"),
            (self.allows("allow.read_msgbuf"), "CAP_SYSLOG"),
            (self.allows("allow.reserved_ports"), "CAP_NET_BIND_SERVICE"),
            (clock && securelevel < 2, "CAP_SYS_TIME"),
            (self.has_network() && securelevel < 3, "CAP_NET_ADMIN"),
        ];
        let given = wanted
            .iter()
            .filter(|(given, _)| *given)
            .map(|(_, name)| *name);
        OWN.into_iter()
            .chain(MORE)
            .chain(given)
            .filter_map(CapSet::from_name)
            .fold(CapSet::EMPTY, CapSet::union)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(words: &[&str]) -> Values {
        let mut values = Values::default();
        for word in words {
            let (name, value) = word.split_once('=').map_or((*word, None), |(name, value)| {
                (name, Some(vec![value.to_owned()]))
            });
            values.set(name, value, false, "").unwrap();
        }
        values
    }

    fn has(words: &[&str], name: &str) -> bool {
        let values = values(words);
        let set = Permissions::of(&values).capabilities();
        set.contains(CapSet::from_name(name).unwrap())
    }

    #[test]
    fn nothing_by_default_that_reaches_out() {
        for name in [
            "CAP_SYS_ADMIN",
            "CAP_MKNOD",
            "CAP_NET_RAW",
            "CAP_NET_ADMIN",
            "CAP_SYS_MODULE",
            "CAP_SYS_TIME",
            "CAP_SYS_BOOT",
            "CAP_SYSLOG",
            "CAP_SYS_PTRACE",
            "CAP_DAC_READ_SEARCH",
            "CAP_IPC_LOCK",
            "CAP_LINUX_IMMUTABLE",
            "CAP_BPF",
            "CAP_SYS_RAWIO",
            "CAP_SYS_RESOURCE",
            "CAP_MAC_ADMIN",
        ] {
            assert!(!has(&[], name), "{name}");
        }
        assert!(has(&[], "CAP_NET_BIND_SERVICE") && has(&[], "CAP_CHOWN"));
    }

    #[test]
    fn each_permission_is_a_capability() {
        for (given, name) in [
            ("allow.raw_sockets", "CAP_NET_RAW"),
            ("allow.chflags", "CAP_LINUX_IMMUTABLE"),
            ("allow.mlock", "CAP_IPC_LOCK"),
            ("allow.read_msgbuf", "CAP_SYSLOG"),
            ("allow.settime", "CAP_SYS_TIME"),
            ("allow.adjtime", "CAP_SYS_TIME"),
            ("vnet", "CAP_NET_ADMIN"),
        ] {
            assert!(has(&[given], name) && !has(&[], name), "{given}");
        }
        assert!(!has(&["allow.noreserved_ports"], "CAP_NET_BIND_SERVICE"));
        assert!(!has(&["allow.nosuser"], "CAP_CHOWN"));
    }

    #[test]
    fn the_securelevel_takes_away() {
        assert!(has(
            &["allow.chflags", "securelevel=0"],
            "CAP_LINUX_IMMUTABLE"
        ));
        assert!(!has(
            &["allow.chflags", "securelevel=1"],
            "CAP_LINUX_IMMUTABLE"
        ));
        assert!(has(&["allow.settime", "securelevel=1"], "CAP_SYS_TIME"));
        assert!(!has(&["allow.settime", "securelevel=2"], "CAP_SYS_TIME"));
        assert!(has(&["vnet", "securelevel=2"], "CAP_NET_ADMIN"));
        assert!(!has(&["vnet", "securelevel=3"], "CAP_NET_ADMIN"));
    }

    #[test]
    fn a_child_has_no_more_than_its_parent() {
        let (plain, raw) = (values(&[]), values(&["allow.raw_sockets"]));
        let (plain, raw) = (Permissions::of(&plain), Permissions::of(&raw));
        assert_eq!(raw.beyond(&plain), Some("allow.raw_sockets"));
        assert_eq!(plain.beyond(&raw), None);
    }
}

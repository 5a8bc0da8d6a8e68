//! Every parameter of jail(8), and what Linux makes of it.

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false; the name alone is true, with `no` before its last part false.
    Flag,
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// Texts, with commas between them.
    List,
    /// `new`, `inherit` or `disable`, of which some have only two.
    Origin,
}

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out when the jail is made.
    Fixed,
    /// It can be changed while the jail lives, too.
    Live,
    /// It is told, and cannot be set.
    Told,
    /// It is for jail(8) alone, and is no property of the jail that jls(8) shows.
    Pseudo,
    /// It is refused unless it asks for what is so anyway: that value, and why there is no other.
    Only(&'static str, &'static str),
    /// It is refused, with the reason.
    Refused(&'static str),
}

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, such as `ip4.addr`.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What becomes of it.
    pub fate: Fate,
}

use Fate::{Fixed, Live, Only, Pseudo, Refused, Told};
use Kind::{Flag, List, Number, Origin, Text};

const fn of(name: &'static str, kind: Kind, fate: Fate) -> Parameter {
    Parameter { name, kind, fate }
}

const MOUNT: &str = "on Linux who may mount may do everything (CAP_SYS_ADMIN); `mount` and `mount.fstab` mount from outside";
const FREEBSD_NAMES: &str = "Linux tells every process the kernel's own release";
const NO_ZFS: &str = "there is no ZFS here that could be handed over";
const NO_LINUX: &str = "the machine is Linux itself: there is nothing to emulate";

/// All parameters, in the order in which jls(8) shows them.
pub const PARAMETERS: &[Parameter] = &[
    of("devfs_ruleset", Number, Fixed),
    of("enforce_statfs", Number, Fixed),
    of("host", Origin, Fixed),
    of("ip4", Origin, Fixed),
    of("ip6", Origin, Fixed),
    of("jid", Number, Fixed),
    of("name", Text, Live),
    of("osreldate", Number, Refused(FREEBSD_NAMES)),
    of("osrelease", Text, Refused(FREEBSD_NAMES)),
    of("parent", Number, Told),
    of("path", Text, Fixed),
    of("persist", Flag, Live),
    of("securelevel", Number, Fixed),
    of("sysvmsg", Origin, Fixed),
    of("sysvsem", Origin, Fixed),
    of("sysvshm", Origin, Fixed),
    of("vnet", Origin, Fixed),
    of("dying", Flag, Told),
    of(
        "cpuset.id",
        Number,
        Refused("processors are limited by rctl's pcpu and by cgroups"),
    ),
    of("children.cur", Number, Told),
    of("children.max", Number, Live),
    of("host.domainname", Text, Fixed),
    of("host.hostid", Number, Live),
    of("host.hostname", Text, Fixed),
    of("host.hostuuid", Text, Fixed),
    of("ip4.addr", List, Live),
    of(
        "ip4.saddrsel",
        Flag,
        Only(
            "true",
            "the first address is the source where none was chosen",
        ),
    ),
    of("ip6.addr", List, Live),
    of(
        "ip6.saddrsel",
        Flag,
        Only(
            "true",
            "the first address is the source where none was chosen",
        ),
    ),
    of("meta", Text, Live),
    of("env", Text, Live),
    of("allow.adjtime", Flag, Fixed),
    of("allow.chflags", Flag, Fixed),
    of(
        "allow.extattr",
        Flag,
        Only("false", "system attributes (trusted.*) take CAP_SYS_ADMIN"),
    ),
    of("allow.mlock", Flag, Fixed),
    of("allow.mount", Flag, Only("false", MOUNT)),
    of("allow.mount.devfs", Flag, Only("false", MOUNT)),
    of("allow.mount.fdescfs", Flag, Only("false", MOUNT)),
    of("allow.mount.fusefs", Flag, Only("false", MOUNT)),
    of("allow.mount.linprocfs", Flag, Only("false", MOUNT)),
    of("allow.mount.linsysfs", Flag, Only("false", MOUNT)),
    of("allow.mount.nullfs", Flag, Only("false", MOUNT)),
    of("allow.mount.procfs", Flag, Only("false", MOUNT)),
    of("allow.mount.tmpfs", Flag, Only("false", MOUNT)),
    of("allow.mount.zfs", Flag, Only("false", NO_ZFS)),
    of(
        "allow.nfsd",
        Flag,
        Only(
            "false",
            "Linux's NFS server is the kernel's, for the whole machine",
        ),
    ),
    of(
        "allow.quotas",
        Flag,
        Only(
            "false",
            "quotas are set with CAP_SYS_ADMIN, which is everything",
        ),
    ),
    of("allow.raw_sockets", Flag, Fixed),
    of("allow.read_msgbuf", Flag, Fixed),
    of("allow.reserved_ports", Flag, Fixed),
    of(
        "allow.routing",
        Flag,
        Only(
            "false",
            "routes are changed with CAP_NET_ADMIN, in `vnet` jails only",
        ),
    ),
    of(
        "allow.set_hostname",
        Flag,
        Only(
            "false",
            "sethostname(2) takes CAP_SYS_ADMIN, which is everything",
        ),
    ),
    of("allow.settime", Flag, Fixed),
    of(
        "allow.setaudit",
        Flag,
        Only("false", "audit sessions are the machine's"),
    ),
    of("allow.socket_af", Flag, Fixed),
    of("allow.suser", Flag, Fixed),
    of("allow.sysvipc", Flag, Fixed),
    of("allow.unprivileged_proc_debug", Flag, Fixed),
    of("allow.vmm", Flag, Only("false", "there is no vmm(4) here")),
    of("linux", Origin, Refused(NO_LINUX)),
    of("linux.osname", Text, Refused(NO_LINUX)),
    of("linux.osrelease", Text, Refused(NO_LINUX)),
    of("linux.oss_version", Number, Refused(NO_LINUX)),
    of("allow.dying", Flag, Pseudo),
    of("command", List, Pseudo),
    of("depend", List, Pseudo),
    of("exec.clean", Flag, Pseudo),
    of("exec.consolelog", Text, Pseudo),
    of("exec.created", List, Pseudo),
    of(
        "exec.fib",
        Number,
        Refused("Linux's routing tables are chosen by rules, not by process"),
    ),
    of("exec.jail_user", Text, Pseudo),
    of("exec.poststart", List, Pseudo),
    of("exec.poststop", List, Pseudo),
    of("exec.prepare", List, Pseudo),
    of("exec.prestart", List, Pseudo),
    of("exec.prestop", List, Pseudo),
    of("exec.release", List, Pseudo),
    of("exec.start", List, Pseudo),
    of("exec.stop", List, Pseudo),
    of("exec.system_jail_user", Flag, Pseudo),
    of("exec.system_user", Text, Pseudo),
    of("exec.timeout", Number, Pseudo),
    of("interface", Text, Pseudo),
    of("ip_hostname", Flag, Pseudo),
    of("mount", List, Pseudo),
    of("mount.devfs", Flag, Pseudo),
    of("mount.fdescfs", Flag, Pseudo),
    of("mount.fstab", List, Pseudo),
    of("mount.procfs", Flag, Pseudo),
    of("stop.timeout", Number, Pseudo),
    of("vnet.interface", List, Pseudo),
    of("zfs.dataset", List, Refused(NO_ZFS)),
];

/// Old names, from before parameters had parts.
const ALIASES: [(&str, &str); 1] = [("hostname", "host.hostname")];

impl Parameter {
    /// The parameter of this name, which is as in the table.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().find(|parameter| parameter.name == name)
    }

    /// What a written name stands for: the parameter, and whether it was negated (`allow.nomount`).
    pub fn written(name: &str) -> Option<(&'static Self, bool)> {
        let alias = ALIASES.iter().find(|(old, _)| *old == name);
        let name = alias.map_or(name, |(_, new)| new);
        if let Some(found) = Self::named(name) {
            return Some((found, false));
        }
        let (parts, last) = name
            .rsplit_once('.')
            .map_or(("", name), |(parts, last)| (parts, last));
        let last = last.strip_prefix("no")?;
        let positive = if parts.is_empty() {
            last.to_owned()
        } else {
            format!("{parts}.{last}")
        };
        let found = Self::named(&positive)?;
        matches!(found.kind, Flag | Origin).then_some((found, true))
    }

    /// Whether jls(8) shows it.
    pub fn is_shown(&self) -> bool {
        !matches!(self.fate, Pseudo | Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_negations() {
        let written = |name| Parameter::written(name).map(|(found, negated)| (found.name, negated));
        assert_eq!(written("persist"), Some(("persist", false)));
        assert_eq!(written("nopersist"), Some(("persist", true)));
        assert_eq!(written("allow.nomount"), Some(("allow.mount", true)));
        assert_eq!(
            written("allow.mount.nodevfs"),
            Some(("allow.mount.devfs", true))
        );
        assert_eq!(written("mount.nodevfs"), Some(("mount.devfs", true)));
        assert_eq!(written("hostname"), Some(("host.hostname", false)));
        assert_eq!(written("novnet"), Some(("vnet", true)));
        for wrong in [
            "nopath",
            "noallow.mount",
            "allow.",
            "no",
            "",
            "ip4.noaddr",
            "nonopersist",
        ] {
            assert_eq!(written(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_name_is_there_twice() {
        let mut names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

//! Capabilities: `process.capabilities` and sets of them.

use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Str;

/// Every capability of Linux (`capabilities(7)`, up to 5.9) with its number, in the order of the names.
const NAMES: [(&str, u8); 41] = [
    ("CAP_AUDIT_CONTROL", 30),
    ("CAP_AUDIT_READ", 37),
    ("CAP_AUDIT_WRITE", 29),
    ("CAP_BLOCK_SUSPEND", 36),
    ("CAP_BPF", 39),
    ("CAP_CHECKPOINT_RESTORE", 40),
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_FOWNER", 3),
    ("CAP_FSETID", 4),
    ("CAP_IPC_LOCK", 14),
    ("CAP_IPC_OWNER", 15),
    ("CAP_KILL", 5),
    ("CAP_LEASE", 28),
    ("CAP_LINUX_IMMUTABLE", 9),
    ("CAP_MAC_ADMIN", 33),
    ("CAP_MAC_OVERRIDE", 32),
    ("CAP_MKNOD", 27),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_NET_BROADCAST", 11),
    ("CAP_NET_RAW", 13),
    ("CAP_PERFMON", 38),
    ("CAP_SETFCAP", 31),
    ("CAP_SETGID", 6),
    ("CAP_SETPCAP", 8),
    ("CAP_SETUID", 7),
    ("CAP_SYSLOG", 34),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_BOOT", 22),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_SYS_MODULE", 16),
    ("CAP_SYS_NICE", 23),
    ("CAP_SYS_PACCT", 20),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_RAWIO", 17),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_SYS_TIME", 25),
    ("CAP_SYS_TTY_CONFIG", 26),
    ("CAP_WAKE_ALARM", 35),
];

/// A set of capabilities; bit N is the capability with the kernel's number N.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapSet(pub u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: Self = Self(0);
    /// Every capability that has a name here. A kernel may know fewer; whoever applies the set masks it.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// The set of the one capability with this name (`CAP_…`, capital letters, as the specification has
    /// it), if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        let index = NAMES
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        Some(Self(1 << NAMES[index].1))
    }

    /// Whether there is none in it.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this one but not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The names, in alphabetical order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .filter(move |(_, bit)| self.0 & (1 << bit) != 0)
            .map(|(name, _)| *name)
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Serialize for CapSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.names())
    }
}

/// `process.capabilities`: the five sets of the process. An absent set is an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Capabilities<'a> {
    /// What the process and its children can ever have.
    #[serde(skip_serializing_if = "CapSet::is_empty")]
    pub bounding: CapSet,
    /// What the kernel checks.
    #[serde(skip_serializing_if = "CapSet::is_empty")]
    pub effective: CapSet,
    /// What passes an `execve` of a file with inheritable capabilities.
    #[serde(skip_serializing_if = "CapSet::is_empty")]
    pub inheritable: CapSet,
    /// What the process may make effective.
    #[serde(skip_serializing_if = "CapSet::is_empty")]
    pub permitted: CapSet,
    /// What passes an `execve` of any file.
    #[serde(skip_serializing_if = "CapSet::is_empty")]
    pub ambient: CapSet,
    /// The names that no kernel known to us has, each once. They are not granted; the specification
    /// wants them logged as a warning, not refused.
    #[serde(skip)]
    pub ignored: Vec<Str<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Capabilities<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let sets = NamedSets::deserialize(from)?;
        let mut ignored = Vec::new();
        let mut set = |named: Named<'a>| {
            ignored.extend(named.ignored);
            named.set
        };
        let mut capabilities = Self {
            bounding: set(sets.bounding),
            effective: set(sets.effective),
            inheritable: set(sets.inheritable),
            permitted: set(sets.permitted),
            ambient: set(sets.ambient),
            ignored: Vec::new(),
        };
        ignored.sort_unstable();
        ignored.dedup();
        capabilities.ignored = ignored;
        Ok(capabilities)
    }
}

/// The sets as they stand in the document.
#[derive(serde::Deserialize)]
struct NamedSets<'a> {
    #[serde(borrow, default)]
    bounding: Named<'a>,
    #[serde(borrow, default)]
    effective: Named<'a>,
    #[serde(borrow, default)]
    inheritable: Named<'a>,
    #[serde(borrow, default)]
    permitted: Named<'a>,
    #[serde(borrow, default)]
    ambient: Named<'a>,
}

/// One list of names, sorted into those we know and the others.
#[derive(Default)]
struct Named<'a> {
    set: CapSet,
    ignored: Vec<Str<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of capabilities")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Named::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut named = Named::default();
        while let Some(name) = access.next_element::<Str<'de>>()? {
            match CapSet::from_name(&name) {
                Some(one) => named.set = named.set.union(one),
                None => named.ignored.push(name),
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_name() {
        assert!(
            NAMES.is_sorted_by(|a, b| a.0 < b.0),
            "for the binary search"
        );
        let all = NAMES.iter().fold(CapSet::EMPTY, |set, (name, bit)| {
            let one = CapSet::from_name(name).expect(name);
            assert_eq!(one, CapSet(1 << bit), "{name}");
            assert_eq!(
                set.intersection(one),
                CapSet::EMPTY,
                "{name} has a number of its own"
            );
            set.union(one)
        });
        assert_eq!(all, CapSet::ALL);
    }

    #[test]
    fn names_are_exact() {
        assert_eq!(CapSet::from_name("CAP_SYS_ADMIN"), Some(CapSet(1 << 21)));
        for name in [
            "",
            "CAP_",
            "SYS_ADMIN",
            "cap_sys_admin",
            "CAP_SYS_ADMIN ",
            "ALL",
            "CAP_ALL",
        ] {
            assert_eq!(CapSet::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn sets() {
        let (a, b) = (CapSet(0b011), CapSet(0b110));
        assert_eq!(
            (a.union(b), a.intersection(b), a.without(b)),
            (CapSet(0b111), CapSet(0b010), CapSet(0b001))
        );
        assert!(a.contains(CapSet(0b001)) && !a.contains(b) && CapSet::EMPTY.is_empty());
        assert!(a.names().eq(["CAP_CHOWN", "CAP_DAC_OVERRIDE"]));
    }
}

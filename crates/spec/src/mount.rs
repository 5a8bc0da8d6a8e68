//! `mounts`: what is mounted over the root, and what its options mean.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::text::{null_is_default, optional};
use crate::{IdMap, Propagation, Str};

/// One of `mounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount<'a> {
    /// Where, inside; relative to `/` if it does not begin with one.
    #[serde(borrow)]
    pub destination: Str<'a>,
    /// The file system's type; of no meaning for a bind mount.
    #[serde(
        borrow,
        rename = "type",
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub fstype: Option<Str<'a>>,
    /// The device, or the directory or file to bind; relative to the bundle if it does not begin with `/`.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub source: Option<Str<'a>>,
    /// Options, as `mount(8)` has them.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub options: Vec<Str<'a>>,
    /// How owners are translated; always with `gid_mappings`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub uid_mappings: Vec<IdMap>,
    /// How groups are translated; always with `uid_mappings`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub gid_mappings: Vec<IdMap>,
}

impl Mount<'_> {
    /// What the options mean. The type `bind` alone makes a bind mount, too.
    pub fn parsed_options(&self) -> Options<'_> {
        let mut options = Options::parse(&self.options);
        if options.bind.is_none() && self.fstype.as_deref() == Some("bind") {
            options.bind = Some(Depth::One);
        }
        options
    }
}

/// What the options of a mount mean. Of options that contradict each other the last one wins.
///
/// How to apply them: first `tree_attributes` to the mount and all below it, then `attributes` to the
/// mount alone, then each propagation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// It is a bind mount: of the one mount (`bind`), or of all below it, too (`rbind`).
    pub bind: Option<Depth>,
    /// An existing mount is changed (`remount`).
    pub remount: bool,
    /// Attributes of the mount (`ro`, `nosuid`, …).
    pub attributes: Attributes,
    /// Attributes of the mount and of all below it (`rro`, `rnosuid`, …).
    pub tree_attributes: Attributes,
    /// Flags of the file system. `ro` and `rw` are here, too: for a new mount, `mount(8)` and `mount(2)`
    /// have them mean both.
    pub superblock: Superblock,
    /// How its events propagate, in the order given.
    pub propagation: Vec<Propagation>,
    /// Owners are translated (`idmap`), below it, too (`ridmap`).
    pub idmap: Option<Depth>,
    /// A tmpfs begins with what is at its destination in the root (`tmpcopyup`).
    pub copy_up: bool,
    /// What is left: options of the file system, in the order given.
    pub data: Vec<&'a str>,
}

/// How far down something applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// To the one mount.
    One,
    /// To all mounts below, too.
    Tree,
}

/// Changes of a mount's attributes, in the bits of `mount_setattr(2)`, [`attribute`]. A bit is in at
/// most one of the two, but for the access-time mode, which is cleared as a whole before one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// What is set, `attr_set`.
    pub set: u64,
    /// What is cleared before, `attr_clr`.
    pub clear: u64,
}

/// Changes of a file system's flags, in the bits of `mount(2)`, [`superblock`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Superblock {
    /// What is set.
    pub set: u64,
    /// What is cleared.
    pub clear: u64,
}

/// `MOUNT_ATTR_*` of `linux/mount.h`.
pub mod attribute {
    /// `ro`.
    pub const RDONLY: u64 = 0x01;
    /// `nosuid`.
    pub const NOSUID: u64 = 0x02;
    /// `nodev`.
    pub const NODEV: u64 = 0x04;
    /// `noexec`.
    pub const NOEXEC: u64 = 0x08;
    /// All bits of the access-time mode.
    pub const ATIME: u64 = 0x70;
    /// The mode `relatime`, the kernel's default.
    pub const RELATIME: u64 = 0x00;
    /// The mode `noatime`.
    pub const NOATIME: u64 = 0x10;
    /// The mode `strictatime`.
    pub const STRICTATIME: u64 = 0x20;
    /// `nodiratime`.
    pub const NODIRATIME: u64 = 0x80;
    /// `nosymfollow`.
    pub const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// `MS_*` of `linux/mount.h` that are about file systems.
pub mod superblock {
    /// `ro`.
    pub const RDONLY: u64 = 1;
    /// `sync`.
    pub const SYNCHRONOUS: u64 = 1 << 4;
    /// `mand`.
    pub const MANDLOCK: u64 = 1 << 6;
    /// `dirsync`.
    pub const DIRSYNC: u64 = 1 << 7;
    /// `silent`.
    pub const SILENT: u64 = 1 << 15;
    /// `iversion`.
    pub const I_VERSION: u64 = 1 << 23;
    /// `lazytime`.
    pub const LAZYTIME: u64 = 1 << 25;
}

impl<'a> Options<'a> {
    /// Reads options by the specification's table (`config.md`, "Linux mount options"). What is not in
    /// it belongs to the file system.
    pub fn parse(options: &'a [Str<'a>]) -> Self {
        let mut parsed = Self::default();
        for option in options {
            match meaning(option) {
                Some(meaning) => parsed.apply(meaning),
                None => parsed.data.push(option),
            }
        }
        parsed
    }

    /// The file system's options as `mount(2)` takes them, joined by commas; none if there is none.
    pub fn joined_data(&self) -> Option<String> {
        (!self.data.is_empty()).then(|| self.data.join(","))
    }

    fn apply(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Nothing => {}
            Meaning::Bind(depth) => self.bind = Some(depth),
            Meaning::Remount => self.remount = true,
            Meaning::Attribute(depth, change) => self.change(depth, change),
            Meaning::ReadOnly(read_only) => {
                self.change(Depth::One, Change::Flag(attribute::RDONLY, read_only));
                self.superblock.change(superblock::RDONLY, read_only);
            }
            Meaning::Superblock(bit, on) => self.superblock.change(bit, on),
            Meaning::Propagation(kind) => self.propagation.push(kind),
            Meaning::IdMap(depth) => self.idmap = Some(depth),
            Meaning::CopyUp => self.copy_up = true,
        }
    }

    /// A change of a whole tree takes back what was said before about its top.
    fn change(&mut self, depth: Depth, change: Change) {
        match depth {
            Depth::One => self.attributes.change(change),
            Depth::Tree => {
                self.tree_attributes.change(change);
                self.attributes.forget(change);
            }
        }
    }
}

impl Attributes {
    /// Whether nothing changes.
    pub const fn is_empty(self) -> bool {
        self.set == 0 && self.clear == 0
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Flag(bit, true) => (self.set, self.clear) = (self.set | bit, self.clear & !bit),
            Change::Flag(bit, false) => {
                (self.set, self.clear) = (self.set & !bit, self.clear | bit)
            }
            Change::Atime(mode) => self.set_atime(mode),
            // Not relatime, not strictatime: the kernel's default, which is what saying nothing means.
            Change::NotAtime(mode) => {
                if self.clear & attribute::ATIME != 0 && self.set & attribute::ATIME == mode {
                    self.forget(change);
                }
            }
            Change::Updated => {
                if self.clear & attribute::ATIME == 0 || self.set & attribute::NOATIME != 0 {
                    self.set_atime(attribute::RELATIME);
                }
            }
        }
    }

    fn set_atime(&mut self, mode: u64) {
        self.set = self.set & !attribute::ATIME | mode;
        self.clear |= attribute::ATIME;
    }

    fn forget(&mut self, change: Change) {
        let bits = match change {
            Change::Flag(bit, _) => bit,
            Change::Atime(_) | Change::NotAtime(_) | Change::Updated => attribute::ATIME,
        };
        self.set &= !bits;
        self.clear &= !bits;
    }
}

impl Superblock {
    /// Whether nothing changes.
    pub const fn is_empty(self) -> bool {
        self.set == 0 && self.clear == 0
    }

    fn change(&mut self, bit: u64, on: bool) {
        let (to, from) = if on {
            (&mut self.set, &mut self.clear)
        } else {
            (&mut self.clear, &mut self.set)
        };
        *to |= bit;
        *from &= !bit;
    }
}

/// What one option means.
#[derive(Clone, Copy)]
enum Meaning {
    Nothing,
    Bind(Depth),
    Remount,
    Attribute(Depth, Change),
    ReadOnly(bool),
    Superblock(u64, bool),
    Propagation(Propagation),
    IdMap(Depth),
    CopyUp,
}

/// A change of attributes.
#[derive(Clone, Copy)]
enum Change {
    /// One bit, on or off.
    Flag(u64, bool),
    /// An access-time mode.
    Atime(u64),
    /// Not this access-time mode.
    NotAtime(u64),
    /// Any access-time mode but "never" (`atime`).
    Updated,
}

/// All options that are not the file system's own.
#[rustfmt::skip]
pub const OPTIONS: &[&str] = &[
    "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec",
    "idmap", "iversion", "lazytime", "loud", "mand", "noatime", "nodev", "nodiratime",
    "noexec", "noiversion", "nolazytime", "nomand", "norelatime", "nostrictatime", "nosuid", "nosymfollow",
    "private", "ratime", "rbind", "rdev", "rdiratime", "relatime", "remount", "rexec",
    "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid",
    "rnosymfollow", "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave",
    "rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent", "slave",
    "strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable",
];

fn meaning(option: &str) -> Option<Meaning> {
    let known = match option {
        "async" => Meaning::Superblock(superblock::SYNCHRONOUS, false),
        "bind" => Meaning::Bind(Depth::One),
        "defaults" => Meaning::Nothing,
        "dirsync" => Meaning::Superblock(superblock::DIRSYNC, true),
        "idmap" => Meaning::IdMap(Depth::One),
        "iversion" => Meaning::Superblock(superblock::I_VERSION, true),
        "lazytime" => Meaning::Superblock(superblock::LAZYTIME, true),
        "loud" => Meaning::Superblock(superblock::SILENT, false),
        "mand" => Meaning::Superblock(superblock::MANDLOCK, true),
        "noiversion" => Meaning::Superblock(superblock::I_VERSION, false),
        "nolazytime" => Meaning::Superblock(superblock::LAZYTIME, false),
        "nomand" => Meaning::Superblock(superblock::MANDLOCK, false),
        "rbind" => Meaning::Bind(Depth::Tree),
        "remount" => Meaning::Remount,
        "ridmap" => Meaning::IdMap(Depth::Tree),
        "ro" => Meaning::ReadOnly(true),
        "rw" => Meaning::ReadOnly(false),
        "silent" => Meaning::Superblock(superblock::SILENT, true),
        "sync" => Meaning::Superblock(superblock::SYNCHRONOUS, true),
        "tmpcopyup" => Meaning::CopyUp,
        _ => return attribute_or_propagation(option),
    };
    Some(known)
}

fn attribute_or_propagation(option: &str) -> Option<Meaning> {
    if let Some(change) = change(option) {
        return Some(Meaning::Attribute(Depth::One, change));
    }
    if let Some(kind) = Propagation::from_name(option) {
        return Some(Meaning::Propagation(kind));
    }
    let rest = option.strip_prefix('r')?;
    let change = match rest {
        "ro" => Change::Flag(attribute::RDONLY, true),
        "rw" => Change::Flag(attribute::RDONLY, false),
        _ => change(rest)?,
    };
    Some(Meaning::Attribute(Depth::Tree, change))
}

/// The options that have a recursive relative, an `r` before the name.
fn change(option: &str) -> Option<Change> {
    let known = match option {
        "atime" => Change::Updated,
        "dev" => Change::Flag(attribute::NODEV, false),
        "diratime" => Change::Flag(attribute::NODIRATIME, false),
        "exec" => Change::Flag(attribute::NOEXEC, false),
        "noatime" => Change::Atime(attribute::NOATIME),
        "nodev" => Change::Flag(attribute::NODEV, true),
        "nodiratime" => Change::Flag(attribute::NODIRATIME, true),
        "noexec" => Change::Flag(attribute::NOEXEC, true),
        "norelatime" => Change::NotAtime(attribute::RELATIME),
        "nostrictatime" => Change::NotAtime(attribute::STRICTATIME),
        "nosuid" => Change::Flag(attribute::NOSUID, true),
        "nosymfollow" => Change::Flag(attribute::NOSYMFOLLOW, true),
        "relatime" => Change::Atime(attribute::RELATIME),
        "strictatime" => Change::Atime(attribute::STRICTATIME),
        "suid" => Change::Flag(attribute::NOSUID, false),
        "symfollow" => Change::Flag(attribute::NOSYMFOLLOW, false),
        _ => return None,
    };
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Parses `a,b,c` and hands the result to `look`.
    fn with<T>(options: &str, look: impl FnOnce(Options<'_>) -> T) -> T {
        let options: Vec<Str<'_>> = options.split(',').map(Str::new).collect();
        look(Options::parse(&options))
    }

    fn attributes(options: &str) -> (u64, u64) {
        with(options, |o| (o.attributes.set, o.attributes.clear))
    }

    #[test]
    fn every_option_of_the_specification_is_known() {
        for option in OPTIONS {
            assert!(meaning(option).is_some(), "{option}");
        }
    }

    #[test]
    fn what_is_unknown_belongs_to_the_file_system() {
        with("mode=755,ro,size=65536k,rmode=1,r,,rbindx,RO", |o| {
            assert_eq!(
                o.data,
                [
                    "mode=755",
                    "size=65536k",
                    "rmode=1",
                    "r",
                    "",
                    "rbindx",
                    "RO"
                ]
            );
        });
        with("mode=755,size=1m", |o| {
            assert_eq!(o.joined_data().as_deref(), Some("mode=755,size=1m"))
        });
        with("ro", |o| assert_eq!(o.joined_data(), None));
    }

    #[test]
    fn the_last_of_contradicting_options_wins() {
        assert_eq!(attributes("ro,rw"), (0, attribute::RDONLY));
        assert_eq!(attributes("rw,ro"), (attribute::RDONLY, 0));
        assert_eq!(
            attributes("nosuid,suid,nodev"),
            (attribute::NODEV, attribute::NOSUID)
        );
        with("sync,async,ro", |o| {
            assert_eq!(
                (o.superblock.set, o.superblock.clear),
                (superblock::RDONLY, superblock::SYNCHRONOUS)
            );
        });
        with("rbind,bind,ridmap,idmap", |o| {
            assert_eq!((o.bind, o.idmap), (Some(Depth::One), Some(Depth::One)))
        });
    }

    #[test]
    fn access_time_is_one_choice() {
        use attribute::{ATIME, NOATIME, NODIRATIME, STRICTATIME};
        assert_eq!(
            attributes("noatime,nodiratime"),
            (NOATIME | NODIRATIME, ATIME)
        );
        assert_eq!(attributes("noatime,strictatime"), (STRICTATIME, ATIME));
        assert_eq!(attributes("strictatime,relatime"), (0, ATIME));
        assert_eq!(attributes("atime"), (0, ATIME));
        assert_eq!(attributes("noatime,atime"), (0, ATIME));
        assert_eq!(attributes("strictatime,atime"), (STRICTATIME, ATIME));
        assert_eq!(attributes("strictatime,nostrictatime"), (0, 0));
        assert_eq!(attributes("relatime,norelatime"), (0, 0));
        assert_eq!(attributes("noatime,norelatime"), (NOATIME, ATIME));
        assert_eq!(attributes("nostrictatime"), (0, 0));
    }

    #[test]
    fn a_tree_covers_its_top() {
        with("rw,rro", |o| {
            assert_eq!(
                (o.tree_attributes.set, o.attributes),
                (attribute::RDONLY, Attributes::default())
            );
        });
        with("rro,rw", |o| {
            assert_eq!(
                (o.tree_attributes.set, o.attributes.clear),
                (attribute::RDONLY, attribute::RDONLY)
            );
        });
        with("rro,rrw", |o| {
            assert_eq!(
                (o.tree_attributes.set, o.tree_attributes.clear),
                (0, attribute::RDONLY)
            )
        });
        with("noatime,rstrictatime", |o| {
            assert_eq!(
                (o.tree_attributes.set, o.attributes.is_empty()),
                (attribute::STRICTATIME, true)
            );
        });
        with("rro", |o| {
            assert!(o.superblock.is_empty(), "rro is about mounts only")
        });
    }

    #[test]
    fn propagation_keeps_its_order() {
        with("rslave,shared", |o| {
            assert_eq!(
                o.propagation,
                vec![Propagation::RSlave, Propagation::Shared]
            )
        });
        with("tmpcopyup,remount", |o| assert!(o.copy_up && o.remount));
    }

    #[test]
    fn the_type_bind_makes_a_bind_mount() {
        let mut mount = Mount {
            fstype: Some("bind".into()),
            ..Mount::default()
        };
        assert_eq!(mount.parsed_options().bind, Some(Depth::One));
        mount.options = vec!["rbind".into()];
        assert_eq!(mount.parsed_options().bind, Some(Depth::Tree));
    }
}

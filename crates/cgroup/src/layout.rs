//! Which cgroup hierarchies this host has, and where: v1, hybrid or v2.
//!
//! A [`Layout`] is plain data. Finding it costs one or two statfs(2) on a host where nothing of v1 is
//! needed; `/proc/self/cgroup` and `cgroup.controllers` are read only for what is asked.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::fs::{StatFs, statfs};

use crate::controller::{Controller, Controllers};
use crate::error::{Error, Result};

/// Where every distribution mounts cgroups.
const ROOT: &str = "/sys/fs/cgroup";
/// Where hybrid hosts have the v2 hierarchy.
const HYBRID: &str = "/sys/fs/cgroup/unified";
/// `CGROUP2_SUPER_MAGIC` and `TMPFS_MAGIC` of linux/magic.h.
const CGROUP2: u64 = 0x6367_7270;
const TMPFS: u64 = 0x0102_1994;

/// Which generation of cgroups a host is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No cgroup file system where one is expected.
    Absent,
    /// v1 hierarchies only.
    V1,
    /// v1 hierarchies, and the v2 one beside them with few controllers or none.
    Hybrid,
    /// One v2 hierarchy.
    Unified,
}

/// A host's hierarchies, as far as they were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The v2 hierarchy.
    pub unified: Option<Hierarchy>,
    /// The v1 hierarchies; empty on a v2 host, and when nothing of v1 was asked for.
    pub v1: Vec<Hierarchy>,
}

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its mount point.
    pub mount: Cow<'static, str>,
    /// The controllers that it has; of a v2 hierarchy, only if any were asked for.
    pub controllers: Controllers,
    /// The path below the mount's root of the cgroup that this process is in, if it was looked at.
    pub own: Option<String>,
}

impl Layout {
    /// Looks at this host, for what is needed to use the controllers `wanted`.
    ///
    /// # Errors
    /// When `/proc` or the cgroup file system cannot be read; absent hierarchies are not an error here.
    pub fn find(wanted: Controllers) -> Result<Self> {
        match magic(ROOT) {
            CGROUP2 => Self::find_unified(wanted),
            TMPFS => Self::find_v1(wanted),
            _ => Ok(Self::default()),
        }
    }

    /// Looks at everything there is, this process's own membership included.
    ///
    /// # Errors
    /// As for [`Layout::find`].
    pub fn find_all() -> Result<Self> {
        let all = Controller::ALL
            .into_iter()
            .fold(Controllers::NONE, Controllers::with);
        let mut layout = Self::find(all)?;
        if layout.mode() == Mode::Unified {
            layout.add_memberships(&sys::file::read_text("/proc/self/cgroup")?);
        }
        Ok(layout)
    }

    /// Looks, besides what [`Layout::find`] looks at, for this process's own cgroups.
    ///
    /// # Errors
    /// As for [`Layout::find`].
    pub fn find_with_own(wanted: Controllers) -> Result<Self> {
        let mut layout = Self::find(wanted)?;
        if let Some(unified) = layout.unified.as_mut().filter(|it| it.own.is_none()) {
            let text = sys::file::read_text("/proc/self/cgroup")?;
            unified.own = text
                .lines()
                .find_map(|line| line.strip_prefix("0::"))
                .map(String::from);
        }
        Ok(layout)
    }

    /// Which generation this is. v1 hierarchies count only if they were looked at.
    pub fn mode(&self) -> Mode {
        match &self.unified {
            None if self.v1.is_empty() => Mode::Absent,
            None => Mode::V1,
            Some(unified) if unified.mount == ROOT => Mode::Unified,
            Some(_) => Mode::Hybrid,
        }
    }

    /// The v1 hierarchy that has `controller`.
    pub fn v1_with(&self, controller: Controller) -> Option<&Hierarchy> {
        self.v1
            .iter()
            .find(|hierarchy| hierarchy.controllers.has(controller))
    }

    /// The v2 hierarchy, if it has `controller`.
    pub fn unified_with(&self, controller: Controller) -> Option<&Hierarchy> {
        self.unified
            .as_ref()
            .filter(|hierarchy| hierarchy.controllers.has(controller))
    }

    fn find_unified(wanted: Controllers) -> Result<Self> {
        let unified = unified_at(ROOT, !wanted.is_empty())?;
        Ok(Self {
            unified: Some(unified),
            v1: Vec::new(),
        })
    }

    fn find_v1(wanted: Controllers) -> Result<Self> {
        let hybrid = magic(HYBRID) == CGROUP2;
        let mut layout = Self::default();
        if !hybrid || !wanted.is_empty() {
            layout.add_memberships(&sys::file::read_text("/proc/self/cgroup")?);
        }
        if hybrid {
            let elsewhere = layout
                .v1
                .iter()
                .fold(wanted, |left, h| left.without(h.controllers));
            let own = layout.unified.and_then(|known| known.own);
            layout.unified = Some(Hierarchy {
                own,
                ..unified_at(HYBRID, !elsewhere.is_empty())?
            });
        } else {
            layout.unified = None;
        }
        Ok(layout)
    }

    /// Takes in `/proc/self/cgroup` (cgroups(7)): `number:controllers:path` lines, the v2 one `0::path`.
    ///
    /// A v1 hierarchy is taken to be mounted under the name of its first controller, which is either
    /// its directory or a link to the one with all names, `cpu,cpuacct`.
    fn add_memberships(&mut self, text: &str) {
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(number), Some(names), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if number == "0" {
                let unified = self
                    .unified
                    .get_or_insert_with(|| Hierarchy::at(HYBRID.into()));
                unified.own = Some(path.into());
            } else if let Some(hierarchy) = Hierarchy::v1(names, path) {
                self.v1.push(hierarchy);
            }
        }
    }
}

impl Hierarchy {
    fn at(mount: Cow<'static, str>) -> Self {
        Self {
            mount,
            controllers: Controllers::NONE,
            own: None,
        }
    }

    fn v1(names: &str, path: &str) -> Option<Self> {
        let controllers = Controllers::parse(names, ',');
        let first = names.split(',').next()?;
        let name = Controller::named(first)?.v1_name();
        let mount = Cow::Owned([ROOT, "/", name].concat());
        Some(Self {
            mount,
            controllers,
            own: Some(path.into()),
        })
    }

    /// Where an ordinary user's cgroups may go. On v2 that is beside the cgroup that this process is in:
    /// one that holds processes can give its children no controllers. On v1 it is below it.
    pub(crate) fn beside_own(&self) -> &str {
        let own = self.own.as_deref().unwrap_or("").trim_end_matches('/');
        match own.rfind('/') {
            Some(parent) if self.is_unified() => &own[..parent],
            _ => own,
        }
    }

    fn is_unified(&self) -> bool {
        self.mount == ROOT || self.mount == HYBRID
    }

    /// The absolute directory of the cgroup `path` (which starts with `/`) in this hierarchy.
    pub fn dir(&self, path: &str) -> String {
        [&self.mount, path.trim_end_matches('/')].concat()
    }
}

/// The type of the file system at `path`; 0 where there is nothing.
fn magic(path: &str) -> u64 {
    let Ok(StatFs { f_type, .. }) = statfs(path) else {
        return 0;
    };
    u64::try_from(f_type).unwrap_or(0)
}

fn unified_at(mount: &'static str, with_controllers: bool) -> Result<Hierarchy> {
    let mut hierarchy = Hierarchy::at(mount.into());
    if with_controllers {
        let list = sys::file::read_text(&[mount, "/cgroup.controllers"].concat())?;
        hierarchy.controllers = Controllers::parse(&list, ' ');
    }
    Ok(hierarchy)
}

/// Where a container's cgroup is: the path that the configuration asked for, or a default.
///
/// An absolute path counts from the root of each hierarchy's mount, a relative one from `parent`, which
/// is absolute; without a path it is `id` below `parent`.
///
/// # Errors
/// When the path has a `..` component, a newline or a NUL, or names the root itself.
pub fn place(asked: Option<&str>, parent: &str, id: &str) -> Result<String> {
    let asked = asked.filter(|path| !path.is_empty()).unwrap_or(id);
    let base = if asked.starts_with('/') { "" } else { parent };
    let path = components(&[base, asked])?;
    if path.is_empty() {
        return Err(bad_path(
            "the root of a hierarchy cannot be a container's cgroup",
        ));
    }
    Ok(path)
}

/// The components of some paths, each with a `/` before it, without those that say nothing.
pub(crate) fn components(parts: &[&str]) -> Result<String> {
    let mut path = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for component in parts.iter().flat_map(|part| part.split('/')) {
        match component {
            "" | "." => {}
            ".." => return Err(bad_path("a component \"..\" is not allowed")),
            _ if component.contains(['\n', '\0']) => {
                return Err(bad_path("a newline or NUL is not allowed"));
            }
            _ => {
                path.push('/');
                path.push_str(component);
            }
        }
    }
    Ok(path)
}

fn bad_path(why: &'static str) -> Error {
    Error::bad(spec::Place::field("linux.cgroupsPath"), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn paths() {
        assert_eq!(place(None, "/stockade", "a").as_deref(), Ok("/stockade/a"));
        assert_eq!(
            place(Some("x/y"), "/stockade", "a").as_deref(),
            Ok("/stockade/x/y")
        );
        assert_eq!(
            place(Some("//x/./y/"), "/stockade", "a").as_deref(),
            Ok("/x/y")
        );
        for bad in ["/", "/../x", "x/..", "a\nb", "a\0b"] {
            assert!(place(Some(bad), "/", "a").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn memberships() {
        let mut layout = Layout::default();
        layout.add_memberships(
            "12:cpu,cpuacct:/x:y\n3:name=systemd:/\n5:blkio:/\n2:name=foo:/\n0::/u\n",
        );
        let mounts: Vec<_> = layout.v1.iter().map(|h| &*h.mount).collect();
        assert_eq!(
            mounts,
            vec![
                "/sys/fs/cgroup/cpu",
                "/sys/fs/cgroup/systemd",
                "/sys/fs/cgroup/blkio"
            ]
        );
        assert_eq!(
            layout
                .v1_with(Controller::Cpuacct)
                .and_then(|h| h.own.as_deref()),
            Some("/x:y")
        );
        assert_eq!(layout.unified.and_then(|h| h.own).as_deref(), Some("/u"));
    }

    #[test]
    fn this_host_has_cgroups() {
        let layout = Layout::find_all().expect("a layout");
        assert_ne!(layout.mode(), Mode::Absent);
        for hierarchy in layout.v1.iter().chain(&layout.unified) {
            let own = hierarchy.own.as_deref().expect("a membership");
            assert!(
                std::path::Path::new(&hierarchy.dir(own)).is_dir(),
                "{hierarchy:?}"
            );
        }
    }

    #[test]
    fn a_bundle_without_limits_needs_nothing_of_v1_on_a_hybrid_host() {
        let layout = Layout::find(Controllers::NONE).expect("a layout");
        if layout.mode() == Mode::Hybrid {
            assert!(layout.v1.is_empty());
        }
    }
}

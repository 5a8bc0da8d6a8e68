//! Units' names and places: `slice:prefix:name`.

use alloc::format;
use alloc::string::String;

use spec::Place;

use crate::bus::Side;
use crate::error::{Error, Result};

/// The longest name of a unit (`UNIT_NAME_MAX`).
const LONGEST: usize = 255;

/// A transient unit for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name, `prefix-name.scope`, or that of a slice.
    pub name: String,
    /// The slice that it is in.
    pub slice: String,
}

impl Unit {
    /// The unit that `linux.cgroupsPath` asks for; without one `stockade-ID.scope` in the manager's usual slice.
    ///
    /// # Errors
    /// When it has not three parts, or they make no unit's name.
    pub fn of_path(asked: Option<&str>, id: &str, side: Side) -> Result<Self> {
        let mut parts = match asked.filter(|path| !path.is_empty()) {
            None => ["", "stockade", id],
            Some(path) => {
                let mut parts = path.split(':');
                let three = [parts.next(), parts.next(), parts.next(), parts.next()];
                let [Some(slice), Some(prefix), Some(name), None] = three else {
                    return Err(bad(format!(
                        "{path:?} is not slice:prefix:name, which systemd's cgroups take"
                    )));
                };
                [slice, prefix, name]
            }
        };
        if parts[0].is_empty() {
            parts[0] = match side {
                Side::System => "system.slice",
                Side::User => "user.slice",
            };
        }
        let [slice, prefix, name] = parts;
        let name = match (name.ends_with(".slice"), prefix) {
            (true, _) => String::from(name),
            (false, "") => format!("{name}.scope"),
            (false, _) => format!("{prefix}-{name}.scope"),
        };
        let unit = Self {
            name,
            slice: slice.into(),
        };
        unit.check(parts[2])?;
        Ok(unit)
    }

    fn check(&self, name: &str) -> Result<()> {
        if name.is_empty() || !is_unit_name(&self.name) {
            return Err(bad(format!("{:?} is not a unit's name", self.name)));
        }
        // The slice's own path is checked as it is made.
        slice_path(&self.slice)?;
        if self.is_slice() {
            slice_path(&self.name)?;
        }
        Ok(())
    }

    /// Whether it is a slice, which has no processes by itself.
    pub fn is_slice(&self) -> bool {
        self.name.ends_with(".slice")
    }

    /// Its cgroup below that of the manager: `/a.slice/a-b.slice/name.scope`.
    pub fn cgroup(&self) -> String {
        let slice = slice_path(&self.slice).unwrap_or_default();
        format!("{slice}/{}", self.name)
    }
}

/// The letters that systemd takes in unit names (`VALID_CHARS`), the `@` of templates among them.
fn is_unit_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    name.len() <= LONGEST && !name.starts_with('@') && name.bytes().all(valid)
}

/// Where a slice is: `a-b.slice` is `/a.slice/a-b.slice`, and `-.slice` the root.
///
/// # Errors
/// When it is no slice's name.
pub fn slice_path(slice: &str) -> Result<String> {
    let no_slice = || bad(format!("{slice:?} is not a slice's name"));
    let stem = slice.strip_suffix(".slice").ok_or_else(no_slice)?;
    if stem == "-" {
        return Ok(String::new());
    }
    if !is_unit_name(slice) || stem.contains('@') || stem.split('-').any(str::is_empty) {
        return Err(no_slice());
    }
    let mut path = String::new();
    for (end, _) in stem.match_indices('-').chain([(stem.len(), "")]) {
        path.push('/');
        path.push_str(&stem[..end]);
        path.push_str(".slice");
    }
    Ok(path)
}

fn bad(what: String) -> Error {
    Error::bad(Place::field("linux.cgroupsPath"), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(path: &str) -> Option<String> {
        Unit::of_path(Some(path), "c", Side::System)
            .ok()
            .map(|unit| unit.cgroup())
    }

    #[test]
    fn paths() {
        for (path, there) in [
            (
                "machine.slice:libpod:abc",
                "/machine.slice/libpod-abc.scope",
            ),
            (
                "a-b-c.slice:docker:x",
                "/a.slice/a-b.slice/a-b-c.slice/docker-x.scope",
            ),
            ("-.slice:p:n", "/p-n.scope"),
            (":p:n", "/system.slice/p-n.scope"),
            ("a.slice::n", "/a.slice/n.scope"),
            ("a.slice::a-n.slice", "/a.slice/a-n.slice"),
        ] {
            assert_eq!(cgroup(path).as_deref(), Some(there), "{path}");
        }
        for bad in [
            "/x/y",
            "a.slice:p",
            "a.slice:p:n:m",
            "a:p:n",
            "a.slice:p:",
            "--.slice:p:n",
            "-a.slice:p:n",
            "a-.slice:p:n",
            "a/b.slice:p:n",
            "a.slice:p:../x",
            "a.slice:p:n n",
            "..:p:n",
            ".slice:p:n",
        ] {
            assert_eq!(cgroup(bad), None, "{bad}");
        }
    }

    #[test]
    fn defaults() {
        let unit = |side| Unit::of_path(None, "c1", side).map(|unit| unit.cgroup());
        assert_eq!(
            unit(Side::System).as_deref(),
            Ok("/system.slice/stockade-c1.scope")
        );
        assert_eq!(
            unit(Side::User).as_deref(),
            Ok("/user.slice/stockade-c1.scope")
        );
        // `+` is allowed in an id, not in a unit's name.
        assert!(Unit::of_path(None, "c+1", Side::System).is_err());
    }
}

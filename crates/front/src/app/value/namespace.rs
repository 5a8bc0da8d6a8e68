//! `--net`, `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--userns`.

use serde::{Deserialize, Serialize};
use spec::IdMap;

use super::number::digits;
use crate::error::{Fault, Parsed};

/// Which namespace a container uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share<'a> {
    /// Its own.
    Private,
    /// The host's.
    Host,
    /// That of another container.
    Container(&'a str),
}

fn share<'a>(text: &'a str, joinable: bool, choices: &str) -> Parsed<Share<'a>> {
    match text {
        "private" => Ok(Share::Private),
        "host" => Ok(Share::Host),
        _ => match text
            .strip_prefix("container:")
            .filter(|id| joinable && !id.is_empty())
        {
            Some(id) => Ok(Share::Container(id)),
            None => Err(Fault::usage(format!("not one of {choices}"))),
        },
    }
}

/// `private`, `host`, `container:ID`.
pub fn pid(text: &str) -> Parsed<Share<'_>> {
    share(text, true, "private, host, container:ID")
}

/// `private`, `host`, `container:ID`.
pub fn uts(text: &str) -> Parsed<Share<'_>> {
    share(text, true, "private, host, container:ID")
}

/// `private`, `host`.
pub fn cgroup(text: &str) -> Parsed<Share<'_>> {
    share(text, false, "private, host")
}

/// A container's System V IPC, POSIX message queues and `/dev/shm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipc {
    /// Its own.
    Private,
    /// Its own, without `/dev/shm`.
    None,
    /// The host's.
    Host,
}

/// `private`, `host`, `none`; sharing between containers is not built.
pub fn ipc(text: &str) -> Parsed<Ipc> {
    match text {
        "private" => Ok(Ipc::Private),
        "none" => Ok(Ipc::None),
        "host" => Ok(Ipc::Host),
        // Its /dev/shm is a mount of a container's own namespace, which others cannot reach.
        "shareable" => Err(Fault::unsupported(
            "sharing between containers is not built yet",
        )),
        _ if text.starts_with("container:") => Err(Fault::unsupported(
            "sharing between containers is not built yet",
        )),
        _ => Err(Fault::usage(
            "not one of private, host, none, shareable, container:ID",
        )),
    }
}

/// A container's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Net {
    /// A namespace of its own, with nothing but loopback until networks are built.
    #[default]
    Private,
    /// A namespace of its own with nothing but loopback, for good.
    None,
    /// The host's.
    Host,
    /// That of another container, which brings it up.
    Joined,
}

/// `private`, `none`, `host`, `container:ID`; the second value is the ID.
pub fn net(text: &str) -> Parsed<(Net, Option<&str>)> {
    if let Some(id) = text.strip_prefix("container:").filter(|id| !id.is_empty()) {
        return Ok((Net::Joined, Some(id)));
    }
    own_net(text).map(|net| (net, None))
}

fn own_net(text: &str) -> Parsed<Net> {
    match text {
        "private" => Ok(Net::Private),
        "none" => Ok(Net::None),
        "host" => Ok(Net::Host),
        "bridge" | "default" => Err(Fault::unsupported("bridge networks: not built yet")
            .hint("private (loopback only), none, host or container:ID")),
        _ => Err(Fault::unsupported("named networks: not built yet")
            .hint("one of private, none, host, container:ID")),
    }
}

/// A container's user namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Userns {
    /// None of its own: root in the container is root on the host.
    #[default]
    Host,
    /// Its own, with a range of host ids that nobody else uses, of this size.
    Auto {
        /// How many ids, from 0.
        size: u32,
    },
    /// Its own, with these ids.
    Maps(Vec<IdMap>),
    /// Its own, where this user and group of the host are root and nobody else is: what an ordinary user
    /// has in the place of `host`.
    Own {
        /// The user.
        user: u32,
        /// The group.
        group: u32,
    },
}

/// How many ids `auto` takes when nothing is said.
pub const AUTO_SIZE: u32 = 65_536;

/// `host`, `auto`, `auto:size=N`, or maps `CONTAINER:HOST:SIZE[,…]` for users and groups alike.
pub fn userns(text: &str) -> Parsed<Userns> {
    match text {
        "host" => Ok(Userns::Host),
        "auto" => Ok(Userns::Auto { size: AUTO_SIZE }),
        _ => match text.strip_prefix("auto:") {
            Some(size) => auto_size(size),
            None => maps(text),
        },
    }
}

fn auto_size(text: &str) -> Parsed<Userns> {
    let size = text
        .strip_prefix("size=")
        .and_then(digits)
        .filter(|size| (1..=1 << 30).contains(size));
    size.map(|size| Userns::Auto { size })
        .ok_or_else(|| Fault::usage("not auto:size=N with N from 1 to 1073741824"))
}

fn maps(text: &str) -> Parsed<Userns> {
    let hint = "host, auto, auto:size=N, or CONTAINER:HOST:SIZE such as 0:100000:65536";
    let parsed: Option<Vec<IdMap>> = text.split(',').map(map).collect();
    let maps = parsed.ok_or_else(|| Fault::usage("not a user namespace").hint(hint))?;
    let meet = |a: u32, b: u32, a_size: u32, b_size: u32| a < b + b_size && b < a + a_size;
    for (i, one) in maps.iter().enumerate() {
        for other in &maps[i + 1..] {
            if meet(one.container, other.container, one.size, other.size)
                || meet(one.host, other.host, one.size, other.size)
            {
                return Err(Fault::usage("two maps overlap"));
            }
        }
    }
    Ok(Userns::Maps(maps))
}

/// One map; its last ids are below 2^32-1, which means "no id" to the kernel.
fn map(text: &str) -> Option<IdMap> {
    let parts: Vec<&str> = text.split(':').collect();
    let [container, host, size] = parts[..] else {
        return None;
    };
    let map = IdMap {
        container: digits(container)?,
        host: digits(host)?,
        size: digits(size)?,
    };
    let fits =
        map.container.checked_add(map.size).is_some() && map.host.checked_add(map.size).is_some();
    (map.size > 0 && fits).then_some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert_eq!(pid("host"), Ok(Share::Host));
        assert_eq!(pid("container:web"), Ok(Share::Container("web")));
        assert!(pid("container:").is_err() && uts("container:").is_err() && pid("").is_err());
        assert_eq!(ipc("none"), Ok(Ipc::None));
        assert_eq!(ipc("shareable").unwrap_err().kind, crate::Kind::Unsupported);
        assert_eq!(net("none"), Ok((Net::None, None)));
        assert_eq!(net("container:web"), Ok((Net::Joined, Some("web"))));
        assert!(net("container:").is_err());
        assert_eq!(net("mynet").unwrap_err().kind, crate::Kind::Unsupported);
    }

    #[test]
    fn user_namespaces() {
        assert_eq!(userns("auto"), Ok(Userns::Auto { size: 65_536 }));
        assert_eq!(userns("auto:size=1000"), Ok(Userns::Auto { size: 1000 }));
        let one = IdMap {
            container: 0,
            host: 100_000,
            size: 65_536,
        };
        assert_eq!(userns("0:100000:65536"), Ok(Userns::Maps(vec![one])));
        assert!(
            matches!(userns("0:1000:1,1:100000:10"), Ok(Userns::Maps(maps)) if maps.len() == 2)
        );
    }

    #[test]
    fn what_is_not_a_user_namespace() {
        for text in [
            "",
            "private",
            "auto:",
            "auto:size=0",
            "auto:size=-1",
            "0:1",
            "0:1:0",
            "0:1:2:3",
            "0:-1:1",
            "0:4294967295:1",
            "4294967295:0:1",
            "0:0:4294967296",
            "0:1:10,5:100:10",
            "0:1:10,20:5:10",
        ] {
            assert!(userns(text).is_err(), "{text:?}");
        }
    }
}

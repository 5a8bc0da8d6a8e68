//! From a jail's parameters to a Spec.

use spec::{
    Access, Capabilities, DeviceRule, Linux, Mount, Namespace, NamespaceType, NetDevice, Process,
    Resources, Rlimit, RlimitKind, Root, Spec, Str,
};

use super::privilege::Permissions;
use super::values::Values;
use super::{filter, mounts};
use crate::error::{Fault, Result};

/// The version of the runtime specification that is written.
const OCI_VERSION: &str = "1.2.0";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The only devices there are in a jail: those that every container has.
const RULESET: i64 = 4;

/// What lowering needs to know beside the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The texts of the files of `mount.fstab`, in their order.
    pub fstabs: Vec<String>,
    /// Numbers for the host's name where `host.hostname` says nothing.
    pub jid: u32,
}

/// What a jail that shares the host's network has of one family of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Family {
    /// All of the host's.
    Inherited,
    /// These, as they were written; none: the family is not there.
    Only(Vec<String>),
}

impl Family {
    fn is_there(&self) -> bool {
        match self {
            Self::Inherited => true,
            Self::Only(addresses) => !addresses.is_empty(),
        }
    }
}

/// What network a jail has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// The host's, with these families of addresses.
    Host {
        /// IPv4.
        four: bool,
        /// IPv6.
        six: bool,
    },
    /// The host's, confined to the jail's addresses.
    Shared {
        /// IPv4.
        four: Family,
        /// IPv6.
        six: Family,
    },
    /// One of its own, with these interfaces of the host's moved to it.
    Own {
        /// Their names.
        interfaces: Vec<String>,
    },
    /// None: not even a loopback interface.
    None,
}

impl Network {
    /// Whether the jail has sockets of IPv4, and of IPv6.
    pub fn families(&self) -> (bool, bool) {
        match self {
            Self::Host { four, six } => (*four, *six),
            Self::Shared { four, six } => (four.is_there(), six.is_there()),
            Self::Own { .. } => (true, true),
            Self::None => (false, false),
        }
    }

    fn of(values: &Values) -> Result<Self> {
        let list = |name: &str| values.list(name).map(str::to_owned).collect::<Vec<_>>();
        let (four, six) = (list("ip4.addr"), list("ip6.addr"));
        let interfaces = list("vnet.interface");
        let clash = |name: &str, what: &str| Err(values.error(name, Fault::usage(what)));
        if values.text("vnet") == Some("new") {
            if !four.is_empty() || !six.is_empty() {
                let name = if four.is_empty() {
                    "ip6.addr"
                } else {
                    "ip4.addr"
                };
                return clash(name, "a vnet jail sets its own addresses");
            }
            return Ok(Self::Own { interfaces });
        }
        if !interfaces.is_empty() {
            return clash("vnet.interface", "needs vnet");
        }
        for (name, origin, addresses) in [("ip4.addr", "ip4", &four), ("ip6.addr", "ip6", &six)] {
            let said = values.text(origin);
            if !addresses.is_empty() && said.is_some_and(|said| said != "new") {
                return clash(name, &format!("contradicts {origin}, which is not new"));
            }
        }
        let inherits = |name| values.text(name) == Some("inherit");
        let (all_four, all_six) = (inherits("ip4"), inherits("ip6"));
        if four.is_empty() && six.is_empty() {
            return Ok(match (all_four, all_six) {
                (false, false) => Self::None,
                (four, six) => Self::Host { four, six },
            });
        }
        let family = |all: bool, addresses| {
            if all {
                Family::Inherited
            } else {
                Family::Only(addresses)
            }
        };
        Ok(Self::Shared {
            four: family(all_four, four),
            six: family(all_six, six),
        })
    }
}

/// A jail, ready for the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The runtime specification. Its process is what commands in the jail start from.
    pub spec: Spec<'static>,
    /// The jail's network.
    pub network: Network,
}

/// Lowers a jail's parameters.
///
/// # Errors
/// One line that names the parameter.
pub fn lower(values: &Values, host: &Host) -> Result<Lowered> {
    check(values)?;
    let network = Network::of(values)?;
    let path = values
        .text("path")
        .ok_or_else(|| Fault::usage("missing: a jail has a root").at("path"))?;
    if !path.starts_with('/') {
        return Err(values.error("path", Fault::usage("is not absolute")));
    }
    let hostname = hostname(values, host);
    let mounts = mounts::mounts(values, path, &host.fstabs)?;
    let spec = Spec {
        oci_version: OCI_VERSION.into(),
        process: Some(process(values)),
        root: Some(Root {
            path: path.to_owned().into(),
            readonly: false,
        }),
        domainname: values
            .text("host.domainname")
            .map(owned)
            .filter(|_| hostname.is_some()),
        hostname,
        linux: Some(linux(values, &network, &mounts)),
        mounts,
        ..Spec::default()
    };
    Ok(Lowered { spec, network })
}

fn owned(text: &str) -> Str<'static> {
    text.to_owned().into()
}

/// How one kind of System V IPC is had.
pub(super) fn system_v<'v>(values: &'v Values, name: &str) -> &'v str {
    let all = if values.flag("allow.sysvipc", false) {
        "inherit"
    } else {
        "disable"
    };
    values.text(name).unwrap_or(all)
}

/// Parameters that Linux can give in some ways only.
fn check(values: &Values) -> Result<()> {
    let number =
        |name: &str, allowed: std::ops::RangeInclusive<i64>, why: &'static str| match values
            .number(name)
        {
            Some(number) if !allowed.contains(&number) => {
                Err(values.error(name, Fault::unsupported(why)))
            }
            _ => Ok(()),
        };
    number("securelevel", -1..=3, "securelevels go from -1 to 3")?;
    number("children.max", 0..=i64::from(i32::MAX), "less than none")?;
    number("jid", 1..=i64::from(i32::MAX), "jails are numbered from 1")?;
    number(
        "enforce_statfs",
        1..=2,
        "a jail has mounts of its own, and sees no others: 1 and 2 are the same here",
    )?;
    number(
        "devfs_ruleset",
        RULESET..=RULESET + 1,
        "the devices of a jail are those of ruleset 4 (5 in a vnet jail)",
    )?;
    let kinds = ["sysvmsg", "sysvsem", "sysvshm"].map(|name| system_v(values, name));
    if kinds.contains(&"inherit") && kinds.contains(&"new") {
        let why =
            "Linux has one namespace for all three: none can be new where another is inherited";
        return Err(values.error("sysvmsg", Fault::unsupported(why)));
    }
    if values.text("host") == Some("inherit") {
        let names = [
            "host.hostname",
            "host.domainname",
            "host.hostuuid",
            "host.hostid",
        ];
        if let Some(name) = names.into_iter().find(|name| values.text(name).is_some()) {
            return Err(values.error(name, Fault::usage("contradicts host=inherit")));
        }
    }
    Ok(())
}

fn hostname(values: &Values, host: &Host) -> Option<Str<'static>> {
    if values.text("host") == Some("inherit") {
        return None;
    }
    let own = values.text("host.hostname").or_else(|| values.text("name"));
    Some(own.map_or_else(|| host.jid.to_string().into(), owned))
}

/// What commands in the jail start from: root, as weak as the jail's parameters make it.
fn process(values: &Values) -> Process<'static> {
    let permissions = Permissions::of(values);
    let all = permissions.capabilities();
    let mut env = vec![
        Str::new(PATH),
        Str::new("HOME=/"),
        Str::new("container=jail"),
    ];
    env.extend(
        values
            .text("host.hostuuid")
            .map(|id| Str::from(format!("container_uuid={id}"))),
    );
    // Nothing is locked by the back door of a limit.
    let unlocked = Rlimit {
        kind: RlimitKind::Memlock,
        hard: 0,
        soft: 0,
    };
    Process {
        args: vec![Str::new("jail")],
        env,
        cwd: "/".into(),
        capabilities: Some(Capabilities {
            bounding: all,
            effective: all,
            permitted: all,
            ..Capabilities::default()
        }),
        rlimits: if permissions.allows("allow.mlock") {
            Vec::new()
        } else {
            vec![unlocked]
        },
        ..Process::default()
    }
}

fn linux(values: &Values, network: &Network, mounts: &[Mount<'_>]) -> Linux<'static> {
    let capabilities = Permissions::of(values).capabilities();
    let deny_all = DeviceRule {
        access: Access::ALL,
        ..DeviceRule::default()
    };
    let kinds = ["proc", "sysfs"].map(Some);
    let proc = mounts
        .iter()
        .any(|mount| kinds.contains(&mount.fstype.as_deref()));
    let paths = |list: &[&'static str]| {
        let list = if proc { list } else { &[] };
        list.iter().map(|path| Str::new(path)).collect()
    };
    let mut linux = Linux {
        resources: Some(Resources {
            devices: vec![deny_all],
            ..Resources::default()
        }),
        namespaces: namespaces(values, network),
        seccomp: Some(filter::filter(values, capabilities, network)),
        masked_paths: paths(spec::MASKED_PATHS),
        readonly_paths: paths(spec::READONLY_PATHS),
        ..Linux::default()
    };
    if let Network::Own { interfaces } = network {
        for name in interfaces {
            linux.net_devices.insert(owned(name), NetDevice::default());
        }
    }
    linux
}

fn namespaces(values: &Values, network: &Network) -> Vec<Namespace<'static>> {
    use NamespaceType::{Cgroup, Ipc, Mount, Network as Net, Pid, Uts};
    let mut kinds = vec![Pid, Mount, Cgroup];
    if values.text("host") != Some("inherit") {
        kinds.push(Uts);
    }
    let inherited = ["sysvmsg", "sysvsem", "sysvshm"]
        .iter()
        .any(|name| system_v(values, name) == "inherit");
    if !inherited {
        kinds.push(Ipc);
    }
    if matches!(network, Network::Own { .. } | Network::None) {
        kinds.push(Net);
    }
    kinds.into_iter().map(Namespace::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(given: &str) -> Result<Lowered> {
        let mut values = Values::default();
        for word in given.split(' ') {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| {
                (name, Some(value.split(',').map(str::to_owned).collect()))
            });
            values.set(name, value, false, "")?;
        }
        lower(
            &values,
            &Host {
                jid: 7,
                ..Host::default()
            },
        )
    }

    fn kinds(given: &str) -> String {
        let lowered = lowered(given).unwrap();
        let namespaces = lowered.spec.linux.unwrap().namespaces;
        let names: Vec<String> = namespaces.iter().map(|one| one.kind.to_string()).collect();
        names.join(" ")
    }

    #[test]
    fn namespaces_follow_the_parameters() {
        assert_eq!(kinds("path=/r"), "pid mount cgroup uts ipc network");
        assert_eq!(kinds("path=/r ip4=inherit"), "pid mount cgroup uts ipc");
        assert_eq!(
            kinds("path=/r ip4.addr=10.0.0.1"),
            "pid mount cgroup uts ipc"
        );
        assert_eq!(kinds("path=/r vnet"), "pid mount cgroup uts ipc network");
        assert_eq!(
            kinds("path=/r host=inherit"),
            "pid mount cgroup ipc network"
        );
        assert_eq!(
            kinds("path=/r sysvshm=inherit"),
            "pid mount cgroup uts network"
        );
        assert_eq!(
            kinds("path=/r sysvshm=new"),
            "pid mount cgroup uts ipc network"
        );
    }

    #[test]
    fn names() {
        let name = |given: &str| lowered(given).unwrap().spec.hostname.unwrap().to_string();
        assert_eq!(name("path=/r"), "7");
        assert_eq!(name("path=/r name=web"), "web");
        assert_eq!(
            name("path=/r name=web host.hostname=h.example"),
            "h.example"
        );
    }

    #[test]
    fn contradictions_and_what_cannot_be_given() {
        for (given, why) in [
            ("name=x", "path: missing: a jail has a root"),
            ("path=r", "path r: is not absolute"),
            (
                "path=/r vnet ip4.addr=10.0.0.1",
                "ip4.addr 10.0.0.1: a vnet jail sets its own addresses",
            ),
            (
                "path=/r ip4=inherit ip4.addr=10.0.0.1",
                "ip4.addr 10.0.0.1: contradicts ip4, which is not new",
            ),
            (
                "path=/r vnet.interface=eth1",
                "vnet.interface eth1: needs vnet",
            ),
            (
                "path=/r host=inherit host.hostname=h",
                "host.hostname h: contradicts host=inherit",
            ),
            (
                "path=/r securelevel=4",
                "securelevel 4: securelevels go from -1 to 3",
            ),
            ("path=/r jid=0", "jid 0: jails are numbered from 1"),
            (
                "path=/r mount.fdescfs",
                "mount.fdescfs true: on Linux /dev/fd comes with mount.devfs, which is not set",
            ),
        ] {
            assert_eq!(lowered(given).unwrap_err().to_string(), why);
        }
        for given in [
            "enforce_statfs=0",
            "devfs_ruleset=0",
            "sysvmsg=new sysvsem=inherit",
        ] {
            let error = lowered(&format!("path=/r {given}")).unwrap_err();
            assert_eq!(error.kind, crate::Kind::Unsupported, "{error}");
        }
    }

    #[test]
    fn what_is_lowered_is_a_right_configuration() {
        for given in [
            "path=/r",
            "path=/r vnet vnet.interface=eth1 mount.devfs mount.procfs mount.fdescfs",
            "path=/r ip4=inherit ip6=inherit allow.raw_sockets allow.mlock allow.sysvipc",
            "path=/r allow.nosuser host.domainname=d host.hostuuid=00000000-0000-0000-0000-000000000001",
        ] {
            let spec = lowered(given).unwrap().spec;
            let text = spec.to_json();
            let parsed = Spec::parse(&text).unwrap();
            parsed
                .check()
                .unwrap_or_else(|error| panic!("{given}: {error}"));
        }
    }
}

//! Which namespaces are the container's own, and what follows from that.

use spec::{IdMap, Namespace, NamespaceType, Str};

use super::{Asked, Origins};
use crate::app::value::name;
use crate::app::value::namespace::{self as grammar, Ipc, Net, Share, Userns};
use crate::error::{About, Fault, Parsed, Result};

/// The namespaces, and the values that depend on them.
pub(super) struct Spaces {
    pub(super) namespaces: Vec<Namespace<'static>>,
    pub(super) net: Net,
    /// The directory of the container whose network it joins: its host files are those of that one.
    pub(super) joined: Option<String>,
    pub(super) ipc: Ipc,
    pub(super) pid_is_hosts: bool,
    pub(super) uts_is_hosts: bool,
    pub(super) cgroup_is_hosts: bool,
    pub(super) userns: Userns,
    /// The id maps, where they are known already.
    pub(super) maps: Vec<IdMap>,
    /// The same for groups.
    pub(super) group_maps: Vec<IdMap>,
    /// The name to set; none where the host's UTS namespace is used.
    pub(super) hostname: Option<String>,
    /// The NIS domain to set.
    pub(super) domainname: Option<String>,
    /// What the processes see as the host name.
    pub(super) seen_hostname: String,
}

/// A mode option: its value, or the default where it was not given.
fn mode<'a, T>(
    text: Option<&'a String>,
    option: &str,
    default: &'a str,
    parse: impl Fn(&'a str) -> Parsed<T>,
) -> Result<T> {
    let text = text.map_or(default, String::as_str);
    parse(text).of(option, text)
}

pub(super) fn lower(asked: &Asked<'_>, origins: &mut Origins) -> Result<Spaces> {
    let options = asked.options;
    let pid = mode(options.pid.as_ref(), "--pid", "private", grammar::pid)?;
    let uts = mode(options.uts.as_ref(), "--uts", "private", grammar::uts)?;
    let cgroup = mode(
        options.cgroupns.as_ref(),
        "--cgroupns",
        "private",
        grammar::cgroup,
    )?;
    let ipc = mode(options.ipc.as_ref(), "--ipc", "private", grammar::ipc)?;
    let (net, other) = mode(options.net.as_ref(), "--net", "private", grammar::net)?;
    let net_text = options.net.as_deref().unwrap_or_default();
    let joined = other.map(|id| asked.containers.directory(id).of("--net", net_text));
    let joined = joined.transpose()?;
    let userns = userns(asked)?;

    let mut list = List {
        namespaces: vec![Namespace::new(NamespaceType::Mount)],
        origins,
    };
    list.shared(
        asked,
        NamespaceType::Pid,
        pid,
        ("--pid", options.pid.as_deref()),
    )?;
    list.shared(
        asked,
        NamespaceType::Uts,
        uts,
        ("--uts", options.uts.as_deref()),
    )?;
    list.shared(
        asked,
        NamespaceType::Cgroup,
        cgroup,
        ("--cgroupns", options.cgroupns.as_deref()),
    )?;
    list.own(
        NamespaceType::Ipc,
        ipc != Ipc::Host,
        ("--ipc", options.ipc.as_deref()),
    );
    let net_share = match (net, other) {
        (_, Some(id)) => Share::Container(id),
        (Net::Host, None) => Share::Host,
        _ => Share::Private,
    };
    list.shared(
        asked,
        NamespaceType::Network,
        net_share,
        ("--net", options.net.as_deref()),
    )?;
    list.own(
        NamespaceType::User,
        userns != Userns::Host,
        ("--userns", options.userns.as_deref()),
    );
    let namespaces = list.namespaces;

    // A joined namespace has a name already, and it is not ours to change.
    let uts_is_hosts = uts != Share::Private;
    let seen_hostname = hostname(asked, net, uts_is_hosts, origins)?;
    Ok(Spaces {
        namespaces,
        net,
        joined,
        ipc,
        pid_is_hosts: pid == Share::Host,
        uts_is_hosts,
        cgroup_is_hosts: cgroup == Share::Host,
        maps: maps(&userns, options.userns.as_deref(), origins),
        group_maps: group_maps(&userns),
        userns,
        hostname: (!uts_is_hosts).then(|| seen_hostname.clone()),
        domainname: domainname(asked, origins)?,
        seen_hostname,
    })
}

/// The namespaces so far.
struct List<'o> {
    namespaces: Vec<Namespace<'static>>,
    origins: &'o mut Origins,
}

impl List<'_> {
    fn own(&mut self, kind: NamespaceType, wanted: bool, (option, text): (&str, Option<&str>)) {
        if wanted {
            self.push(Namespace::new(kind), option, text);
        }
    }

    fn shared(
        &mut self,
        asked: &Asked<'_>,
        kind: NamespaceType,
        share: Share<'_>,
        (option, text): (&str, Option<&str>),
    ) -> Result<()> {
        let path = match share {
            Share::Host => return Ok(()),
            Share::Private => None,
            Share::Container(id) => {
                let name = match kind {
                    NamespaceType::Network => "net",
                    other => other.name(),
                };
                let file = asked.containers.namespace(id, name);
                Some(Str::from(file.of(option, text.unwrap_or_default())?))
            }
        };
        self.push(Namespace { kind, path }, option, text);
        Ok(())
    }

    fn push(&mut self, namespace: Namespace<'static>, option: &str, text: Option<&str>) {
        if let Some(text) = text {
            let place = format!("linux.namespaces[{}]", self.namespaces.len());
            self.origins.option(&place, option, text);
        }
        self.namespaces.push(namespace);
    }
}

fn maps(userns: &Userns, text: Option<&str>, origins: &mut Origins) -> Vec<IdMap> {
    if let Some(text) = text.filter(|_| *userns != Userns::Host) {
        origins.option("linux.uidMappings", "--userns", text);
        origins.option("linux.gidMappings", "--userns", text);
    }
    match userns {
        Userns::Maps(maps) => maps.clone(),
        Userns::Own { user, .. } => own_root(*user),
        Userns::Host | Userns::Auto { .. } => Vec::new(),
    }
}

fn group_maps(userns: &Userns) -> Vec<IdMap> {
    match userns {
        Userns::Maps(maps) => maps.clone(),
        Userns::Own { group, .. } => own_root(*group),
        Userns::Host | Userns::Auto { .. } => Vec::new(),
    }
}

fn own_root(host: u32) -> Vec<IdMap> {
    vec![IdMap {
        container: 0,
        host,
        size: 1,
    }]
}

/// `--userns`. An ordinary user is root in a user namespace only.
fn userns(asked: &Asked<'_>) -> Result<Userns> {
    let text = asked.options.userns.as_ref();
    let wanted = mode(text, "--userns", "host", grammar::userns)?;
    let Some((user, group)) = asked.machine.ordinary_user else {
        return Ok(wanted);
    };
    match wanted {
        Userns::Host => Ok(Userns::Own { user, group }),
        Userns::Auto { .. } => Err(Fault::unsupported("takes root: owners are translated")
            .hint("leave it out: root in the container is you then"))
        .of("--userns", text.map_or("auto", String::as_str)),
        other => Ok(other),
    }
}

/// `--hostname`; else the host's with its network or UTS namespace, as Docker has it; else the short id.
fn hostname(
    asked: &Asked<'_>,
    net: Net,
    uts_is_hosts: bool,
    origins: &mut Origins,
) -> Result<String> {
    if let Some(text) = &asked.options.hostname {
        origins.option("hostname", "--hostname", text);
        return Ok(name::host(text).of("--hostname", text)?.to_owned());
    }
    let hosts = net == Net::Host || uts_is_hosts;
    Ok(if hosts {
        asked.machine.hostname.clone()
    } else {
        asked.machine.short_id().to_owned()
    })
}

fn domainname(asked: &Asked<'_>, origins: &mut Origins) -> Result<Option<String>> {
    let Some(text) = &asked.options.domainname else {
        return Ok(None);
    };
    origins.option("domainname", "--domainname", text);
    Ok(Some(name::host(text).of("--domainname", text)?.to_owned()))
}

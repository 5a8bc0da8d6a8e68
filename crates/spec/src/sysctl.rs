//! Names of kernel parameters: how they are written, and to which namespace each belongs.
//!
//! A parameter that belongs to no namespace is the whole machine's, `kernel.core_pattern` above all:
//! whoever may write it runs programs on the host (CVE-2022-0811). So there is a list of what may be
//! set, and no list of what may not.

use alloc::string::String;
use core::fmt;

use crate::NamespaceType;

/// A kernel parameter that belongs to a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// Its file below `/proc/sys`, such as `net/ipv4/ip_forward`: no empty component, no `.` or `..`.
    pub path: String,
    /// The namespace that it belongs to. It may be set only if the container does not share the
    /// host's; if the configuration names an existing one, whoever opens that must look whether it is
    /// the host's.
    pub namespace: NamespaceType,
}

/// Why a parameter is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name is not one of a parameter.
    Name,
    /// It belongs to no namespace, so it would be set for the whole machine.
    NotNamespaced,
}

/// `ipc_namespaces(7)`: what System V IPC has of its own in each namespace (`ipc/ipc_sysctl.c`).
const IPC: [&str; 12] = [
    "auto_msgmni",
    "msg_next_id",
    "msgmax",
    "msgmnb",
    "msgmni",
    "sem",
    "sem_next_id",
    "shm_next_id",
    "shm_rmid_forced",
    "shmall",
    "shmmax",
    "shmmni",
];

impl Parameter {
    /// Reads a name as `sysctl(8)` does: whichever of `.` and `/` comes first separates components, and
    /// the other one then stands for it within a component. So both `net.ipv4.conf.eth0/1.forwarding`
    /// and `net/ipv4/conf/eth0.1/forwarding` are about the interface `eth0.1`.
    pub fn parse(name: &str) -> Result<Self, Refused> {
        let path = path(name).ok_or(Refused::Name)?;
        let namespace = owner(&path).ok_or(Refused::NotNamespaced)?;
        Ok(Self { path, namespace })
    }
}

fn path(name: &str) -> Option<String> {
    let dotted = !matches!(name.find(['.', '/']), Some(first) if name.as_bytes()[first] == b'/');
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        _ => c,
    };
    let path: String = if dotted {
        name.chars().map(swap).collect()
    } else {
        name.into()
    };
    path.split('/').all(is_component).then_some(path)
}

fn is_component(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '@');
    !matches!(text, "" | "." | "..") && text.chars().all(allowed)
}

/// The type of namespace that a parameter belongs to.
fn owner(path: &str) -> Option<NamespaceType> {
    match path.split_once('/')? {
        ("kernel", "hostname" | "domainname") => Some(NamespaceType::Uts),
        ("kernel", name) if IPC.contains(&name) => Some(NamespaceType::Ipc),
        ("fs", rest) if rest.starts_with("mqueue/") => Some(NamespaceType::Ipc),
        ("net", _) => Some(NamespaceType::Network),
        _ => None,
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not the name of a kernel parameter",
            Self::NotNamespaced => "belongs to no namespace: it would be set for the whole machine",
        })
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for (name, path, namespace) in [
            (
                "net.ipv4.ip_forward",
                "net/ipv4/ip_forward",
                NamespaceType::Network,
            ),
            (
                "net/ipv4/ip_forward",
                "net/ipv4/ip_forward",
                NamespaceType::Network,
            ),
            (
                "net.ipv4.conf.eth0/1.forwarding",
                "net/ipv4/conf/eth0.1/forwarding",
                NamespaceType::Network,
            ),
            (
                "net/ipv4/conf/eth0.1/forwarding",
                "net/ipv4/conf/eth0.1/forwarding",
                NamespaceType::Network,
            ),
            ("kernel.shmmax", "kernel/shmmax", NamespaceType::Ipc),
            ("kernel/sem", "kernel/sem", NamespaceType::Ipc),
            ("fs.mqueue.msg_max", "fs/mqueue/msg_max", NamespaceType::Ipc),
            ("kernel.domainname", "kernel/domainname", NamespaceType::Uts),
        ] {
            assert_eq!(
                Parameter::parse(name),
                Ok(Parameter {
                    path: path.into(),
                    namespace
                }),
                "{name}"
            );
        }
    }

    #[test]
    fn what_would_leave_its_directory_is_no_name() {
        for name in [
            "",
            ".",
            "..",
            "/",
            "net",
            "net.",
            ".net",
            "net..a",
            "net//a",
            "net/../kernel/core_pattern",
            "net.//.kernel",
            "net.ipv4./.x",
            "/net/ipv4",
            "net.ipv4 .x",
            "net.a\n",
            "net.a+b",
            "net.é",
            "net/./a",
            "fs.mqueue//.x",
        ] {
            assert!(Parameter::parse(name).is_err(), "{name:?}");
        }
        assert_eq!(
            Parameter::parse("net/../kernel/core_pattern"),
            Err(Refused::Name)
        );
    }

    #[test]
    fn what_belongs_to_the_machine_is_refused() {
        for name in [
            "kernel.core_pattern",
            "kernel/core_pattern",
            "kernel.shm",
            "kernel.shmmax.x",
            "kernel.sem/x",
            "fs.mqueue",
            "fs.mqueuex.a",
            "fs.suid_dumpable",
            "vm.overcommit_memory",
            "user.max_user_namespaces",
            "network.a",
            "kernel.hostname.x",
            "kernel",
            "kernel.modprobe",
        ] {
            assert_eq!(
                Parameter::parse(name),
                Err(Refused::NotNamespaced),
                "{name}"
            );
        }
    }
}

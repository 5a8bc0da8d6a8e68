//! `--sysctl`: kernel parameters that belong to a namespace.

use crate::error::{Fault, Parsed};

/// The namespace that a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `net.*`
    Net,
    /// `kernel.msg*`, `kernel.sem`, `kernel.shm*`, `fs.mqueue.*`
    Ipc,
    /// `kernel.hostname`, `kernel.domainname`
    Uts,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl<'a> {
    /// The key with dots between its parts, slashes inside them.
    pub key: &'a str,
    /// The value as written to the kernel.
    pub value: &'a str,
    /// The namespace it belongs to.
    pub owner: Owner,
}

const IPC_KEYS: [&str; 10] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.msg_next_id",
    "kernel.sem_next_id",
];

/// `KEY=VALUE`. Only keys of a namespace are taken: others would change the host.
pub fn sysctl(text: &str) -> Parsed<Sysctl<'_>> {
    let (key, value) = text.split_once('=').ok_or_else(|| {
        Fault::usage("no = in it").hint("KEY=VALUE, such as net.ipv4.ip_forward=1")
    })?;
    super::env::no_nul(value)?;
    if value.is_empty() || value.contains('\n') {
        return Err(Fault::usage("the value is empty or has a line break"));
    }
    if !well_formed(key) {
        return Err(Fault::usage(format!(
            "{key:?} is not the name of a parameter"
        )));
    }
    let owner = owner(key).ok_or_else(|| {
        Fault::usage("not a parameter of a namespace: it would change the whole host")
            .hint("net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm*, kernel.domainname")
    })?;
    Ok(Sysctl { key, value, owner })
}

/// Parts of letters, digits, `_`, `-` and `/`, with dots between them; no part is empty or climbs.
fn well_formed(key: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_-/".contains(&b);
    let part = |part: &str| part.bytes().all(fine) && part.split('/').all(|name| !name.is_empty());
    key.split('.').all(part)
}

fn owner(key: &str) -> Option<Owner> {
    match key {
        _ if key.starts_with("net.") => Some(Owner::Net),
        _ if key.starts_with("fs.mqueue.") || IPC_KEYS.contains(&key) => Some(Owner::Ipc),
        "kernel.hostname" | "kernel.domainname" => Some(Owner::Uts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let owner = |text| sysctl(text).map(|s| s.owner);
        assert_eq!(owner("net.ipv4.ip_forward=1"), Ok(Owner::Net));
        assert_eq!(owner("net.ipv4.conf.eth0/1.forwarding=1"), Ok(Owner::Net));
        assert_eq!(owner("kernel.shmmax=1024"), Ok(Owner::Ipc));
        assert_eq!(owner("fs.mqueue.msg_max=10"), Ok(Owner::Ipc));
        assert_eq!(owner("kernel.domainname=example"), Ok(Owner::Uts));
        assert_eq!(
            sysctl("net.ipv4.ping_group_range=0 100").unwrap().value,
            "0 100"
        );
    }

    #[test]
    fn what_would_change_the_host_is_refused() {
        for text in [
            "kernel.core_pattern=|/x",
            "vm.swappiness=1",
            "kernel.shmmaxx=1",
            "net=1",
            "net.=1",
            "net...=1",
            "net.ipv4/../kernel=1",
            "net.ipv4.x/=1",
            "net.a=",
            "net.a",
            "net.a=1\n2",
            "",
        ] {
            assert!(sysctl(text).is_err(), "{text:?}");
        }
    }
}

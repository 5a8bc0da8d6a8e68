//! Capabilities, the system call filter, hidden paths, kernel parameters.

use spec::seccomp::Seccomp;
use spec::{CapSet, Map, Str};

use super::namespaces::Spaces;
use super::{Asked, Origins, seccomp};
use crate::app::value::capability;
use crate::app::value::namespace::{Ipc, Net, Userns};
use crate::app::value::security::{Security, security};
use crate::app::value::sysctl::{self, Owner, Sysctl};
use crate::error::{About, Fault, Parsed, Result};

/// What nobody inside can read.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What nobody inside can write.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The lists of hidden paths.
pub(super) struct Paths {
    pub(super) masked: Vec<Str<'static>>,
    pub(super) read_only: Vec<Str<'static>>,
}

/// The parsed `--security-opt`s with their texts.
fn wishes<'a>(asked: &Asked<'a>) -> Result<Vec<(Security<'a>, &'a str)>> {
    let parse = |text: &'a String| Ok((security(text).of("--security-opt", text)?, text.as_str()));
    asked.options.security_opt.iter().map(parse).collect()
}

/// The masked and the read-only paths; none for a privileged container.
pub(super) fn paths(asked: &Asked<'_>) -> Result<Paths> {
    let open = wishes(asked)?
        .iter()
        .any(|(wish, _)| *wish == Security::SystemPathsUnconfined);
    if open || asked.options.privileged {
        return Ok(Paths {
            masked: Vec::new(),
            read_only: Vec::new(),
        });
    }
    Ok(Paths {
        masked: MASKED.map(Str::new).to_vec(),
        read_only: READ_ONLY.map(Str::new).to_vec(),
    })
}

/// Whether the cgroup file system can be written: asked for, or privileged.
pub(super) fn writable_cgroups(asked: &Asked<'_>) -> Result<bool> {
    let last = wishes(asked)?
        .into_iter()
        .rev()
        .find_map(|(wish, _)| match wish {
            Security::WritableCgroups(on) => Some(on),
            _ => None,
        });
    Ok(last.unwrap_or(asked.options.privileged))
}

pub(super) fn no_new_privileges(asked: &Asked<'_>, origins: &mut Origins) -> Result<bool> {
    let mut value = false;
    for (wish, text) in wishes(asked)? {
        if let Security::NoNewPrivileges(on) = wish {
            value = on;
            origins.option("process.noNewPrivileges", "--security-opt", text);
        }
    }
    Ok(value)
}

/// The capabilities that the process has and can have.
pub(super) fn capabilities(
    asked: &Asked<'_>,
    spaces: &Spaces,
    notes: &mut Vec<String>,
    origins: &mut Origins,
) -> Result<CapSet> {
    let options = asked.options;
    let mut parse = |option: &str, texts: &[String]| -> Result<Vec<capability::Named>> {
        let one = |text: &String| {
            origins.option("process.capabilities", option, text);
            capability::named(text).of(option, text)
        };
        texts.iter().map(one).collect()
    };
    let (add, drop) = (
        parse("--cap-add", &options.cap_add)?,
        parse("--cap-drop", &options.cap_drop)?,
    );
    let wanted = if options.privileged {
        origins.flag("process.capabilities", "--privileged");
        CapSet::ALL
    } else {
        capability::adjusted(&add, &drop)
            .ok_or_else(|| Fault::usage("conflicts with --cap-drop ALL").at("--cap-add ALL"))?
    };
    // The owner of a new user namespace has them all there.
    let there = if spaces.userns == Userns::Host {
        asked.machine.capabilities
    } else {
        CapSet::ALL
    };
    for (named, text) in add.iter().zip(&options.cap_add) {
        if let capability::Named::One(one) = named
            && !there.contains(*one)
        {
            return Err(Fault::unsupported("this process does not have it itself"))
                .of("--cap-add", text);
        }
    }
    if !there.contains(wanted) {
        let missing: Vec<&str> = wanted.without(there).names().collect();
        notes.push(format!(
            "not given, because this process does not have them itself: {}",
            missing.join(", ")
        ));
    }
    Ok(wanted.intersection(there))
}

/// The system call filter: the built-in one unless a file is named or none is wanted.
pub(super) fn filter(
    asked: &Asked<'_>,
    capabilities: CapSet,
    origins: &mut Origins,
) -> Result<Option<Seccomp<'static>>> {
    let wish = wishes(asked)?.into_iter().rev().find(|(wish, _)| {
        matches!(
            wish,
            Security::SeccompUnconfined | Security::SeccompBuiltin | Security::SeccompFile(_)
        )
    });
    match wish {
        Some((_, text)) => origins.option("linux.seccomp", "--security-opt", text),
        None if asked.options.privileged => {
            origins.flag("linux.seccomp", "--privileged");
            return Ok(None);
        }
        None => {}
    }
    match wish {
        Some((Security::SeccompUnconfined, _)) => Ok(None),
        Some((Security::SeccompFile(path), text)) => {
            let profile =
                sys::file::read_text(&asked.machine.absolute(path)).of("--security-opt", text)?;
            seccomp::profile(&profile, capabilities)
                .of("--security-opt", text)
                .map(Some)
        }
        _ => Ok(Some(seccomp::builtin(capabilities))),
    }
}

/// Kernel parameters, each of a namespace that is the container's own.
pub(super) fn sysctls(
    asked: &Asked<'_>,
    spaces: &Spaces,
    origins: &mut Origins,
) -> Result<Map<'static, Str<'static>>> {
    let mut map = Map::new();
    for text in &asked.options.sysctl {
        let sysctl = sysctl::sysctl(text)
            .and_then(|found| own(found, spaces))
            .of("--sysctl", text)?;
        map.insert(sysctl.key.to_owned().into(), sysctl.value.to_owned().into());
        origins.option(&format!("linux.sysctl.{}", sysctl.key), "--sysctl", text);
    }
    Ok(map)
}

/// Refuses a parameter of a namespace that is shared with the host.
fn own<'a>(sysctl: Sysctl<'a>, spaces: &Spaces) -> Parsed<Sysctl<'a>> {
    let shared = match sysctl.owner {
        Owner::Net => match spaces.net {
            Net::Host => Some("--net host"),
            Net::Joined => Some("--net container:ID"),
            Net::Private | Net::None => None,
        },
        Owner::Ipc => (spaces.ipc == Ipc::Host).then_some("--ipc host"),
        Owner::Uts => spaces.uts_is_hosts.then_some("--uts host"),
    };
    match shared {
        Some(option) => Err(Fault::usage(format!(
            "with {option} it would change the host"
        ))),
        None => Ok(sysctl),
    }
}

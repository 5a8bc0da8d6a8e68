//! The system call filter from a file, in the specification's JSON or in Docker's, which adds
//! conditions on the machine and on the container's capabilities.

use serde::Deserialize;
use spec::seccomp::{Action, Arch, Flag, Seccomp, SyscallArg, SyscallRule};
use spec::{CapSet, Str};
use sys::Errno;

use crate::app::value::number::digits;
use crate::error::{Fault, Parsed};

/// The architecture that this program is for, in the specification's words and in Docker's.
#[cfg(target_arch = "x86_64")]
const NATIVE: (Arch, &str) = (Arch::X86_64, "amd64");
#[cfg(target_arch = "aarch64")]
const NATIVE: (Arch, &str) = (Arch::Aarch64, "arm64");

/// The largest number that an errno has.
const ERRNO_MAX: u32 = 133;

/// The built-in profile for a container with these capabilities.
pub(super) fn builtin(capabilities: CapSet) -> Seccomp<'static> {
    crate::seccomp_default::default_profile(capabilities, NATIVE.0)
}

/// A profile as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Profile {
    default_action: Action,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<Arch>>,
    #[serde(default)]
    arch_map: Option<Vec<Architecture>>,
    #[serde(default)]
    flags: Option<Vec<Flag>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

/// An architecture and those whose programs it runs too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architecture {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    /// The old way to name a single call.
    name: Option<String>,
    action: Action,
    errno_ret: Option<u32>,
    /// The same by name, as Podman has it.
    errno: Option<String>,
    args: Option<Vec<SyscallArg>>,
    #[serde(default)]
    #[expect(dead_code, reason = "free text")]
    comment: Option<String>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

/// When a rule holds, or when it does not.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Reads a profile.
pub(super) fn profile(text: &str, capabilities: CapSet) -> Parsed<Seccomp<'static>> {
    let profile: Profile = serde_json::from_str(text)
        .map_err(|error| Fault::usage(format!("not a seccomp profile: {error}")))?;
    let mut syscalls = Vec::new();
    for rule in profile.syscalls.into_iter().flatten() {
        if holds(&rule, capabilities)? {
            syscalls.push(syscall_rule(rule)?);
        }
    }
    Ok(Seccomp {
        default_action: profile.default_action,
        default_errno_ret: errno(profile.default_errno.as_deref(), profile.default_errno_ret)?,
        architectures: architectures(profile.architectures, profile.arch_map)?,
        flags: profile.flags.unwrap_or_default(),
        listener_path: profile.listener_path.map(Str::from),
        listener_metadata: profile.listener_metadata.map(Str::from),
        syscalls,
    })
}

fn architectures(plain: Option<Vec<Arch>>, map: Option<Vec<Architecture>>) -> Parsed<Vec<Arch>> {
    let (plain, map) = (plain.unwrap_or_default(), map.unwrap_or_default());
    if !plain.is_empty() && !map.is_empty() {
        return Err(Fault::usage(
            "the profile has both architectures and archMap",
        ));
    }
    let native = map.into_iter().find(|entry| entry.architecture == NATIVE.0);
    Ok(match native {
        Some(entry) => [entry.architecture]
            .into_iter()
            .chain(entry.sub_architectures.unwrap_or_default())
            .collect(),
        None => plain,
    })
}

fn syscall_rule(rule: Rule) -> Parsed<SyscallRule<'static>> {
    let errno_ret = errno(rule.errno.as_deref(), rule.errno_ret)?;
    let names: Vec<Str<'static>> = rule
        .names
        .into_iter()
        .chain(rule.name)
        .map(Str::from)
        .collect();
    if names.is_empty() {
        return Err(Fault::usage("the profile has a rule without names"));
    }
    Ok(SyscallRule {
        names,
        action: rule.action,
        errno_ret,
        args: rule.args.unwrap_or_default(),
    })
}

/// An errno that is given by name, by number, or both ways. The name counts, as with Podman, but one that
/// says something else than the number is a mistake.
fn errno(name: Option<&str>, number: Option<u32>) -> Parsed<Option<u32>> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(number);
    };
    let named = |number: &u32| {
        let errno = i32::try_from(*number).map(Errno::from_raw_os_error);
        errno.is_ok_and(|errno| sys::error::describe(errno).0 == name)
    };
    let found = digits(name).or_else(|| (1..=ERRNO_MAX).find(named));
    match (found, number) {
        (None, _) => Err(Fault::usage(format!(
            "the profile has an unknown errno {name:?}"
        ))),
        (Some(found), Some(number)) if found != number => Err(Fault::usage(format!(
            "the profile has errno {name:?} and errnoRet {number}, which is another one"
        ))),
        (found, _) => Ok(found),
    }
}

/// Whether a rule holds on this machine for a container with these capabilities.
fn holds(rule: &Rule, capabilities: CapSet) -> Parsed<bool> {
    if let Some(condition) = &rule.includes {
        let caps = flags(condition.caps.as_deref(), capabilities)?;
        let arch = condition
            .arches
            .as_ref()
            .is_none_or(|arches| arches.is_empty() || arches.iter().any(|a| a == NATIVE.1));
        if caps.contains(&false)
            || !arch
            || !kernel_is(condition.min_kernel.as_deref())?.unwrap_or(true)
        {
            return Ok(false);
        }
    }
    let Some(condition) = &rule.excludes else {
        return Ok(true);
    };
    let caps = flags(condition.caps.as_deref(), capabilities)?;
    let arch = condition
        .arches
        .iter()
        .flatten()
        .any(|arch| arch == NATIVE.1);
    Ok(!(caps.contains(&true)
        || arch
        || kernel_is(condition.min_kernel.as_deref())?.unwrap_or(false)))
}

/// For each capability whether the container has it.
fn flags(names: Option<&[String]>, capabilities: CapSet) -> Parsed<Vec<bool>> {
    let one = |name: &String| {
        let set = CapSet::from_name(name).ok_or_else(|| {
            Fault::usage(format!("the profile names an unknown capability {name:?}"))
        })?;
        Ok(capabilities.contains(set))
    };
    names.unwrap_or_default().iter().map(one).collect()
}

/// Whether the running kernel is at least `wanted`, such as `4.8`; none where nothing is wanted.
fn kernel_is(wanted: Option<&str>) -> Parsed<Option<bool>> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Ok(None);
    };
    let least = version(wanted).ok_or_else(|| {
        Fault::usage(format!(
            "the profile has minKernel {wanted:?}, not VERSION.PATCHLEVEL"
        ))
    })?;
    let uname = sys::rustix::system::uname();
    let running = uname.release().to_str().ok().and_then(version);
    Ok(running.map(|running| running >= least))
}

/// The first two numbers of a kernel's version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.splitn(3, ['.', '-', '+']);
    let number = |part: Option<&str>| part.and_then(digits);
    Some((number(parts.next())?, number(parts.next())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,
        "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},
                   {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
        "syscalls":[
        {"names":["read","write"],"action":"SCMP_ACT_ALLOW","args":null,"comment":"","includes":{},"excludes":{}},
        {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
        {"names":["clone"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]},
         "args":[{"index":0,"value":2114060288,"op":"SCMP_CMP_MASKED_EQ"}]},
        {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
        {"names":["future"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"99.0"}},
        {"names":["other"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390"]}}]}"#;

    fn names(profile: &Seccomp<'_>) -> Vec<String> {
        profile
            .syscalls
            .iter()
            .flat_map(|rule| &rule.names)
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn conditions_are_resolved() {
        let plain = profile(PROFILE, CapSet::EMPTY).unwrap();
        assert_eq!(names(&plain), ["read", "write", "clone", "ptrace"]);
        assert_eq!(plain.architectures[0], NATIVE.0);
        assert_eq!(plain.architectures.len(), 2);
        let admin = profile(PROFILE, CapSet::from_name("CAP_SYS_ADMIN").unwrap()).unwrap();
        assert_eq!(names(&admin), ["read", "write", "mount", "ptrace"]);
    }

    #[test]
    fn errnos_by_name_and_by_number() {
        for (name, number, wanted) in [
            (None, None, Some(None)),
            (None, Some(1), Some(Some(1))),
            (Some("ENOSYS"), None, Some(Some(38))),
            (Some("EPERM"), Some(1), Some(Some(1))),
            (Some("22"), None, Some(Some(22))),
            (Some(""), Some(1), Some(Some(1))),
            (Some("EPERM"), Some(38), None),
            (Some("ENONE"), None, None),
            (Some("eperm"), None, None),
        ] {
            assert_eq!(errno(name, number).ok(), wanted, "{name:?} {number:?}");
        }
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","defaultErrnoRet":38,
            "syscalls":[{"names":["bdflush"],"action":"SCMP_ACT_ERRNO","errno":"EPERM","errnoRet":1}]}"#;
        let podmans = profile(text, CapSet::EMPTY).unwrap();
        assert_eq!(podmans.default_errno_ret, Some(38));
        assert_eq!(podmans.syscalls[0].errno_ret, Some(1));
    }

    #[test]
    fn what_is_not_a_profile() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"defaultAction":"SCMP_ACT_FOO"}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","sycalls":[]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ERRNO"}]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","includes":{"caps":["X"]}}]}"#,
        ] {
            assert!(profile(text, CapSet::EMPTY).is_err(), "{text}");
        }
    }
}

//! `--device`, `--device-cgroup-rule`.

use spec::{Access, DeviceRuleType};

use super::name::absolute;
use super::number::digits;
use crate::error::{Fault, Parsed};

/// A device node of the host to be had in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// Where it is on the host; a directory means all nodes in it.
    pub source: String,
    /// Where it appears in the container.
    pub destination: String,
    /// What the cgroup lets through.
    pub access: Access,
}

/// `SRC[:DST[:rwm]]`, or `SRC:rwm`.
pub fn device(text: &str) -> Parsed<DeviceRequest> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, access) = match parts[..] {
        [source] => (source, source, Access::ALL),
        [source, access] if self::access(access).is_ok() => (source, source, self::access(access)?),
        [source, destination] => (source, destination, Access::ALL),
        [source, destination, access] => (source, destination, self::access(access)?),
        _ => return Err(Fault::usage("more than three parts").hint("SRC[:DST[:rwm]]")),
    };
    if !source.starts_with('/') && source.contains('=') {
        return Err(Fault::unsupported("CDI device names: not built yet"));
    }
    Ok(DeviceRequest {
        source: absolute(source)?,
        destination: absolute(destination)?,
        access,
    })
}

/// Some of `r`, `w` and `m`, each once.
fn access(text: &str) -> Parsed<Access> {
    Access::from_letters(text)
        .filter(|access| *access != Access::default())
        .ok_or_else(|| Fault::usage(format!("access {text:?} is not made of r, w and m")))
}

/// A rule for the devices cgroup; `None` as a number is the wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// All, block or character devices.
    pub kind: DeviceRuleType,
    /// The major number.
    pub major: Option<u32>,
    /// The minor number.
    pub minor: Option<u32>,
    /// What is let through.
    pub access: Access,
}

/// `TYPE MAJOR:MINOR ACCESS`, such as `c 42:* rmw`.
pub fn rule(text: &str) -> Parsed<DeviceRule> {
    let fault =
        || Fault::usage("not a device rule").hint("TYPE MAJOR:MINOR ACCESS, as 'c 42:* rmw'");
    let parts: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, access] = parts[..] else {
        return Err(fault());
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(fault)?;
    Ok(DeviceRule {
        kind: DeviceRuleType::from_name(kind).ok_or_else(fault)?,
        major: number(major).ok_or_else(fault)?,
        minor: number(minor).ok_or_else(fault)?,
        access: self::access(access)?,
    })
}

/// A number or `*`.
fn number(text: &str) -> Option<Option<u32>> {
    if text == "*" {
        Some(None)
    } else {
        digits(text).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> [String; 3] {
        let got = device(text).unwrap();
        [got.source, got.destination, got.access.letters().to_owned()]
    }

    #[test]
    fn devices() {
        assert_eq!(parts("/dev/fuse"), ["/dev/fuse", "/dev/fuse", "rwm"]);
        assert_eq!(parts("/dev/fuse:r"), ["/dev/fuse", "/dev/fuse", "r"]);
        assert_eq!(parts("/dev/fuse:/dev/x"), ["/dev/fuse", "/dev/x", "rwm"]);
        assert_eq!(parts("/dev/fuse:/dev/x:rw"), ["/dev/fuse", "/dev/x", "rw"]);
        for text in [
            "",
            "fuse",
            "/dev/a:b",
            "/dev/a:/b:",
            "/dev/a:/b:rr",
            "/dev/a:/b:x",
            "/a:/b:r:w",
        ] {
            assert!(device(text).is_err(), "{text:?}");
        }
        assert_eq!(
            device("nvidia.com/gpu=all").unwrap_err().kind,
            crate::Kind::Unsupported
        );
    }

    #[test]
    fn rules() {
        let rule = rule("c 42:* rmw").unwrap();
        assert_eq!(
            (rule.kind, rule.major, rule.minor),
            (DeviceRuleType::Char, Some(42), None)
        );
        assert_eq!(rule.access, Access::ALL);
        for text in [
            "", "c 42 r", "d 1:1 r", "c 1:1", "c  1:1 r", "c 1:x r", "c 1:1 rx",
        ] {
            assert!(super::rule(text).is_err(), "{text:?}");
        }
    }
}

//! `--name`, `--hostname`, `--domainname`, `--add-host`; paths and truth values inside other options.

use std::net::IpAddr;

use crate::error::{Fault, Parsed};

/// The longest name of a container.
const NAME_MAX: usize = 128;

/// The longest host name that the kernel takes (`__NEW_UTS_LEN`).
const HOST_MAX: usize = 64;

/// A container's name: `[A-Za-z0-9][A-Za-z0-9_.-]+`, at most 128 bytes.
pub fn container(text: &str) -> Parsed<&str> {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if first && (2..=NAME_MAX).contains(&text.len()) && text.bytes().all(rest) {
        return Ok(text);
    }
    Err(Fault::usage(
        "not a container name; only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed",
    ))
}

/// A host or domain name: letters, digits, `.`, `-`, `_`; at most 64 bytes.
pub fn host(text: &str) -> Parsed<&str> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let starts = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if starts && text.len() <= HOST_MAX && text.bytes().all(fine) {
        return Ok(text);
    }
    Err(Fault::usage(
        "not a host name (letters, digits, '.', '-' and '_'; at most 64 bytes)",
    ))
}

/// `NAME:ADDRESS` or `NAME=ADDRESS` of `--add-host`.
pub fn extra_host(text: &str) -> Parsed<(&str, IpAddr)> {
    let Some((name, address)) = text.split_once('=').or_else(|| text.split_once(':')) else {
        return Err(Fault::usage("no address").hint("NAME:ADDRESS, such as db:10.0.0.5"));
    };
    if address == "host-gateway" {
        return Err(Fault::unsupported("host-gateway: not built yet"));
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    match bare.parse() {
        Ok(parsed) => Ok((host(name)?, parsed)),
        Err(_) => Err(Fault::usage(format!("{address:?} is not an address"))),
    }
}

/// An absolute path of a container without `.`, `..`, NUL or repeated slashes; trailing ones go.
pub fn absolute(text: &str) -> Parsed<String> {
    super::env::no_nul(text)?;
    if !text.starts_with('/') {
        return Err(Fault::usage("not an absolute path"));
    }
    let mut clean = String::with_capacity(text.len());
    for part in text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        if part == ".." {
            return Err(Fault::usage("the path has a .. in it"));
        }
        clean.push('/');
        clean.push_str(part);
    }
    Ok(if clean.is_empty() {
        "/".to_owned()
    } else {
        clean
    })
}

/// A truth value as Docker's flags take it.
pub fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Fault::usage(format!("{text:?} is neither true nor false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names() {
        for text in ["ab", "web-1", "A.b_c", "0x"] {
            assert_eq!(container(text), Ok(text));
        }
        for text in [
            "",
            "a",
            "-a",
            "_a",
            ".a",
            "a/b",
            "a b",
            "../x",
            "ä1",
            &"a".repeat(129),
        ] {
            assert!(container(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn host_names() {
        for text in ["a", "web.example.org", "x-1", &"a".repeat(64)] {
            assert_eq!(host(text), Ok(text));
        }
        for text in ["", "-a", ".a", "a b", "a\n", &"a".repeat(65)] {
            assert!(host(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn hosts_with_addresses() {
        assert_eq!(extra_host("db:10.0.0.5").map(|(n, _)| n), Ok("db"));
        assert_eq!(
            extra_host("db:::1").map(|(_, a)| a),
            Ok("::1".parse().unwrap())
        );
        assert_eq!(
            extra_host("db=[::1]").map(|(_, a)| a),
            Ok("::1".parse().unwrap())
        );
        for text in ["db", "db:x", ":1.2.3.4", "db:host-gateway"] {
            assert!(extra_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths() {
        assert_eq!(absolute("/a//b/./c/"), Ok("/a/b/c".to_owned()));
        assert_eq!(absolute("//"), Ok("/".to_owned()));
        for text in ["", "a", "./a", "/a/../b", "/a\0"] {
            assert!(absolute(text).is_err(), "{text:?}");
        }
    }
}

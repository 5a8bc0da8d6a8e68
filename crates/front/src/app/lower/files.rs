//! `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`: the container's own, mounted from its
//! directory on the host.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::namespaces::Spaces;
use super::{Asked, OwnFile};
use crate::app::value::name;
use crate::app::value::namespace::Net;
use crate::error::{About, Fault, Result};

/// The files' names in the container's directory, and where they are mounted.
pub(super) const MOUNTED: [(&str, &str); 3] = [
    ("hostname", "/etc/hostname"),
    ("hosts", "/etc/hosts"),
    ("resolv.conf", "/etc/resolv.conf"),
];

const LOCALHOST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

pub(super) fn lower(asked: &Asked<'_>, spaces: &Spaces) -> Result<Vec<OwnFile>> {
    if spaces.joined.is_some() {
        return Ok(Vec::new());
    }
    let contents = [
        format!("{}\n", spaces.seen_hostname),
        hosts(asked, spaces)?,
        resolv_conf(asked, spaces)?,
    ];
    let files = MOUNTED.iter().zip(contents);
    Ok(files
        .map(|((name, _), content)| OwnFile {
            name: (*name).to_owned(),
            content,
        })
        .collect())
}

/// With the host's network the host's names, else loopback's and the container's own.
fn hosts(asked: &Asked<'_>, spaces: &Spaces) -> Result<String> {
    let mut text = match spaces.net {
        Net::Host => asked.machine.hosts.clone(),
        Net::Private | Net::None | Net::Joined => {
            format!("{LOCALHOST}127.0.1.1\t{}\n", spaces.seen_hostname)
        }
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for entry in &asked.options.add_host {
        let (host, address) = name::extra_host(entry).of("--add-host", entry)?;
        // Writing to a string does not fail.
        _ = writeln!(text, "{address}\t{host}");
    }
    Ok(text)
}

/// The host's settings where its network is used, and no server where there is no way to one; each
/// kind of setting is replaced by the options for it.
fn resolv_conf(asked: &Asked<'_>, spaces: &Spaces) -> Result<String> {
    let options = asked.options;
    let inherited = match spaces.net {
        Net::Host
            if options.dns.is_empty()
                && options.dns_search.is_empty()
                && options.dns_option.is_empty() =>
        {
            return Ok(asked.machine.resolv_conf.clone());
        }
        Net::Host => asked.machine.resolv_conf.as_str(),
        Net::Private | Net::None | Net::Joined => "",
    };
    let servers = options
        .dns
        .iter()
        .map(|text| server(text))
        .collect::<Result<Vec<_>>>()?;
    let search = options
        .dns_search
        .iter()
        .map(|text| domain(text))
        .collect::<Result<Vec<_>>>()?;
    let search: Vec<String> = if search == ["."] {
        vec![String::new()]
    } else {
        search
    };
    let settings = options
        .dns_option
        .iter()
        .map(|text| setting(text))
        .collect::<Result<Vec<_>>>()?;
    let mut text = String::new();
    for server in given_or_kept(servers, inherited, "nameserver") {
        _ = writeln!(text, "nameserver {server}");
    }
    for (keyword, words) in [("search", search), ("options", settings)] {
        let line = given_or_kept(words, inherited, keyword).join(" ");
        if !line.is_empty() {
            _ = writeln!(text, "{keyword} {line}");
        }
    }
    Ok(text)
}

/// What was given, or else the values of `keyword`'s lines.
fn given_or_kept(given: Vec<String>, inherited: &str, keyword: &str) -> Vec<String> {
    if !given.is_empty() {
        return given;
    }
    let lines = inherited
        .lines()
        .filter_map(|line| line.strip_prefix(keyword));
    lines
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map(|rest| rest.trim().to_owned())
        .collect()
}

fn server(text: &str) -> Result<String> {
    let address: std::result::Result<IpAddr, _> = text.parse();
    address
        .map(|address| address.to_string())
        .map_err(|_| Fault::usage("not an address"))
        .of("--dns", text)
}

/// A search domain, or `.` for none.
fn domain(text: &str) -> Result<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if !text.is_empty() && text.len() <= 253 && text.bytes().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Fault::usage("not a domain")).of("--dns-search", text)
}

fn setting(text: &str) -> Result<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_:-".contains(&b);
    if !text.is_empty() && text.bytes().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Fault::usage("not an option of resolv.conf")).of("--dns-option", text)
}

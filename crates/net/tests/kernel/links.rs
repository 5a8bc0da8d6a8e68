//! Aliases and tunnels in network namespaces of their own.

use crate::support::Host;
use net::alias::{Alias, Given, take};
use net::veth::{End, connect};
use sys::namespace::NetworkNamespace;
use sys::rustix::fs::OFlags;

fn entered(host: &Host) -> NetworkNamespace {
    let namespace = sys::file::open(&host.namespace(), OFlags::RDONLY).unwrap();
    NetworkNamespace::enter(&namespace).unwrap()
}

fn give(text: &str) -> Result<Given, String> {
    let alias = Alias::parse(text, None).unwrap();
    let interface = alias.interface.clone().unwrap();
    alias.give(&interface).map_err(|error| error.to_string())
}

#[test]
fn an_alias_comes_and_goes() {
    let mut host = Host::with(&["192.0.2.1/24"]);
    let _inside = entered(&host);
    for (text, plain) in [
        ("lo|198.51.100.7", "198.51.100.7"),
        ("lo|2001:db8::7/64", "2001:db8::7"),
    ] {
        let v = if plain.contains(':') { 6 } else { 4 };
        host.probe
            .says(&format!("bound(tcp({v}), '{plain}')"), "EADDRNOTAVAIL");
        assert!(matches!(give(text), Ok(Given::Added(_))));
        host.probe.says(
            &format!("name(bound(tcp({v}), '{plain}'))"),
            &format!("'{plain}'"),
        );
        assert_eq!(give(text), Ok(Given::WasOurs));
        let address = plain.parse().unwrap();
        take("lo", address).unwrap();
        take("lo", address).unwrap();
        host.probe
            .says(&format!("bound(tcp({v}), '{plain}')"), "EADDRNOTAVAIL");
    }
    take("nosuch", "192.0.2.1".parse().unwrap()).unwrap();
    assert_eq!(
        give("nosuch|192.0.2.9").unwrap_err(),
        "rtnetlink nosuch: No such device (ENODEV)"
    );
}

#[test]
fn what_somebody_else_has_is_left_alone() {
    let host = Host::with(&["192.0.2.1/24"]);
    let _inside = entered(&host);
    assert_eq!(
        give("lo|192.0.2.1/24").unwrap_err(),
        "192.0.2.1: lo cannot have it: this machine has it already"
    );
    let there = |text| Alias::parse(text, None).unwrap().is_there().unwrap();
    assert!(there("192.0.2.1") && !there("198.51.100.1") && !there("2001:db8::1"));
}

#[test]
fn one_of_a_network_goes_without_the_others() {
    let mut host = Host::with(&[]);
    let _inside = entered(&host);
    assert_eq!(give("lo|192.0.2.10/24"), Ok(Given::Added(24)));
    assert_eq!(give("lo|192.0.2.11/24"), Ok(Given::Added(32)));
    take("lo", "192.0.2.10".parse().unwrap()).unwrap();
    host.probe
        .says("name(bound(tcp(), '192.0.2.11'))", "'192.0.2.11'");
}

#[test]
fn a_tunnel_between_two_namespaces() {
    let (mut one, mut other) = (Host::with(&[]), Host::with(&[]));
    let open = |host: &Host| sys::file::open(&host.namespace(), OFlags::RDONLY).unwrap();
    let (here, there) = (open(&one), open(&other));
    let end = |namespace, name, address: &str| End {
        namespace,
        name,
        address: Some((address.parse().unwrap(), 30)),
    };
    connect(
        &end(&here, "tunnel", "198.18.0.1"),
        &end(&there, "eth0", "198.18.0.2"),
    )
    .unwrap();
    other.probe.does("s = listening(tcp(), '198.18.0.2', 80)");
    one.probe.does("c = connected(tcp(), '198.18.0.2', 80)");
    other.probe.says("peer(s)", "'198.18.0.1'");
    // Nothing is left of one whose other name is taken.
    let failed = connect(
        &end(&here, "second", "198.18.0.5"),
        &end(&there, "eth0", "198.18.0.6"),
    );
    assert!(failed.unwrap_err().hint.is_some());
    one.probe
        .says("[name for _, name in if_nameindex()]", "['lo', 'tunnel']");
}

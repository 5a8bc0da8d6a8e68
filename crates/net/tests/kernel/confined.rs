//! Jails with addresses of their own on one host.

use crate::support::{Host, only, v4, v6};
use net::shared::{Addresses, Confinement, change};

const HOST: &str = "192.0.2.1/32";
const A: &str = "192.0.2.10";
const B: &str = "192.0.2.11";
const A6: &str = "2001:db8::10";
const B6: &str = "2001:db8::11";

fn host() -> Host {
    let add = |address: &str, bits: u8| format!("{address}/{bits}");
    Host::with(&[
        HOST,
        "2001:db8::1/128",
        &add(A, 32),
        &add(B, 32),
        &add(A6, 128),
        &add(B6, 128),
    ])
}

#[test]
fn both_have_port_80_at_their_own_address() {
    let mut host = host();
    let (list_a, list_b) = (v4(&[A]), v4(&[B]));
    let mut a = host.jail("a", &only(&list_a, &[]));
    let mut b = host.jail("b", &only(&list_b, &[]));
    a.probe.does("s = listening(tcp(), '0.0.0.0', 80)");
    b.probe.does("s = listening(tcp(), '', 80)");
    a.probe.says("name(s)", "'192.0.2.10'");
    b.probe.says("name(s)", "'192.0.2.11'");
    host.probe
        .says("name(listening(tcp(), '192.0.2.1', 80))", "'192.0.2.1'");
    // They reach each other, as who they are.
    a.probe.does("c = connected(tcp(), '192.0.2.11', 80)");
    b.probe.says("peer(s)", "'192.0.2.10'");
    host.probe.does("c = connected(tcp(), '192.0.2.10', 80)");
    a.probe.says("peer(s) != '192.0.2.11'", "True");
    // Neither takes what is the other's, or the host's.
    for foreign in [
        B,
        "192.0.2.1",
        "192.0.2.99",
        "127.0.0.2",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        for make in ["tcp()", "udp()"] {
            a.probe
                .says(&format!("bound({make}, '{foreign}', 81)"), "EADDRNOTAVAIL");
        }
    }
    a.probe.says("bound(tcp(), '', 80)", "EADDRINUSE");
}

#[test]
fn loopback_is_the_jail() {
    let mut host = host();
    let (list, other) = (v4(&[A]), v4(&[B]));
    let mut a = host.jail("a", &only(&list, &[]));
    let mut b = host.jail("b", &only(&other, &[]));
    host.probe
        .does("s = listening(tcp(), '127.0.0.1', 99); t = listening(tcp(), '127.0.0.53', 99)");
    a.probe.does("s = listening(tcp(), '127.0.0.1', 80)");
    a.probe.says("name(s)", "'192.0.2.10'");
    for here in ["127.0.0.1", "0.0.0.0", "127.5.5.5", A] {
        a.probe.does(&format!("c = connected(tcp(), '{here}', 80)"));
        a.probe.says(
            "(name(c), c.getpeername()[0], peer(s))",
            "('192.0.2.10', '192.0.2.10', '192.0.2.10')",
        );
        // What listens at the host's own loopback is out of reach.
        for port in [80, 99] {
            if (here, port) != (A, 80) {
                b.probe.says(
                    &format!("connected(tcp(), '{here}', {port})"),
                    "ECONNREFUSED",
                );
            }
        }
    }
}

#[test]
fn datagrams_leave_from_the_jail() {
    let mut host = host();
    let list = v4(&[A]);
    let mut a = host.jail("a", &only(&list, &[]));
    host.probe.does("s = bound(udp(), '192.0.2.1', 53)");
    a.probe.does("u = udp()");
    a.probe.says("sent(u, '192.0.2.1', 53)", "1");
    host.probe.says("source(s)", "'192.0.2.10'");
    a.probe.does("c = connected(udp(), '192.0.2.1', 53)");
    a.probe.says("(name(c), c.send(b'x'))", "('192.0.2.10', 1)");
    host.probe.says("source(s)", "'192.0.2.10'");
    a.probe.does("w = bound(udp(), '', 54)");
    a.probe.says("sent(w, '192.0.2.1', 53)", "1");
    host.probe.says("source(s)", "'192.0.2.10'");
    // To itself, by loopback.
    a.probe.says("sent(u, '127.0.0.1', 54)", "1");
    a.probe.says("source(w)", "'192.0.2.10'");
    // A source that is asked for has to be the jail's, connected or not.
    for socket in ["u", "w"] {
        a.probe.says(
            &format!("sent({socket}, '192.0.2.1', 53, pktinfo('192.0.2.10'))"),
            "1",
        );
        host.probe.says("source(s)", "'192.0.2.10'");
        for foreign in ["192.0.2.1", B] {
            a.probe.says(
                &format!("sent({socket}, '192.0.2.1', 53, pktinfo('{foreign}'))"),
                "EADDRNOTAVAIL",
            );
        }
    }
    a.probe
        .says("c.sendmsg([b'x'], pktinfo('192.0.2.11'))", "EADDRNOTAVAIL");
    a.probe
        .says("c.sendmsg([b'x'], pktinfo('192.0.2.10'))", "1");
    host.probe.says("source(s)", "'192.0.2.10'");
}

#[test]
fn what_the_kernel_binds_by_itself_hears_nothing_of_others() {
    let mut host = host();
    let list = v4(&[A]);
    let mut a = host.jail("a", &only(&list, &[]));
    // A socket that has sent has a port at every address.
    a.probe
        .does("u = udp(); u.settimeout(0.3); sent(u, '192.0.2.1', 9)");
    let port = a.probe.ask("port(u)");
    for (to, heard) in [
        ("192.0.2.1", false),
        ("192.0.2.11", false),
        ("127.0.0.1", false),
        (A, true),
    ] {
        host.probe.ask(&format!("sent(udp(), '{to}', {port})"));
        let heard = if heard { "b'x'" } else { "TIMEOUT" };
        a.probe.says("u.recv(9)", heard);
    }
    // So has one that listens without having been bound.
    a.probe.does("s = tcp(); s.listen(5); s.settimeout(0.3)");
    let port = a.probe.ask("port(s)");
    host.probe.does("def attempt(to, port): c = tcp(); c.settimeout(0.3); return connected(c, to, port) and 'reached'");
    host.probe
        .says(&format!("attempt('192.0.2.1', {port})"), "TIMEOUT");
    host.probe
        .says(&format!("attempt('127.0.0.1', {port})"), "TIMEOUT");
    host.probe
        .says(&format!("attempt('192.0.2.10', {port})"), "'reached'");
    // And one that has sent and then connects: what it sends does not leave from elsewhere.
    host.probe
        .does("h = bound(udp(), '192.0.2.1', 53); h.settimeout(0.3)");
    a.probe.does("u.connect(('192.0.2.1', 53))");
    a.probe.says("u.send(b'x')", "EPERM");
    host.probe.says("source(h)", "TIMEOUT");
    // Disconnected, a socket keeps the jail's address.
    a.probe.does("c = connected(udp(), '192.0.2.1', 53)");
    a.probe.says("libc.connect(c.fileno(), bytes(16), 16)", "0");
    a.probe.says("name(c)", "'192.0.2.10'");
}

#[test]
fn options_are_no_way_round() {
    let mut host = host();
    let list = v4(&[A]);
    let mut a = host.jail("a", &only(&list, &[]));
    for option in ["IP_FREEBIND", "IP_TRANSPARENT"] {
        for foreign in [B, "198.51.100.1"] {
            a.probe
                .does(&format!("s = tcp(); s.setsockopt(IPPROTO_IP, {option}, 1)"));
            a.probe
                .says(&format!("bound(s, '{foreign}', 80)"), "EADDRNOTAVAIL");
        }
    }
    a.probe.does("s = tcp(); s.setsockopt(IPPROTO_IP, 24, 1)");
    a.probe.says("bound(s, '192.0.2.11')", "EADDRNOTAVAIL");
    a.probe
        .does("s = udp(); s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b'lo')");
    a.probe.says("bound(s, '192.0.2.11', 80)", "EADDRNOTAVAIL");
    host.probe
        .does("s = listening(tcp(), '192.0.2.1', 80); s.setsockopt(IPPROTO_TCP, 23, 5)");
    a.probe.says(
        "socket().sendto(b'x', MSG_FASTOPEN, ('192.0.2.1', 80))",
        "1",
    );
    host.probe.says("peer(s)", "'192.0.2.10'");
    // A family of zero means a wildcard to bind(2).
    a.probe
        .does("s = tcp(); name0 = struct.pack('=HH12x', 0, 0)");
    a.probe.says("libc.bind(s.fileno(), name0, 16)", "-1");
    a.probe.says("name(s)", "'0.0.0.0'");
    // Multicasts and broadcasts leave from the jail, and are not heard.
    a.probe.does("m = bound(udp(), '', 5353); m.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, inet_aton('224.0.0.251') + inet_aton('127.0.0.1')); m.settimeout(0.3)");
    host.probe.does("h = udp(); h.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, inet_aton('127.0.0.1')); sent(h, '224.0.0.251', 5353)");
    a.probe.says("source(m)", "TIMEOUT");
}

#[test]
fn sockets_of_other_kinds_are_denied() {
    let mut host = host();
    let list = v4(&[A]);
    let mut a = host.jail("a", &only(&list, &[]));
    for (make, wanted) in [
        ("AF_INET, SOCK_RAW, 1", "EPERM"),
        ("AF_INET, SOCK_RAW, 255", "EPERM"),
        ("AF_INET6, SOCK_STREAM", "EAFNOSUPPORT"),
        ("AF_INET6, SOCK_RAW, 58", "EAFNOSUPPORT"),
        // MPTCP, UDP-Lite and ICMP.
        ("AF_INET, SOCK_STREAM, 262", "EPROTONOSUPPORT"),
        ("AF_INET, SOCK_DGRAM, 136", "EPROTONOSUPPORT"),
    ] {
        a.probe.says(&format!("made({make})"), wanted);
    }
    host.probe
        .does("write('/proc/sys/net/ipv4/ping_group_range', '0 0')");
    a.probe.says("made(AF_INET, SOCK_DGRAM, 1)", "EACCES");
}

#[test]
fn echo_requests_where_they_are_allowed() {
    let mut host = host();
    let (list, list6) = (v4(&[A]), v6(&[A6]));
    let only_icmp = Confinement {
        icmp: true,
        ..only(&list, &list6)
    };
    let mut a = host.jail("a", &only_icmp);
    host.probe
        .does("write('/proc/sys/net/ipv4/ping_group_range', '0 0')");
    for to in ["192.0.2.1", "127.0.0.1", A, B] {
        a.probe.says(
            &format!("echo(made(AF_INET, SOCK_DGRAM, 1), '{to}')"),
            "'answered'",
        );
        a.probe.says(
            &format!("echo(connected(made(AF_INET, SOCK_DGRAM, 1), '{to}', 0), '{to}')"),
            "'answered'",
        );
    }
    a.probe.says("made(AF_INET, SOCK_RAW, 1)", "EPERM");

    let raw = Confinement {
        raw: true,
        ..only(&list, &list6)
    };
    let mut b = host.jail("b", &raw);
    b.probe.says(
        "echo(made(AF_INET, SOCK_RAW, 1), '192.0.2.1')",
        "'answered'",
    );
    b.probe.says("forged('192.0.2.10', '192.0.2.1')", "28");
    b.probe.says("forged('192.0.2.11', '192.0.2.1')", "EPERM");
    b.probe.says("made(AF_INET, SOCK_DGRAM, 1)", "EACCES");
    // A raw socket hears what is the jail's.
    b.probe
        .does("r = made(AF_INET, SOCK_RAW, 17); r.settimeout(0.3)");
    host.probe.says("sent(udp(), '192.0.2.11', 9)", "1");
    b.probe.says("r.recv(99)", "TIMEOUT");
    host.probe.says("sent(udp(), '192.0.2.10', 9)", "1");
    b.probe.says("len(r.recv(99))", "29");
}

#[test]
fn ipv6_is_confined_as_well() {
    let mut host = host();
    let (list_a, list_b) = (v6(&[A6]), v6(&[B6]));
    let mut a = host.jail("a", &only(&[], &list_a));
    let mut b = host.jail("b", &only(&[], &list_b));
    host.probe.does("s = listening(tcp(6), '::1', 99)");
    a.probe.does("s = listening(tcp(6), '::', 80)");
    b.probe.does("s = listening(tcp(6), '::1', 80)");
    a.probe.says("name(s)", "'2001:db8::10'");
    b.probe.says("name(s)", "'2001:db8::11'");
    b.probe.does("c = connected(tcp(6), '2001:db8::10', 80)");
    a.probe.says("peer(s)", "'2001:db8::11'");
    for here in ["::1", "::", A6] {
        a.probe
            .does(&format!("c = connected(tcp(6), '{here}', 80)"));
        a.probe.says(
            "(c.getpeername()[0], peer(s))",
            "('2001:db8::10', '2001:db8::10')",
        );
        a.probe
            .says(&format!("connected(tcp(6), '{here}', 99)"), "ECONNREFUSED");
    }
    for foreign in [B6, "2001:db8::1", "ff02::1"] {
        for make in ["tcp(6)", "udp(6)"] {
            a.probe
                .says(&format!("bound({make}, '{foreign}', 81)"), "EADDRNOTAVAIL");
        }
    }
    // Without IPv4, mapped addresses are none.
    a.probe
        .does("s6 = tcp(6); s6.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)");
    a.probe
        .says("bound(s6, '::ffff:192.0.2.1')", "EADDRNOTAVAIL");
    a.probe.says("bound(s6, '::ffff:0.0.0.0')", "EADDRNOTAVAIL");
    a.probe
        .says("connected(s6, '::ffff:192.0.2.1', 80)", "EAFNOSUPPORT");
    a.probe
        .says("sent(udp(6), '::ffff:192.0.2.1', 53)", "EAFNOSUPPORT");
    a.probe.says("tcp()", "EAFNOSUPPORT");

    host.probe.does("u = bound(udp(6), '2001:db8::1', 53)");
    a.probe.does("u = udp(6)");
    for send in [
        "sent(u, '2001:db8::1', 53)",
        "sent(u, '2001:db8::1', 53, pktinfo6('2001:db8::10'))",
        "connected(udp(6), '2001:db8::1', 53).send(b'x')",
    ] {
        a.probe.says(send, "1");
        host.probe.says("source(u)", "'2001:db8::10'");
    }
    a.probe.says(
        "sent(u, '2001:db8::1', 53, pktinfo6('2001:db8::11'))",
        "EADDRNOTAVAIL",
    );
    // A source that stays with the socket.
    a.probe.does(
        "k = udp(6); k.setsockopt(IPPROTO_IPV6, IPV6_PKTINFO, pktinfo6('2001:db8::11')[0][2])",
    );
    a.probe.says("sent(k, '2001:db8::1', 53)", "1");
    host.probe.says("source(u)", "'2001:db8::10'");
    a.probe.does("w = bound(udp(6), '::', 54)");
    a.probe.says("sent(u, '::1', 54)", "1");
    a.probe.says("source(w)", "'2001:db8::10'");
}

#[test]
fn mapped_addresses_are_ipv4_addresses() {
    let mut host = host();
    let (list, list6) = (v4(&[A]), v6(&[A6]));
    let mut a = host.jail("a", &only(&list, &list6));
    host.probe
        .does("s = listening(tcp(), '192.0.2.1', 80); u = bound(udp(), '192.0.2.1', 53)");
    a.probe.does("def dual(kind): s = made(AF_INET6, kind); s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0); return s");
    for (name, wanted) in [
        ("::ffff:0.0.0.0", "'::ffff:192.0.2.10'"),
        ("::ffff:127.0.0.1", "'::ffff:192.0.2.10'"),
        ("::ffff:192.0.2.10", "'::ffff:192.0.2.10'"),
        ("::", "'2001:db8::10'"),
        ("::ffff:192.0.2.11", "EADDRNOTAVAIL"),
        ("::ffff:192.0.2.1", "EADDRNOTAVAIL"),
        ("::ffff:127.0.0.2", "EADDRNOTAVAIL"),
    ] {
        for kind in ["SOCK_STREAM", "SOCK_DGRAM"] {
            a.probe
                .says(&format!("name(bound(dual({kind}), '{name}'))"), wanted);
        }
    }
    a.probe
        .does("c = connected(dual(SOCK_STREAM), '::ffff:192.0.2.1', 80)");
    host.probe.says("peer(s)", "'192.0.2.10'");
    a.probe
        .says("sent(dual(SOCK_DGRAM), '::ffff:192.0.2.1', 53)", "1");
    host.probe.says("source(u)", "'192.0.2.10'");
    a.probe.says(
        "connected(dual(SOCK_DGRAM), '::ffff:192.0.2.1', 53).send(b'x')",
        "1",
    );
    host.probe.says("source(u)", "'192.0.2.10'");
    a.probe.says(
        "sent(dual(SOCK_DGRAM), '::ffff:192.0.2.1', 53, pktinfo('192.0.2.11'))",
        "EADDRNOTAVAIL",
    );
    // An AF_INET name for an AF_INET6 socket.
    a.probe.does("d = dual(SOCK_DGRAM); n = struct.pack('=H', AF_INET) + struct.pack('!H4s8x', 53, inet_aton('192.0.2.1'))");
    a.probe
        .says("(libc.connect(d.fileno(), n, 16), d.send(b'x'))", "(0, 1)");
    host.probe.says("source(u)", "'192.0.2.10'");
    a.probe.says("name(d)", "'::ffff:192.0.2.10'");
    a.probe.does("d = dual(SOCK_DGRAM)");
    a.probe
        .says("libc.sendto(d.fileno(), b'x', 1, 0, n, 16)", "1");
    host.probe.says("source(u)", "'192.0.2.10'");
    // `::` goes where the socket is bound.
    a.probe
        .does("l = listening(dual(SOCK_STREAM), '::ffff:0.0.0.0', 80)");
    a.probe
        .does("c = connected(bound(dual(SOCK_STREAM), '::ffff:0.0.0.0'), '::', 80)");
    a.probe.says("peer(l)", "'::ffff:192.0.2.10'");
}

#[test]
fn a_jail_inside_a_jail_is_in_both() {
    let mut host = host();
    let (outer_list, inner_list, foreign) = (v4(&[A, B]), v4(&[B]), v4(&["192.0.2.1"]));
    let mut outer = host.jail("outer", &only(&outer_list, &[]));
    let mut inner = host.jail_inside(&outer, &only(&inner_list, &[]));
    host.probe
        .does("s = listening(tcp(), '192.0.2.1', 80); u = bound(udp(), '192.0.2.1', 53)");
    outer.probe.says("name(bound(tcp(), ''))", "'192.0.2.10'");
    inner.probe.says("name(bound(tcp(), ''))", "'192.0.2.11'");
    inner
        .probe
        .says("bound(tcp(), '192.0.2.10')", "EADDRNOTAVAIL");
    inner.probe.does("c = connected(tcp(), '192.0.2.1', 80)");
    host.probe.says("peer(s)", "'192.0.2.11'");
    inner.probe.says("sent(udp(), '192.0.2.1', 53)", "1");
    host.probe.says("source(u)", "'192.0.2.11'");
    // What the outer one has not, the inner one cannot have.
    change(&inner.cgroup, &inner.path, &only(&foreign, &[])).unwrap();
    inner.probe.says("bound(tcp(), '')", "EADDRNOTAVAIL");
    inner
        .probe
        .says("connected(tcp(), '192.0.2.1', 80)", "EADDRNOTAVAIL");
    inner
        .probe
        .says("sent(udp(), '192.0.2.1', 53)", "EADDRNOTAVAIL");
}

#[test]
fn of_several_addresses_the_one_in_the_network() {
    let mut host = Host::with(&[
        "192.0.2.1/24",
        "10.1.0.1/24",
        "192.0.2.10/24",
        "10.1.0.10/24",
    ]);
    let list = v4(&["192.0.2.10/24", "10.1.0.10/24"]);
    let mut a = host.jail("a", &only(&list, &[]));
    host.probe
        .does("s = listening(tcp(), '10.1.0.1', 80); u = bound(udp(), '10.1.0.1', 53)");
    a.probe.does("c = connected(tcp(), '10.1.0.1', 80)");
    host.probe.says("peer(s)", "'10.1.0.10'");
    a.probe.says("sent(udp(), '10.1.0.1', 53)", "1");
    host.probe.says("source(u)", "'10.1.0.10'");
    a.probe
        .says("name(bound(tcp(), '10.1.0.10'))", "'10.1.0.10'");
    a.probe
        .says("name(connected(udp(), '198.18.0.1', 53))", "ENETUNREACH");
}

#[test]
fn addresses_change_while_it_runs() {
    let mut host = host();
    let (first, second) = (v4(&[A]), v4(&[B]));
    let mut a = host.jail("a", &only(&first, &[]));
    a.probe.does("s = listening(tcp(), '', 80)");
    change(&a.cgroup, &a.path, &only(&second, &[])).unwrap();
    a.probe.says("name(bound(tcp(), '', 81))", "'192.0.2.11'");
    // What was bound before is cut off.
    host.probe.does("c = tcp(); c.settimeout(0.3)");
    host.probe.says("connected(c, '192.0.2.10', 80)", "TIMEOUT");
    let all = Confinement {
        v4: Addresses::Inherit,
        v6: Addresses::Disable,
        raw: false,
        icmp: false,
    };
    change(&a.cgroup, &a.path, &all).unwrap();
    a.probe.says("name(bound(tcp(), '', 82))", "'0.0.0.0'");
    a.probe.says("made(AF_INET, SOCK_RAW, 1)", "EPERM");
}

#[test]
fn io_uring_is_no_way_round() {
    let mut host = host();
    let list = v4(&[A]);
    let mut a = host.jail("a", &only(&list, &[]));
    host.probe
        .does("s = listening(tcp(), '192.0.2.1', 80); u = bound(udp(), '192.0.2.1', 53)");
    if a.probe.ask("r = Ring()") != "None" {
        eprintln!("skipped: there is no io_uring here");
        return;
    }
    a.probe.says("r.socket(AF_INET, SOCK_RAW, 1)", "'EPERM'");
    a.probe
        .says("r.socket(AF_INET6, SOCK_STREAM)", "'EAFNOSUPPORT'");
    a.probe.does("fd = r.socket(AF_INET, SOCK_STREAM)");
    a.probe
        .says("fd > 0 and r.connect(fd, '192.0.2.1', 80)", "0");
    host.probe.says("peer(s)", "'192.0.2.10'");
    a.probe.does("d = r.socket(AF_INET, SOCK_DGRAM)");
    a.probe.says("r.sendmsg(d, '192.0.2.1', 53)", "1");
    host.probe.says("source(u)", "'192.0.2.10'");
    // Binding is there since Linux 6.11.
    let bound = a
        .probe
        .ask("r.bind(r.socket(AF_INET, SOCK_STREAM), '192.0.2.11', 80)");
    assert!(
        ["'EADDRNOTAVAIL'", "'EINVAL'"].contains(&bound.as_str()),
        "{bound}"
    );
}

#[test]
fn five_hundred_jails_on_one_interface() {
    let addresses: Vec<String> = (0..500)
        .map(|n| format!("10.9.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let mut host = Host::with(&[]);
    let with_bits: Vec<String> = addresses.iter().map(|a| format!("{a}/32")).collect();
    for address in &with_bits {
        host.ip(&format!("address add {address} dev lo"));
    }
    let mut took = Vec::new();
    let mut jails = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let list = v4(&[address]);
        let begin = std::time::Instant::now();
        let cgroup = host.cgroup(&format!("j{number}"), &only(&list, &[]));
        took.push(begin.elapsed());
        jails.push(cgroup);
    }
    let mean = |part: &[std::time::Duration]| part.iter().sum::<std::time::Duration>() / 50;
    eprintln!(
        "cgroup made and confined: first {:?}, first 50 {:?}, last 50 {:?}",
        took[0],
        mean(&took[1..51]),
        mean(&took[450..])
    );
    // One process listens in one after the other, for a socket stays in the cgroup that it was made in.
    host.probe
        .does("def enter(path): write(path + '/cgroup.procs', '0')");
    host.probe.does("kept = []");
    for path in &jails {
        host.probe.does(&format!(
            "enter('{path}'); kept.append(listening(tcp(), '', 80))"
        ));
    }
    let top = host.directory();
    host.probe.does(&format!("enter('{top}')"));
    for address in &addresses {
        host.probe.says(
            &format!("connected(tcp(), '{address}', 80).getpeername()[0]"),
            &format!("'{address}'"),
        );
    }
}

//! Jails that share the machine's network, confined to their addresses. All of it is in a network namespace of
//! the test's own, with an interface `va`.

use std::process::{Command, Stdio};

use crate::confined::with_python;
use crate::yard::{Ran, Yard};

/// A script in a network namespace, where `jail`, `jls`, `jexec` and `py JAIL SCRIPT` are the test's.
fn in_network(yard: &Yard, script: &str) -> String {
    let stockade = format!(
        "{} --root {}",
        env!("CARGO_BIN_EXE_stockade"),
        yard.path("store")
    );
    let mounts: Vec<String> = with_python(yard)
        .iter()
        .map(|mount| format!("'{mount}'"))
        .collect();
    let (root, mounts) = (yard.root(), mounts.join(" "));
    let script = format!(
        "set -e; ip link set lo up; ip link add va type veth peer name vb; ip link set va up; ip link set vb up
         ip addr add 192.0.2.1/24 dev va; ip addr add 2001:db8::1/64 dev va nodad
         jail() {{ {stockade} jail \"$@\"; }}; jls() {{ {stockade} jls \"$@\"; }}; jexec() {{ {stockade} jexec \"$@\"; }}
         new() {{ name=$1; shift; jail -qc path={root} name=$name persist {mounts} \"$@\"; }}
         py() {{ jexec $1 /usr/bin/python3 -c \"import socket, sys
def tried(f):
    try: print(f())
    except OSError as e: print(__import__('errno').errorcode[e.errno])
def bound(address, port=0, family=2, kind=1):
    s = socket.socket(family, kind); s.bind((address, port)); return s.getsockname()[0]
$2\"; }}
         addresses() {{ ip -o addr show dev va | grep -c \"$1\" || true; }}
         {script}"
    );
    let mut command = Command::new("unshare");
    command
        .args(["-n", "sh", "-c", &script])
        .stdin(Stdio::null());
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(ran.err, "");
    ran.out
}

#[test]
fn an_address_is_there_while_its_jail_lives() {
    let yard = Yard::new();
    let said = in_network(
        &yard,
        "new a 'ip4.addr=va|192.0.2.10/24' 'ip6.addr=va|2001:db8::10/64'
         new b interface=va ip4.addr=192.0.2.11,192.0.2.12
         addresses '192.0.2.1[012]'; addresses 2001:db8::10; jls jid name ip4.addr ip6.addr ip4
         jail -qr a; addresses 192.0.2.10; addresses 2001:db8::10
         jail -qm name=b ip4.addr=192.0.2.12,192.0.2.13; addresses 192.0.2.11; addresses 192.0.2.1[23]
         jail -qr b; addresses 192.0.2.1
         # A jail that ends by itself takes its address along.
         new c 'ip4.addr=va|192.0.2.20' nopersist command=/bin/true; jls >/dev/null; addresses 192.0.2.20
         # One that is shared goes with the last.
         new d 'ip4.addr=va|192.0.2.30'; new e 'ip4.addr=va|192.0.2.30'
         jail -qr d; addresses 192.0.2.30; jail -qr e; addresses 192.0.2.30",
    );
    let wanted = "3\n1\n1 a 192.0.2.10 2001:db8::10 new\n2 b 192.0.2.11,192.0.2.12 - new\n\
        0\n0\n0\n2\n1\n0\n1\n0\n";
    assert_eq!(said, wanted);
    yard.assert_empty();
}

#[test]
fn sockets_are_the_jails_own() {
    let yard = Yard::new();
    let said = in_network(
        &yard,
        "new a 'ip4.addr=va|192.0.2.10/24'; new b 'ip4.addr=va|192.0.2.11/24'
         py a \"
tried(lambda: bound('')); tried(lambda: bound('127.0.0.1')); tried(lambda: bound('192.0.2.11'))
tried(lambda: bound('192.0.2.1')); tried(lambda: bound('', kind=2)); tried(lambda: bound('::', family=10))\"
         # Both have port 8000, and each is reached by its own address.
         for j in a b; do
             py $j \"
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('', 8000)); s.listen()
import os
if os.fork(): os._exit(0)
os.setsid(); os.close(1); os.close(2)
while True:
    c, peer = s.accept(); c.send((c.getsockname()[0] + ' ' + peer[0]).encode()); c.close()\" </dev/null
         done
         py a \"tried(lambda: socket.create_connection(('192.0.2.11', 8000)).recv(99).decode())
tried(lambda: socket.create_connection(('127.0.0.1', 8000)).recv(99).decode())\"
         python3 -c \"import socket; print(socket.create_connection(('192.0.2.10', 8000)).recv(99).decode())\"
         py a \"tried(lambda: socket.socket(2, 3, 1)); tried(lambda: socket.socket(17, 3))\"
         jail -qr '*'",
    );
    let wanted = "192.0.2.10\n192.0.2.10\nEADDRNOTAVAIL\nEADDRNOTAVAIL\n192.0.2.10\nEAFNOSUPPORT\n\
        192.0.2.11 192.0.2.10\n192.0.2.10 192.0.2.10\n192.0.2.10 192.0.2.10\nEPERM\nEPERM\n";
    assert_eq!(said, wanted);
    yard.assert_empty();
}

#[test]
fn one_family_confined_and_the_other_inherited() {
    let yard = Yard::new();
    let said = in_network(
        &yard,
        "new a 'ip4.addr=va|192.0.2.10/24' ip6=inherit
         py a \"tried(lambda: bound('192.0.2.1')); tried(lambda: bound('2001:db8::1', family=10))\"
         jail -qr a",
    );
    assert_eq!(said, "EADDRNOTAVAIL\n2001:db8::1\n");
}

#[test]
fn names_of_hosts_are_resolved() {
    let yard = Yard::new();
    let said = in_network(
        &yard,
        "jail -qc path=/ name=h persist host.hostname=192.0.2.40 interface=va ip_hostname
         jls ip4.addr; addresses 192.0.2.40; jail -qr h; addresses 192.0.2.40",
    );
    assert_eq!(said, "192.0.2.40\n1\n0\n");
}

#[test]
fn addresses_that_cannot_be_had() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    for (given, why) in [
        (
            "ip4.addr=198.51.100.77",
            "this machine does not have the address",
        ),
        (
            "ip4.addr=nosuchif|198.51.100.77",
            "no interface of this name",
        ),
        ("ip4.addr=lo|198.51.100.777", "ip4.addr"),
        ("ip4.addr=lo|::7", "ip4.addr"),
        ("ip6.addr=lo|198.51.100.7", "ip6.addr"),
        ("ip4.addr=lo|0.0.0.0", "0.0.0.0"),
    ] {
        let ran = yard.ran(&["jail", "-c", &path, "name=n", "persist", given]);
        assert!(
            ran.code == 1 && ran.err.contains(why),
            "{given}: {}",
            ran.err
        );
        yard.assert_empty();
    }
}

#[test]
fn a_child_has_no_more_of_the_network_than_its_parent() {
    let yard = Yard::new();
    let out = in_network(
        &yard,
        "new p 'ip4.addr=va|198.51.100.1' children.max=3
         for more in ip4=inherit ip6=inherit 'ip4.addr=va|198.51.100.2'; do new p.x $more 2>&1 | sed 's/.*: jail p.x: //' || true; done
         new p.one ip4.addr=198.51.100.1; py p.one 'tried(lambda: bound(str()))'; jail -qr p",
    );
    assert_eq!(
        out,
        "ip4=inherit: jail p does not have it itself\n\
         ip6=inherit: jail p does not have it itself\n\
         ip4.addr va|198.51.100.2: jail p does not have it itself\n\
         198.51.100.1\n"
    );
}

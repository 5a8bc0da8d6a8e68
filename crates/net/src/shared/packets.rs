//! The programs that see packets (`struct __sk_buff` of `linux/bpf.h`): the last word on what a jail's sockets
//! send from, and all there is on what those receive that the kernel itself has bound to a port of every
//! address.

use alloc::vec::Vec;

use sys::bpf::Insn;
use sys::bpf::assemble::{Function, Operation, R0, R1, R2, R3, R4, R8, R9, STACK, Size, Test};
use sys::{Errno, Result};

use super::hook::{CONTEXT, Family, Hook, POLICY, Setting};
use super::policy::{FLAGS, ICMP, RAW};
use super::sockets::{DATAGRAM, ICMP_PROTOCOL, ICMPV6_PROTOCOL, RAW_KIND};

const ETHERTYPE: i16 = 16;
const SOCKET: i16 = 168;
const SOCKET_KIND: i16 = 8;
const SOCKET_PROTOCOL: i16 = 12;

const IPV4: i32 = 0x0800_u16.to_be() as i32;
const IPV6: i32 = 0x86dd_u16.to_be() as i32;

// What is where in a packet.
const PROTOCOL4: i32 = 9;
const PROTOCOL6: i32 = 6;
const HEADER6: i32 = 40;

/// Where a packet's bytes are laid.
const ROOM: i16 = -16;

/// One of the two ways, with what is looked at on it.
#[derive(Clone, Copy)]
struct Way {
    address4: i32,
    address6: i32,
    /// Echo request or reply.
    echo4: i32,
    echo6: i32,
}

/// Packets that leave: their source has to be the jail's.
pub(super) fn egress(setting: Setting) -> Result<Vec<Insn>> {
    packets(
        setting,
        Way {
            address4: 12,
            address6: 8,
            echo4: 8,
            echo6: 128,
        },
    )
}

/// Packets that arrive: their destination has to be the jail's.
pub(super) fn ingress(setting: Setting) -> Result<Vec<Insn>> {
    packets(
        setting,
        Way {
            address4: 16,
            address6: 24,
            echo4: 0,
            echo6: 129,
        },
    )
}

fn packets(setting: Setting, way: Way) -> Result<Vec<Insn>> {
    // These programs have no errno to choose: what may not leave is EPERM, what may not arrive has not.
    let mut hook = Hook::begin(Setting {
        errnos: false,
        ..setting
    });
    let (v4, v6) = (hook.code.label(), hook.code.label());
    let (allow, drop) = (hook.allow, hook.fail(Errno::PERM));
    hook.code.load(Size::U32, R1, CONTEXT, ETHERTYPE);
    hook.code.jump_if(R1, Test::Equal, IPV4, v4);
    hook.code.jump_if(R1, Test::Equal, IPV6, v6);
    hook.code.jump(drop);

    hook.code.place(v4);
    hook.needs_list(Family::V4, Errno::PERM);
    load_bytes(&mut hook, way.address4, 4);
    hook.code.load(Size::U32, R8, STACK, ROOM);
    hook.if_listed(Family::V4, allow);
    unless_icmp(&mut hook, ICMP_PROTOCOL);
    echo4(&mut hook, way.echo4);

    hook.code.place(v6);
    hook.needs_list(Family::V6, Errno::PERM);
    load_bytes(&mut hook, way.address6, 16);
    hook.code.load(Size::U64, R8, STACK, ROOM);
    hook.code.load(Size::U64, R9, STACK, ROOM + 8);
    hook.if_listed(Family::V6, allow);
    unless_icmp(&mut hook, ICMPV6_PROTOCOL);
    echo6(&mut hook, way.echo6);
    hook.finish()
}

/// Bytes from the packet's network header on go to [`ROOM`]; a packet without them is dropped.
fn load_bytes(hook: &mut Hook, offset: i32, count: i32) {
    hook.code.set(R2, offset);
    load_bytes_from(hook, count);
}

/// The same, from the offset in R2.
fn load_bytes_from(hook: &mut Hook, count: i32) {
    let drop = hook.fail(Errno::PERM);
    let code = &mut hook.code;
    code.copy(R1, CONTEXT);
    code.copy(R3, STACK);
    code.with(Operation::Add, R3, i32::from(ROOM));
    code.set(R4, count);
    code.call(Function::LoadBytes);
    code.jump_if(R0, Test::NotEqual, 0, drop);
}

/// Allows ICMP sockets, which can be bound by nobody but themselves: no program sees their names, so their
/// source is what the route says. They send echo requests only. Goes on for raw sockets of ICMP, whose
/// packets have to be looked at; drops what is neither.
fn unless_icmp(hook: &mut Hook, protocol: i32) {
    let [known, datagram, raw, look] = [(); 4].map(|()| hook.code.label());
    let (allow, drop) = (hook.allow, hook.fail(Errno::PERM));
    let code = &mut hook.code;
    code.load(Size::U64, R1, CONTEXT, SOCKET);
    code.jump_if(R1, Test::Equal, 0, drop);
    code.call(Function::FullSocket);
    code.jump_if(R0, Test::NotEqual, 0, known);
    code.jump(drop);
    code.place(known);
    code.load(Size::U32, R1, R0, SOCKET_PROTOCOL);
    code.jump_if(R1, Test::NotEqual, protocol, drop);
    code.load(Size::U32, R1, R0, SOCKET_KIND);
    code.jump_if(R1, Test::Equal, DATAGRAM, datagram);
    code.jump_if(R1, Test::Equal, RAW_KIND, raw);
    code.jump(drop);
    code.place(datagram);
    code.load(Size::U32, R1, POLICY, FLAGS);
    code.jump_if(R1, Test::AnyBit, ICMP, allow);
    code.jump(drop);
    code.place(raw);
    code.load(Size::U32, R1, POLICY, FLAGS);
    code.jump_if(R1, Test::AnyBit, RAW, look);
    code.jump(drop);
    code.place(look);
}

fn echo4(hook: &mut Hook, echo: i32) {
    let (allow, drop) = (hook.allow, hook.fail(Errno::PERM));
    load_bytes(hook, PROTOCOL4, 1);
    hook.code.load(Size::U8, R1, STACK, ROOM);
    hook.code.jump_if(R1, Test::NotEqual, ICMP_PROTOCOL, drop);
    load_bytes(hook, 0, 1);
    let code = &mut hook.code;
    code.load(Size::U8, R2, STACK, ROOM);
    // The header's length is in words.
    code.with(Operation::And, R2, 0x0f);
    code.with(Operation::ShiftLeft, R2, 2);
    load_bytes_from(hook, 1);
    hook.code.load(Size::U8, R1, STACK, ROOM);
    hook.code.jump_if(R1, Test::Equal, echo, allow);
    hook.code.jump(drop);
}

fn echo6(hook: &mut Hook, echo: i32) {
    let (allow, drop) = (hook.allow, hook.fail(Errno::PERM));
    load_bytes(hook, PROTOCOL6, 1);
    hook.code.load(Size::U8, R1, STACK, ROOM);
    hook.code.jump_if(R1, Test::NotEqual, ICMPV6_PROTOCOL, drop);
    load_bytes(hook, HEADER6, 1);
    hook.code.load(Size::U8, R1, STACK, ROOM);
    hook.code.jump_if(R1, Test::Equal, echo, allow);
    hook.code.jump(drop);
}

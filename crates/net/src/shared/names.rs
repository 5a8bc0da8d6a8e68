//! The programs that see the names given to bind(2), connect(2) and sendto(2): `struct bpf_sock_addr` of
//! `linux/bpf.h`.

use alloc::vec::Vec;

use sys::bpf::Insn;
use sys::bpf::assemble::{Operation, R1, R2, R3, R4, R8, R9, Size, Test};
use sys::{Errno, Result};

use super::hook::{AF_INET6, CONTEXT, Family, Hook, MAPPED, POLICY, Setting};
use super::policy::LIST4;

// Where things are in the context, in bytes.
const NAME4: i16 = 4;
const NAME6: i16 = 8;
/// The IPv4 part of a mapped name.
const NAME_MAPPED: i16 = NAME6 + 12;
const SOCKET_FAMILY: i16 = 28;
const SOURCE4: i16 = 40;
const SOURCE6: i16 = 44;
const SOCKET: i16 = 64;

// And in the socket (`struct bpf_sock`).
const BOUND4: i16 = 24;
const BOUND6: i16 = 28;
const BOUND_PORT: i16 = 44;

/// What a system call answers for an address that is not the jail's.
const NOT_OURS: Errno = Errno::ADDRNOTAVAIL;
/// What it answers where the jail has none of that family.
const NO_FAMILY: Errno = Errno::AFNOSUPPORT;

/// bind(2) of AF_INET sockets.
pub(super) fn bind4(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    hook.needs_list(Family::V4, NOT_OURS);
    bind_name4(&mut hook, NAME4);
    hook.finish()
}

/// bind(2) of AF_INET6 sockets.
pub(super) fn bind6(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let (native, first, fail) = (hook.code.label(), hook.code.label(), hook.fail(NOT_OURS));
    hook.load6(CONTEXT, NAME6);
    hook.unless_mapped(native);
    hook.needs_list(Family::V4, NOT_OURS);
    bind_name4(&mut hook, NAME_MAPPED);
    hook.code.place(native);
    hook.needs_list(Family::V6, NOT_OURS);
    hook.if_wildcard6(first);
    let allow = hook.allow;
    hook.if_listed(Family::V6, allow);
    hook.if_loopback6(first);
    hook.code.jump(fail);
    hook.code.place(first);
    hook.store_first6(NAME6);
    hook.code.jump(allow);
    hook.finish()
}

/// A wildcard and 127.0.0.1 become the jail's first address; any other has to be the jail's.
fn bind_name4(hook: &mut Hook, name: i16) {
    let (first, allow, fail) = (hook.code.label(), hook.allow, hook.fail(NOT_OURS));
    hook.code.load(Size::U32, R8, CONTEXT, name);
    hook.code.jump_if(R8, Test::Equal, 0, first);
    hook.if_listed(Family::V4, allow);
    hook.if_loopback4(first);
    hook.code.jump(fail);
    hook.code.place(first);
    hook.store_first4(name);
    hook.code.jump(allow);
}

/// connect(2) to an AF_INET address; the socket may be an AF_INET6 one that sends datagrams.
pub(super) fn connect4(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let (mapped, unbound) = (hook.code.label(), hook.code.label());
    let (allow, fail) = (hook.allow, hook.fail(NOT_OURS));
    hook.needs_list(Family::V4, NO_FAMILY);
    hook.code.load(Size::U32, R8, CONTEXT, NAME4);
    hook.turn_destination4(NAME4);
    let code = &mut hook.code;
    code.load(Size::U32, R2, CONTEXT, SOCKET_FAMILY);
    code.jump_if(R2, Test::Equal, AF_INET6, mapped);
    code.load(Size::U64, R1, CONTEXT, SOCKET);
    code.load(Size::U32, R9, R1, BOUND4);
    code.jump_if(R9, Test::Equal, 0, unbound);
    code.copy(R8, R9);
    hook.if_listed(Family::V4, allow);
    hook.code.jump(fail);
    hook.code.place(unbound);
    allow_with_port(&mut hook);
    hook.choose4();
    hook.bind4();
    hook.code.place(mapped);
    connect_mapped(&mut hook);
    hook.finish()
}

/// connect(2) of AF_INET6 sockets.
pub(super) fn connect6(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let (native, mapped, unbound) = (hook.code.label(), hook.code.label(), hook.code.label());
    let (wildcard, allow, fail) = (hook.code.label(), hook.allow, hook.fail(NOT_OURS));
    hook.load6(CONTEXT, NAME6);
    hook.if_wildcard6(wildcard);
    hook.unless_mapped(native);
    hook.code.place(mapped);
    hook.needs_list(Family::V4, NO_FAMILY);
    hook.code.load(Size::U32, R8, CONTEXT, NAME_MAPPED);
    hook.turn_destination4(NAME_MAPPED);
    connect_mapped(&mut hook);

    // `::` means this machine by the family that the socket is bound to.
    hook.code.place(wildcard);
    hook.code.load(Size::U64, R1, CONTEXT, SOCKET);
    hook.load6(R1, BOUND6);
    hook.unless_mapped(native);
    hook.code.set(R1, MAPPED);
    hook.code.store(Size::U32, CONTEXT, NAME6 + 8, R1);
    hook.code.jump(mapped);

    hook.code.place(native);
    hook.needs_list(Family::V6, NO_FAMILY);
    hook.load6(CONTEXT, NAME6);
    hook.turn_destination6(NAME6);
    hook.choose6();
    hook.code.load(Size::U64, R1, CONTEXT, SOCKET);
    hook.load6(R1, BOUND6);
    hook.if_wildcard6(unbound);
    hook.if_listed(Family::V6, allow);
    hook.code.jump(fail);
    hook.code.place(unbound);
    allow_with_port(&mut hook);
    hook.bind_chosen6();
    hook.finish()
}

/// The source of an AF_INET6 socket that is connected to the IPv4 address in R8.
fn connect_mapped(hook: &mut Hook) {
    let (unbound, fail, allow) = (hook.code.label(), hook.fail(NOT_OURS), hook.allow);
    let code = &mut hook.code;
    code.load(Size::U64, R1, CONTEXT, SOCKET);
    code.load(Size::U32, R2, R1, BOUND6);
    code.load(Size::U32, R3, R1, BOUND6 + 4);
    code.load(Size::U32, R4, R1, BOUND6 + 8);
    code.load(Size::U32, R9, R1, BOUND6 + 12);
    code.with_register(Operation::Or, R2, R3);
    code.jump_if(R2, Test::NotEqual, 0, fail);
    code.copy(R2, R4);
    code.with_register(Operation::Or, R2, R9);
    code.jump_if(R2, Test::Equal, 0, unbound);
    // It is `::1` or another IPv6 address, or a mapped one.
    code.with(Operation::ShiftLeft, R4, 32);
    code.set(R2, MAPPED);
    code.with(Operation::ShiftLeft, R2, 32);
    code.jump_if_register(R4, Test::NotEqual, R2, fail);
    code.copy(R8, R9);
    hook.if_listed(Family::V4, allow);
    hook.code.jump(fail);
    hook.code.place(unbound);
    allow_with_port(hook);
    hook.choose4();
    hook.bind_mapped();
}

/// Allows a socket that has a port and no address: it has sent before, and cannot be bound any more. Where
/// the kernel then chooses an address that is not the jail's, the packets do not leave.
fn allow_with_port(hook: &mut Hook) {
    let allow = hook.allow;
    hook.code.load(Size::U64, R1, CONTEXT, SOCKET);
    hook.code.load(Size::U32, R1, R1, BOUND_PORT);
    hook.code.jump_if(R1, Test::NotEqual, 0, allow);
}

/// A datagram to an IPv4 address that is given with it, or whose source is.
pub(super) fn sendmsg4(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let (choose, first) = (hook.code.label(), hook.code.label());
    let (allow, fail) = (hook.allow, hook.fail(NOT_OURS));
    hook.needs_list(Family::V4, NO_FAMILY);
    hook.code.load(Size::U32, R8, CONTEXT, NAME4);
    hook.turn_destination4(NAME4);
    hook.choose4();
    hook.code.load(Size::U32, R8, CONTEXT, SOURCE4);
    hook.code.jump_if(R8, Test::Equal, 0, choose);
    hook.if_listed(Family::V4, allow);
    hook.if_loopback4(first);
    hook.code.jump(fail);
    hook.code.place(first);
    hook.code.load(Size::U32, R9, POLICY, LIST4);
    hook.code.place(choose);
    hook.code.store(Size::U32, CONTEXT, SOURCE4, R9);
    hook.code.jump(allow);
    hook.finish()
}

/// The same for IPv6.
pub(super) fn sendmsg6(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let (choose, first) = (hook.code.label(), hook.code.label());
    let (allow, fail) = (hook.allow, hook.fail(NOT_OURS));
    hook.needs_list(Family::V6, NO_FAMILY);
    hook.load6(CONTEXT, NAME6);
    hook.turn_destination6(NAME6);
    hook.choose6();
    hook.load6(CONTEXT, SOURCE6);
    hook.if_wildcard6(choose);
    hook.if_listed(Family::V6, allow);
    hook.if_loopback6(first);
    hook.code.jump(fail);
    hook.code.place(first);
    hook.store_first6(SOURCE6);
    hook.code.jump(allow);
    hook.code.place(choose);
    hook.store_chosen6(SOURCE6);
    hook.code.jump(allow);
    hook.finish()
}

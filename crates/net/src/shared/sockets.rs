//! The programs that see sockets as such: what is made, and what it was bound to (`struct bpf_sock` of
//! `linux/bpf.h`).

use alloc::vec::Vec;

use sys::bpf::Insn;
use sys::bpf::assemble::{R1, R2, R3, R8, Size, Test};
use sys::{Errno, Result};

use super::hook::{AF_INET, AF_INET6, CONTEXT, Family, Hook, POLICY, Setting};
use super::policy::{ANY_PROTOCOL, FLAGS, ICMP, RAW, V4_ANY, V4_SOME, V6_ANY, V6_SOME};

const FAMILY: i16 = 4;
const KIND: i16 = 8;
const PROTOCOL: i16 = 12;
const BOUND4: i16 = 24;
const BOUND6: i16 = 28;
const BOUND_MAPPED: i16 = BOUND6 + 12;

/// Kinds of sockets.
pub(super) const STREAM: i32 = 1;
pub(super) const DATAGRAM: i32 = 2;
pub(super) const RAW_KIND: i32 = 3;

/// Protocols.
pub(super) const ICMP_PROTOCOL: i32 = 1;
pub(super) const ICMPV6_PROTOCOL: i32 = 58;
const TCP: i32 = 6;
const UDP: i32 = 17;

/// socket(2). TCP and UDP only: other protocols (SCTP, MPTCP, SMC, L2TP …) bind and connect by ways of their
/// own, which no program sees.
pub(super) fn create(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let [v4, v6, here] = [(); 3].map(|()| hook.code.label());
    let [raw, stream, datagram, icmp, other] = [(); 5].map(|()| hook.code.label());
    let allow = hook.allow;
    let [no_family, no_right, no_access, no_protocol] = [
        Errno::AFNOSUPPORT,
        Errno::PERM,
        Errno::ACCESS,
        Errno::PROTONOSUPPORT,
    ]
    .map(|errno| hook.fail(errno));
    let code = &mut hook.code;
    code.load(Size::U32, R3, POLICY, FLAGS);
    code.load(Size::U32, R1, CONTEXT, FAMILY);
    code.jump_if(R1, Test::Equal, AF_INET, v4);
    code.jump_if(R1, Test::Equal, AF_INET6, v6);
    code.jump(no_family);
    code.place(v4);
    code.jump_if(R3, Test::AnyBit, V4_ANY | V4_SOME, here);
    code.jump(no_family);
    code.place(v6);
    code.jump_if(R3, Test::AnyBit, V6_ANY | V6_SOME, here);
    code.jump(no_family);

    code.place(here);
    code.load(Size::U32, R1, CONTEXT, KIND);
    code.load(Size::U32, R2, CONTEXT, PROTOCOL);
    code.jump_if(R1, Test::Equal, RAW_KIND, raw);
    code.jump_if(R1, Test::Equal, STREAM, stream);
    code.jump_if(R1, Test::Equal, DATAGRAM, datagram);
    code.jump(other);
    code.place(raw);
    code.jump_if(R3, Test::AnyBit, RAW, allow);
    code.jump(no_right);
    code.place(stream);
    code.jump_if(R2, Test::Equal, TCP, allow);
    code.jump(other);
    code.place(datagram);
    code.jump_if(R2, Test::Equal, UDP, allow);
    code.jump_if(R2, Test::Equal, ICMP_PROTOCOL, icmp);
    code.jump_if(R2, Test::Equal, ICMPV6_PROTOCOL, icmp);
    code.place(other);
    code.jump_if(R3, Test::AnyBit, ANY_PROTOCOL, allow);
    code.jump(no_protocol);
    code.place(icmp);
    code.jump_if(R3, Test::AnyBit, ICMP, allow);
    code.jump(no_access);
    hook.finish()
}

/// What an AF_INET socket was bound to, whatever other programs have made of the name.
pub(super) fn post_bind4(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    hook.needs_list(Family::V4, Errno::ADDRNOTAVAIL);
    hook.code.load(Size::U32, R8, CONTEXT, BOUND4);
    has_to_be_listed(&mut hook, Family::V4);
    hook.finish()
}

/// The same for AF_INET6 sockets.
pub(super) fn post_bind6(setting: Setting) -> Result<Vec<Insn>> {
    let mut hook = Hook::begin(setting);
    let native = hook.code.label();
    hook.load6(CONTEXT, BOUND6);
    hook.unless_mapped(native);
    hook.needs_list(Family::V4, Errno::ADDRNOTAVAIL);
    hook.code.load(Size::U32, R8, CONTEXT, BOUND_MAPPED);
    has_to_be_listed(&mut hook, Family::V4);
    hook.code.place(native);
    hook.needs_list(Family::V6, Errno::ADDRNOTAVAIL);
    has_to_be_listed(&mut hook, Family::V6);
    hook.finish()
}

fn has_to_be_listed(hook: &mut Hook, family: Family) {
    let (allow, fail) = (hook.allow, hook.fail(Errno::ADDRNOTAVAIL));
    hook.if_listed(family, allow);
    hook.code.jump(fail);
}

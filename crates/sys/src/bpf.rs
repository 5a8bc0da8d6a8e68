//! bpf(2): load, attach, find and replace programs of the kernel's extended BPF, and the memory that
//! programs have for each cgroup.
//!
//! Only what programs attached to a cgroup need. Layouts are those of `union bpf_attr` in
//! `linux/bpf.h`; bytes past the last field that is used are not passed, which the kernel reads as zero.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem::size_of;

use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;

use crate::error::{Error, Result};

pub mod assemble;
pub mod storage;

const PROG_LOAD: u32 = 5;
const PROG_ATTACH: u32 = 8;
const PROG_DETACH: u32 = 9;
const PROG_GET_FD_BY_ID: u32 = 13;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const PROG_QUERY: u32 = 16;

/// Programs of several owners may be attached to one cgroup, and those of its ancestors run too.
const F_ALLOW_MULTI: u32 = 2;
/// The attached program takes the place of another one, in one act.
const F_REPLACE: u32 = 4;

/// One instruction, as `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    /// Class, operation and kind of source.
    pub code: u8,
    /// Destination register in the low four bits, source register in the high ones.
    pub registers: u8,
    /// Offset of a jump (in instructions, from the next one) or of a memory access (in bytes).
    pub offset: i16,
    /// The constant operand.
    pub constant: i32,
}

/// What a program may be used for (`BPF_PROG_TYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProgramType {
    /// Sees packets that sockets of a cgroup send and receive.
    CgroupSkb = 8,
    /// Decides on sockets that a cgroup's processes make, and on what they were bound to.
    CgroupSock = 9,
    /// Decides on, and changes, addresses that sockets are bound and connected to and send to.
    CgroupSockAddr = 18,
    /// Decides on opening and making of device nodes by a cgroup's processes.
    CgroupDevice = 15,
}

/// Where a program is attached to a cgroup (`BPF_CGROUP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AttachType {
    /// Packets that arrive.
    Ingress = 0,
    /// Packets that leave.
    Egress = 1,
    /// socket(2), of the families AF_INET and AF_INET6.
    SockCreate = 2,
    /// Opening and making of device nodes.
    CgroupDevice = 6,
    /// bind(2) of AF_INET sockets.
    Bind4 = 8,
    /// bind(2) of AF_INET6 sockets.
    Bind6 = 9,
    /// connect(2) to an AF_INET address.
    Connect4 = 10,
    /// connect(2) to an AF_INET6 address.
    Connect6 = 11,
    /// After bind(2) of AF_INET sockets.
    PostBind4 = 12,
    /// After bind(2) of AF_INET6 sockets.
    PostBind6 = 13,
    /// Datagrams over IPv4 whose address is given with them.
    Sendmsg4 = 14,
    /// Datagrams over IPv6 whose address is given with them.
    Sendmsg6 = 15,
}

impl AttachType {
    /// The programs that can be attached there.
    pub fn program_type(self) -> ProgramType {
        match self {
            Self::Ingress | Self::Egress => ProgramType::CgroupSkb,
            Self::SockCreate | Self::PostBind4 | Self::PostBind6 => ProgramType::CgroupSock,
            Self::CgroupDevice => ProgramType::CgroupDevice,
            _ => ProgramType::CgroupSockAddr,
        }
    }
}

#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    insn_count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replace: u32,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    /// Keeps the size a multiple of eight, as the kernel's next field does.
    reserved: u32,
}

#[repr(C)]
#[derive(Default)]
struct Info {
    fd: u32,
    length: u32,
    info: u64,
}

/// The head of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    lengths: [u32; 2],
    instructions: [u64; 2],
    load_time: u64,
    user: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// Loads a program; `name` (at most 15 of `A-Za-z0-9_.`) is what `bpftool prog` shows.
///
/// # Errors
/// `EPERM` without CAP_BPF or CAP_SYS_ADMIN, `EINVAL` or `EACCES` when the kernel's verifier refuses it.
pub fn load(kind: ProgramType, name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    load_as(kind, 0, name, insns)
}

/// Loads a program that will be attached at `place`, and nowhere else.
///
/// # Errors
/// As for [`load`].
pub fn load_for(place: AttachType, name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    load_as(place.program_type(), place as u32, name, insns)
}

fn load_as(kind: ProgramType, place: u32, name: &str, insns: &[Insn]) -> Result<OwnedFd> {
    let mut attr = Load {
        kind: kind as u32,
        attach_type: place,
        insn_count: u32::try_from(insns.len())
            .map_err(|_| error("prog_load", name, Errno::TOOBIG))?,
        insns: address(insns.as_ptr()),
        license: address(c"Apache-2.0".as_ptr()),
        ..Load::default()
    };
    for (to, from) in attr.name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: the instructions and the licence outlive the call, which only reads them.
    unsafe { call_for_fd(PROG_LOAD, &mut attr) }.map_err(|errno| error("prog_load", name, errno))
}

/// Attaches a program to a cgroup, beside any that are there (`BPF_F_ALLOW_MULTI`), or in the place of
/// `replaced`. `what` names the cgroup in an error.
///
/// # Errors
/// `EPERM` when an ancestor's program forbids programs below it, `ENOENT` when `replaced` is not attached.
pub fn attach(
    cgroup: impl AsFd,
    program: impl AsFd,
    kind: AttachType,
    replaced: Option<&OwnedFd>,
    what: &str,
) -> Result<()> {
    let replace = replaced.map_or(0, |fd| number(fd.as_raw_fd()));
    let flags = F_ALLOW_MULTI | if replaced.is_some() { F_REPLACE } else { 0 };
    let mut attr = attachment(&cgroup, &program, kind, flags, replace);
    // SAFETY: the attribute has no pointers.
    unsafe { call(PROG_ATTACH, &mut attr) }
        .map(drop)
        .map_err(|e| error("prog_attach", what, e))
}

/// Takes a program off a cgroup.
///
/// # Errors
/// `ENOENT` when it is not attached there.
pub fn detach(cgroup: impl AsFd, program: impl AsFd, kind: AttachType, what: &str) -> Result<()> {
    let mut attr = attachment(&cgroup, &program, kind, 0, 0);
    // SAFETY: the attribute has no pointers.
    unsafe { call(PROG_DETACH, &mut attr) }
        .map(drop)
        .map_err(|e| error("prog_detach", what, e))
}

/// The numbers of the programs attached to a cgroup itself, at most 64.
///
/// # Errors
/// `ENOSPC` when there are more.
pub fn attached(cgroup: impl AsFd, kind: AttachType, what: &str) -> Result<Vec<u32>> {
    let mut ids = [0u32; 64];
    let mut attr = Query {
        target: number(cgroup.as_fd().as_raw_fd()),
        kind: kind as u32,
        ids: address(ids.as_mut_ptr()),
        count: 64,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `count` numbers to `ids`, which outlives the call.
    unsafe { call(PROG_QUERY, &mut attr) }.map_err(|e| error("prog_query", what, e))?;
    Ok(ids
        .iter()
        .copied()
        .take(usize::try_from(attr.count).unwrap_or(0))
        .collect())
}

/// Opens a loaded program by its number.
///
/// # Errors
/// `ENOENT` when it is gone, `EPERM` without CAP_SYS_ADMIN.
pub fn open_by_id(id: u32) -> Result<OwnedFd> {
    let mut attr = [id, 0, 0];
    // SAFETY: the attribute has no pointers.
    unsafe { call_for_fd(PROG_GET_FD_BY_ID, &mut attr) }
        .map_err(|errno| error("prog_get_fd_by_id", "", errno))
}

/// The name that a program was loaded with.
///
/// # Errors
/// When `program` is not one.
pub fn name(program: impl AsFd) -> Result<String> {
    let found = info(&program, ProgramInfo::default())?;
    Ok(found
        .name
        .iter()
        .take_while(|byte| **byte != 0)
        .map(|byte| char::from(*byte))
        .collect())
}

/// What the kernel says of a program. Where `found` has an address, it says how much there is room for.
fn info(program: &impl AsFd, mut found: ProgramInfo) -> Result<ProgramInfo> {
    let mut attr = Info {
        fd: number(program.as_fd().as_raw_fd()),
        length: u32::try_from(size_of::<ProgramInfo>()).unwrap_or(0),
        info: address(&raw mut found),
    };
    // SAFETY: the kernel writes at most `length` bytes to `found`, which outlives the call, and to addresses
    // in it no more than there is room for, which our callers (all in this module) vouch for.
    unsafe { call(OBJ_GET_INFO_BY_FD, &mut attr) }
        .map_err(|errno| error("obj_get_info_by_fd", "program", errno))?;
    Ok(found)
}

fn attachment(
    cgroup: &impl AsFd,
    program: &impl AsFd,
    kind: AttachType,
    flags: u32,
    replace: u32,
) -> Attach {
    let target = number(cgroup.as_fd().as_raw_fd());
    let program = number(program.as_fd().as_raw_fd());
    Attach {
        target,
        program,
        kind: kind as u32,
        flags,
        replace,
    }
}

fn error(call: &'static str, object: &str, errno: Errno) -> Error {
    let mut what = String::from(call);
    if !object.is_empty() {
        what.push(' ');
        what.push_str(object);
    }
    Error {
        call: "bpf",
        object: what,
        errno,
    }
}

/// A descriptor as the attributes hold it; an open descriptor is never negative.
fn number(fd: RawFd) -> u32 {
    fd.cast_unsigned()
}

fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

/// Makes one bpf(2) call with `attr` as its attribute.
///
/// # Safety
/// Addresses in `attr` must be valid for what `command` does with them.
unsafe fn call<T>(command: u32, attr: &mut T) -> core::result::Result<usize, Errno> {
    let pointer: *mut T = attr;
    loop {
        // SAFETY: the kernel reads and writes at most `size_of::<T>()` bytes of `attr`; the caller
        // vouches for what that points to.
        let done = unsafe {
            crate::syscall!(
                libc::SYS_bpf,
                command,
                pointer.expose_provenance(),
                size_of::<T>()
            )
        };
        match done.map_err(Errno::from_raw_os_error) {
            // The verifier gives way to a signal with EAGAIN.
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
}

/// A [`call`] that answers with a new descriptor, which is close-on-exec.
///
/// # Safety
/// As for [`call`].
unsafe fn call_for_fd<T>(command: u32, attr: &mut T) -> core::result::Result<OwnedFd, Errno> {
    // SAFETY: the caller's promise.
    let fd = unsafe { call(command, attr) }?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

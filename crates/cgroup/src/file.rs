//! One file of a cgroup: read, write, and the words for a refusal.

use alloc::string::String;

use sys::rustix::fs::{Mode, OFlags, openat};
use sys::rustix::io::{read as read_fd, retry_on_intr, write as write_fd};
use sys::{AsFd, Errno, OwnedFd};

use crate::error::Error;

type Outcome<T> = core::result::Result<T, Errno>;

pub(crate) fn open(dir: impl AsFd, name: &str, flags: OFlags) -> Outcome<OwnedFd> {
    retry_on_intr(|| openat(dir.as_fd(), name, flags | OFlags::CLOEXEC, Mode::empty()))
}

/// Writes `value` by one write(2).
pub(crate) fn write(dir: impl AsFd, name: &str, value: &str) -> Outcome<()> {
    let file = open(dir, name, OFlags::WRONLY)?;
    retry_on_intr(|| write_fd(&file, value.as_bytes())).map(drop)
}

/// Reads a whole file. What is not UTF-8, which no such file holds, reads as `EINVAL`.
pub(crate) fn read(dir: impl AsFd, name: &str) -> Outcome<String> {
    let file = open(dir, name, OFlags::RDONLY)?;
    read_open(&file)
}

/// Reads what is left of an open file.
pub(crate) fn read_open(file: impl AsFd) -> Outcome<String> {
    let mut bytes = alloc::vec::Vec::with_capacity(1024);
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.capacity());
        }
        let spare = sys::rustix::buffer::spare_capacity(&mut bytes);
        if read_fd(file.as_fd(), spare)? == 0 {
            return String::from_utf8(bytes).map_err(|_| Errno::INVAL);
        }
    }
}

/// `cgroup: read memory.current in /sys/fs/cgroup/x: …`.
pub(crate) fn error(call: &'static str, name: &str, dir: &str, errno: Errno) -> Error {
    sys::Error::new(call, &[name, " in ", dir].concat(), errno).into()
}

/// `cgroup: write memory.max "5" in /sys/fs/cgroup/x: …`, with advice for the frequent ones.
pub(crate) fn write_error(name: &str, value: &str, dir: &str, errno: Errno) -> Error {
    let object = [name, " \"", value.trim_end(), "\""].concat();
    let error = error("write", &object, dir, errno);
    match (errno, name) {
        (Errno::NOENT, _) => {
            error.hint("this kernel has no such control, or its controller is not enabled there")
        }
        (Errno::NODEV, _) => error.hint("there is no such device"),
        (Errno::BUSY, "memory.limit_in_bytes") => {
            error.hint("more than that is in use, and cannot be reclaimed")
        }
        (Errno::BUSY, "cgroup.procs") => {
            error.hint("that cgroup has controllers enabled for its children")
        }
        (Errno::OPNOTSUPP, "cgroup.procs") => {
            error.hint("that cgroup is threaded, or invalid: see its cgroup.type")
        }
        (Errno::NOSPC, "cgroup.procs" | "tasks") => {
            error.hint("its cpuset has no processors or no memory nodes")
        }
        (Errno::ACCESS | Errno::INVAL, "cpuset.cpus" | "cpuset.mems") => {
            error.hint("the parent's cpuset does not have all of these")
        }
        (Errno::INVAL, "cpu.rt_runtime_us") => {
            error.hint("the parent's budget of real-time scheduling is smaller")
        }
        (Errno::INVAL, "cpu.shares" | "cpu.weight") => {
            error.hint("an idle cgroup (cpu.idle) has no weight")
        }
        _ => error,
    }
}

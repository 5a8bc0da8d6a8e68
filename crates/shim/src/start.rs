//! The verb `start`: finds or starts the shim that is to serve a container, and says where it listens.
//!
//! Containers of one pod have one shim: the annotation that names the pod decides on the socket's path, and
//! whoever finds somebody listening there has nothing left to do.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use spec::Spec;
use sys::error::OnCall;
use sys::rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, mkdirat, unlinkat};
use sys::rustix::io::Errno;
use sys::rustix::net::SocketType;
use sys::spawn::{Spawn, spawn};
use sys::{AsFd, OwnedFd, file, socket, stdio};

use crate::environment::{self, Environment};
use crate::flags::Flags;
use crate::message::Any;
use crate::options::Options;
use crate::ttrpc::{Code, Status};
use wire::{Fields, Message};

/// Where shims' sockets are, unless containerd says otherwise: short, as a socket's path has to be.
const SOCKETS: &str = "/run/containerd/s";
/// What says which containers share a shim, in the order of precedence.
const GROUPS: [&str; 2] = [
    "io.containerd.runc.v2.group",
    "io.kubernetes.cri.sandbox-id",
];
const LARGEST_INPUT: usize = 10 << 20;
const LARGEST_CONFIG: usize = 16 << 20;

/// How containerd asked, which decides how it is answered.
#[derive(Debug, Default)]
struct Asked {
    /// By `containerd.runtime.bootstrap.v1.BootstrapParams` on standard input (2.3 and later).
    bootstrap: bool,
    options: Any,
    grpc_address: String,
    ttrpc_address: String,
    program: String,
    sockets: String,
}

/// What goes to standard output.
pub(crate) fn start(flags: &Flags<'_>, environment: &Environment) -> Result<Vec<u8>, Status> {
    let asked = Asked::read(flags, environment)?;
    let options = Options::parse(&asked.options)?;
    if !options.shim_cgroup.is_empty() {
        let message = "runtime options: ShimCgroup: not supported";
        return Err(Status::new(Code::InvalidArgument, message));
    }
    let group = group_of_bundle(flags.id)?;
    let path = socket_path(&asked, flags.namespace, &group)?;
    let directory = open_sockets(&asked.sockets)?;
    // Two containers of a pod may come at once.
    flock(&directory, FlockOperation::LockExclusive).on("flock", &asked.sockets)?;
    if socket::connect_to(&path, SocketType::STREAM).is_err() {
        start_server(flags, &asked, &path)?;
    }
    let address = format!("unix://{path}");
    // containerd before 2.0 finds it there after a restart.
    write(c"address", &address)?;
    Ok(answer(&asked, environment, &address))
}

impl Asked {
    fn read(flags: &Flags<'_>, environment: &Environment) -> Result<Self, Status> {
        let input = file::read_all(stdio::input(), LARGEST_INPUT, "standard input")?;
        let mut asked = Self {
            grpc_address: flags.address.into(),
            ttrpc_address: environment.get("TTRPC_ADDRESS").into(),
            program: flags.publish_binary.into(),
            sockets: SOCKETS.into(),
            ..Self::default()
        };
        // Both messages begin with a text: the container's name in the one, a type's in the other.
        let mut first = String::new();
        Fields(&input).each(|field, value| {
            if field == 1 {
                first = value.text()?;
            }
            Ok(())
        })?;
        if first.is_empty() || first != flags.id {
            asked.options = Any::decode(&input)?;
            return Ok(asked);
        }
        asked.bootstrap(&input)?;
        Ok(asked)
    }

    fn bootstrap(&mut self, input: &[u8]) -> Result<(), Status> {
        self.bootstrap = true;
        let mut extensions = Vec::new();
        Fields(input).each(|field, value| {
            match field {
                5 => self.ttrpc_address = value.text()?,
                6 => self.grpc_address = value.text()?,
                7 => self.program = value.text()?,
                8 => extensions.push(value.bytes()?),
                9 => self.sockets = value.text()?,
                _ => {}
            }
            Ok(())
        })?;
        for extension in extensions {
            Fields(extension).each(|field, value| {
                if field == 1 {
                    let any = Any::decode(value.bytes()?)?;
                    if any.name().ends_with(".Options") {
                        self.options = any;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The pod's name, or the container's own.
fn group_of_bundle(id: &str) -> Result<String, Status> {
    let config = file::open("config.json", OFlags::RDONLY)?;
    let config = file::read_all(&config, LARGEST_CONFIG, "config.json")?;
    let spec = Spec::parse(&config)
        .map_err(|error| Status::new(Code::InvalidArgument, format!("{error}")))?;
    let named = GROUPS.iter().find_map(|name| {
        let mut all = spec.annotations.into_iter();
        all.find(|(key, _)| &***key == *name)
            .map(|(_, value)| String::from(&**value))
    });
    Ok(named.unwrap_or_else(|| id.into()))
}

/// Nobody else's to enter.
fn open_sockets(path: &str) -> sys::Result<OwnedFd> {
    let whole = core::iter::once(path.len());
    let ends = path
        .match_indices('/')
        .skip(1)
        .map(|(at, _)| at)
        .chain(whole);
    for end in ends {
        match mkdirat(CWD, &path[..end], Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).on("mkdir", path),
        }
    }
    file::open(path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// A name that no other pod of any containerd has, and no longer than a socket's path may be.
fn socket_path(asked: &Asked, namespace: &str, group: &str) -> Result<String, Status> {
    let name = digest(&[&asked.grpc_address, namespace, group]);
    let path = format!("{}/stockade-{name:032x}", asked.sockets);
    if !path.starts_with('/') || path.len() > 107 {
        let message = format!(
            "socket directory {}: not absolute, or too long",
            asked.sockets
        );
        return Err(Status::new(Code::InvalidArgument, message));
    }
    Ok(path)
}

/// FNV-1a of 128 bits. Names come from whoever may do everything here anyway.
fn digest(parts: &[&str]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(BASIS, |sum, byte| {
        (sum ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

/// Binds the socket before the server runs, so that containerd can connect as soon as we say where.
fn start_server(flags: &Flags<'_>, asked: &Asked, path: &str) -> Result<(), Status> {
    match unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno).on("unlink", path)?,
    }
    let listener = socket::listen_at(path, SocketType::STREAM)?;
    let null = file::open("/dev/null", OFlags::RDWR)?;
    let words = [
        "containerd-shim-stockade-v2",
        "-namespace",
        flags.namespace,
        "-id",
        flags.id,
        "-address",
        &asked.grpc_address,
        "-ttrpc-address",
        &asked.ttrpc_address,
        "-publish-binary",
        &asked.program,
        "-socket",
        path,
        "serve",
    ];
    let words = words.map(|word| CString::new(word).unwrap_or_default());
    let words: Vec<&CStr> = words.iter().map(|word| &**word).collect();
    let started = spawn(&Spawn {
        program: c"/proc/self/exe",
        arguments: &words,
        environment: &environment::path(),
        descriptors: &[null.as_fd(), null.as_fd(), null.as_fd(), listener.as_fd()],
        directory: None,
        session: true,
    });
    if started.is_err() {
        let _ = unlinkat(CWD, path, AtFlags::empty());
    }
    let pid = started?.pid.as_raw_nonzero().get();
    yield_before_containerd(pid);
    Ok(())
}

/// When memory is out, a shim goes before containerd does: its score is one above. Where that may not be set,
/// it stays as it was.
fn yield_before_containerd(pid: i32) {
    let parent = sys::rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    let score = file::read_text(&format!("/proc/{parent}/oom_score_adj"));
    let score = score.ok().and_then(|text| text.trim().parse::<i32>().ok());
    if let Some(score) = score {
        let text = format!("{}", (score + 1).min(1000));
        let _ = file::write_kernel(&format!("/proc/{pid}/oom_score_adj"), text.as_bytes());
    }
}

/// As it was asked: a message, JSON since 1.7, or else the bare address.
fn answer(asked: &Asked, environment: &Environment, address: &str) -> Vec<u8> {
    if asked.bootstrap {
        let result = Message::new()
            .number(1, 3u32)
            .text(2, address)
            .text(3, "ttrpc");
        return result.0;
    }
    if environment.get("MAX_SHIM_VERSION").is_empty() {
        return address.into();
    }
    format!("{{\"version\":2,\"address\":\"{address}\",\"protocol\":\"ttrpc\"}}").into()
}

fn write(name: &CStr, text: &str) -> sys::Result<()> {
    let name = name.to_str().unwrap_or_default();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    file::write_all(&file::open(name, flags)?, text.as_bytes(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_other_pods_namespaces_and_daemons_differ() {
        let names = [
            digest(&["a", "b", "c"]),
            digest(&["a", "b", "d"]),
            digest(&["ab", "", "c"]),
            digest(&["a", "bc", ""]),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name));
        }
        // The algorithm's published value for "a".
        let bytes = "a".bytes();
        let one = bytes.fold(
            0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
            |sum, byte| (sum ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b),
        );
        assert_eq!(one, 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}

//! The verb `delete`: containerd runs it when a shim is gone, to remove what is left of a container.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::Engine;
use sys::rustix::fs::{AtFlags, CWD, unlinkat};
use sys::rustix::net::SocketType;
use sys::{file, socket, time};

use crate::flags::Flags;
use crate::message::timestamp;
use crate::mounts;
use crate::options::Options;
use crate::ttrpc::{Code, Status};
use wire::Message;

/// What a container that had to be killed ends with.
const KILLED: u32 = 128 + 9;

/// What goes to standard output: a `DeleteResponse`. The working directory is the bundle, or `-bundle` says where
/// it is.
///
/// # Errors
/// What could not be removed, once everything else was.
pub(crate) fn delete(flags: &Flags<'_>) -> Result<Vec<u8>, Status> {
    if flags.id.is_empty() || flags.id.contains('/') {
        let message = format!("-id {:?}: no container's name", flags.id);
        return Err(Status::new(Code::InvalidArgument, message));
    }
    let bundle = if flags.bundle.is_empty() {
        "."
    } else {
        flags.bundle
    };
    let text = |name: &str| file::read_text(&format!("{bundle}/{name}")).ok();
    let state_root = text(crate::STATE_ROOT_FILE);
    let engine =
        Engine::new(state_root.unwrap_or_else(|| Options::default().state_root(flags.namespace)));
    let pid = text("init.pid").and_then(|text| text.trim().parse::<u32>().ok());
    // Unmounting needs the container gone, but is tried whatever came before.
    let deleted = engine.delete(flags.id, true);
    let unmounted = mounts::unmount_all(&format!("{bundle}/rootfs"));
    remove_dead_socket(text("address"));
    deleted?;
    unmounted?;
    let response = Message::new()
        .number(1, pid.unwrap_or(0))
        .number(2, KILLED)
        .message(3, &timestamp(time::now()));
    Ok(response.0)
}

/// A shim that was killed could not remove its socket; one that lives serves others of its pod.
fn remove_dead_socket(address: Option<String>) {
    let address = address.unwrap_or_default();
    let Some(path) = address.strip_prefix("unix://") else {
        return;
    };
    if socket::connect_to(path, SocketType::STREAM).is_err() {
        let _ = unlinkat(CWD, path, AtFlags::empty());
    }
}

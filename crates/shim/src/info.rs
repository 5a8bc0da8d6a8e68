//! The option `-info`: what this shim is, as `containerd.types.RuntimeInfo`.

use alloc::vec::Vec;

use sys::{file, stdio};

use crate::message::any;
use crate::ttrpc::Status;
use wire::Message;

const LARGEST_INPUT: usize = 1 << 20;

/// What goes to standard output. `features` is the runtime's own document.
pub(crate) fn info(features: &[u8]) -> Result<Vec<u8>, Status> {
    let options = file::read_all(stdio::input(), LARGEST_INPUT, "standard input")?;
    let version = Message::new().text(1, env!("CARGO_PKG_VERSION"));
    let features = Message(features.into());
    let kind = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";
    let mut info = Message::new()
        .text(1, "io.containerd.stockade.v2")
        .message(2, &version);
    if !options.is_empty() {
        info = info.message(3, &Message(options));
    }
    Ok(info.message(4, &any(kind, &features)).0)
}

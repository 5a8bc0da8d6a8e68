//! `containerd-shim-stockade-v2`: containerd's runtime v2, the task service over ttrpc.
//!
//! containerd runs the verb `start` for each container, which answers with a socket's address; behind it
//! the server lives as long as the pod's containers. It has one thread and no library, makes no copy of
//! what containers print, and leaves every act to a short-lived OCI command of ours, so that it stays small.
//! `delete` removes what is left when a shim was killed.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod checkpoint;
mod console;
mod delete;
mod environment;
mod events;
mod finish;
mod flags;
#[cfg(fuzzing)]
pub mod fuzzed;
mod info;
mod job;
mod log;
mod message;
mod mounts;
mod options;
mod server;
mod service;
mod start;
mod stats;
mod stdio;
mod task;
mod terminal;
mod ttrpc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use environment::Environment;
use flags::Flags;
use server::Given;

/// The program's name, which containerd makes of `io.containerd.stockade.v2`.
pub const NAME: &str = "containerd-shim-stockade-v2";
/// In the bundle: where the container's state is kept.
const STATE_ROOT_FILE: &str = "stockade-state-root";
/// The server's listening socket.
const LISTENER: i32 = 3;

/// What a shim's command comes to.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub code: i32,
    /// What goes to standard output.
    pub out: Vec<u8>,
    /// What goes to standard error, without a newline.
    pub err: Option<String>,
}

/// Runs one command of a shim. `words` are those after the program's name; `features` is what `-info` tells of
/// the runtime.
pub fn main(words: &[&str], features: fn() -> Vec<u8>) -> Outcome {
    let outcome = Flags::parse(words).and_then(|flags| act(&flags, features));
    let (code, out, err) = match outcome {
        Ok(out) => (0, out, None),
        Err(words) => (1, Vec::new(), Some(format!("{NAME}: {words}"))),
    };
    Outcome { code, out, err }
}

fn act(flags: &Flags<'_>, features: fn() -> Vec<u8>) -> Result<Vec<u8>, String> {
    let told = |status: ttrpc::Status| status.message;
    if flags.version {
        return Ok(format!("{NAME}:\n  Version:  {}\n", env!("CARGO_PKG_VERSION")).into());
    }
    if flags.info {
        return info::info(&features()).map_err(told);
    }
    if flags.namespace.is_empty() {
        return Err("-namespace: needed".into());
    }
    match flags.verb {
        "start" => start::start(flags, &Environment::own()).map_err(told),
        "delete" => delete::delete(flags).map_err(told),
        "serve" => {
            let given = Given {
                listener: LISTENER,
                socket_path: flags.socket.into(),
                events: events::Address {
                    namespace: flags.namespace.into(),
                    ttrpc: flags.ttrpc_address.into(),
                    grpc: flags.address.into(),
                    program: flags.publish_binary.into(),
                },
            };
            server::serve(given).map_err(|error| format!("{error}"))?;
            Ok(Vec::new())
        }
        "" => Err("start or delete: one is needed".into()),
        verb => Err(format!("{verb}: no such verb")),
    }
}

//! People's containers: what is kept of one while it does not run, its log, and the small process that
//! watches it while it does.
//!
//! ```text
//!  DATA/containers/ID/   container.json  what it is (written by the command that made it)
//!                        config.json     its OCI configuration
//!                        ending.json     how it ended last (written by its monitor)
//!                        container.log   what it printed, one JSON object a line; older files with numbers
//!                        attach.sock     where its monitor hands out its streams
//!                        stopped         somebody asked it to stop: no restart
//!                        upper0 work0 …  the writable layers of its overlays
//!                        hosts …         its own files
//!  DATA/names/NAME       a link to its ID
//!  DATA/volumes/NAME/    what outlives containers
//!  DATA/gone/ID          what is left of a container while it is removed
//!  DATA/rootfs           where overlay roots are mounted, each in its container's mount namespace
//! ```
//!
//! There is no daemon. The monitor may be killed: the container lives on, the engine's record says so,
//! and every command asks the kernel. A monitor holds a lock on its container's directory for as long
//! as it lives.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod attach;
mod directory;
mod ending;
mod log;
mod monitor;
mod outputs;
mod settings;
mod store;
mod volumes;

pub use attach::{Attached, Channel, Ended};
pub use directory::Directory;
pub use ending::Ending;
pub use monitor::{main as monitor, start};
pub use settings::{LogPolicy, Overlay, RestartPolicy, Root, Settings};
pub use store::Store;
pub use volumes::{Volume, VolumeUse};

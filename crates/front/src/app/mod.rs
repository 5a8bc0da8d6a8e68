//! Application containers: `stockade run`.

pub mod accounts;
pub mod host_root;
pub mod layers;
pub mod lower;
pub mod machine;
pub mod not_built;
pub mod options;
pub mod root;
pub mod storage;
pub mod value;

pub use accounts::Accounts;
pub use host_root::host_root;
pub use lower::{Asked, Extras, Lowered, Origins, OwnFile, WantedVolume, limits, lower};
pub use machine::{Containers, Machine, NoContainers};
pub use not_built::{NOT_BUILT, NotBuilt};
pub use options::RunOptions;
pub use root::{Root, classify};
pub use storage::{Base, Overlay, OverlayMount, Storage};

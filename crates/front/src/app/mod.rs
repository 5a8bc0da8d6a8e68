//! Application containers: `stockade run`.

pub mod not_built;
pub mod options;
pub mod value;

pub use not_built::{NOT_BUILT, NotBuilt};
pub use options::RunOptions;

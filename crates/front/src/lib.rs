//! What people write, lowered to a runtime specification.
#![forbid(unsafe_code)]

pub mod app;

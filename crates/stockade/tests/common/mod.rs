//! What tests of people's containers share.
#![allow(dead_code, reason = "each test program uses its part of it")]

pub(crate) mod app;

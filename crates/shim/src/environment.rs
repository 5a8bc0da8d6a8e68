//! The environment that a shim is started with: read once, by the few names that matter.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::rustix::fs::OFlags;
use sys::{file, initial};

/// Where programs are looked for, which is all of a shim's environment that it hands on: criu is found by it.
pub(crate) fn path() -> Vec<&'static CStr> {
    let mut all = initial::variables();
    all.retain(|text| text.to_bytes().starts_with(b"PATH="));
    all
}

/// The environment's text, each variable ended by a NUL.
#[derive(Debug, Default)]
pub(crate) struct Environment(String);

impl Environment {
    /// This process's.
    pub(crate) fn own() -> Self {
        const LARGEST: usize = 4 << 20;
        let text = file::open("/proc/self/environ", OFlags::RDONLY)
            .and_then(|file| file::read_all(&file, LARGEST, "environment"));
        Self(String::from_utf8_lossy(&text.unwrap_or_default()).into_owned())
    }

    /// A variable; empty where it is not set.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut variables = self.0.split('\0').filter_map(|text| text.split_once('='));
        variables
            .find_map(|(key, value)| (key == name).then_some(value))
            .unwrap_or("")
    }
}

//! The fuzzer's door: what comes over a connection, as the server takes it.

use alloc::vec::Vec;

use crate::message::{Any, Request};
use crate::options::Options;
use crate::ttrpc;

/// Takes every frame off `bytes` and decodes what is in it; how many bytes were no whole frame.
pub fn requests(bytes: &[u8]) -> usize {
    let mut bytes = Vec::from(bytes);
    while let Ok(Some(frame)) = ttrpc::take(&mut bytes) {
        let Ok(request) = ttrpc::Request::decode(&frame.message) else {
            continue;
        };
        if let Ok(Request::Create(create)) = Request::decode(&request.method, request.payload) {
            options(&create.options);
        }
    }
    bytes.len()
}

/// As [`Options::parse`], but for options that are in a file.
fn options(any: &Any) {
    let _ = Options::of_runc(&any.value);
    if let Ok(text) = core::str::from_utf8(&any.value) {
        let _ = Options::of_table(text);
    }
}

/// A request as a client frames it.
pub fn framed(stream: u32, method: &str, payload: &[u8]) -> Vec<u8> {
    let payload = wire::Message(payload.into());
    ttrpc::request(stream, "containerd.task.v2.Task", method, &payload)
}

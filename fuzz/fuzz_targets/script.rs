//! Scripts, as the container's first process decodes them: nothing outside is read or written, whatever
//! the header, the ops and their spans say.
#![no_main]
#![allow(dead_code, reason = "source files of a program, of which this uses the decoder")]

#[path = "../../crates/sys/src/bare.rs"]
mod bare;
#[path = "../../crates/sys/src/mapping.rs"]
mod mapping;
#[path = "../../crates/child/src/op.rs"]
mod op;
#[path = "../../crates/sys/src/raw.rs"]
mod raw;
#[path = "../../crates/child/src/program/script.rs"]
mod script;

use libfuzzer_sys::fuzz_target;
use rustix::fd::AsRawFd;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

fuzz_target!(|bytes: &[u8]| {
    // One byte says how the length that was told differs from the file's.
    let Some((told, bytes)) = bytes.split_first() else {
        return;
    };
    let file = memfd_create(c"script", MemfdFlags::CLOEXEC).expect("a file");
    ftruncate(&file, bytes.len() as u64).expect("a length");
    rustix::io::pwrite(&file, bytes, 0).expect("bytes");
    let len = bytes.len().saturating_sub(usize::from(*told % 4));
    let Some(map) = mapping::Mapping::new(file.as_raw_fd(), len) else {
        return;
    };
    if let Some(script) = script::Script::of(map, len) {
        decode(&script, len);
    }
    let start = map.address(0).expect("a mapping is not empty") as *mut core::ffi::c_void;
    // SAFETY: the whole mapping, which nobody uses from here on. The program itself keeps its own until its end.
    unsafe { rustix::mm::munmap(start, len) }.expect("a mapping");
});

fn decode(script: &script::Script, len: usize) {
    // A file has at most as many ops as it has room for.
    for index in 0..script.header().ops {
        let op = script.op(index).expect("the header was checked");
        let _ = op::Code::from_number(op.code);
        for span in op.s {
            assert!(script.bytes(span).len() <= len);
            assert!(script.text(span).to_bytes().len() < len);
            let _ = script.some_text(span);
            let _ = script.list(span);
        }
    }
    assert!(script.op(script.header().ops).is_none());
    script.report(op::Report::default());
    let all = script.bytes(op::Span { off: 0, len: script.header().size });
    assert_eq!(all.len(), len);
}

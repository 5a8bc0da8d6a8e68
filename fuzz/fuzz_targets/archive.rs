//! The tar reader: bounded, and of one mind whether data is read or passed over.
#![no_main]

use image::Limits;
use image::tar::{Archive, Entry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        image_bytes: 1 << 20,
        entries: 1000,
        ..Limits::default()
    };
    let read = entries(bytes, &limits, true);
    let passed = entries(bytes, &limits, false);
    let same = read.iter().zip(&passed).all(|(a, b)| a == b);
    assert!(same && read.len() == passed.len(), "{read:?} {passed:?}");
    for entry in read {
        assert!(!entry.path.is_empty() && entry.path.len() <= limits.path_bytes);
        assert!(!entry.path.contains(&0) && !entry.link.contains(&0));
        assert!(entry.mode <= 0o7777 && entry.uid != u32::MAX && entry.gid != u32::MAX);
    }
});

fn entries(bytes: &[u8], limits: &Limits, read: bool) -> Vec<Entry> {
    let mut archive = Archive::new(bytes, limits);
    let mut found = Vec::new();
    while let Ok(Some(entry)) = archive.next_entry() {
        let size = entry.size;
        let mut seen = 0;
        if read {
            let outcome = archive.data(size, |part| {
                seen += part.len() as u64;
                Ok(())
            });
            assert!(seen <= size);
            if outcome.is_err() {
                break;
            }
        }
        // Data that is missing is noticed in either way only once it would be read.
        if archive.position().saturating_add(size - seen) > bytes.len() as u64 {
            break;
        }
        found.push(entry);
    }
    found
}

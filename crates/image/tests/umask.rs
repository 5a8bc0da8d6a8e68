//! The umask changes nothing of what is unpacked, nor who may read the store. It is the process's, so
//! that this test has one of its own.

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use support::tar::{Header, Tar};
use support::{Layout, Packing, Scratch, import};

#[test]
fn the_umask_changes_nothing() {
    let scratch = Scratch::new();
    sys::rustix::process::umask(sys::rustix::fs::Mode::from_raw_mode(0o777));
    let layer = Tar::new()
        .entry(Header::new(b"f", b'0').mode(0o666), b"x")
        .entry(Header::new(b"d", b'5').mode(0o777), b"")
        .entry(Header::new(b"p", b'6').mode(0o622), b"")
        .file("implicit/x", b"")
        .finish();
    let layout_path = scratch.join("layout");
    sys::rustix::process::umask(sys::rustix::fs::Mode::from_raw_mode(0o022));
    let layout = Layout::of(layout_path, &[layer], Packing::Plain);
    sys::rustix::process::umask(sys::rustix::fs::Mode::from_raw_mode(0o777));
    let store = scratch.store();
    let image = import(&store, &layout.path).unwrap();
    sys::rustix::process::umask(sys::rustix::fs::Mode::from_raw_mode(0));
    let other = Layout::of(scratch.join("other"), &[], Packing::Plain);
    import(&store, &other.path).unwrap();
    sys::rustix::process::umask(sys::rustix::fs::Mode::from_raw_mode(0o022));
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    for (name, expected) in [
        ("f", 0o666),
        ("d", 0o777),
        ("p", 0o622),
        ("implicit", 0o755),
    ] {
        assert_eq!(mode(&image.layers[0].join(name)), expected, "{name}");
    }
    let output = Command::new("find")
        .arg(store.path())
        .args([
            "-path", "*/diff", "-prune", "-o", "-name", "empty", "-prune", "-o", "-perm", "/077",
            "-print",
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}

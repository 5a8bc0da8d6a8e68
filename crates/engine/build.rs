//! Compiles the child program, which the engine embeds: one static executable without a library, made
//! by the same compiler, so that it needs no second build system and no second target.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const LINK_ARGUMENTS: [&str; 4] = [
    "-nostartfiles",
    "-nostdlib",
    "-static",
    "-Wl,--build-id=none,-z,norelro,--gc-sections,-z,noseparate-code,--no-eh-frame-hdr",
];

fn main() {
    let crates = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let source = crates.join("child/src/program/main.rs");
    let output = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("child-program");
    for watched in [
        "child/src",
        "sys/src/bare.rs",
        "sys/src/mapping.rs",
        "sys/src/raw.rs",
        "sys/src/startup.rs",
    ] {
        println!("cargo::rerun-if-changed={}", crates.join(watched).display());
    }
    let mut rustc = Command::new(env::var("RUSTC").expect("cargo sets it"));
    rustc.args([
        "--edition",
        "2024",
        "--crate-name",
        "stockade_child",
        "--crate-type",
        "bin",
    ]);
    rustc.args(["--target", &env::var("TARGET").expect("cargo sets it")]);
    rustc.args([
        "-A",
        "dead_code",
        "-C",
        "panic=abort",
        "-C",
        "opt-level=s",
        "-C",
        "lto=fat",
    ]);
    rustc.args([
        "-C",
        "codegen-units=1",
        "-C",
        "relocation-model=static",
        "-C",
        "strip=symbols",
        "-C",
        "force-unwind-tables=no",
    ]);
    rustc.args(["-C", "target-feature=+crt-static"]);
    for argument in LINK_ARGUMENTS {
        rustc.arg("-C").arg(format!("link-arg={argument}"));
    }
    // One segment for all that is only read: each costs a page fault at every start. The option is
    // lld's, which Rust links with on this architecture.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        rustc.arg("-C").arg("link-arg=-Wl,--no-rosegment");
    }
    let status = rustc
        .arg("-o")
        .arg(&output)
        .arg(&source)
        .status()
        .expect("rustc runs");
    assert!(status.success(), "the child program does not compile");
}

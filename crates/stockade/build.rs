//! Makes the binary start at our own entry point; see `src/entry.rs`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if gnu {
        println!("cargo::rustc-link-arg-bin=stockade=-Wl,-e,stockade_start");
    }
}

//! What takes too long for every change: many random kills of the runtime, and many whole lives of a
//! container, with a look at what the machine has kept of them.

mod bundle;
mod cycles;
mod kills;
mod people;

use std::path::{Path, PathBuf};

use crate::bench::cargo;

type Result<T> = std::result::Result<T, String>;

/// `cargo xtask soak WHAT COUNT`.
pub(crate) fn run(what: &str, count: &str) -> Result<()> {
    let count = count
        .parse()
        .map_err(|_| format!("{count}: not a number"))?;
    let program = program()?;
    match what {
        "kills" => kills::run(program, count),
        "cycles" => cycles::run(program, count),
        "people" => people::run(&program, count),
        _ => Err(format!("{what}: kills, cycles or people")),
    }
}

/// The release binary, built now, or the one that `STOCKADE` names.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("STOCKADE") {
        return Ok(path.into());
    }
    cargo(&["build", "--release", "--package", "stockade"])?;
    // Ours lies in the target directory as well.
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = own
        .parent()
        .map(|debug| debug.with_file_name("release").join("stockade"));
    built.ok_or_else(|| "no target directory".into())
}

/// An outcome, with the file that it is about in its words.
fn said<T>(outcome: std::io::Result<T>, path: &Path) -> Result<T> {
    outcome.map_err(|error| format!("{}: {error}", path.display()))
}

/// Fills `root` with busybox, and links for `applets`.
fn make_root(root: &Path, applets: &[&str]) -> Result<()> {
    let bin = root.join("bin");
    said(std::fs::create_dir_all(&bin), &bin)?;
    let busybox = Path::new("/bin/busybox");
    said(std::fs::copy(busybox, bin.join("busybox")), busybox)?;
    for applet in applets {
        let made = std::os::unix::fs::symlink("busybox", bin.join(applet));
        said(made, &bin)?;
    }
    Ok(())
}

/// A figure before and after, one line each.
fn print_growth(before: &[(&str, u64)], after: &[(&str, u64)]) {
    for ((name, before), (_, after)) in before.iter().zip(after) {
        println!("  {name:28} {before:>8} -> {after:>8}");
    }
}

//! Many lives of a container by the OCI verbs, and what of the machine has grown meanwhile.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::bundle::Bundle;
use super::{Result, print_growth};

/// Lives before the first look: caches fill first.
const WARM: u32 = 200;

/// `create`, `start`, `delete`, so many times.
pub(super) fn run(program: PathBuf, count: u32) -> Result<()> {
    let bundle = Bundle::new(program)?;
    let id = bundle.name.as_str();
    let life = || {
        bundle.call(&["create", id])?;
        bundle.call(&["start", id])?;
        bundle.delete()
    };
    for _ in 0..WARM {
        life()?;
    }
    let (before, begun) = (settled(&bundle), Instant::now());
    for round in 1..=count {
        life()?;
        if round % 1000 == 0 {
            println!("{round}: {:?}", figures(&bundle));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    bundle.nothing_left("the last")?;
    println!("{count} times create, start, delete in {seconds:.1} s");
    print_growth(&before, &settled(&bundle));
    Ok(())
}

/// The figures, once the kernel has freed what it frees only after a grace period or two, and its caches are dropped.
fn settled(bundle: &Bundle) -> Vec<(&'static str, u64)> {
    std::thread::sleep(Duration::from_secs(3));
    // Refused where the machine is not ours; then more of it is cache.
    let _ = fs::write("/proc/sys/vm/drop_caches", "3");
    std::thread::sleep(Duration::from_secs(1));
    figures(bundle)
}

/// What of the machine could grow.
fn figures(bundle: &Bundle) -> Vec<(&'static str, u64)> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let meminfo = text("/proc/meminfo");
    let kib = |name: &str| -> u64 {
        let line = meminfo.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let groups = text("/proc/cgroups");
    let groups = groups
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    let files = text("/proc/sys/fs/file-nr");
    let files = files.split_whitespace().next().and_then(|n| n.parse().ok());
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    vec![
        ("unreclaimable slab, KiB", kib("SUnreclaim:")),
        ("per-cpu memory, KiB", kib("Percpu:")),
        (
            "mounts",
            count(text("/proc/self/mountinfo").lines().count()),
        ),
        ("cgroups of all controllers", groups.sum()),
        ("open files of the machine", files.unwrap_or(0)),
        ("the container's processes", count(bundle.processes().len())),
        ("files in the state directory", count(bundle.state_files())),
    ]
}

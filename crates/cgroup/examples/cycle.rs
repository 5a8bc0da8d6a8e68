//! Makes and removes a container's cgroups, to be counted by strace(1) and timed.
//!
//! `cycle [memory|all] [COUNT]`

use std::time::Instant;

use cgroup::{Controllers, Deadline, Group, Layout, Request, lower, remove, wanted};
use spec::{Cpu, DeviceRule, Memory, Pids, Resources};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let kind = args.next().unwrap_or_default();
    let count: u32 = args.next().map_or(Ok(1), |n| n.parse())?;
    let mut resources = Resources {
        devices: vec![DeviceRule::default()],
        ..Resources::default()
    };
    if kind != "none" {
        resources.memory = Some(Memory {
            limit: Some(64 << 20),
            ..Memory::default()
        });
    }
    if kind == "all" {
        resources.cpu = Some(Cpu {
            shares: Some(512),
            quota: Some(50_000),
            ..Cpu::default()
        });
        resources.pids = Some(Pids { limit: Some(100) });
    }
    let parent = format!("/stockade-test-{}-cycle", std::process::id());
    let mut times = Vec::new();
    for i in 0..count {
        let path = format!("{parent}/{i}");
        let start = Instant::now();
        let request = Request {
            path: &path,
            shared: 1,
            beside_own: false,
            resources: &resources,
            counted: Controllers::NONE,
        };
        let layout = Layout::find(wanted(&request))?;
        let lowered = lower(&request, &layout)?;
        let planned = start.elapsed();
        let mut group = Group::planned(lowered.leaves.clone());
        for _ in &lowered.leaves {
            group.make()?;
        }
        let made = start.elapsed();
        group.apply(&lowered.settings)?;
        let set = start.elapsed();
        group.restrict_devices_from(&lowered, &parent)?;
        let restricted = start.elapsed();
        drop(group.entry()?);
        let errors = remove(group.made(), group.leaves(), Deadline::after(1000));
        if let Some(error) = errors.first() {
            return Err(error.to_string().into());
        }
        times.push([
            planned,
            made - planned,
            set - made,
            restricted - set,
            start.elapsed() - restricted,
        ]);
        if count > 1 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    println!("left: {parent} and below");
    for (at, what) in ["plan", "make", "set", "devices", "remove"]
        .into_iter()
        .enumerate()
    {
        let mut column: Vec<_> = times.iter().map(|row| row[at]).collect();
        column.sort();
        println!("{what:8} {:?}", column[column.len() / 2]);
    }
    Ok(())
}

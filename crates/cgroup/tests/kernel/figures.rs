//! Figures, and kills for want of memory.

use cgroup::Version;
use spec::{Cpu, Memory, Resources};

use crate::rig::{Cgroup, eventually};

#[test]
fn an_out_of_memory_kill_is_noticed() {
    let memory = Memory {
        limit: Some(16 << 20),
        swap: Some(16 << 20),
        ..Memory::default()
    };
    let mut cgroup = Cgroup::with(&Resources {
        memory: Some(memory),
        ..Resources::default()
    });
    let mut watch = cgroup.group.watch_oom().expect("a watch");
    assert_eq!(watch.kills(), Ok(0));
    let quiet = cgroup.status("true");
    assert!(quiet.success());
    cgroup.status("head -c 64m /dev/zero | tail -c 64m > /dev/null");
    let mut polled = [sys::rustix::event::PollFd::new(&watch, watch.interest())];
    let timeout = sys::rustix::event::Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    assert_eq!(sys::rustix::event::poll(&mut polled, Some(&timeout)), Ok(1));
    // One, or more where the shell is killed with its pipe.
    let kills = watch.kills().expect("a number");
    assert!(kills >= 1);
    let memory = cgroup
        .group
        .stats()
        .expect("figures")
        .memory
        .expect("memory");
    assert_eq!((memory.oom_kills, memory.limit), (kills, Some(16 << 20)));
    // Not `limit_hits`: v1 of recent kernels counts none here.
    assert!(memory.peak.is_some_and(|peak| peak > 8 << 20), "{memory:?}");
}

#[test]
fn figures_of_a_busy_container() {
    let cpu = Cpu {
        quota: Some(20_000),
        period: Some(100_000),
        ..Cpu::default()
    };
    let mut cgroup = Cgroup::with(&Resources {
        cpu: Some(cpu),
        ..Resources::default()
    });
    cgroup.run("while :; do :; done");
    eventually("it is throttled", || {
        let cpu = cgroup
            .group
            .stats()
            .expect("figures")
            .cpu
            .expect("processor time");
        cpu.throttling
            .is_some_and(|t| t.throttled_periods > 0 && t.throttled > 0)
    });
    let stats = cgroup.group.stats().expect("figures");
    let unified = cgroup
        .group
        .leaves()
        .iter()
        .any(|leaf| leaf.version == Version::V2);
    if unified {
        assert!(stats.cpu.is_some_and(|cpu| cpu.usage > 0), "{stats:?}");
        assert!(stats.pressure.cpu.is_some(), "{stats:?}");
    }
}

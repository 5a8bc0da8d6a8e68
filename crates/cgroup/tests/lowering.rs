//! Lowering on layouts that need not be this host's: what is written, where, and what is refused.

use cgroup::layout::{Hierarchy, Layout};
use cgroup::lower::Absent;
use cgroup::{Controller, Controllers, Error, Kind, Lowered, Request, Version, lower, wanted};
use spec::Resources;

fn hierarchy(mount: &str, controllers: &str) -> Hierarchy {
    Hierarchy {
        mount: mount.to_owned().into(),
        controllers: Controllers::parse(controllers, ' '),
        own: None,
    }
}

fn v2() -> Layout {
    let all = "cpuset cpu io memory hugetlb pids rdma misc";
    Layout {
        unified: Some(hierarchy("/sys/fs/cgroup", all)),
        v1: Vec::new(),
    }
}

fn v1() -> Layout {
    let names = [
        "cpu cpuacct",
        "cpuset",
        "memory",
        "devices",
        "freezer",
        "blkio",
        "pids",
        "hugetlb",
        "net_cls net_prio",
        "rdma",
    ];
    let mount = |list: &str| format!("/sys/fs/cgroup/{}", list.split(' ').next().unwrap());
    Layout {
        unified: None,
        v1: names
            .iter()
            .map(|list| hierarchy(&mount(list), list))
            .collect(),
    }
}

fn hybrid() -> Layout {
    let mut layout = v1();
    layout
        .v1
        .retain(|h| !h.controllers.has(Controller::Hugetlb));
    Layout {
        unified: Some(hierarchy("/sys/fs/cgroup/unified", "hugetlb")),
        ..layout
    }
}

fn parse(json: &str) -> Resources<'_> {
    serde_json::from_str(json).expect("resources")
}

fn with<T>(json: &str, layout: &Layout, act: impl FnOnce(Result<Lowered<'_>, Error>) -> T) -> T {
    let resources = parse(json);
    let request = Request {
        path: "/p/c",
        shared: 0,
        beside_own: false,
        resources: &resources,
        counted: Controllers::NONE,
    };
    act(lower(&request, layout))
}

/// `directory/file=value` of every write but the device policy's.
fn writes(json: &str, layout: &Layout) -> Vec<String> {
    with(json, layout, |lowered| {
        let lowered = lowered.unwrap_or_else(|e| panic!("{e}\n{json}"));
        let own = lowered
            .settings
            .iter()
            .filter(|s| !s.file.starts_with("devices."));
        own.map(|s| {
            let dir = lowered.leaves[s.leaf].dir();
            let dir = dir
                .trim_start_matches("/sys/fs/cgroup")
                .trim_end_matches("/p/c")
                .to_owned();
            let instead = match &s.absent {
                Absent::Instead { file, value } => format!(" or {file}={value}"),
                Absent::Ignored => "?".to_owned(),
                Absent::Fails => String::new(),
            };
            format!("{dir}/{}={}{instead}", s.file, s.value)
        })
        .collect()
    })
}

fn refusal(json: &str, layout: &Layout) -> (Kind, String) {
    with(json, layout, |lowered| match lowered {
        Ok(lowered) => panic!("{json} is taken: {:?}", lowered.settings),
        Err(error) => (error.kind, error.to_string()),
    })
}

#[test]
fn memory_and_swap() {
    let json = r#"{"memory":{"limit":1000,"swap":1500,"reservation":500}}"#;
    assert_eq!(
        writes(json, &v2()),
        [
            "/memory.max=1000",
            "/memory.swap.max=500",
            "/memory.low=500"
        ]
    );
    let old = [
        "/memory/memory.limit_in_bytes=1000",
        "/memory/memory.memsw.limit_in_bytes=1500",
        "/memory/memory.soft_limit_in_bytes=500",
    ];
    assert_eq!(writes(json, &v1()), old);
    assert_eq!(writes(json, &hybrid()), old);
}

#[test]
fn memory_without_limit() {
    let json = r#"{"memory":{"limit":-1}}"#;
    assert_eq!(
        writes(json, &v2()),
        ["/memory.max=max", "/memory.swap.max=max?"]
    );
    let old = [
        "/memory/memory.limit_in_bytes=-1",
        "/memory/memory.memsw.limit_in_bytes=-1?",
    ];
    assert_eq!(writes(json, &v1()), old);
    let json = r#"{"memory":{"limit":1000,"swap":-1}}"#;
    assert_eq!(
        writes(json, &v2()),
        ["/memory.max=1000", "/memory.swap.max=max?"]
    );
    // No swap at all is what a kernel without swap does anyway.
    let json = r#"{"memory":{"limit":1000,"swap":1000}}"#;
    assert_eq!(
        writes(json, &v2()),
        ["/memory.max=1000", "/memory.swap.max=0?"]
    );
    assert!(writes(r#"{"memory":{"limit":0,"swap":0}}"#, &v2()).is_empty());
}

#[test]
fn memory_that_contradicts_itself() {
    for layout in [v1(), hybrid(), v2()] {
        for (json, start) in [
            (
                r#"{"memory":{"limit":1000,"swap":999}}"#,
                "linux.resources.memory.swap: must not be less",
            ),
            (
                r#"{"memory":{"swap":999}}"#,
                "linux.resources.memory.swap: needs memory.limit",
            ),
            (
                r#"{"memory":{"limit":-2}}"#,
                "linux.resources.memory.limit: must be -1",
            ),
            (
                r#"{"memory":{"swappiness":101}}"#,
                "linux.resources.memory.swappiness: must be",
            ),
        ] {
            let (kind, words) = refusal(json, &layout);
            assert!(
                kind == Kind::BadConfig && words.starts_with(start),
                "{words}"
            );
        }
    }
}

#[test]
fn what_only_v1_has_is_refused_by_name_on_v2() {
    for (json, field, v1_write) in [
        (
            r#"{"memory":{"swappiness":60}}"#,
            "memory.swappiness",
            "/memory/memory.swappiness=60",
        ),
        (
            r#"{"memory":{"disableOOMKiller":true}}"#,
            "memory.disableOOMKiller",
            "/memory/memory.oom_control=1",
        ),
        (
            r#"{"memory":{"kernelTCP":5}}"#,
            "memory.kernelTCP",
            "/memory/memory.kmem.tcp.limit_in_bytes=5",
        ),
        (
            r#"{"cpu":{"realtimeRuntime":5}}"#,
            "cpu.realtimeRuntime",
            "/cpu/cpu.rt_runtime_us=5",
        ),
        (
            r#"{"cpu":{"realtimePeriod":5}}"#,
            "cpu.realtimePeriod",
            "/cpu/cpu.rt_period_us=5",
        ),
        (
            r#"{"network":{"classID":5}}"#,
            "network.classID",
            "/net_cls/net_cls.classid=5",
        ),
        (
            r#"{"network":{"priorities":[{"name":"eth0","priority":5}]}}"#,
            "network.priorities[0]",
            "/net_cls/net_prio.ifpriomap=eth0 5",
        ),
        (
            r#"{"blockIO":{"leafWeight":50}}"#,
            "blockIO.leafWeight",
            "/blkio/blkio.leaf_weight=50",
        ),
    ] {
        let (kind, words) = refusal(json, &v2());
        assert_eq!(kind, Kind::Unsupported);
        assert!(
            words.starts_with(&format!("linux.resources.{field}: cgroup v2 ")),
            "{words}"
        );
        assert_eq!(writes(json, &v1()), [v1_write]);
    }
}

#[test]
fn words_that_ask_for_nothing_are_taken_everywhere() {
    let json = r#"{"memory":{"disableOOMKiller":false,"useHierarchy":true,"kernelTCP":-1},
        "cpu":{"shares":0,"quota":0,"period":0,"realtimeRuntime":0,"realtimePeriod":0,"cpus":"","mems":""},
        "network":{"classID":0},"blockIO":{"weight":0},"hugepageLimits":[]}"#;
    assert!(writes(json, &v2()).is_empty());
}

#[test]
fn kernel_memory_leaves_a_note() {
    with(
        r#"{"memory":{"kernel":5000,"useHierarchy":false}}"#,
        &v2(),
        |lowered| {
            let notes = lowered.expect("taken").notes;
            let places: Vec<String> = notes.iter().map(|note| note.place.to_string()).collect();
            assert_eq!(
                places,
                [
                    "linux.resources.memory.kernel",
                    "linux.resources.memory.useHierarchy"
                ]
            );
        },
    );
}

#[test]
fn processor_time() {
    let json = r#"{"cpu":{"shares":1024,"quota":20000,"period":50000,"burst":1000}}"#;
    assert_eq!(
        writes(json, &v2()),
        [
            "/cpu.weight=100",
            "/cpu.max=20000 50000",
            "/cpu.max.burst=1000"
        ]
    );
    let old = [
        "/cpu/cpu.shares=1024",
        "/cpu/cpu.cfs_period_us=50000",
        "/cpu/cpu.cfs_quota_us=20000",
        "/cpu/cpu.cfs_burst_us=1000",
    ];
    assert_eq!(writes(json, &v1()), old);
    assert_eq!(
        writes(r#"{"cpu":{"quota":-1}}"#, &v2()),
        ["/cpu.max=max 100000"]
    );
    assert_eq!(
        writes(r#"{"cpu":{"quota":-1}}"#, &v1()),
        ["/cpu/cpu.cfs_quota_us=-1"]
    );
    assert_eq!(
        writes(r#"{"cpu":{"shares":9,"idle":1}}"#, &v2()),
        ["/cpu.weight=3", "/cpu.idle=1"]
    );
    assert_eq!(
        writes(r#"{"cpu":{"shares":9,"idle":0}}"#, &v2()),
        ["/cpu.idle=0?", "/cpu.weight=3"]
    );
    assert_eq!(
        refusal(r#"{"cpu":{"idle":2}}"#, &v2()).1,
        "linux.resources.cpu.idle: must be 0 or 1"
    );
    let (_, words) = refusal(r#"{"cpu":{"shares":1}}"#, &v1());
    assert_eq!(
        words,
        "linux.resources.cpu.shares: must be between 2 and 262144"
    );
}

#[test]
fn processors() {
    let json = r#"{"cpu":{"cpus":"0-3,7","mems":"0"}}"#;
    assert_eq!(
        writes(json, &v2()),
        ["/cpuset.cpus=0-3,7", "/cpuset.mems=0"]
    );
    assert_eq!(
        writes(json, &hybrid()),
        ["/cpuset/cpuset.cpus=0-3,7", "/cpuset/cpuset.mems=0"]
    );
    let (_, words) = refusal(r#"{"cpu":{"cpus":"0;1"}}"#, &v2());
    assert!(
        words.starts_with("linux.resources.cpu.cpus: must be numbers and ranges"),
        "{words}"
    );
}

#[test]
fn tasks() {
    for (limit, value) in [(-1, "max"), (0, "max"), (5, "5")] {
        let json = format!(r#"{{"pids":{{"limit":{limit}}}}}"#);
        assert_eq!(writes(&json, &v2()), [format!("/pids.max={value}")]);
        assert_eq!(
            writes(&json, &hybrid()),
            [format!("/pids/pids.max={value}")]
        );
    }
}

#[test]
fn block_devices() {
    let json = r#"{"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":0,"weight":10}],
        "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1000}],
        "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#;
    assert_eq!(
        writes(json, &v2()),
        [
            "/io.bfq.weight=500 or io.weight=4950",
            "/io.bfq.weight=8:0 10 or io.weight=8:0 1",
            "/io.max=8:0 rbps=1000",
            "/io.max=8:16 wiops=max",
        ]
    );
    assert_eq!(
        writes(json, &v1()),
        [
            "/blkio/blkio.bfq.weight=500 or blkio.weight=500",
            "/blkio/blkio.bfq.weight_device=8:0 10 or blkio.weight_device=8:0 10",
            "/blkio/blkio.throttle.read_bps_device=8:0 1000",
            "/blkio/blkio.throttle.write_iops_device=8:16 0",
        ]
    );
    let (_, words) = refusal(
        r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":5}]}}"#,
        &v2(),
    );
    assert_eq!(
        words,
        "linux.resources.blockIO.weightDevice[0].weight: must be between 10 and 1000"
    );
}

#[test]
fn huge_pages() {
    let json = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4096}]}"#;
    assert_eq!(
        writes(json, &v2()),
        ["/hugetlb.2MB.max=4096", "/hugetlb.2MB.rsvd.max=4096?"]
    );
    assert_eq!(
        writes(json, &hybrid()),
        [
            "/unified/hugetlb.2MB.max=4096",
            "/unified/hugetlb.2MB.rsvd.max=4096?"
        ]
    );
    assert_eq!(
        writes(json, &v1()),
        [
            "/hugetlb/hugetlb.2MB.limit_in_bytes=4096",
            "/hugetlb/hugetlb.2MB.rsvd.limit_in_bytes=4096?"
        ]
    );
    for bad in ["2mb", "2M", "MB", "../2MB", "2MB/x"] {
        let json = format!(r#"{{"hugepageLimits":[{{"pageSize":"{bad}","limit":1}}]}}"#);
        assert!(
            refusal(&json, &v2())
                .1
                .starts_with("linux.resources.hugepageLimits[0].pageSize: "),
            "{bad}"
        );
    }
}

#[test]
fn rdma_devices() {
    let json = r#"{"rdma":{"mlx5_0":{"hcaHandles":3}}}"#;
    assert_eq!(
        writes(json, &v2()),
        ["/rdma.max=mlx5_0 hca_handle=3 hca_object=max"]
    );
}

#[test]
fn raw_keys() {
    let json = r#"{"unified":{"memory.high":"5000","io.max":"8:0 rbps=1\n8:16 wbps=2\n","cgroup.max.depth":"3"}}"#;
    assert_eq!(
        writes(json, &v2()),
        [
            "/cgroup.max.depth=3",
            "/io.max=8:0 rbps=1",
            "/io.max=8:16 wbps=2",
            "/memory.high=5000"
        ]
    );
    assert_eq!(
        writes(r#"{"unified":{"cgroup.max.depth":"3"}}"#, &hybrid()),
        ["/unified/cgroup.max.depth=3"]
    );
    assert_eq!(
        refusal(json, &v1()).1,
        "linux.resources.unified: this host has no cgroup v2 hierarchy"
    );
    let (_, words) = refusal(r#"{"unified":{"memory.high":"1"}}"#, &hybrid());
    assert_eq!(
        words,
        "linux.resources.unified: \"memory.high\": this host has that controller on cgroup v1 only"
    );
    for bad in [
        "../x",
        "memory/../x",
        "memory",
        "memory.",
        "a..b",
        "cgroup.procs",
        "cgroup.kill",
        "cgroup.subtree_control",
        "cgroup.freeze",
        "memory.\u{e4}",
        "",
    ] {
        let json = format!(r#"{{"unified":{{"{bad}":"1"}}}}"#);
        assert!(
            refusal(&json, &v2())
                .1
                .contains("not a file of a controller"),
            "{bad}"
        );
    }
    let (_, words) = refusal(r#"{"unified":{"foo.max":"1"}}"#, &v2());
    assert_eq!(
        words,
        "linux.resources.unified: no controller has a file \"foo.max\""
    );
}

#[test]
fn only_the_hierarchies_that_are_needed_are_touched() {
    let names = |json: &str, layout: &Layout| {
        with(json, layout, |lowered| {
            let leaves = lowered.expect("taken").leaves;
            leaves.iter().map(cgroup::Leaf::name).collect::<Vec<_>>()
        })
    };
    assert_eq!(names("{}", &hybrid()), ["unified"]);
    assert_eq!(names("{}", &v1()), ["devices", "freezer"]);
    assert_eq!(names("{}", &v2()), ["unified"]);
    let json = r#"{"memory":{"limit":5},"cpu":{"shares":5}}"#;
    assert_eq!(names(json, &hybrid()), ["unified", "cpu", "memory"]);
    assert_eq!(names(json, &v1()), ["devices", "freezer", "cpu", "memory"]);
    with(json, &v2(), |lowered| {
        let leaf = &lowered.expect("taken").leaves[0];
        assert_eq!(
            (leaf.version, leaf.controllers.to_string().as_str()),
            (Version::V2, "cpu,memory")
        );
    });
}

#[test]
fn counted_controllers_are_taken_where_there_are_any() {
    let counted = Controllers::of(Controller::Cpuacct)
        .with(Controller::Memory)
        .with(Controller::Misc);
    let resources = Resources::default();
    let request = Request {
        path: "/c",
        shared: 0,
        beside_own: false,
        resources: &resources,
        counted,
    };
    let lowered = lower(&request, &hybrid()).expect("taken");
    let names: Vec<_> = lowered.leaves.iter().map(cgroup::Leaf::name).collect();
    assert_eq!(names, ["unified", "cpu", "memory"]);
    assert_eq!(wanted(&request), counted);
}

#[test]
fn a_missing_controller_is_named() {
    let mut layout = v2();
    layout.unified = Some(hierarchy("/sys/fs/cgroup", "cpu memory"));
    let (kind, words) = refusal(r#"{"pids":{"limit":5}}"#, &layout);
    assert_eq!(kind, Kind::Unsupported);
    assert_eq!(
        words,
        "linux.resources.pids.limit: this host has no cgroup controller \"pids\""
    );
    let (_, words) = refusal("{}", &Layout::default());
    assert_eq!(
        words,
        "linux.cgroupsPath: no cgroup file system is mounted at /sys/fs/cgroup"
    );
}

#[test]
fn the_device_policy_is_a_program_or_writes() {
    let json = r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]}"#;
    for layout in [v2(), hybrid()] {
        with(json, &layout, |lowered| {
            let lowered = lowered.expect("taken");
            assert!(lowered.settings.is_empty() && !lowered.devices.is_empty());
            assert!(
                lowered
                    .device_policy
                    .starts_with("-,+c10:229rw,+**:*m,+c1:3rwm"),
                "{}",
                lowered.device_policy
            );
        });
    }
    with(json, &v1(), |lowered| {
        let lowered = lowered.expect("taken");
        assert!(lowered.devices.is_empty());
        let lines: Vec<_> = lowered
            .settings
            .iter()
            .map(|s| format!("{} {}", s.file, s.value))
            .collect();
        let expected = [
            "devices.deny a",
            "devices.allow c 10:229 rw",
            "devices.allow c *:* m",
            "devices.allow b *:* m",
        ];
        assert_eq!(lines[..4], expected);
    });
    let json = r#"{"devices":[{"allow":true,"access":"rwm"}]}"#;
    with(json, &v2(), |lowered| {
        assert!(lowered.expect("taken").devices.is_empty())
    });
    let json = r#"{"devices":[{"allow":true,"type":"c","access":"rwm"},{"allow":false,"type":"c","major":1,"access":"w"}]}"#;
    let (_, words) = refusal(json, &v1());
    assert!(
        words.starts_with("linux.resources.devices[1]: takes back a part"),
        "{words}"
    );
}

/// `wanted` is what the host is asked for; had it not named a controller, `lower` would not find it.
#[test]
fn what_is_wanted_is_what_is_used() {
    let json = r#"{"memory":{"limit":5},"cpu":{"cpus":"0","burst":0},"pids":{"limit":1},"blockIO":{},
        "hugepageLimits":[{"pageSize":"2MB","limit":1}],"rdma":{"m":{}},"unified":{"misc.max":"x 1"},
        "network":{"classID":1,"priorities":[{"name":"lo","priority":1}]}}"#;
    let resources = parse(json);
    let request = Request {
        path: "/c",
        shared: 0,
        beside_own: false,
        resources: &resources,
        counted: Controllers::NONE,
    };
    let expected = "cpu,cpuset,memory,io,pids,hugetlb,net_cls,net_prio,rdma,misc";
    assert_eq!(wanted(&request).to_string(), expected);
}

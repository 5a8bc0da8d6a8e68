//! `exec`: one more process, confined as the first one is.

use serde_json::json;

use crate::harness::Bundle;

#[test]
fn exec_has_the_confinement_of_the_first_process() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
    bundle.config["process"]["oomScoreAdj"] = json!(500);
    bundle.config["process"]["user"]["umask"] = json!(0o027);
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status; cat /proc/self/cgroup; \
        cd /proc/self/ns; for n in mnt pid net ipc uts cgroup user; do readlink $n; done; cat /proc/self/oom_score_adj; umask; ulimit -n; pwd; env";
    bundle
        .sh(&format!("{script}; echo end; sleep 100"))
        .write_config();
    let running = bundle.begin(bundle.command(&["run", &bundle.id]));
    bundle.wait_until("the first process", || running.output().contains("end\n"));
    let first = running.output().replace("end\n", "");
    let second = bundle.exec_sh(script).ok().out;
    assert_eq!(second, first);
    bundle.call(&["kill", &bundle.id, "KILL"]).ok();
    running.wait();
}

#[test]
fn exec_takes_options() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    let exec = |options: &[&str], script: &str| {
        let words = [
            &["exec"],
            options,
            &[bundle.id.as_str(), "sh", "-c", script],
        ]
        .concat();
        bundle.call(&words).ok().out
    };
    assert_eq!(
        exec(&["--user", "7:8", "--additional-gids", "9"], "id -u; id -G"),
        "7\n8 9\n"
    );
    assert_eq!(
        exec(&["--env", "ONE=1", "-e", "TWO=2"], "echo $ONE $TWO"),
        "1 2\n"
    );
    assert_eq!(exec(&["--cwd", "/usr"], "pwd"), "/usr\n");
    let caps = exec(&["--cap", "CAP_CHOWN"], "grep CapEff /proc/self/status");
    assert!(caps.trim().ends_with('1'), "{caps}");
    assert_eq!(bundle.exec_sh("exit 42").code, 42);
    assert_eq!(bundle.exec_sh("kill -9 $$").code, 137);
    bundle
        .call(&["exec", &bundle.id, "nothing"])
        .fails("executable file not found in $PATH");
    bundle
        .call(&["exec", "--cwd", "/missing", &bundle.id, "true"])
        .fails("change directory to /missing");
    bundle
        .call(&["exec", "--user", "banana", &bundle.id, "true"])
        .fails("--user");
    bundle
        .call(&["exec", "--user", "4294967295", &bundle.id, "true"])
        .fails("user");
    bundle
        .call(&["exec", "--cap", "CAP_BANANA", &bundle.id, "true"])
        .fails("CAP_BANANA");
    bundle.call(&["exec", &bundle.id]).fails("exec");
}

#[test]
fn exec_takes_a_process_document() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    let process = json!({"args": ["sh", "-c", "echo $X; pwd; id -u"], "cwd": "/usr", "env": ["PATH=/bin", "X=y"],
        "user": {"uid": 3, "gid": 4}});
    std::fs::write(bundle.below("process.json"), process.to_string()).unwrap();
    let out = bundle
        .call(&[
            "exec",
            "--process",
            &bundle.below("process.json"),
            &bundle.id,
        ])
        .ok()
        .out;
    assert_eq!(out, "y\n/usr\n3\n");
}

#[test]
fn a_detached_exec_writes_its_pid() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    bundle
        .call(&[
            "exec",
            "-d",
            "--pid-file",
            &bundle.below("exec-pid"),
            &bundle.id,
            "sleep",
            "99",
        ])
        .ok();
    let pid = std::fs::read_to_string(bundle.below("exec-pid")).unwrap();
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(command, "sleep\x0099\0");
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(cgroup.contains(&bundle.cgroup()), "{cgroup}");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete of a container with an exec");
}

#[test]
fn exec_works_in_a_created_container() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").create().ok();
    assert_eq!(bundle.exec_sh("echo here").ok().out, "here\n");
}

#[test]
fn exec_inherits_no_descriptor() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    assert_eq!(
        bundle.exec_sh("ls /proc/self/fd | tr '\\n' ' '").ok().out,
        "0 1 2 3 "
    );
}

#[test]
fn exec_has_the_machine_and_the_filter_of_the_first_process() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    bundle.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
    bundle.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]
    });
    bundle.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
    bundle.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
    bundle.config["process"]["user"]["additionalGids"] = json!([7, 4242]);
    bundle.config["process"]["noNewPrivileges"] = json!(true);
    let script = "cat /proc/self/personality; grep -c ' bind:0 ' /proc/self/numa_maps >/dev/null && echo bound; \
        cut -d' ' -f19,41 /proc/self/stat; grep -E '^(Cap|Groups|NoNewPrivs|Seccomp)' /proc/self/status; \
        cat /proc/self/attr/current 2>/dev/null; ionice -p $$";
    bundle
        .sh(&format!("{script}; echo end; sleep 100"))
        .write_config();
    let running = bundle.begin(bundle.command(&["run", &bundle.id]));
    bundle.wait_until("the first process", || running.output().contains("end\n"));
    let first = running.output().replace("end\n", "");
    for part in [
        "00000008",
        "bound",
        "5 3\n",
        "7 4242",
        "best-effort: prio 6",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    let second = bundle.exec_sh(script).ok().out;
    assert_eq!(second, first);
    bundle.call(&["kill", &bundle.id, "KILL"]).ok();
    running.wait();
}

#[test]
fn initial_affinity_is_the_exec_s_until_its_cgroup_says_more() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["execCPUAffinity"] = json!({"initial": "0"});
    bundle.sh("sleep 100").detach().ok();
    let show = "grep Cpus_allowed_list /proc/self/status | cut -f2";
    assert_eq!(bundle.exec_sh(show).ok().out, "0\n");
    let (Some(mut second), Some(mut third)) = (Bundle::new(), Bundle::new()) else {
        return;
    };
    second.config["process"]["execCPUAffinity"] = json!({"final": "4000"});
    second.sh("sleep 100").detach().ok();
    second
        .exec_sh("true")
        .fails("process.execCPUAffinity.final");
    third.config["process"]["execCPUAffinity"] = json!({"initial": "x"});
    third.run().fails("process.execCPUAffinity.initial");
}

/// As systemd does: the first process goes below, and enables controllers for what is there, so that the
/// container's own cgroup takes nobody any more.
#[test]
fn exec_follows_an_init_that_moved_below() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let Ok(sizes) = std::fs::read_dir("/sys/kernel/mm/hugepages") else {
        return;
    };
    let unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(std::path::Path::new);
    let unified = unified
        .into_iter()
        .find(|dir| dir.join("cgroup.controllers").exists());
    if unified.is_none() || sizes.count() == 0 {
        eprintln!("skipped: no controller of cgroup v2 that can be delegated");
        return;
    }
    bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    bundle.config["mounts"]
        .as_array_mut()
        .unwrap()
        .retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    bundle.mount("cgroup", "cgroup", "/sys/fs/cgroup", &["rw"]);
    bundle.config["linux"]["resources"]["hugepageLimits"] =
        json!([{"pageSize": "2MB", "limit": 0}]);
    bundle.sh(
        "cd /sys/fs/cgroup; test -e cgroup.procs || cd unified; mkdir init && echo 0 > init/cgroup.procs && \
         echo +hugetlb > cgroup.subtree_control && touch /moved && exec sleep 100",
    );
    bundle.detach().ok();
    bundle.wait_until("the move", || bundle.dir.join("rootfs/moved").exists());
    let out = bundle.exec_sh("cat /proc/self/cgroup").ok().out;
    assert!(out.contains("0::/init\n"), "{out}");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("a container with cgroups of its own");
}

#[test]
fn exec_in_a_user_namespace_is_confined_as_well() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.map_users(100_000, 1000);
    bundle.config["process"]["oomScoreAdj"] = json!(500);
    let script = "grep -E '^(Cap|NoNewPrivs|Groups|Uid|Gid)' /proc/self/status; cat /proc/self/oom_score_adj; \
        ulimit -n; umask; tr -s ' ' </proc/self/uid_map; pwd";
    bundle
        .sh(&format!("{script}; echo end; sleep 100"))
        .write_config();
    let running = bundle.begin(bundle.command(&["run", &bundle.id]));
    bundle.wait_until("the first process", || running.output().contains("end\n"));
    let first = running.output().replace("end\n", "");
    assert!(first.contains("\n500\n"), "{first}");
    assert_eq!(bundle.exec_sh(script).ok().out, first);
    bundle.call(&["kill", &bundle.id, "KILL"]).ok();
    running.wait();
}

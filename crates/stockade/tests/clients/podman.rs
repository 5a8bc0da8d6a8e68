//! Podman, with conmon between it and our binary.

use crate::rig::Rig;

/// A rig in which Podman has the image.
fn podman() -> Option<Rig> {
    let rig = Rig::new(&["podman", "conmon", "script"])?;
    // No limit is raised where the machine does not allow it.
    rig.write(
        "containers.conf",
        &format!(
            "[containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=4096:4096\"]\nnetns=\"none\"\n\
             [engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime=\"stockade-oci\"\n\
             [engine.runtimes]\nstockade-oci=[\"{}\"]\n",
            rig.runtime("stockade-oci")
        ),
    );
    rig.write(
        "storage.conf",
        &format!(
            "[storage]\ndriver=\"overlay\"\ngraphroot=\"{0}/graph\"\nrunroot=\"{0}/run\"\n",
            rig.path("data")
        ),
    );
    rig.ok(&podman_("load --input box.tar"));
    Some(rig)
}

/// A command of Podman's, in the rig.
fn podman_(words: &str) -> String {
    format!(
        "export CONTAINERS_CONF=$DIR/containers.conf CONTAINERS_STORAGE_CONF=$DIR/storage.conf; \
         podman {words}"
    )
}

#[test]
fn podman_runs_containers() {
    let Some(rig) = podman() else { return };
    let run = |words: &str| rig.ok(&podman_(&format!("run --rm {words}")));
    assert_eq!(run("$IMAGE echo hello"), "hello");
    for name in ["runc", "crun"] {
        let words = format!("--runtime {} run --rm $IMAGE echo hello", rig.runtime(name));
        assert_eq!(rig.ok(&podman_(&words)), "hello", "{name}");
    }
    // By the binary's own name Podman's `create` cannot be told from people's: the error says what to do.
    let words = format!("--runtime {} run --rm $IMAGE true", rig.runtime("stockade"));
    rig.fails(&podman_(&words), 126, "stockade-oci");
    assert_eq!(
        rig.ok(&format!(
            "echo hello | {{ {}; }}",
            podman_("run --rm -i $IMAGE cat")
        )),
        "hello"
    );
    rig.fails(&podman_("run --rm $IMAGE sh -c 'exit 42'"), 42, "");
    rig.fails(
        &podman_("run --rm $IMAGE nosuch"),
        127,
        "executable file not found in $PATH",
    );
    rig.fails(&podman_("run --rm $IMAGE /etc"), 126, "permission denied");
    let files = run(
        "--read-only --tmpfs /tmp:size=1m --volume $DIR:/data:ro $IMAGE sh -c \
         'touch /x 2>&1; touch /data/x 2>&1; touch /tmp/x && df /tmp'",
    );
    assert_eq!(files.matches("Read-only file system").count(), 2, "{files}");
    run("--volume kept:/v $IMAGE sh -c 'echo kept > /v/f'");
    assert_eq!(run("--volume kept:/v $IMAGE cat /v/f"), "kept");
    let confined = run(
        "--memory 32m --cpus .5 --pids-limit 20 --cap-drop ALL --cap-add NET_ADMIN \
         --security-opt no-new-privileges --hostname here --sysctl net.ipv4.ip_forward=1 \
         --device /dev/fuse --group-add 7 --user 1000:1000 --umask 077 $IMAGE sh -c \
         'hostname; id -G; umask; cat /proc/sys/net/ipv4/ip_forward; ls /dev/fuse; \
         cat /sys/fs/cgroup/memory/memory.limit_in_bytes; cat /sys/fs/cgroup/pids/pids.max; \
         grep -E \"CapBnd|NoNewPrivs\" /proc/self/status'",
    );
    assert_eq!(
        confined.lines().collect::<Vec<_>>(),
        [
            "here",
            "1000 7",
            "0077",
            "1",
            "/dev/fuse",
            "33554432",
            "20",
            "CapBnd:\t0000000000001000",
            "NoNewPrivs:\t1"
        ]
    );
    assert!(run("--privileged $IMAGE ls /dev").contains("kmsg"));
    let map = run(
        "--uidmap 0:200000:5000 --gidmap 0:200000:5000 $IMAGE sh -c 'touch /x; stat -c %u /x; cat /proc/self/uid_map'",
    );
    assert_eq!(
        map.split_whitespace().collect::<Vec<_>>(),
        ["0", "0", "200000", "5000"]
    );
    run("--systemd always $IMAGE ls /sys/fs/cgroup/systemd");
    run("--cgroupns host --pid host --ipc host --uts host --network host $IMAGE true");
    run("--cgroups no-conmon $IMAGE true");
    assert_eq!(rig.ok(&podman_("ps --all --quiet")), "");
    assert_eq!(rig.states("/run/stockade"), "");
    assert_eq!(
        rig.ok("ls -d /sys/fs/cgroup/*/libpod_parent/libpod-*/ || true"),
        ""
    );
}

#[test]
fn podman_tends_a_container() {
    let Some(rig) = podman() else { return };
    let podman = |words: &str| rig.ok(&podman_(words));
    podman("run --detach --name c1 $IMAGE sh -c 'echo out; echo err >&2; exec sleep 1000'");
    assert_eq!(
        podman("exec --user 1000 --workdir /tmp --env A=B c1 sh -c 'id -u; pwd; echo $A'"),
        "1000\n/tmp\nB"
    );
    rig.fails(&podman_("exec c1 nosuch"), 127, "executable file not found");
    let tty = podman(
        "exec c1 true; script -qec 'stty rows 33 cols 99; podman run --rm -it $IMAGE sh -c \
         \"tty; sleep 0.5; stty size\"; podman exec -it c1 tty' /dev/null",
    );
    assert_eq!(tty.matches("/dev/pts/0").count(), 2, "{tty:?}");
    assert!(tty.contains("33 99"), "{tty:?}");
    assert_eq!(podman("logs c1 2>&1 | sort"), "err\nout");
    assert!(podman("top c1").contains("sleep 1000"));
    assert_eq!(podman("stats --no-stream --format '{{.PIDS}}' c1"), "1");
    let status = "inspect --format '{{.State.Status}}' c1";
    podman("pause c1");
    assert_eq!(podman(status), "paused");
    podman("unpause c1");
    podman("update --memory 64m --cpus 0.5 c1");
    let limits = podman(
        "exec c1 sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us'",
    );
    assert_eq!(limits, "67108864\n50000");
    podman("cp box.tar c1:/tmp/box.tar");
    assert_eq!(podman("exec c1 ls /tmp"), "box.tar");
    podman("restart --time 0 c1");
    assert_eq!(podman(status), "running");
    podman("kill --signal KILL c1");
    assert_eq!(podman("wait c1"), "137");
    podman("start c1");
    podman("stop --time 0 c1");
    podman("rm c1");
    podman("run --detach --name well --health-cmd 'true' $IMAGE sleep 1000");
    podman("healthcheck run well");
    podman("rm --force --time 0 well");
    assert_eq!(rig.states("/run/stockade"), "");
}

#[test]
fn podman_has_pods_and_builds() {
    let Some(rig) = podman() else { return };
    let podman = |words: &str| rig.ok(&podman_(words));
    podman("pod create --name pod1 --infra-image $IMAGE --infra-command 'sleep 1000'");
    podman("run --detach --name in --pod pod1 $IMAGE sleep 1000");
    assert_eq!(podman("run --rm --pod pod1 $IMAGE hostname"), "pod1");
    podman("pod pause pod1");
    podman("pod unpause pod1");
    assert_eq!(
        podman("pod stats --no-stream --format '{{.PIDS}}' pod1"),
        "PIDS\n1\n1"
    );
    podman("pod stop --time 0 pod1");
    podman("pod rm --force pod1");

    rig.write(
        "Dockerfile",
        "FROM box\nRUN echo built > /file\nCMD [\"cat\", \"/file\"]\n",
    );
    podman("build --pull=never --network none --tag built --file Dockerfile .");
    assert_eq!(podman("run --rm built"), "built");

    podman("run --detach --name made --env A=B $IMAGE sleep 1000");
    podman("generate kube made > made.yaml");
    podman("rm --force --time 0 made");
    // The pod's pause image would come from a registry.
    podman("play kube made.yaml");
    assert_eq!(podman("exec made-pod-made sh -c 'echo $A'"), "B");
    podman("play kube --down made.yaml");
    assert_eq!(podman("ps --all --quiet"), "");
    assert_eq!(rig.states("/run/stockade"), "");
}

#[test]
fn podman_saves_and_restores() {
    let Some(rig) = podman() else { return };
    let criu = std::env::var("HOME").map(|home| format!("{home}/.cache/stockade-criu"));
    let Some(criu) = criu
        .ok()
        .filter(|dir| std::path::Path::new(dir).join("criu").is_file())
    else {
        eprintln!("skipped: no criu of version 4 or later (scripts/setup brings one)");
        return;
    };
    // Podman and conmon look where a host has it.
    let with_criu = |words: &str| {
        let bound = format!(
            "mount -t tmpfs bin /usr/local/sbin && ln -s {criu}/criu /usr/local/sbin/criu; \
             export PATH=/usr/local/sbin:$PATH; {}",
            podman_(words)
        );
        rig.ok(&bound)
    };
    let script = "i=0; while :; do i=$((i+1)); echo $i; sleep .1; done";
    with_criu(&format!("run -d --name saved $IMAGE sh -c '{script}'"));
    with_criu("container checkpoint --export $DIR/saved.tar saved");
    with_criu("container restore saved");
    assert_eq!(
        rig.ok(&podman_("inspect --format '{{.State.Status}}' saved")),
        "running"
    );
    assert_eq!(rig.ok(&podman_("exec saved echo hello")), "hello");
    rig.ok(&podman_("rm --force --time 0 saved"));
}

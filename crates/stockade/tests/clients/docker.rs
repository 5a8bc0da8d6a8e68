//! Docker: the daemon with our binary as its default runtime, the command line, Compose.

use crate::rig::{Daemon, Rig};

/// A rig with a daemon, and the image. `binary` is the name under which the daemon calls ours; `options` are
/// more of the daemon's.
fn docker(binary: &str, options: &str) -> Option<Rig> {
    let rig = Rig::new(&["dockerd", "docker", "docker-compose", "script"])?;
    start(&rig, binary, options);
    rig.ok(&docker_("load --input box.tar"));
    Some(rig)
}

fn start(rig: &Rig, binary: &str, options: &str) -> Daemon {
    rig.daemon(
        "dockerd",
        &format!(
            "exec dockerd --data-root $DIR/data/root --exec-root $DIR/data/exec --pidfile $DIR/data/pid \
             --host unix://$DIR/data/sock --add-runtime stockade={} --default-runtime stockade {options}",
            rig.runtime(binary)
        ),
        &docker_("version"),
    )
}

/// A command of Docker's, in the rig.
fn docker_(words: &str) -> String {
    format!("export DOCKER_HOST=unix://$DIR/data/sock; docker {words}")
}

/// Nothing of firewall or bridge: what these tests are about is the containers.
const PLAIN: &str = "--bridge none --iptables=false --ip6tables=false --ip-forward=false";

#[test]
fn docker_runs_containers() {
    let Some(rig) = docker("stockade-oci", PLAIN) else {
        return;
    };
    let run = |words: &str| rig.ok(&docker_(&format!("run --rm {words}")));
    assert_eq!(run("box echo hello"), "hello");
    assert_eq!(
        rig.ok(&format!(
            "echo hello | {{ {}; }}",
            docker_("run --rm -i box cat")
        )),
        "hello"
    );
    rig.fails(&docker_("run --rm box sh -c 'exit 42'"), 42, "");
    rig.fails(
        &docker_("run --rm box nosuch"),
        127,
        "executable file not found in $PATH",
    );
    rig.fails(&docker_("run --rm box /etc"), 126, "permission denied");
    assert!(run("--init box ps").contains("1 root     /sbin/docker-init -- ps"));
    let files = run(
        "--read-only --tmpfs /tmp:size=1m --volume $DIR:/data:ro box sh -c \
         'touch /x 2>&1; touch /data/x 2>&1; touch /tmp/x && df /tmp'",
    );
    assert_eq!(files.matches("Read-only file system").count(), 2, "{files}");
    assert!(files.contains("1024"), "{files}");
    let confined = run(
        "--memory 32m --cpus .5 --pids-limit 20 --cpuset-cpus 0 --cap-drop ALL \
         --cap-add NET_ADMIN --security-opt no-new-privileges --hostname here --ulimit nofile=100:200 \
         --sysctl net.ipv4.ip_forward=1 --device /dev/fuse --group-add 7 --pid host --user 1000:1000 box \
         sh -c 'hostname; id -G; ulimit -n; cat /proc/sys/net/ipv4/ip_forward; ls /dev/fuse; \
         cat /sys/fs/cgroup/memory/memory.limit_in_bytes; cat /sys/fs/cgroup/pids/pids.max; \
         grep -E \"CapBnd|NoNewPrivs\" /proc/self/status'",
    );
    assert_eq!(
        confined.lines().collect::<Vec<_>>(),
        [
            "here",
            "1000 7",
            "100",
            "1",
            "/dev/fuse",
            "33554432",
            "20",
            "CapBnd:\t0000000000001000",
            "NoNewPrivs:\t1"
        ]
    );
    let tty = rig.ok(&docker_(
        "image ls; script -qec 'stty rows 33 cols 99; docker run --rm -it box sh -c \
         \"tty; sleep 0.5; stty size\"' /dev/null",
    ));
    assert!(tty.contains("/dev/pts/0"), "{tty:?}");
    assert!(tty.contains("33 99"), "{tty:?}");
    assert_eq!(rig.ok(&docker_("ps --all --quiet")), "");
    assert_eq!(rig.states("data/exec/runtime-runc/moby"), "");
    assert_eq!(rig.ok("ls -d /sys/fs/cgroup/*/docker/*/ || true"), "");
}

#[test]
fn docker_tends_a_container() {
    let Some(rig) = docker("stockade-oci", PLAIN) else {
        return;
    };
    let docker = |words: &str| rig.ok(&docker_(words));
    docker("run --detach --name c1 box sh -c 'echo out; echo err >&2; exec sleep 1000'");
    assert_eq!(
        docker("exec --user 1000 --workdir /tmp --env A=B c1 sh -c 'id -u; pwd; echo $A'"),
        "1000\n/tmp\nB"
    );
    rig.fails(&docker_("exec c1 nosuch"), 126, "executable file not found");
    let tty = docker("exec c1 true; script -qec 'docker exec -it c1 tty' /dev/null");
    assert!(tty.contains("/dev/pts/0"), "{tty:?}");
    assert_eq!(docker("logs c1 2>&1 | sort"), "err\nout");
    assert!(docker("top c1").contains("sleep 1000"));
    let stats = docker("stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' c1");
    assert!(
        stats.starts_with("1 ") && stats.contains("KiB /"),
        "its own use: {stats}"
    );

    let status = "inspect --format '{{.State.Status}}' c1";
    docker("pause c1");
    assert_eq!(docker(status), "paused");
    rig.fails(&docker_("exec c1 true"), 1, "is paused");
    docker("unpause c1");
    docker("update --memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 50 c1");
    let limits = docker(
        "exec c1 sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max'",
    );
    assert_eq!(limits, "67108864\n50000\n50");
    docker("cp box.tar c1:/tmp/box.tar");
    assert_eq!(docker("exec c1 ls /tmp"), "box.tar");
    docker("restart --time 0 c1");
    assert_eq!(docker(status), "running");
    docker("kill --signal KILL c1");
    assert_eq!(docker("wait c1"), "137");
    docker("start c1");
    docker("stop --time 0 c1");
    docker("rm c1");

    docker(
        "run --detach --name full --memory 8m --memory-swap 8m box sh -c \
        'head -c 50000000 /dev/zero | tail > /dev/null; sleep 1'",
    );
    rig.until(
        &docker_("inspect --format '{{.State.OOMKilled}} {{.State.Status}}' full"),
        "true exited",
    );
    docker("run --detach --name again --restart on-failure:2 box false");
    rig.until(
        &docker_("inspect --format '{{.RestartCount}} {{.State.Status}}' again"),
        "2 exited",
    );
    docker("run --detach --name well --health-cmd true --health-interval 1s box sleep 1000");
    rig.until(
        &docker_("inspect --format '{{.State.Health.Status}}' well"),
        "healthy",
    );
    docker("rm --force full again well");
    assert_eq!(rig.states("data/exec/runtime-runc/moby"), "");
}

#[test]
fn docker_builds_and_composes() {
    // The binary by its own name: the daemon's options before the command say what it is called as.
    let Some(rig) = docker("stockade", PLAIN) else {
        return;
    };
    rig.write(
        "Dockerfile",
        "FROM box\nRUN echo built > /file\nCMD [\"cat\", \"/file\"]\n",
    );
    rig.ok(&docker_("build --network none --tag built - < Dockerfile"));
    assert_eq!(rig.ok(&docker_("run --rm built")), "built");
    rig.write(
        "docker-compose.yml",
        "version: '3'\nservices:\n  one:\n    image: box\n    network_mode: none\n    init: true\n    \
         command: [sleep, '1000']\n  two:\n    image: box\n    network_mode: none\n    mem_limit: 32m\n    \
         command: [echo, two]\n",
    );
    let compose = |words: &str| {
        rig.ok(&format!(
            "export DOCKER_HOST=unix://$DIR/data/sock; docker-compose --project-name made {words} 2>&1"
        ))
    };
    compose("up --detach");
    assert!(compose("exec -T one ps").contains("docker-init"));
    rig.until(&docker_("wait made_two_1"), "0");
    assert!(compose("logs --no-color two").contains("two"));
    compose("down --timeout 0");
    assert_eq!(rig.ok(&docker_("ps --all --quiet")), "");
}

#[test]
fn docker_maps_users_and_survives_its_daemon() {
    let Some(rig) = Rig::new(&["dockerd", "docker"]) else {
        return;
    };
    // The rig's own view of the files that name ranges.
    rig.ok("cp -a /etc data/etc && mount --bind data/etc /etc");
    rig.ok("for kind in uid gid; do echo daemon:300000:65536 > /etc/sub$kind; done");
    let options = format!("{PLAIN} --userns-remap daemon --live-restore");
    let daemon = start(&rig, "stockade-oci", &options);
    rig.ok(&docker_("load --input box.tar"));
    let map = rig.ok(&docker_("run --rm box cat /proc/self/uid_map"));
    assert_eq!(
        map.split_whitespace().collect::<Vec<_>>(),
        ["0", "300000", "65536"]
    );
    rig.ok(&docker_("run --detach --name c1 box sleep 1000"));
    assert_eq!(rig.ok(&docker_("exec c1 id -u")), "0");
    rig.ok("kill -KILL $(cat data/pid)");
    daemon.wait();
    rig.ok("rm -f data/pid");
    start(&rig, "stockade-oci", &options);
    assert_eq!(
        rig.ok(&docker_("exec c1 sh -c 'echo still there'")),
        "still there"
    );
    rig.ok(&docker_("rm --force c1"));
}

#[test]
fn docker_connects_containers() {
    let Some(rig) = docker("stockade-oci", "--userland-proxy=false") else {
        return;
    };
    rig.ok(&docker_("network create net1"));
    rig.ok(&docker_(
        "run --detach --network net1 --name server box sleep 1000",
    ));
    let out = rig.ok(&docker_(
        "run --rm --network net1 box ping -c 1 -W 5 server",
    ));
    assert!(out.contains("1 packets received"), "{out}");
    rig.ok(&docker_("rm --force server"));
}

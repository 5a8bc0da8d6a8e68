//! containerd by `ctr`, with its own shim for runc and our binary under it.

use crate::rig::Rig;

/// Starts containerd in the rig, loads the image, and makes the binary under this name the CRI's runtime, called by
/// containerd's own shim; the handler `shim` is our shim.
pub fn start(rig: &Rig, binary: &str) {
    rig.write(
        "containerd.toml",
        &format!(
            r#"version = 2
root = "{data}/root"
state = "{data}/state"
[grpc]
  address = "{data}/sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{data}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "docker.io/library/box:latest"
  disable_tcp_service = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "stockade"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.stockade]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.stockade.options]
  BinaryName = "{runtime}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.shim]
  runtime_type = "io.containerd.stockade.v2"
"#,
            data = rig.path("data"),
            runtime = rig.runtime(binary)
        ),
    );
    rig.daemon(
        "containerd",
        "PATH=$DIR/bin:$PATH exec containerd --config containerd.toml",
        "ctr --address $DIR/data/sock --connect-timeout 1s version",
    );
    rig.ok("ctr --address $DIR/data/sock --namespace k8s.io image import box.tar");
    rig.ok("ctr --address $DIR/data/sock image import box.tar");
}

/// `ctr` with its socket, and `run` with the binary under this name.
fn prelude(rig: &Rig, binary: &str) -> String {
    format!(
        "export CONTAINERD_ADDRESS=$DIR/data/sock; run() {{ ctr run --runtime io.containerd.runc.v2 \
         --runc-binary {} \"$@\"; }}; ",
        rig.runtime(binary)
    )
}

#[test]
fn ctr_runs_tasks() {
    let Some(rig) = Rig::new(&["containerd", "ctr", "script"]) else {
        return;
    };
    start(&rig, "stockade-oci");
    for name in ["stockade-oci", "stockade", "runc"] {
        let ctr = prelude(&rig, name);
        let out = rig.ok(&format!("{ctr} run --rm $IMAGE by-{name} echo hello"));
        assert_eq!(out, "hello", "{name}");
    }
    let ctr = prelude(&rig, "stockade-oci");
    rig.fails(&format!("{ctr} run --rm $IMAGE c1 sh -c 'exit 9'"), 9, "");
    rig.fails(
        &format!("{ctr} run --rm $IMAGE c1 nosuch"),
        1,
        "executable file not found in $PATH",
    );
    let tty = rig.ok(&format!(
        "{ctr} script -qec \"ctr run --rm --tty --runc-binary {} $IMAGE c1 tty\" /dev/null",
        rig.runtime("stockade-oci")
    ));
    assert!(tty.contains("/dev/pts/0"), "{tty:?}");
    let maps = rig.ok(&format!(
        "{ctr} run --rm --uidmap 0:100000:65536 --gidmap 0:100000:65536 $IMAGE c1 cat /proc/self/uid_map"
    ));
    assert_eq!(
        maps.split_whitespace().collect::<Vec<_>>(),
        ["0", "100000", "65536"]
    );
    let confined = rig.ok(&format!(
        "{ctr} run --rm --read-only --seccomp --cap-drop CAP_NET_RAW $IMAGE c1 sh -c \
         'touch /x 2>&1; grep -E \"Seccomp:|CapBnd\" /proc/self/status'"
    ));
    assert!(confined.contains("Read-only file system"), "{confined}");
    assert!(confined.contains("00000000a80405fb"), "{confined}");
    assert!(confined.contains("Seccomp:\t2"), "{confined}");
    assert_eq!(rig.states("/run/containerd/runc/default"), "");
}

#[test]
fn ctr_tends_a_task() {
    let Some(rig) = Rig::new(&["containerd", "ctr"]) else {
        return;
    };
    start(&rig, "stockade-oci");
    let ctr = prelude(&rig, "stockade-oci");
    rig.ok(&format!(
        "{ctr} run --detach --memory-limit 67108864 --cpus 0.5 $IMAGE c1 sleep 1000"
    ));
    let task = |words: &str| rig.ok(&format!("{ctr} ctr task {words}"));
    assert_eq!(task("exec --exec-id e1 c1 id -u"), "0");
    rig.fails(
        &format!("{ctr} ctr task exec --exec-id e2 c1 nosuch"),
        1,
        "executable file not found in $PATH",
    );
    let state = format!("{ctr} ctr task ls | awk '$1 == \"c1\" {{ print $3 }}'");
    task("pause c1");
    assert_eq!(rig.ok(&state), "PAUSED");
    task("resume c1");
    assert_eq!(rig.ok(&state), "RUNNING");
    assert_eq!(task("ps c1").lines().count(), 2);
    let metrics = task("metrics c1");
    let limit = metrics
        .lines()
        .find(|line| line.starts_with("memory.limit_in_bytes"));
    assert!(
        limit.is_some_and(|line| line.trim_end().ends_with("67108864")),
        "{metrics}"
    );
    task("kill --signal KILL c1");
    rig.until(&state, "STOPPED");
    // `ctr` ends with the task's status, so that the task's is what tells.
    rig.run(&format!("{ctr} ctr task rm c1; ctr container rm c1"));
    assert_eq!(rig.states("/run/containerd/runc/default"), "");
    assert_eq!(rig.ok("ls -d /sys/fs/cgroup/*/default/c1 || true"), "");
}

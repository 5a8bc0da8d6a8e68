//! Kubernetes' way: pods and containers through containerd's CRI, as a kubelet asks for them.

use crate::containerd;
use crate::grpc::{self, Message};
use crate::rig::{IMAGE, Rig};

/// `NamespaceMode.NODE`: the pod uses the host's network, which is the rig's.
const NODE: u64 = 2;
/// `ContainerState`.
const RUNNING: u64 = 1;
const EXITED: u64 = 2;

fn call(rig: &Rig, method: &str, request: &Message) -> Message {
    let method = format!("runtime.v1.RuntimeService/{method}");
    grpc::call(rig, &method, request).unwrap_or_else(|error| panic!("{method}: {error}"))
}

fn pod(rig: &Rig, shared_pids: bool) -> Message {
    let metadata = Message::new()
        .text(1, "pod")
        .text(2, "uid-1")
        .text(3, "default");
    let namespaces = Message::new()
        .number(1, NODE)
        .number(2, u64::from(!shared_pids));
    let security = Message::new().with(1, &namespaces);
    let linux = Message::new().text(1, "/kubepods/pod1").with(2, &security);
    Message::new()
        .with(1, &metadata)
        .text(3, &rig.path("logs"))
        .with(8, &linux)
}

fn container(name: &str, command: &[&str], resources: &Message) -> Message {
    let env = Message::new().text(1, "GREETING").text(2, "hello");
    Message::new()
        .with(1, &Message::new().text(1, name))
        .with(2, &Message::new().text(1, IMAGE))
        .texts(3, command)
        .with(6, &env)
        .text(11, &format!("{name}.log"))
        .with(15, &Message::new().with(1, resources))
}

/// Creates and starts a container; gives its id.
fn start(rig: &Rig, sandbox: &str, pod: &Message, config: &Message) -> String {
    let request = Message::new().text(1, sandbox).with(2, config).with(3, pod);
    let id = call(rig, "CreateContainer", &request).get_text(&[1]);
    call(rig, "StartContainer", &Message::new().text(1, &id));
    id
}

fn state(rig: &Rig, id: &str) -> u64 {
    call(rig, "ContainerStatus", &Message::new().text(1, id)).get_number(&[1, 3])
}

fn exec(rig: &Rig, id: &str, command: &[&str]) -> (String, u64) {
    let answer = call(
        rig,
        "ExecSync",
        &Message::new().text(1, id).texts(2, command),
    );
    (answer.get_text(&[1]), answer.get_number(&[3]))
}

#[test]
fn a_pod_lives_as_a_kubelet_wants_it() {
    let Some(rig) = Rig::new(&["containerd", "ctr", "curl"]) else {
        return;
    };
    containerd::start(&rig, "stockade-oci");
    lives_by(&rig, "stockade", "/run/containerd/runc/k8s.io");
    // The one handler's states are in the other's way no more than its shims.
    lives_by(&rig, "shim", "/run/containerd/stockade/k8s.io");
    let shims = "pgrep -f '[c]ontainerd-shim.*-address '$DIR || true";
    rig.until(shims, "");
}

/// A pod's life by the runtime handler of this name, which has its states there.
fn lives_by(rig: &Rig, handler: &str, states: &str) {
    let pod = pod(rig, true);
    let asked = Message::new().with(1, &pod).text(2, handler);
    let sandbox = call(rig, "RunPodSandbox", &asked).get_text(&[1]);
    let limits = Message::new().number(4, 64 << 20).number(3, 512);
    let script = "echo $GREETING; exec sleep 1000";
    let id = start(
        rig,
        &sandbox,
        &pod,
        &container("main", &["sh", "-c", script], &limits),
    );
    assert_eq!(state(rig, &id), RUNNING);
    assert_eq!(exec(rig, &id, &["id", "-u"]), ("0\n".into(), 0));
    assert_eq!(exec(rig, &id, &["sh", "-c", "exit 7"]).1, 7);
    let file = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    assert_eq!(exec(rig, &id, &["cat", file]).0, "67108864\n");
    rig.wait_until("the log", || {
        let log = std::fs::read_to_string(rig.dir.join("logs/main.log")).unwrap_or_default();
        log.trim_end().ends_with("stdout F hello")
    });

    let stats = call(rig, "ContainerStats", &Message::new().text(1, &id));
    assert!(
        stats.get_number(&[1, 2, 2, 1]) > 0,
        "no processor time: {stats:?}"
    );
    let memory = stats.get_number(&[1, 3, 2, 1]);
    assert!((1..64 << 20).contains(&memory), "{memory} bytes");

    let more = Message::new().number(4, 80 << 20);
    call(
        rig,
        "UpdateContainerResources",
        &Message::new().text(1, &id).with(2, &more),
    );
    assert_eq!(exec(rig, &id, &["cat", file]).0, "83886080\n");

    let neighbour = container("neighbour", &["sleep", "1000"], &Message::new());
    let neighbour = start(rig, &sandbox, &pod, &neighbour);
    let (seen, _) = exec(rig, &neighbour, &["ps", "-o", "args"]);
    assert_eq!(
        seen.matches("sleep 1000").count(),
        3,
        "one process namespace: {seen}"
    );

    call(rig, "StopContainer", &Message::new().text(1, &id));
    assert_eq!(state(rig, &id), EXITED);
    call(rig, "RemoveContainer", &Message::new().text(1, &id));
    call(rig, "StopPodSandbox", &Message::new().text(1, &sandbox));
    call(rig, "RemovePodSandbox", &Message::new().text(1, &sandbox));
    assert_eq!(rig.states(states), "");
    assert_eq!(
        rig.ok("ls -d /sys/fs/cgroup/*/kubepods/pod1/*/ || true"),
        ""
    );
}

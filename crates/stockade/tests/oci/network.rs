//! `linux.netDevices`: devices of the host that move into the container. The host is a network namespace of
//! the test's own.

use serde_json::json;

use crate::harness::{Bundle, Outcome, program};

/// Runs a command of the runtime on a host with a veth pair `out0`, `out1`, and shows what is left of it there.
fn on_a_host(bundle: &Bundle, verb: &str) -> Outcome {
    bundle.write_config();
    let script = format!(
        "ip link add out0 address 02:00:00:00:07:01 mtu 1400 type veth peer name out1; ip link set lo up;
         ip addr add 10.9.8.7/24 brd + dev out0; ip addr add 2001:db8::7/64 dev out0 nodad; ip link set out0 up;
         \"$0\" oci --root {}/state {verb} {}; code=$?; echo host; ip -br addr show; ip -br link show; exit $code",
        bundle.path(),
        bundle.id
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["-n", "sh", "-c", &script]).arg(program());
    command.current_dir(bundle.path());
    bundle.finish(command)
}

const SHOW: &str = "ip addr show; ip link show";

#[test]
fn a_device_moves_with_its_addresses() {
    for (users, name) in [(false, Some("eth7")), (false, None), (true, Some("eth7"))] {
        let Some(mut bundle) = Bundle::new() else {
            return;
        };
        if users {
            bundle.map_users(100_000, 1000);
        }
        bundle.config["linux"]["netDevices"] = match name {
            Some(name) => json!({"out0": {"name": name}}),
            None => json!({"out0": {}}),
        };
        bundle.sh(SHOW);
        let out = on_a_host(&bundle, "run").ok().out;
        let (inside, host) = out.split_once("host\n").unwrap();
        let name = name.unwrap_or("out0");
        for part in [
            &format!("{name}@"),
            "02:00:00:00:07:01",
            "mtu 1400",
            "inet 10.9.8.7/24 brd 10.9.8.255 scope global",
            "inet6 2001:db8::7/64 scope global",
            "UP",
        ] {
            assert!(inside.contains(part), "{part}: {inside}");
        }
        assert!(!host.contains("out0"), "it has moved, and ended: {host}");
        bundle.assert_nothing_left("run");
    }
}

#[test]
fn a_container_that_fails_gives_devices_back() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["netDevices"] = json!({"out0": {"name": "eth7"}});
    bundle.args(&["no-such-command"]);
    let mut attempts = vec![(bundle.config.clone(), "no-such-command")];
    bundle.sh("true");
    bundle.config["linux"]["netDevices"]["zzz0"] = json!({});
    attempts.push((bundle.config.clone(), "linux.netDevices[\"zzz0\"]"));
    bundle.config["linux"]["netDevices"] = json!({"out0": {"name": "lo"}});
    attempts.push((bundle.config.clone(), "linux.netDevices[\"out0\"]"));
    for (config, why) in attempts {
        bundle.config = config;
        let outcome = on_a_host(&bundle, "create");
        assert_ne!(outcome.code, 0, "{outcome:?}");
        assert!(outcome.err.contains(why), "{why}: {outcome:?}");
        for part in [
            "out0@",
            "02:00:00:00:07:01",
            "10.9.8.7/24",
            "2001:db8::7/64",
            "UP",
        ] {
            assert!(outcome.out.contains(part), "{part}: {outcome:?}");
        }
        bundle.assert_nothing_left(why);
    }
}

#[test]
fn devices_that_can_be_none() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for (devices, place) in [
        (json!({"a/b": {}}), "linux.netDevices[\"a/b\"]"),
        (
            json!({"out0": {"name": "0123456789abcdef"}}),
            "linux.netDevices.out0",
        ),
        (
            json!({"out0": {"name": "x"}, "out1": {"name": "x"}}),
            "linux.netDevices.out1",
        ),
    ] {
        bundle.config["linux"]["netDevices"] = devices;
        bundle.run().fails(place);
    }
    bundle.config["linux"]["netDevices"] = json!({"out0": {}});
    bundle.without_namespace("network");
    bundle.run().fails("linux.netDevices");
}

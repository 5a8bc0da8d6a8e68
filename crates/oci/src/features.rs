//! `features`: what this build supports (runtime-spec, `features.md`), from what it is built of.

use alloc::vec::Vec;

use engine::Result;
use serde_json::json;
use spec::seccomp::Flag;
use spec::{CapSet, MemoryPolicyFlag, MemoryPolicyMode, NamespaceType};

use crate::Success;
use crate::arguments::Arguments;

const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

const SECCOMP_FLAGS: [Flag; 4] = [
    Flag::Tsync,
    Flag::SpecAllow,
    Flag::Log,
    Flag::WaitKillableRecv,
];

/// `features`.
pub(crate) fn features(arguments: &mut Arguments<'_>) -> Result<Success> {
    arguments.parse("features", 0..=0, |_, _| Ok(false))?;
    Ok(Success::text(json()))
}

/// The document.
fn json() -> Vec<u8> {
    let capabilities: Vec<_> = CapSet::ALL.names().collect();
    let namespaces: Vec<_> = NamespaceType::ALL.iter().map(|kind| kind.name()).collect();
    let modes: Vec<_> = MemoryPolicyMode::ALL
        .iter()
        .map(|mode| mode.name())
        .collect();
    let flags: Vec<_> = MemoryPolicyFlag::ALL
        .iter()
        .map(|flag| flag.name())
        .collect();
    let document = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": spec::state::OCI_VERSION,
        "hooks": HOOKS,
        "mountOptions": spec::mount::OPTIONS,
        "linux": {
            "namespaces": namespaces,
            "capabilities": capabilities,
            "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
            "seccomp": seccomp(),
            "apparmor": { "enabled": true },
            "selinux": { "enabled": true },
            "intelRdt": { "enabled": false },
            "memoryPolicy": { "modes": modes, "flags": flags },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": true }
        },
        "annotations": {
            "org.stockade.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.runc.checkpoint.enabled": "true"
        }
    });
    let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    text.push(b'\n');
    text
}

fn seccomp() -> serde_json::Value {
    let flags = SECCOMP_FLAGS.map(Flag::name);
    json!({
        "enabled": true,
        "actions": [
            "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
            "SCMP_ACT_TRAP"
        ],
        "operators": [
            "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
            "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"
        ],
        "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
        "knownFlags": flags,
        "supportedFlags": flags
    })
}

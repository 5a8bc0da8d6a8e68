//! From `linux.namespaces` to the steps that give the first process its own.

use alloc::format;
use alloc::string::String;

use spec::{Namespace, NamespaceType, Place};

use crate::order::{Order, clone_flag};
use crate::process;
use crate::request::Facts;
use crate::step::{Answer, ChildAct, HostAct, Launch, Origin, Slot};

/// CAP_SYS_ADMIN (`linux/capability.h`).
const SYS_ADMIN: u64 = 1 << 21;

/// Cgroups first, so that all that follows is accounted; then the namespaces that are joined; then those
/// that only the process itself can make.
pub(crate) fn add(order: &mut Order<'_, '_>, facts: &Facts) -> Launch {
    let mut launch = Launch::default();
    let leaves = &order.request.cgroup.leaves;
    launch.into_cgroup = leaves
        .iter()
        .any(|leaf| leaf.version == cgroup::Version::V2);
    for (index, leaf) in leaves.iter().enumerate() {
        if leaf.version == cgroup::Version::V1 {
            let act = ChildAct::EnterCgroup {
                slot: Slot::Tasks(index),
                name: leaf.name(),
            };
            order.child(Origin::Config(Place::field("linux.cgroupsPath")), act);
        }
    }
    let made = made_at_birth(order);
    let joins_user = order.in_user_namespace() && !order.new_user_namespace();
    if joins_user && let Some(process) = &order.request.spec.process {
        // In the user namespace the right to it is gone.
        if let Some(step) = process::oom_score(process) {
            order.child(step.origin, step.act);
        }
    }
    join_all(order, facts, &mut launch);
    let late = if joins_user { made } else { made & late(order) };
    launch.namespaces = made & !late;
    new_user_namespace(order);
    make_late(order, late, joins_user);
    if order
        .linux
        .is_some_and(|linux| !linux.net_devices.is_empty())
    {
        let origin = Origin::Config(Place::field("linux.netDevices"));
        order.child(origin, ChildAct::Ask(Answer::Network));
    }
    if order.request.loopback && order.new_namespace(NamespaceType::Network) {
        let origin = Origin::Always("a private network has its loopback up");
        order.child(origin, ChildAct::LinkUp { name: "lo" });
    }
    launch
}

const fn origin() -> Origin {
    Origin::Config(Place::field("linux.namespaces"))
}

/// The new namespaces that clone3(2) makes. The cgroup namespace is made later, once the process is in its
/// cgroup, and the time namespace by itself, because its clocks are set before anybody is in it.
fn made_at_birth(order: &Order<'_, '_>) -> u64 {
    let all = order.linux.map_or(&[][..], |linux| &linux.namespaces);
    all.iter()
        .filter(|namespace| namespace.path.is_none())
        .filter(|namespace| !matches!(namespace.kind, NamespaceType::Cgroup | NamespaceType::Time))
        .fold(0, |flags, namespace| flags | clone_flag(namespace.kind))
}

/// Who may enter a namespace is decided by the user namespace that owns it. With the host's rights that is
/// best tried before they are given up, without them only after the user namespace has given some.
fn join_all<'a>(order: &mut Order<'a, '_>, facts: &Facts, launch: &mut Launch) {
    let is_user = |namespace: &Namespace<'_>| namespace.kind == NamespaceType::User;
    let user_last = facts.permitted.0 & SYS_ADMIN != 0;
    let mut joined = 0;
    for turn in [!user_last, user_last] {
        let all = order.linux.map_or(&[][..], |linux| &linux.namespaces);
        for (index, namespace) in all.iter().enumerate() {
            if is_user(namespace) == turn
                && let Some(path) = namespace.path.as_deref()
            {
                let place = Place::item("linux.namespaces", index);
                join(order, namespace.kind, path, place, joined, launch);
                joined += 1;
            }
        }
    }
}

fn join(
    order: &mut Order<'_, '_>,
    kind: NamespaceType,
    path: &str,
    place: Place,
    number: usize,
    launch: &mut Launch,
) {
    let path = String::from(path);
    order.host(Origin::Config(place), HostAct::OpenNamespace { kind, path });
    if kind == NamespaceType::Pid {
        // A process does not change its pid namespace; its children are born in it.
        launch.pid_namespace = Some(number);
        return;
    }
    let act = ChildAct::Join {
        slot: Slot::Namespace(number),
        types: clone_flag(kind),
    };
    order.child(Origin::Config(place), act);
    if kind == NamespaceType::User {
        order.child(
            Origin::Config(place),
            ChildAct::BecomeRoot { uid: 0, gid: 0 },
        );
    }
}

/// Who is in a new time namespace was born there: only Linux 6.3 and later let execve(2) enter it, and `exec`
/// and hooks come before. Process 1 of a new pid namespace is then no earlier process than that.
fn late(order: &Order<'_, '_>) -> u64 {
    if order.new_namespace(NamespaceType::Time) {
        clone_flag(NamespaceType::Pid)
    } else {
        0
    }
}

/// What the process makes by itself (`CLONE_NEW…` flags, and always the cgroup and the time namespace). What is to
/// belong to a user namespace that is joined is made by a process in it; and who is in a new pid or time
/// namespace has to be born there, once its clocks are set.
fn make_late(order: &mut Order<'_, '_>, types: u64, joins_user: bool) {
    let own =
        [NamespaceType::Cgroup, NamespaceType::Time].map(|kind| match order.new_namespace(kind) {
            true => clone_flag(kind),
            false => 0,
        });
    for types in [types, own[0], own[1]] {
        if types != 0 {
            order.child(origin(), ChildAct::Unshare { types });
        }
    }
    time_offsets(order, joins_user);
    if types & clone_flag(NamespaceType::Pid) != 0 || own[1] != 0 {
        order.child(origin(), ChildAct::BeBorn);
    }
}

fn new_user_namespace(order: &mut Order<'_, '_>) {
    if order.new_user_namespace() {
        let maps = Origin::Config(Place::field("linux.uidMappings"));
        order.child(maps, ChildAct::Ask(Answer::IdMaps));
        order.child(maps, ChildAct::BecomeRoot { uid: 0, gid: 0 });
    }
}

/// What a new time namespace adds to the clocks. A process that has joined a user namespace may not write its
/// own file: its program was executed outside.
fn time_offsets(order: &mut Order<'_, '_>, joins_user: bool) {
    let Some(text) = clock_offsets(order) else {
        return;
    };
    let origin = Origin::Config(Place::field("linux.timeOffsets"));
    let act = if joins_user {
        ChildAct::Ask(Answer::Clocks)
    } else {
        ChildAct::TimeOffsets { text }
    };
    order.child(origin, act);
}

/// The lines of `timens_offsets` (`time_namespaces(7)`).
pub(crate) fn clock_offsets(order: &Order<'_, '_>) -> Option<String> {
    let offsets = order.linux?.time_offsets.as_ref()?;
    let mut text = String::new();
    let clocks = [
        ("monotonic", offsets.monotonic),
        ("boottime", offsets.boottime),
    ];
    for (clock, offset) in clocks {
        if let Some(offset) = offset {
            text.push_str(&format!("{clock} {} {}\n", offset.secs, offset.nanosecs));
        }
    }
    (!text.is_empty()).then_some(text)
}

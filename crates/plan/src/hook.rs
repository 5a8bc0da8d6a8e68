//! The steps of a hook that is the host's: a confined one is in `process.rs`, beside the payload.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use spec::{Hook, Place};

use crate::step::{ChildAct, HookKind, Origin, Plan, Slot, Step};

const USER: u64 = 0x1000_0000;
/// Only a runtime that may not enter the pid namespace itself has its child join it.
const PID: u64 = 0x2000_0000;

/// The plan of a hook's process: its namespaces (`CLONE_NEW…` flags, 0 for the runtime's own), the state
/// on its standard input, nothing else of the runtime.
pub fn hook<'a>(kind: HookKind, index: usize, hook: &'a Hook<'a>, namespaces: u64) -> Plan<'a> {
    let origin = Origin::Config(Place::item(kind.field(), index));
    let mut child = Vec::with_capacity(6);
    let mut push = |act| child.push(Step { origin, act });
    push(ChildAct::Stream {
        slot: Slot::Input,
        number: 0,
    });
    if namespaces != 0 {
        push(ChildAct::Join {
            slot: Slot::Target,
            types: namespaces,
        });
    }
    if namespaces & PID != 0 {
        push(ChildAct::BeBorn);
    }
    if namespaces & USER != 0 {
        push(ChildAct::BecomeRoot { uid: 0, gid: 0 });
    }
    push(ChildAct::CloseFrom { first: 3 });
    push(ChildAct::Find {
        program: Cow::Borrowed(&hook.path),
        path: Cow::Borrowed(""),
    });
    let text = |text: &'a spec::Str<'a>| Cow::Borrowed(text.as_str());
    let arguments = if hook.args.is_empty() {
        [Cow::Borrowed(hook.path.as_str())].into()
    } else {
        hook.args.iter().map(text).collect()
    };
    push(ChildAct::Exec {
        arguments,
        environment: hook.env.iter().map(text).collect(),
    });
    Plan {
        host: Vec::new(),
        child,
    }
}

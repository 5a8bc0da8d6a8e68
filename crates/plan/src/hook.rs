//! The steps of a hook.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use spec::{Hook, Place, Process};

use crate::step::{ChildAct, HookKind, Origin, Plan, Slot, Step};

const USER: u64 = 0x1000_0000;

/// The plan of a hook's process: its namespaces (`CLONE_NEW…` flags, 0 for the runtime's own), the state
/// on its standard input, nothing else of the runtime.
///
/// With `payload`, whose program comes from the container, it has the payload's ids and privileges, too.
pub fn hook<'a>(
    kind: HookKind,
    index: usize,
    hook: &'a Hook<'a>,
    namespaces: u64,
    payload: Option<&'a Process<'a>>,
) -> Plan<'a> {
    let origin = Origin::Config(Place::item(kind.field(), index));
    let mut child = Vec::with_capacity(6);
    let mut push = |act| child.push(Step { origin, act });
    push(ChildAct::Input);
    if namespaces != 0 {
        push(ChildAct::Join {
            slot: Slot::Target,
            types: namespaces,
        });
    }
    if namespaces & USER != 0 {
        push(ChildAct::BecomeRoot { uid: 0, gid: 0 });
    }
    if let Some(process) = payload {
        confine(process, &mut push);
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

fn confine<'a>(process: &'a Process<'a>, push: &mut impl FnMut(ChildAct<'a>)) {
    let none = spec::Capabilities::default();
    let caps = process.capabilities.as_ref().unwrap_or(&none);
    let user = &process.user;
    push(ChildAct::Bounding {
        keep: caps.bounding,
    });
    push(ChildAct::Groups {
        ids: user.additional_gids.clone(),
    });
    push(ChildAct::User {
        uid: user.uid,
        gid: user.gid,
        umask: user.umask.unwrap_or(0o022),
    });
    push(ChildAct::Capabilities {
        effective: caps.effective.0,
        permitted: caps.permitted.0,
        inheritable: caps.inheritable.0,
        ambient: 0,
    });
    if process.no_new_privileges {
        push(ChildAct::NoNewPrivileges);
    }
}

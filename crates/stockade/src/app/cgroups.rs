//! `stockade cgroup …`: cgroups by hand.

mod change;
mod devices;
mod list;
mod run;
mod show;
mod top;
mod watch;

use cgroup::Layout;
use cgroup::hand::{Selection, Target};

use super::failure::{Failure, Outcome};
use crate::cli::CgroupVerb;

/// `stockade cgroup …`: its exit status.
pub(crate) fn act(verb: CgroupVerb) -> Outcome<i32> {
    let done = |(): ()| 0;
    match verb {
        CgroupVerb::List(request) => list::list(&request).map(done),
        CgroupVerb::Show(request) => show::show(&request).map(done),
        CgroupVerb::Create(request) => change::create(&request).map(done),
        CgroupVerb::Set(request) => change::set(&request).map(done),
        CgroupVerb::Move(request) => change::take(&request).map(done),
        CgroupVerb::Freeze(request) => change::freeze(&request).map(done),
        CgroupVerb::Thaw(request) => change::thaw(&request).map(done),
        CgroupVerb::Kill(request) => change::kill(&request).map(done),
        CgroupVerb::Remove(request) => change::remove(&request).map(done),
        CgroupVerb::Run(request) => run::run(&request),
        CgroupVerb::Devices(request) => devices::devices(&request).map(done),
        CgroupVerb::Watch(request) => watch::watch(&request).map(done),
        CgroupVerb::Top(request) => top::top(&request).map(done),
    }
}

impl From<cgroup::Error> for Failure {
    fn from(error: cgroup::Error) -> Self {
        Self {
            code: None,
            message: error.what.into_owned(),
            hint: error.hint.map(std::borrow::Cow::into_owned),
        }
    }
}

/// The host's hierarchies, and those that were selected.
fn host(controllers: Option<&str>) -> Outcome<(Layout, Option<Selection>)> {
    let only = controllers.map(Selection::parse).transpose();
    let only = only.map_err(|error| Failure::new(format!("--controllers: {}", error.what)))?;
    Ok((Layout::find_all()?, only))
}

/// A cgroup that is there.
fn existing(controllers: Option<&str>, name: &str) -> Outcome<(Layout, Target)> {
    let (layout, only) = host(controllers)?;
    let target = Target::find(&layout, name, only)?.existing()?;
    Ok((layout, target))
}

/// A number of a process.
fn process(text: &str) -> Outcome<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|pid| plain && *pid > 0);
    number.ok_or_else(|| Failure::new(format!("{text}: not a process number")))
}

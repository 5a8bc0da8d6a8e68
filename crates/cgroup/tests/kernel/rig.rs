//! Cgroups of a test's own.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cgroup::{
    Controllers, Deadline, Group, Layout, Lowered, Request, Version, lower, remove, wanted,
};
use spec::Resources;

/// How long something may take, in milliseconds.
pub const WAIT: u32 = 5000;

/// A container's cgroups that go when the test ends, however it ends.
pub struct Cgroup {
    pub group: Group,
    pub children: Vec<Child>,
}

impl Cgroup {
    pub fn with(resources: &Resources<'_>) -> Self {
        Self::try_with(&fresh_path(), resources).expect("cgroups")
    }

    pub fn try_with(path: &str, resources: &Resources<'_>) -> cgroup::Result<Self> {
        let group = lowered(path, resources, Group::set_up)?;
        Ok(Self {
            group,
            children: Vec::new(),
        })
    }

    /// Runs a shell script inside, from its first instruction on.
    pub fn run(&mut self, script: &str) -> u32 {
        let mut enter = String::new();
        for leaf in self.group.leaves() {
            let file = if leaf.version == Version::V2 {
                "cgroup.procs"
            } else {
                "tasks"
            };
            enter += &format!("echo 0 > {}/{file} && ", leaf.dir());
        }
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("{enter} echo in && {{ {script}\n}}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let id = child.id();
        self.children.push(child);
        let out = self
            .children
            .last_mut()
            .and_then(|child| child.stdout.as_mut())
            .expect("stdout");
        let mut line = [0; 3];
        std::io::Read::read_exact(out, &mut line).expect("the child has entered");
        id
    }

    /// Runs a script inside to its end, and gives its exit status.
    pub fn status(&mut self, script: &str) -> std::process::ExitStatus {
        self.run(script);
        self.children.pop().expect("a child").wait().expect("wait")
    }

    pub fn dir(&self, name: &str) -> String {
        self.group
            .leaves()
            .iter()
            .find(|leaf| leaf.name() == name)
            .expect("a leaf")
            .dir()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        _ = self.group.kill();
        for child in &mut self.children {
            _ = child.wait();
        }
        let errors = remove(
            self.group.made(),
            self.group.leaves(),
            Deadline::after(WAIT),
        );
        assert!(errors.is_empty() || std::thread::panicking(), "{errors:?}");
    }
}

pub fn fresh_path() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "/stockade-test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

pub fn lowered<T>(path: &str, resources: &Resources<'_>, act: impl FnOnce(&Lowered<'_>) -> T) -> T {
    let request = Request {
        path,
        shared: 0,
        beside_own: false,
        resources,
        counted: Controllers::NONE,
    };
    let layout = Layout::find(wanted(&request)).expect("a layout");
    act(&lower(&request, &layout).expect("lowered"))
}

pub fn eventually(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !check() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

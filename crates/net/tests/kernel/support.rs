//! A network namespace of one's own, cgroups of one's own, and processes in them that do what they are told.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use net::Prefixed;
use net::shared::{Addresses, Confinement, confine};
use sys::OwnedFd;
use sys::rustix::fs::OFlags;

const PROBE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/probe.py");

/// A process that answers lines of Python (`probe.py`).
pub(crate) struct Probe {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Probe {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut probe = Self {
            child,
            input,
            output,
        };
        assert_eq!(probe.line(), "ready");
        probe
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("an answer");
        line.trim().to_owned()
    }

    /// The answer to a line.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().expect("a pipe"), "{line}").expect("it listens");
        self.line()
    }

    /// The answer to a line has to be this.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str, wanted: &str) {
        assert_eq!(self.ask(line), wanted, "{line}");
    }

    /// The line has to work.
    #[track_caller]
    pub(crate) fn does(&mut self, line: &str) {
        self.says(line, "None");
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // At the end of its input it ends.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A host: a network namespace with addresses, and a directory for cgroups.
pub(crate) struct Host {
    /// A process that no jail confines.
    pub(crate) probe: Probe,
    directory: String,
}

/// A jail, and a process in it.
pub(crate) struct Jail {
    pub(crate) probe: Probe,
    pub(crate) path: String,
    pub(crate) cgroup: OwnedFd,
}

impl Host {
    /// A host whose loopback interface has these addresses.
    pub(crate) fn with(addresses: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let hybrid = "/sys/fs/cgroup/unified";
        let mount = match Path::new(hybrid).is_dir() {
            true => hybrid,
            false => "/sys/fs/cgroup",
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = format!("{mount}/stockade-net-{}-{number}", std::process::id());
        fs::create_dir(&directory).expect("a cgroup; these tests need root");
        let mut command = Command::new("unshare");
        command.args(["--net", "python3", PROBE]);
        let host = Self {
            probe: Probe::start(command),
            directory,
        };
        host.ip("link set lo up");
        for address in addresses {
            let v6 = if address.contains(':') { " nodad" } else { "" };
            host.ip(&format!("address add {address} dev lo{v6}"));
        }
        host
    }

    /// Where the namespace is.
    pub(crate) fn namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.probe.child.id())
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace()));
        command.arg(program);
        command
    }

    /// Runs `ip` in the namespace.
    pub(crate) fn ip(&self, words: &str) {
        let status = self.inside("ip").args(words.split(' ')).status();
        assert!(status.expect("ip").success(), "ip {words}");
    }

    /// Where loaded programs are kept.
    pub(crate) fn parking(&self) -> String {
        format!("{}/parking", self.directory)
    }

    /// A jail below the host.
    pub(crate) fn jail(&self, name: &str, confinement: &Confinement<'_>) -> Jail {
        self.jail_at(&format!("{}/{name}", self.directory), confinement)
    }

    /// A jail inside another one.
    pub(crate) fn jail_inside(&self, outer: &Jail, confinement: &Confinement<'_>) -> Jail {
        self.jail_at(&format!("{}/inner", outer.path), confinement)
    }

    /// The cgroup of all jails, which confines nothing.
    pub(crate) fn directory(&self) -> String {
        self.directory.clone()
    }

    /// A jail with nobody in it yet.
    pub(crate) fn cgroup(&self, name: &str, confinement: &Confinement<'_>) -> String {
        let path = format!("{}/{name}", self.directory);
        self.confined(&path, confinement);
        path
    }

    fn confined(&self, path: &str, confinement: &Confinement<'_>) -> OwnedFd {
        fs::create_dir(path).expect("a cgroup");
        let cgroup = sys::file::open(path, OFlags::RDONLY | OFlags::DIRECTORY);
        let cgroup = cgroup.expect("its directory");
        confine(&cgroup, path, &self.parking(), confinement).expect("confined");
        cgroup
    }

    fn jail_at(&self, path: &str, confinement: &Confinement<'_>) -> Jail {
        let cgroup = self.confined(path, confinement);
        let mut command = self.inside("python3");
        command.args([PROBE, path]);
        Jail {
            probe: Probe::start(command),
            path: path.to_owned(),
            cgroup,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        remove(Path::new(&self.directory));
    }
}

/// Removes a cgroup and those in it; those who were inside may be on their way out.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        }
    }
    let _ = fs::write(directory.join("cgroup.kill"), "1");
    for _ in 0..200 {
        if fs::remove_dir(directory).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(std::thread::panicking(), "{} stays", directory.display());
}

/// A list of IPv4 addresses.
pub(crate) fn v4(list: &[&str]) -> Vec<Prefixed<Ipv4Addr>> {
    let read = |text: &&str| Prefixed::<Ipv4Addr>::parse(text).expect("an address");
    list.iter().map(read).collect()
}

/// A list of IPv6 addresses.
pub(crate) fn v6(list: &[&str]) -> Vec<Prefixed<Ipv6Addr>> {
    let read = |text: &&str| Prefixed::<Ipv6Addr>::parse(text).expect("an address");
    list.iter().map(read).collect()
}

/// Addresses of both families; a family without any is not there. Nothing else is allowed.
pub(crate) fn only<'a>(
    v4: &'a [Prefixed<Ipv4Addr>],
    v6: &'a [Prefixed<Ipv6Addr>],
) -> Confinement<'a> {
    Confinement {
        v4: if v4.is_empty() {
            Addresses::Disable
        } else {
            Addresses::Only(v4)
        },
        v6: if v6.is_empty() {
            Addresses::Disable
        } else {
            Addresses::Only(v6)
        },
        raw: false,
        icmp: false,
    }
}

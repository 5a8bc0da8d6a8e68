//! `restore`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use plan::{Act, HookKind, HostAct};
use spec::state::Status;
use spec::{Namespace, NamespaceType, Spec};
use sys::error::OnCall;
use sys::namespace::{NetworkNamespace, PrivateMounts};
use sys::netlink::Route;
use sys::process::{self, Ended};
use sys::rustix::fs::{OFlags, fstat, stat};
use sys::rustix::process::{Pid, Signal};
use sys::{AsFd, AsRawFd, BorrowedFd, OwnedFd, file, mount, overlay};
use wire::Message;

use super::checkpoint::{DESCRIPTORS, made_directory};
use super::service::{FIRST_EXTRA, Notice, Service, directory, kind, with_log};
use super::{CgroupsMode, CriuOptions, RestoreOptions, external, mountpoints, request};
use crate::create::first_record;
use crate::error::{Error, Kind, Result};
use crate::hooks::{self, Inside};
use crate::launching::Launching;
use crate::options::Options;
use crate::prepare::Cgroups;
use crate::record::Record;
use crate::state_dir::StateDir;
use crate::{Engine, delete, idmap};

const LOG: &str = "restore.log";
const LARGEST_DESCRIPTORS: usize = 64 << 10;

/// A container that was restored; it runs, and its first process is our child.
#[derive(Debug)]
pub struct Restored<'a> {
    /// Its first process.
    pub pidfd: OwnedFd,
    record: Record,
    dir: StateDir,
    spec: &'a Spec<'a>,
}

impl Restored<'_> {
    /// Waits for its end and reaps it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&mut self) -> Result<Ended> {
        Ok(process::wait(&self.pidfd)?)
    }

    /// Takes away what was made for it. One that somebody has deleted meanwhile is gone already.
    ///
    /// # Errors
    /// The first of what could not be undone.
    pub fn remove(&mut self) -> Result<()> {
        match self.dir.lock() {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        }
        delete::remove(&self.dir, &self.record, None, Some(self.spec))
    }
}

impl Engine {
    /// Makes a container of what `checkpoint` saved.
    ///
    /// # Errors
    /// What failed; nothing of the container is left then.
    pub fn restore<'a>(
        &self,
        options: &Options<'a>,
        criu: &RestoreOptions<'_>,
    ) -> Result<Restored<'a>> {
        directory(criu.criu.images)?;
        external::refuse_criu_config(options.spec)?;
        refuse_devices(options.spec)?;
        self.with_plan(options, Act::Create, Cgroups::All, |prepared| {
            let dir = self.make_or_mend(options.id)?;
            let mut launching = Launching::new(prepared, dir, first_record(options));
            let restored = Restoring {
                launching: &mut launching,
                spec: options.spec,
                pidfd: None,
            }
            .carry_out(criu);
            let pidfd = restored.map_err(|error| launching.undo(error))?;
            let Launching { record, dir, .. } = launching;
            dir.unlock();
            Ok(Restored {
                pidfd,
                record,
                dir,
                spec: options.spec,
            })
        })
    }
}

struct Restoring<'l, 'p, 'a> {
    launching: &'l mut Launching<'p, 'a>,
    spec: &'a Spec<'a>,
    pidfd: Option<OwnedFd>,
}

impl Restoring<'_, '_, '_> {
    fn carry_out(mut self, criu: &RestoreOptions<'_>) -> Result<OwnedFd> {
        self.launching.carry_out_where(|act| {
            matches!(
                act,
                HostAct::RecordIntent
                    | HostAct::StartUnit { .. }
                    | HostAct::MakeCgroup { .. }
                    | HostAct::SetCgroup { .. }
                    | HostAct::DevicePolicy { .. }
            )
        })?;
        mountpoints::make(&self.launching.record, self.spec)?;
        // criu wants a mount for a root. It goes with the namespace, however this ends.
        let mounts = PrivateMounts::enter()?;
        mounts.bind_on_itself(&self.launching.record.rootfs)?;
        // criu mounts below them, which takes directories of this namespace. What it writes is the host's.
        let work = made_directory(criu.criu.work.unwrap_or(criu.criu.images))?;
        self.hand_over_images(criu.criu.images)?;
        let images = directory(criu.criu.images)?;
        let joined = joined_namespaces(self.spec)?;
        let handed: Vec<BorrowedFd<'_>> = joined.iter().map(|(_, fd)| fd.as_fd()).collect();
        let service = Service::start(&handed)?;
        if let Some(group) = &self.launching.group {
            group.join(service.pid())?;
        }
        let mut message = request::common(&criu.criu, &images, Some(&work), LOG)
            .number(6, true)
            .number(26, true)
            .text(13, &self.launching.record.rootfs)
            .text(53, criu.lsm_profile.unwrap_or(""))
            .text(63, criu.lsm_mount_context.unwrap_or(""));
        message = cgroup_roots(message, &criu.criu, service.pid())?;
        for ((key, _), number) in joined.iter().zip(FIRST_EXTRA..) {
            message = request::inherit(message, key, number);
        }
        message = inherited_streams(message, &images)?;
        message = self.mounts(message)?;
        let log = format!("{}/{LOG}", criu.criu.work.unwrap_or(criu.criu.images));
        let asked = service.ask(kind::RESTORE, &message, &mut |notice| self.attend(notice));
        drop(mounts);
        let asked = asked.and_then(|()| {
            let gone = || Error::new(Kind::Bug, "criu did not tell of the restored process");
            self.pidfd.as_ref().map(drop).ok_or_else(gone)
        });
        if let Err(error) = asked {
            if let Some(pidfd) = self.pidfd.take() {
                let _ = process::signal(&pidfd, Signal::KILL);
                process::reap(&pidfd);
            }
            return Err(with_log(error, &log).at(&"restore"));
        }
        self.pidfd
            .take()
            .ok_or_else(|| Error::new(Kind::Bug, "restored nothing"))
    }

    /// Processes of a user namespace read what was saved of them by themselves, some of it as nobody yet and some as
    /// root there. The files may be read by all; but their directory is the host's root's alone. So in this mount
    /// namespace it has the permissions of another one, which overlayfs shows above it.
    fn hand_over_images(&self, path: &str) -> Result<()> {
        const SEARCH_BY_ALL: u32 = 0o001;
        let linux = self.spec.linux.as_ref();
        let saved = directory(path)?;
        let mode = fstat(&saved).on("fstat", path)?.st_mode;
        if linux.is_none_or(|linux| linux.uid_mappings.is_empty()) || mode & SEARCH_BY_ALL != 0 {
            return Ok(());
        }
        // Layers have to be attached somewhere.
        mount::attach(&mount::empty_directory()?, &saved, path)?;
        let layers = [path.into(), format!("/proc/self/fd/{}", saved.as_raw_fd())];
        Ok(mount::attach(
            overlay::read_only(&layers)?,
            directory(path)?,
            path,
        )?)
    }

    fn attend(&mut self, notice: Notice<'_>) -> Result<()> {
        match notice.script {
            "setup-namespaces" => {
                self.launching.record.pid = notice.pid;
                self.network(notice.pid)?;
                let state = hooks::state(&self.launching.record, Status::Creating);
                for kind in [HookKind::Prestart, HookKind::CreateRuntime] {
                    hooks::run_all(kind, self.spec, &state, Inside::default())?;
                }
                Ok(())
            }
            "orphan-pts-master" => {
                self.launching.terminal = notice.descriptor;
                self.launching
                    .carry_out_where(|act| matches!(act, HostAct::ConsoleSocket { .. }))
            }
            "post-restore" => self.restored(notice.pid),
            _ => Ok(()),
        }
    }

    /// A network namespace comes back empty. What listened on its loopback interface is to find it up.
    fn network(&self, pid: u32) -> Result<()> {
        let linux = self.spec.linux.as_ref();
        let own = linux.and_then(|linux| linux.namespace(NamespaceType::Network));
        if own.is_none_or(|own| own.path.is_some()) {
            return Ok(());
        }
        let namespace = file::open(&process::namespace_path(pid, "net"), OFlags::RDONLY)?;
        let _inside = NetworkNamespace::enter(&namespace)?;
        let route = Route::open()?;
        Ok(route.set_up(route.link("lo")?, true)?)
    }

    /// The processes are there, and do not run yet.
    fn restored(&mut self, pid: u32) -> Result<()> {
        let gone = || Error::new(Kind::Bug, format!("restored process {pid} is not there"));
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = process::open(number.ok_or_else(gone)?)?;
        self.pidfd = Some(pidfd.ok_or_else(gone)?);
        idmap::check_restored(pid, self.spec.linux.as_ref())?;
        self.launching.take_over(pid)?;
        self.launching
            .carry_out_where(|act| matches!(act, HostAct::PidFile { .. } | HostAct::Commit))?;
        self.tell_of_time(pid)
    }

    /// criu keeps its clocks going by a time namespace, whether there was one or not. What `exec` starts has
    /// to be in it, too, or could not be saved the next time.
    fn tell_of_time(&self, pid: u32) -> Result<()> {
        let time = |pid: &str| stat(format!("/proc/{pid}/ns/time").as_str()).map(|at| at.st_ino);
        let (Ok(own), Ok(theirs)) = (time("self"), time(&format!("{pid}"))) else {
            return Ok(());
        };
        let mut spec = Spec::parse(self.launching.prepared.options.config)?;
        let linux = spec.linux.get_or_insert_default();
        if own == theirs || linux.namespace(NamespaceType::Time).is_some() {
            return Ok(());
        }
        linux.namespaces.push(Namespace::new(NamespaceType::Time));
        self.launching.dir.replace_config(&spec.to_json())
    }

    /// Where the mounts that come from the host are on this host.
    fn mounts(&self, mut message: Message) -> Result<Message> {
        let root = directory(&self.launching.record.rootfs)?;
        for mount in external::binds(self.spec) {
            let source = external::source(&self.launching.record, mount);
            let at = external::destination(&root, mount);
            message = request::mount(message, &at, &source);
        }
        let mut devices: Vec<&str> = external::devices(self.spec)
            .into_iter()
            .map(|(_, source)| source)
            .collect();
        devices.sort_unstable();
        devices.dedup();
        for source in devices {
            message = request::mount(message, &external::device_key(source), source);
        }
        self.cgroup_mounts(message)
    }

    fn cgroup_mounts(&self, mut message: Message) -> Result<Message> {
        let leaves = self.launching.record.leaves();
        let is_cgroup =
            |mount: &&spec::Mount<'_>| mount.fstype.as_deref().is_some_and(external::is_cgroup);
        for mount in self.spec.mounts.iter().filter(is_cgroup) {
            let at = format!("/{}", mount.destination.trim_matches('/'));
            if let [leaf] = &leaves[..]
                && leaf.version == cgroup::Version::V2
            {
                message = request::mount(message, &at, &leaf.dir());
                continue;
            }
            for leaf in &leaves {
                let name = leaf.mount.rsplit('/').next().unwrap_or("");
                message = request::mount(message, &format!("{at}/{name}"), &leaf.dir());
            }
        }
        Ok(message)
    }
}

/// Devices that moved into a namespace that is gone are not moved again.
fn refuse_devices(spec: &Spec<'_>) -> Result<()> {
    let Some(linux) = spec.linux.as_ref() else {
        return Ok(());
    };
    let network = linux.namespace(NamespaceType::Network);
    if linux.net_devices.is_empty() || network.is_some_and(|network| network.path.is_some()) {
        return Ok(());
    }
    let message =
        "restore: config.json: linux.netDevices: not supported but in a namespace by its path";
    Err(Error::new(Kind::Unsupported, message))
}

/// The namespaces that a container joins, open, with what criu knows them by.
fn joined_namespaces(spec: &Spec<'_>) -> Result<Vec<(&'static str, OwnedFd)>> {
    let mut joined = Vec::new();
    let all = spec
        .linux
        .as_ref()
        .map_or(&[][..], |linux| &linux.namespaces);
    for namespace in all {
        let Some(path) = namespace.path.as_deref() else {
            continue;
        };
        let Some((_, key)) = external::namespace_key(namespace.kind) else {
            let message = format!(
                "restore: linux.namespaces: a {} namespace by its path ({path}) is not supported",
                namespace.kind.name()
            );
            return Err(Error::new(Kind::Unsupported, message));
        };
        joined.push((key, file::open(path, OFlags::RDONLY)?));
    }
    Ok(joined)
}

/// Has criu put processes where it is itself: into the new container's cgroups.
fn cgroup_roots(mut message: Message, criu: &CriuOptions<'_>, pid: u32) -> Result<Message> {
    if criu.cgroups == CgroupsMode::Ignore {
        return Ok(message);
    }
    let text = file::read_text(&format!("/proc/{pid}/cgroup"))?;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        if let (Some(controllers), Some(path)) = (parts.next(), parts.next()) {
            // The unified hierarchy's name is empty, and has to be said.
            let root = Message::new()
                .message(1, &Message(controllers.into()))
                .text(2, path);
            message = message.message(25, &root);
        }
    }
    Ok(message)
}

/// Puts our standard streams where the container had streams from outside.
fn inherited_streams(mut message: Message, images: &OwnedFd) -> Result<Message> {
    let file = file::open_at(
        images,
        DESCRIPTORS,
        OFlags::RDONLY | OFlags::NOFOLLOW,
        DESCRIPTORS,
    );
    let bytes = file::read_all(file?, LARGEST_DESCRIPTORS, DESCRIPTORS)?;
    let keys: Vec<String> = serde_json::from_slice(&bytes)
        .map_err(|error| Error::new(Kind::BadConfig, format!("{DESCRIPTORS}: {error}")))?;
    let mut seen: Vec<&str> = Vec::new();
    for (key, number) in keys.iter().take(3).zip(0u32..) {
        let outside = key.starts_with("pipe:") || key.starts_with("file[");
        // What was one for several is one again.
        if outside && !seen.contains(&key.as_str()) {
            seen.push(key);
            message = request::inherit(message, key, number);
        }
    }
    Ok(message)
}

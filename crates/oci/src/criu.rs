//! `checkpoint` and `restore`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{
    CgroupsMode, CheckpointOptions, CriuOptions, Error, Kind, RestoreOptions, Restored, Result,
    Terminal,
};
use spec::Spec;
use sys::signal::{Set, Signals};

use crate::arguments::{Arguments, Given};
use crate::global::Global;
use crate::run::forward_until_end;
use crate::{Success, bundle, usage};

/// The directory of the saved files where none is named, as runc has it.
const IMAGES: &str = "checkpoint";

/// What both verbs take.
#[derive(Default)]
struct Both<'a> {
    images: Option<&'a str>,
    work: Option<&'a str>,
    tcp_established: bool,
    ext_unix_sk: bool,
    shell_job: bool,
    file_locks: bool,
    auto_dedup: bool,
    cgroups: Option<CgroupsMode>,
}

impl<'a> Both<'a> {
    /// Takes an option that both verbs have. Says whether it was one.
    fn take(&mut self, arguments: &mut Arguments<'a>, option: Given<'a>) -> Result<bool> {
        match option.name {
            "image-path" => self.images = Some(arguments.value(option)?),
            "work-path" => self.work = Some(arguments.value(option)?),
            "tcp-established" => self.tcp_established = arguments.switch(option)?,
            "ext-unix-sk" => self.ext_unix_sk = arguments.switch(option)?,
            "shell-job" => self.shell_job = arguments.switch(option)?,
            "file-locks" => self.file_locks = arguments.switch(option)?,
            "auto-dedup" => self.auto_dedup = arguments.switch(option)?,
            "manage-cgroups-mode" => {
                let name = arguments.value(option)?;
                let mode = CgroupsMode::named(name);
                let unknown = || {
                    usage(format!(
                        "--manage-cgroups-mode {name:?}: none of soft, full, strict, ignore"
                    ))
                };
                self.cgroups = Some(mode.ok_or_else(unknown)?);
            }
            // What is in a network namespace is never criu's here, as in runc.
            "empty-ns" => match arguments.value(option)? {
                "network" => {}
                other => {
                    return Err(usage(format!(
                        "--empty-ns: namespace {other:?} is not supported"
                    )));
                }
            },
            "lazy-pages" if arguments.switch(option)? => {
                return Err(not_built(
                    "--lazy-pages: not supported: pages are restored at once",
                ));
            }
            "lazy-pages" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn paths(&self) -> Result<Paths> {
        Ok(Paths {
            images: bundle::absolute(given(self.images).unwrap_or(IMAGES))?,
            work: given(self.work).map(bundle::absolute).transpose()?,
        })
    }

    fn options<'p>(&self, paths: &'p Paths) -> CriuOptions<'p> {
        CriuOptions {
            images: &paths.images,
            work: paths.work.as_deref(),
            tcp_established: self.tcp_established,
            ext_unix_sk: self.ext_unix_sk,
            shell_job: self.shell_job,
            file_locks: self.file_locks,
            auto_dedup: self.auto_dedup,
            cgroups: self.cgroups.unwrap_or(CgroupsMode::Soft),
        }
    }
}

struct Paths {
    images: String,
    work: Option<String>,
}

/// An empty value is none, as in runc.
fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn not_built(message: &str) -> Error {
    Error::new(Kind::Unsupported, message)
}

/// `checkpoint`.
pub(crate) fn checkpoint(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut both = Both::default();
    let (mut parent, mut server) = (None, None);
    let (mut pre_dump, mut leave_running) = (false, false);
    let (mut skip_in_flight, mut link_remap) = (false, false);
    let words = arguments.parse("checkpoint", 1..=1, |arguments, option| {
        match option.name {
            "parent-path" => parent = given(Some(arguments.value(option)?)),
            "page-server" => server = given(Some(arguments.value(option)?)),
            "pre-dump" => pre_dump = arguments.switch(option)?,
            "leave-running" => leave_running = arguments.switch(option)?,
            "tcp-skip-in-flight" => skip_in_flight = arguments.switch(option)?,
            "link-remap" => link_remap = arguments.switch(option)?,
            "status-fd" => {
                if arguments.value(option)? != "-1" {
                    return Err(not_built(
                        "--status-fd: not supported: it is for --lazy-pages",
                    ));
                }
            }
            _ => return both.take(arguments, option),
        }
        Ok(true)
    })?;
    let paths = both.paths()?;
    if let Some(parent) = parent {
        check_parent(parent, &paths.images)?;
    }
    let options = CheckpointOptions {
        criu: both.options(&paths),
        parent,
        pre_dump,
        leave_running,
        tcp_skip_in_flight: skip_in_flight,
        link_remap,
        page_server: server.map(page_server).transpose()?,
    };
    global.engine.checkpoint(words[0], &options)?;
    Ok(Success::default())
}

fn check_parent(parent: &str, images: &str) -> Result<()> {
    use sys::rustix::fs::OFlags;
    if parent.starts_with('/') {
        return Err(usage("--parent-path must be relative to --image-path"));
    }
    sys::file::open(&beside(images, parent), OFlags::PATH | OFlags::DIRECTORY)
        .map(drop)
        .map_err(|error| Error::from(error).at(&"invalid --parent-path"))
}

/// A path relative to a directory that need not be there yet: by its words.
fn beside(directory: &str, path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in directory.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// `ADDRESS:PORT`, an IPv6 address in brackets.
fn page_server(text: &str) -> Result<(&str, u16)> {
    let wrong = || usage(format!("--page-server {text:?}: not ADDRESS:PORT"));
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let address = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(address);
    let port: u16 = crate::arguments::number("page-server", port)?;
    if address.is_empty() || port == 0 {
        return Err(wrong());
    }
    Ok((address, port))
}

/// `restore`.
pub(crate) fn restore(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut both = Both::default();
    let (mut bundle, mut console, mut pid_file) = (None, None, None);
    let (mut lsm_profile, mut lsm_context) = (None, None);
    let mut detach = false;
    let words = arguments.parse("restore", 1..=1, |arguments, option| {
        match option.name {
            "bundle" | "b" => bundle = given(Some(arguments.value(option)?)),
            "console-socket" => console = given(Some(arguments.value(option)?)),
            "pid-file" => pid_file = given(Some(arguments.value(option)?)),
            "lsm-profile" => lsm_profile = given(Some(arguments.value(option)?)),
            "lsm-mount-context" => lsm_context = given(Some(arguments.value(option)?)),
            "detach" | "d" => detach = arguments.switch(option)?,
            // criu makes the root, and nobody here adopts orphans.
            "no-subreaper" | "no-pivot" => drop(arguments.switch(option)?),
            _ => return both.take(arguments, option),
        }
        Ok(true)
    })?;
    let paths = both.paths()?;
    let bundle = bundle::read(bundle, None)?;
    let spec = Spec::parse(&bundle.config)?;
    let mut options = engine::Options::new(words[0], &bundle.path, &spec, &bundle.config);
    options.systemd = global.systemd;
    options.pid_file = pid_file;
    let linux = spec.linux.as_ref();
    let path = linux.and_then(|linux| linux.cgroups_path.as_ref());
    options.count_use = path.is_some_and(|path| !path.is_empty());
    options.terminal = console.map_or(Terminal::None, Terminal::Socket);
    let terminal = spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    if terminal && console.is_none() {
        return Err(usage(
            "restore: process.terminal is set: --console-socket is needed",
        ));
    }
    let criu = RestoreOptions {
        criu: both.options(&paths),
        lsm_profile,
        lsm_mount_context: lsm_context,
    };
    let signals = (!detach).then(|| Signals::open(Set::OTHERS)).transpose()?;
    let mut restored = global.engine.restore(&options, &criu)?;
    match signals {
        None => Ok(Success::default()),
        Some(signals) => attend(&mut restored, &signals),
    }
}

fn attend(restored: &mut Restored<'_>, signals: &Signals) -> Result<Success> {
    forward_until_end(&restored.pidfd, signals)?;
    let code = restored.wait()?.code();
    restored.remove()?;
    Ok(Success::code(code))
}

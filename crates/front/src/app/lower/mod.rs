//! From options to a runtime specification: one function for each part of it.

mod devices;
mod env;
mod extras;
mod files;
mod mounts;
mod namespaces;
mod origins;
mod process;
mod resources;
mod rlimits;
mod seccomp;
mod security;

use image::ImageConfig;
use spec::{IdMap, Linux, Root, Spec, Str};

pub use extras::{Extras, OwnFile, WantedVolume};
pub use origins::Origins;
pub use resources::lower as limits;

use super::accounts::Accounts;
use super::machine::{Containers, Machine};
use super::options::RunOptions;
use super::storage::{Base, Storage};
use super::value::namespace::Userns;
use super::value::{keys, log, name, restart, signal};
use crate::error::{About, Fault, Result, asked};

/// The version of the runtime specification that is written.
const OCI_VERSION: &str = "1.2.0";

/// Seconds between the stop signal and SIGKILL when nothing is said.
const STOP_TIMEOUT: u32 = 10;

/// All that lowering looks at.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What the person typed.
    pub options: &'a RunOptions,
    /// The image's configuration, where ROOT is an image.
    pub image: Option<&'a ImageConfig>,
    /// How the root is put together.
    pub storage: &'a Storage,
    /// The users and groups of the root.
    pub accounts: &'a Accounts,
    /// The host and the caller.
    pub machine: &'a Machine,
    /// The containers that others can join.
    pub containers: &'a dyn Containers,
}

/// A container, ready for the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// The runtime specification.
    pub spec: Spec<'static>,
    /// What the specification has no words for.
    pub extras: Extras,
    /// Which option asked for which field.
    pub origins: Origins,
}

/// Lowers options to a specification.
///
/// # Errors
/// One line that names the option: a value that breaks its grammar, options that contradict each
/// other, what is not built, a file, user or device that is not there.
pub fn lower(asked: &Asked<'_>) -> Result<Lowered> {
    conflicts(asked.options)?;
    let mut origins = Origins::default();
    let spaces = namespaces::lower(asked, &mut origins)?;
    let mut extras = extras(asked, &spaces, &mut origins)?;
    let process = process::lower(asked, &spaces, &mut extras, &mut origins)?;
    let mounts = mounts::lower(asked, &spaces, &mut extras, &mut origins)?;
    let linux = linux(asked, &spaces, &process, &mut origins)?;
    let spec = Spec {
        oci_version: OCI_VERSION.into(),
        process: Some(process),
        root: Some(root(asked, &mut origins)),
        hostname: spaces.hostname.map(Str::from),
        domainname: spaces.domainname.map(Str::from),
        mounts,
        hooks: None,
        annotations: annotations(asked)?,
        linux: Some(linux),
    };
    Ok(Lowered {
        spec,
        extras,
        origins,
    })
}

impl Lowered {
    /// Answers `--userns auto`: ids from 0 to `size` - 1 are the host's from `first`.
    pub fn set_user_range(&mut self, first: u32) {
        let Userns::Auto { size } = self.extras.userns else {
            return;
        };
        let map = IdMap {
            container: 0,
            host: first,
            size,
        };
        let linux = self.spec.linux.get_or_insert_default();
        linux.uid_mappings = vec![map];
        linux.gid_mappings = vec![map];
    }
}

/// Options that cannot be meant together.
fn conflicts(options: &RunOptions) -> Result<()> {
    let clash =
        |one: String, other: &str| Err(Fault::usage(format!("conflicts with {other}")).at(one));
    let restarts = options.restart.as_deref().filter(|policy| *policy != "no");
    match (restarts, options.rm) {
        (Some(policy), true) => return clash(asked("--restart", policy), "--rm"),
        (Some(policy), _) => _ = restart::restart(policy).of("--restart", policy)?,
        _ => {}
    }
    if let (Some(cpus), Some(_)) = (
        &options.cpus,
        options.cpu_quota.as_ref().or(options.cpu_period.as_ref()),
    ) {
        return clash(asked("--cpus", cpus), "--cpu-quota and --cpu-period");
    }
    let shared = |text: &Option<String>| {
        let text = text.clone().unwrap_or_default();
        (text == "host" || text.starts_with("container:")).then_some(text)
    };
    if let Some(uts) = shared(&options.uts) {
        let names = [
            ("--hostname", &options.hostname),
            ("--domainname", &options.domainname),
        ];
        for (option, text) in names {
            if let Some(text) = text {
                return clash(asked(option, text), &format!("--uts {uts}"));
            }
        }
    }
    // The joined container's files say who is who.
    if let Some(net) = shared(&options.net).filter(|net| net != "host") {
        let lists = [
            ("--add-host", &options.add_host),
            ("--dns", &options.dns),
            ("--dns-search", &options.dns_search),
            ("--dns-option", &options.dns_option),
        ];
        for (option, texts) in lists {
            if let Some(text) = texts.first() {
                return clash(asked(option, text), &format!("--net {net}"));
            }
        }
        if let Some(text) = &options.hostname {
            return clash(asked("--hostname", text), &format!("--net {net}"));
        }
    }
    if let (true, Some(mode)) = (
        options.privileged,
        options.userns.as_deref().filter(|mode| *mode != "host"),
    ) {
        return clash(asked("--userns", mode), "--privileged");
    }
    Ok(())
}

fn root(asked: &Asked<'_>, origins: &mut Origins) -> Root<'static> {
    let path = match &asked.storage.base {
        Base::Directory(path) => path.clone(),
        Base::Overlay(_) => asked.machine.mountpoint.clone(),
    };
    origins.text(
        "root.path".to_owned(),
        format!("ROOT {}", asked.options.root),
    );
    if asked.options.read_only {
        origins.flag("root.readonly", "--read-only");
    }
    Root {
        path: path.into(),
        readonly: asked.options.read_only,
    }
}

fn linux(
    asked: &Asked<'_>,
    spaces: &namespaces::Spaces,
    process: &spec::Process<'static>,
    origins: &mut Origins,
) -> Result<Linux<'static>> {
    let (devices, rules) = devices::lower(asked, origins)?;
    let confinement = security::paths(asked)?;
    let capabilities = process
        .capabilities
        .as_ref()
        .map(|sets| sets.bounding)
        .unwrap_or_default();
    Ok(Linux {
        uid_mappings: spaces.maps.clone(),
        gid_mappings: spaces.group_maps.clone(),
        sysctl: security::sysctls(asked, spaces, origins)?,
        resources: Some(resources::lower(
            asked.options,
            asked.machine,
            rules,
            origins,
        )?),
        cgroups_path: resources::cgroup(asked, origins)?.map(Str::from),
        namespaces: spaces.namespaces.clone(),
        devices,
        seccomp: security::filter(asked, capabilities, origins)?,
        masked_paths: confinement.masked,
        readonly_paths: confinement.read_only,
        ..Linux::default()
    })
}

fn annotations(asked: &Asked<'_>) -> Result<spec::Map<'static, Str<'static>>> {
    let pair = |text: &String| {
        let (key, value) = super::value::env::label(text).of("--annotation", text)?;
        Ok((Str::from(key.to_owned()), Str::from(value.to_owned())))
    };
    asked.options.annotation.iter().map(pair).collect()
}

fn extras(asked: &Asked<'_>, spaces: &namespaces::Spaces, origins: &mut Origins) -> Result<Extras> {
    let options = asked.options;
    Ok(Extras {
        name: options
            .name
            .as_deref()
            .map(|text| name::container(text).of("--name", text))
            .transpose()?
            .map(str::to_owned),
        labels: env::labels(asked)?,
        root: options.root.clone(),
        storage: asked.storage.clone(),
        ephemeral: options.ephemeral,
        volumes: Vec::new(),
        files: files::lower(asked, spaces)?,
        log: log_request(options)?,
        restart: match &options.restart {
            Some(text) => restart::restart(text).of("--restart", text)?,
            None => restart::Restart::No,
        },
        stop_signal: stop_signal(asked, origins)?,
        stop_timeout: stop_timeout(options)?,
        init: options.init,
        auto_remove: options.rm,
        tty: options.tty,
        interactive: options.interactive,
        detach: options.detach,
        detach_keys: match &options.detach_keys {
            Some(text) => keys::keys(text).of("--detach-keys", text)?,
            None => keys::DEFAULT.to_vec(),
        },
        sig_proxy: match &options.sig_proxy {
            Some(text) => name::boolean(text).of("--sig-proxy", text)?,
            None => true,
        },
        cidfile: options
            .cidfile
            .as_deref()
            .map(|path| asked.machine.absolute(path)),
        privileged: options.privileged,
        net: spaces.net,
        userns: spaces.userns.clone(),
        notes: Vec::new(),
    })
}

fn log_request(options: &RunOptions) -> Result<log::LogRequest> {
    let mut request = log::LogRequest::default();
    if let Some(text) = &options.log_driver {
        request.off = log::is_off(text).of("--log-driver", text)?;
    }
    for text in &options.log_opt {
        request.add(text).of("--log-opt", text)?;
    }
    Ok(request)
}

fn stop_signal(asked: &Asked<'_>, origins: &mut Origins) -> Result<i32> {
    if let Some(text) = &asked.options.stop_signal {
        origins.option("stop-signal", "--stop-signal", text);
        return signal::signal(text).of("--stop-signal", text);
    }
    match asked
        .image
        .map(|image| image.stop_signal.as_str())
        .filter(|text| !text.is_empty())
    {
        Some(text) => {
            origins.image("stop-signal", "StopSignal");
            signal::signal(text).of("image config StopSignal", text)
        }
        None => signal::signal("TERM").of("stop signal", "TERM"),
    }
}

fn stop_timeout(options: &RunOptions) -> Result<Option<u32>> {
    let Some(text) = &options.stop_timeout else {
        return Ok(Some(STOP_TIMEOUT));
    };
    let seconds =
        super::value::number::integer(text, -1, i64::from(i32::MAX)).of("--stop-timeout", text)?;
    Ok(u32::try_from(seconds).ok())
}

//! Bundles: a directory with a `config.json`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};
use spec::{Namespace, NamespaceType};
use sys::file;
use sys::rustix::fs::{CWD, Mode, OFlags, openat, statfs};
use sys::rustix::process::{getcwd, getegid, geteuid};

use crate::Success;
use crate::arguments::Arguments;
use crate::usage;

const LARGEST: usize = 16 << 20;

/// A bundle's absolute path and its configuration.
pub(crate) struct Bundle {
    pub(crate) path: String,
    pub(crate) config: Vec<u8>,
}

/// Reads the bundle at `path`; `config` names another configuration.
pub(crate) fn read(path: Option<&str>, config: Option<&str>) -> Result<Bundle> {
    let path = absolute(path.unwrap_or("."))?;
    let config_path = match config {
        Some(given) => String::from(given),
        None => format!("{path}/config.json"),
    };
    let file = file::open(&config_path, OFlags::RDONLY).map_err(|error| {
        Error::from(error).hint("a bundle is a directory with a config.json; name it by --bundle")
    })?;
    let config = file::read_all(&file, LARGEST, &config_path)?;
    Ok(Bundle { path, config })
}

pub(crate) fn absolute(path: &str) -> Result<String> {
    if path.starts_with('/') {
        return Ok(String::from(path));
    }
    let here = getcwd(Vec::new()).map_err(|errno| sys::Error::new("getcwd", "", errno))?;
    let here = here
        .to_str()
        .map_err(|_| usage("the working directory's path is not UTF-8"))?;
    Ok(if path == "." {
        String::from(here)
    } else {
        format!("{here}/{path}")
    })
}

/// `spec`: writes a default configuration.
pub(crate) fn write_spec(arguments: &mut Arguments<'_>) -> Result<Success> {
    let (mut bundle, mut rootless) = (".", false);
    arguments.parse("spec", 0..=0, |arguments, option| {
        match option.name {
            "bundle" | "b" => bundle = arguments.value(option)?,
            "rootless" => rootless = arguments.switch(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let mut spec = spec::default_spec();
    if is_unified() {
        let linux = spec.linux.get_or_insert_default();
        linux.namespaces.push(Namespace::new(NamespaceType::Cgroup));
    }
    if rootless {
        spec::make_rootless(&mut spec, geteuid().as_raw(), getegid().as_raw());
    }
    let path = if bundle == "." {
        String::from("config.json")
    } else {
        format!("{bundle}/config.json")
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(CWD, path.as_str(), flags, Mode::from_raw_mode(0o666)).map_err(|errno| {
        if errno == sys::Errno::EXIST {
            return Error::new(Kind::Busy, format!("File {path} exists. Remove it first"));
        }
        sys::Error::new("open", &path, errno).into()
    })?;
    file::write_all(&file, &spec.to_json_pretty(), &path)?;
    Ok(Success::default())
}

/// Whether `/sys/fs/cgroup` is a cgroup v2.
fn is_unified() -> bool {
    /// `CGROUP2_SUPER_MAGIC`.
    const MAGIC: i64 = 0x6367_7270;
    statfs("/sys/fs/cgroup").is_ok_and(|found| found.f_type == MAGIC)
}

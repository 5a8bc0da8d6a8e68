//! `--volume`, `--mount`, `--tmpfs`.

use spec::Propagation;

use super::name::{absolute, boolean};
use super::number::{mode, size};
use crate::error::{Fault, Parsed};

/// One mount as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountRequest {
    /// Where it appears in the container: absolute, not `/`.
    pub destination: String,
    /// What appears there.
    pub what: What,
    /// Options that are understood and change nothing here, such as `z` where there is no SELinux.
    pub idle: Vec<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file or directory of the host.
    Bind(Bind),
    /// Memory, with the options of tmpfs(5) and mount(8).
    Tmpfs(Vec<String>),
    /// A directory that outlives the container.
    Volume(VolumeMount),
}

/// A directory that outlives the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// Its name; `None` is one of the container's own, which goes with it.
    pub name: Option<String>,
    /// Whether it can be written.
    pub read_only: bool,
    /// Whether an empty one starts with what the root has in its place.
    pub copy: bool,
}

impl VolumeMount {
    /// One that goes with the container.
    pub const ANONYMOUS: Self = Self {
        name: None,
        read_only: false,
        copy: true,
    };
}

/// A file or directory of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its path; relative ones start with a dot and count from the caller's working directory.
    pub source: String,
    /// Whether it can be written.
    pub read_only: bool,
    /// What happens to mounts below it.
    pub recursion: Recursion,
    /// How later mounts travel.
    pub propagation: Propagation,
    /// Whether a container with ids of its own sees the owners as it would without.
    pub translated: bool,
}

/// What a bind mount does about the mounts below its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recursion {
    /// They come along, and are read-only where the mount is.
    #[default]
    Enabled,
    /// They stay behind.
    Disabled,
    /// They come along and stay writable.
    Writable,
}

/// A destination: absolute, and not the root itself.
fn destination(text: &str) -> Parsed<String> {
    let path = absolute(text).map_err(|fault| Fault {
        message: format!("destination {text:?}: {}", fault.message),
        ..fault
    })?;
    if path == "/" {
        Err(Fault::usage("the destination is the root itself"))
    } else {
        Ok(path)
    }
}

/// The host's side of a bind mount; what is no path is the name of a volume.
fn source(text: &str) -> Parsed<String> {
    super::env::no_nul(text)?;
    let relative = ["./", "../"].iter().any(|start| text.starts_with(start));
    if text.is_empty() {
        Err(Fault::usage("the source is empty"))
    } else if text.starts_with('/') || relative || text == "." || text == ".." {
        Ok(text.to_owned())
    } else {
        Err(Fault::usage(format!("{text:?} is no path")).hint("/host/path or ./path"))
    }
}

/// The name of a volume; none where it is a path of the host.
fn volume_name(text: &str) -> Parsed<Option<&str>> {
    if text.is_empty() || text.starts_with(['/', '.']) {
        return Ok(None);
    }
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let long = (2..=200).contains(&text.len());
    if long && text.bytes().all(fine) && !text.starts_with(['_', '-']) {
        return Ok(Some(text));
    }
    Err(Fault::usage(format!(
        "{text:?} is neither a path nor the name of a volume"
    ))
    .hint("names have [a-zA-Z0-9][a-zA-Z0-9_.-]; a path is /host/path or ./path"))
}

/// The third part of `--volume` with a volume's name.
fn named_volume(name: &str, options: &str) -> Parsed<(VolumeMount, Vec<String>)> {
    let (mut volume, mut idle) = (VolumeMount::ANONYMOUS, Vec::new());
    volume.name = Some(name.to_owned());
    for option in options.split(',').filter(|_| !options.is_empty()) {
        match option {
            "ro" => volume.read_only = true,
            "rw" => volume.read_only = false,
            "nocopy" => volume.copy = false,
            "z" | "Z" => idle.push(option.to_owned()),
            _ => {
                return Err(Fault::usage(format!(
                    "{option:?} is not an option of a named volume"
                )));
            }
        }
    }
    Ok((volume, idle))
}

/// `[SRC:]DST[:OPTS]`
pub fn volume(text: &str) -> Parsed<MountRequest> {
    let parts: Vec<&str> = text.split(':').collect();
    let (from, to, options) = match parts[..] {
        [to] => {
            let what = What::Volume(VolumeMount::ANONYMOUS);
            return Ok(request(destination(to)?, what));
        }
        [from, to] => (from, to, ""),
        [from, to, options] => (from, to, options),
        _ => return Err(Fault::usage("more than three parts").hint("[SRC:]DST[:OPTS]")),
    };
    if !to.starts_with('/') && parts.len() == 2 {
        return Err(Fault::usage(format!(
            "the destination {to:?} is not an absolute path"
        )));
    }
    if let Some(name) = volume_name(from)? {
        let (volume, idle) = named_volume(name, options)?;
        return Ok(MountRequest {
            destination: destination(to)?,
            what: What::Volume(volume),
            idle,
        });
    }
    let mut bind = Bind {
        source: source(from)?,
        read_only: false,
        recursion: Recursion::Enabled,
        propagation: Propagation::RPrivate,
        translated: true,
    };
    let idle = volume_options(&mut bind, options)?;
    Ok(MountRequest {
        destination: destination(to)?,
        what: What::Bind(bind),
        idle,
    })
}

fn request(destination: String, what: What) -> MountRequest {
    MountRequest {
        destination,
        what,
        idle: Vec::new(),
    }
}

/// Applies the third part of `--volume`; each group of options at most once, as Docker has it.
fn volume_options(bind: &mut Bind, text: &str) -> Parsed<Vec<String>> {
    let mut idle = Vec::new();
    let mut groups = Vec::new();
    for option in text.split(',').filter(|_| !text.is_empty()) {
        let group = match option {
            "ro" | "rw" => {
                bind.read_only = option == "ro";
                "ro and rw"
            }
            "idmap" | "noidmap" => {
                bind.translated = option == "idmap";
                "idmap and noidmap"
            }
            "z" | "Z" | "nocopy" | "consistent" | "cached" | "delegated" => {
                idle.push(option.to_owned());
                option
            }
            _ => {
                bind.propagation = propagation(option)
                    .ok_or_else(|| Fault::usage(format!("{option:?} is not a volume option")))?;
                "propagation"
            }
        };
        if groups.contains(&group) {
            return Err(Fault::usage(format!(
                "{option:?} after another option of its kind"
            )));
        }
        groups.push(group);
    }
    Ok(idle)
}

fn propagation(name: &str) -> Option<Propagation> {
    let unbindable = [Propagation::Unbindable, Propagation::RUnbindable];
    Propagation::from_name(name).filter(|found| !unbindable.contains(found))
}

/// What `--mount` says, before it is known to make sense.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    source: Option<&'a str>,
    destination: Option<&'a str>,
    read_only: bool,
    propagation: Option<Propagation>,
    recursion: Option<Recursion>,
    forced: bool,
    no_copy: bool,
    size: Option<u64>,
    mode: Option<u32>,
    idle: Vec<String>,
}

/// `type=bind|tmpfs,source=…,target=…,…`, a line of comma-separated values; `"` quotes one.
pub fn mount(text: &str) -> Parsed<MountRequest> {
    let parts = values(text)?;
    let mut fields = Fields::default();
    for part in &parts {
        field(&mut fields, part)?;
    }
    let target = fields
        .destination
        .ok_or_else(|| Fault::usage("no target="))?;
    let what = match fields.kind {
        Some("bind") => What::Bind(bind_mount(&fields)?),
        Some("tmpfs") => What::Tmpfs(tmpfs_mount(&fields)?),
        None | Some("volume") => volume_mount(&fields)?,
        Some(kind @ ("image" | "npipe" | "cluster" | "devpts" | "glob" | "ramfs")) => {
            return Err(Fault::unsupported(format!("type={kind}: not built yet")));
        }
        Some(kind) => return Err(Fault::usage(format!("type={kind} is not a type of mount"))),
    };
    Ok(MountRequest {
        destination: destination(target)?,
        what,
        idle: fields.idle,
    })
}

fn field<'a>(fields: &mut Fields<'a>, part: &'a str) -> Parsed<()> {
    let (key, value) = match part.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (part, None),
    };
    if matches!(
        key,
        "readonly" | "ro" | "bind-nonrecursive" | "volume-nocopy"
    ) {
        let on = value.map_or(Ok(true), boolean)?;
        match key {
            "bind-nonrecursive" if on => fields.recursion = Some(Recursion::Disabled),
            "bind-nonrecursive" => {}
            "volume-nocopy" => fields.no_copy = on,
            _ => fields.read_only = on,
        }
        return Ok(());
    }
    let value = value.ok_or_else(|| Fault::usage(format!("{key:?} has no value")))?;
    match key {
        "type" => fields.kind = Some(value),
        "source" | "src" => fields.source = Some(value),
        "target" | "destination" | "dst" => fields.destination = Some(value),
        "bind-propagation" => {
            let fault = || Fault::usage(format!("{value:?} is not a propagation"));
            fields.propagation = Some(propagation(value).ok_or_else(fault)?);
        }
        "bind-recursive" => recursion(fields, value)?,
        "tmpfs-size" => fields.size = Some(size(value)?),
        "tmpfs-mode" => fields.mode = Some(mode(value)?),
        "consistency" => fields.idle.push(part.to_owned()),
        _ if key.starts_with("volume-")
            || key.starts_with("image-")
            || key == "bind-create-src" =>
        {
            return Err(Fault::unsupported(format!("{key}: not built yet")));
        }
        _ => return Err(Fault::usage(format!("{key:?} is not a field of a mount"))),
    }
    Ok(())
}

fn recursion(fields: &mut Fields<'_>, value: &str) -> Parsed<()> {
    fields.recursion = Some(match value {
        "enabled" => Recursion::Enabled,
        "disabled" => Recursion::Disabled,
        "writable" => Recursion::Writable,
        "readonly" => {
            fields.forced = true;
            Recursion::Enabled
        }
        _ => {
            let choices = "not one of enabled, disabled, writable, readonly";
            return Err(Fault::usage(format!("bind-recursive={value}: {choices}")));
        }
    });
    Ok(())
}

fn bind_mount(fields: &Fields<'_>) -> Parsed<Bind> {
    if fields.size.is_some() || fields.mode.is_some() {
        return Err(Fault::usage("tmpfs options on type=bind"));
    }
    if fields.no_copy {
        return Err(Fault::usage("volume options on type=bind"));
    }
    if fields.forced && !fields.read_only {
        return Err(Fault::usage("bind-recursive=readonly without readonly"));
    }
    Ok(Bind {
        source: source(
            fields
                .source
                .ok_or_else(|| Fault::usage("no source= for type=bind"))?,
        )?,
        read_only: fields.read_only,
        recursion: fields.recursion.unwrap_or_default(),
        propagation: fields.propagation.unwrap_or(Propagation::RPrivate),
        translated: true,
    })
}

fn tmpfs_mount(fields: &Fields<'_>) -> Parsed<Vec<String>> {
    no_bind_options(fields, "tmpfs")?;
    if fields.no_copy {
        return Err(Fault::usage("volume options on type=tmpfs"));
    }
    if fields.source.is_some() {
        return Err(Fault::usage("source= on type=tmpfs"));
    }
    let mut options: Vec<String> = TMPFS_DEFAULT.map(str::to_owned).to_vec();
    if fields.read_only {
        options.push("ro".to_owned());
    }
    options.extend(fields.size.map(|bytes| format!("size={bytes}")));
    options.extend(fields.mode.map(|mode| format!("mode={mode:o}")));
    Ok(options)
}

fn volume_mount(fields: &Fields<'_>) -> Parsed<What> {
    no_bind_options(fields, "volume")?;
    if fields.size.is_some() || fields.mode.is_some() {
        return Err(Fault::usage("tmpfs options on type=volume"));
    }
    let name = match fields.source {
        Some(text) => Some(volume_name(text)?.ok_or_else(|| {
            Fault::usage(format!("{text:?} is a path")).hint("type=bind,source=/host/path,…")
        })?),
        None => None,
    };
    Ok(What::Volume(VolumeMount {
        name: name.map(str::to_owned),
        read_only: fields.read_only,
        copy: !fields.no_copy,
    }))
}

fn no_bind_options(fields: &Fields<'_>, kind: &str) -> Parsed<()> {
    if fields.propagation.is_some() || fields.recursion.is_some() {
        return Err(Fault::usage(format!("bind options on type={kind}")));
    }
    Ok(())
}

/// Splits a line of comma-separated values; a value in `"` may hold commas, and `""` is a quote.
fn values(text: &str) -> Parsed<Vec<String>> {
    let mut values = vec![String::new()];
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let value = values.last_mut().expect("there is always a last value");
        match c {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => value.push('"'),
            '"' if quoted => quoted = false,
            '"' if value.is_empty() => quoted = true,
            '"' => return Err(Fault::usage("a quote inside a value")),
            ',' if !quoted => values.push(String::new()),
            _ => value.push(c),
        }
    }
    if quoted {
        Err(Fault::usage("a quote is not closed"))
    } else {
        Ok(values)
    }
}

/// What a tmpfs has unless something else is said.
const TMPFS_DEFAULT: [&str; 3] = ["noexec", "nosuid", "nodev"];

/// Options that take each other's place, without their values.
const RIVALS: [&[&str]; 12] = [
    &["ro", "rw"],
    &["exec", "noexec"],
    &["suid", "nosuid"],
    &["dev", "nodev"],
    &["sync", "async"],
    &["dirsync"],
    &[
        "atime",
        "noatime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
    ],
    &["diratime", "nodiratime"],
    &["lazytime", "nolazytime"],
    &["mand", "nomand"],
    &["iversion", "noiversion"],
    &["defaults"],
];

/// `DST[:OPTS]` of `--tmpfs`.
pub fn tmpfs(text: &str) -> Parsed<MountRequest> {
    let (to, options) = text.split_once(':').unwrap_or((text, ""));
    let mut chosen: Vec<String> = TMPFS_DEFAULT.map(str::to_owned).to_vec();
    for option in options.split(',').filter(|_| !options.is_empty()) {
        let option = tmpfs_option(option)?;
        chosen.retain(|earlier| !rivals(earlier, &option));
        chosen.push(option);
    }
    Ok(request(destination(to)?, What::Tmpfs(chosen)))
}

/// Whether the later of two options takes the place of the earlier.
fn rivals(one: &str, other: &str) -> bool {
    let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    name(one) == name(other)
        || RIVALS
            .iter()
            .any(|set| set.contains(&one) && set.contains(&other))
}

/// One option of a tmpfs, checked; sizes are written as bytes or kept as a percentage.
fn tmpfs_option(option: &str) -> Parsed<String> {
    let fault = || Fault::usage(format!("{option:?} is not a tmpfs option"));
    let Some((name, value)) = option.split_once('=') else {
        let known = RIVALS.iter().any(|set| set.contains(&option));
        return if known {
            Ok(option.to_owned())
        } else {
            Err(fault())
        };
    };
    match name {
        "size" if value.ends_with('%') => percentage(value).ok_or_else(fault)?,
        "size" => return Ok(format!("size={}", size(value).map_err(|_| fault())?)),
        "mode" => _ = mode(value).map_err(|_| fault())?,
        "nr_inodes" | "nr_blocks" => _ = size(value).map_err(|_| fault())?,
        "uid" | "gid" => match super::user::who(value)? {
            super::user::Who::Id(_) => {}
            super::user::Who::Name(_) => return Err(fault()),
        },
        "mpol"
            if !value.is_empty()
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"=:-".contains(&b)) => {}
        _ => return Err(fault()),
    }
    Ok(option.to_owned())
}

fn percentage(value: &str) -> Option<()> {
    let number: u32 = super::number::digits(value.strip_suffix('%')?)?;
    (number <= 100).then_some(())
}

#[cfg(test)]
mod tests;

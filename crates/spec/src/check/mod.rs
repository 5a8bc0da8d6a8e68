//! What must hold in a configuration and can be said without looking at the host.
//!
//! The checks go through the document in its order and stop at the first mistake. They are strict: a
//! value that the kernel would refuse later, or take for something else, is refused here, where the
//! field has a name.

mod ids;
mod linux;
mod mounts;
mod process;
mod resources;

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::locate::push_key;
use crate::{Error, Hook, Kind, Linux, NamespaceType, Spec, Str};

/// The longest host or domain name (`__NEW_UTS_LEN` of `linux/utsname.h`).
const MAX_NAME: usize = 64;

impl Spec<'_> {
    /// Checks everything that can be checked without the host. A configuration that passes can still be
    /// refused by the plan, for what this kernel or this host cannot do.
    pub fn check(&self) -> Result<(), Error> {
        version(&self.oci_version)?;
        if let Some(process) = &self.process {
            process::check(process, self.linux.as_ref())?;
        }
        root(self)?;
        name("hostname", self.hostname.as_ref(), self)?;
        name("domainname", self.domainname.as_ref(), self)?;
        for (index, mount) in self.mounts.iter().enumerate() {
            mounts::check(mount, index, self)?;
        }
        hooks(self)?;
        self.linux
            .as_ref()
            .map_or(Ok(()), |linux| linux::check(linux, self))
    }

    /// Whether the container has a namespace of this type that is not the runtime's own, be it new or
    /// an existing one.
    pub(crate) fn has_namespace(&self, kind: NamespaceType) -> bool {
        self.linux
            .as_ref()
            .is_some_and(|linux| linux.namespace(kind).is_some())
    }
}

impl Linux<'_> {
    /// Whether the container gets a new namespace of this type.
    pub(crate) fn makes_namespace(&self, kind: NamespaceType) -> bool {
        self.namespace(kind)
            .is_some_and(|namespace| namespace.path.is_none())
    }
}

/// `ociVersion`: a semantic version, whose major number says whether we understand the document.
fn version(version: &str) -> Result<(), Error> {
    const PLACE: &str = "ociVersion";
    let Some(major) = major_version(version) else {
        return invalid(
            PLACE,
            format_args!("`{version}` is not a semantic version, such as 1.3.0"),
        );
    };
    if major == "1" {
        return Ok(());
    }
    let message =
        format_args!("version {version} of the specification is not supported, only 1.x.y is");
    fail(Kind::Unknown, PLACE, message)
}

/// The major number of a version by <https://semver.org/spec/v2.0.0.html>, if it is one.
fn major_version(version: &str) -> Option<&str> {
    let (version, build) = version
        .split_once('+')
        .map_or((version, None), |(v, build)| (v, Some(build)));
    let (core, pre) = version
        .split_once('-')
        .map_or((version, None), |(core, pre)| (core, Some(pre)));
    let no_leading_zero = |text: &str| text == "0" || !text.starts_with('0');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_pre = |text: &str| is_word(text) && (!is_number(text) || no_leading_zero(text));
    let numbers =
        core.split('.').all(|n| is_number(n) && no_leading_zero(n)) && core.split('.').count() == 3;
    let pre = pre.is_none_or(|pre| pre.split('.').all(is_pre));
    let build = build.is_none_or(|build| build.split('.').all(is_word));
    (numbers && pre && build).then(|| core.split('.').next())?
}

fn root(spec: &Spec<'_>) -> Result<(), Error> {
    match &spec.root {
        None => fail(Kind::Missing, "root", "required, but missing"),
        Some(root) if root.path.is_empty() => fail(Kind::Missing, "root.path", "may not be empty"),
        Some(_) => Ok(()),
    }
}

fn name(place: &str, name: Option<&Str<'_>>, spec: &Spec<'_>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    if name.len() > MAX_NAME {
        return invalid(
            place,
            format_args!(
                "{} bytes are more than the {MAX_NAME} that Linux has for it",
                name.len()
            ),
        );
    }
    if !spec.has_namespace(NamespaceType::Uts) {
        return no_namespace(NamespaceType::Uts, place);
    }
    Ok(())
}

fn hooks(spec: &Spec<'_>) -> Result<(), Error> {
    let Some(hooks) = &spec.hooks else {
        return Ok(());
    };
    for (kind, hooks) in [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ] {
        for (index, one) in hooks.iter().enumerate() {
            hook(one, format_args!("hooks.{kind}[{index}]"))?;
        }
    }
    Ok(())
}

fn hook(hook: &Hook<'_>, place: fmt::Arguments<'_>) -> Result<(), Error> {
    absolute(&hook.path, format_args!("{place}.path"))?;
    if hook.timeout == Some(0) {
        return invalid(format_args!("{place}.timeout"), "must be at least 1 second");
    }
    environment(&hook.env, format_args!("{place}.env"))
}

/// Each entry is `NAME=VALUE` with a name. Others would be there for the kernel, but no program could
/// find them; runc refuses them, too.
fn environment(entries: &[Str<'_>], place: fmt::Arguments<'_>) -> Result<(), Error> {
    let named = |entry: &str| entry.find('=').is_some_and(|at| at > 0);
    match entries.iter().position(|entry| !named(entry)) {
        None => Ok(()),
        Some(index) => {
            let entry = crate::text::Short(&entries[index]);
            invalid(
                format_args!("{place}[{index}]"),
                format_args!("`{entry}` is not NAME=VALUE"),
            )
        }
    }
}

fn absolute(path: &str, place: impl fmt::Display) -> Result<(), Error> {
    if path.starts_with('/') {
        return Ok(());
    }
    invalid(
        place,
        format_args!("`{}` is not an absolute path", crate::text::Short(path)),
    )
}

/// Every element of a list of paths is absolute.
fn all_absolute(paths: &[Str<'_>], place: &str) -> Result<(), Error> {
    paths
        .iter()
        .enumerate()
        .try_for_each(|(index, path)| absolute(path, format_args!("{place}[{index}]")))
}

/// A number that must be within a range.
fn within<N: PartialOrd + fmt::Display>(
    value: N,
    range: core::ops::RangeInclusive<N>,
    place: impl fmt::Display,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    invalid(
        place,
        format_args!(
            "{value} is not between {} and {}",
            range.start(),
            range.end()
        ),
    )
}

/// A list such as `0-3,7`.
fn numbers(list: Option<&Str<'_>>, place: impl fmt::Display) -> Result<(), Error> {
    match list {
        Some(list) if crate::ranges::parse(list).is_none() => invalid(
            place,
            format_args!("`{}` is not a list such as 0-3,7", crate::text::Short(list)),
        ),
        _ => Ok(()),
    }
}

/// The place of an entry of an object whose keys are data, such as `linux.sysctl["net.a"]`.
fn entry(place: &str, key: &str) -> String {
    let mut path = String::from(place);
    push_key(&mut path, key);
    path
}

#[cold]
fn fail<T>(kind: Kind, place: impl fmt::Display, message: impl fmt::Display) -> Result<T, Error> {
    Err(Error::new(kind, place, message))
}

fn invalid<T>(place: impl fmt::Display, message: impl fmt::Display) -> Result<T, Error> {
    fail(Kind::Invalid, place, message)
}

/// An error about a value that needs a namespace which the configuration does not ask for.
fn no_namespace<T>(kind: NamespaceType, place: impl fmt::Display) -> Result<T, Error> {
    let message = format_args!(
        "would be set for the whole machine: there is no `{kind}` in linux.namespaces"
    );
    let hint = "add that namespace, or leave this out";
    conflict(place, message).map_err(|error: Error| error.hint(hint))
}

fn conflict<T>(place: impl fmt::Display, message: impl fmt::Display) -> Result<T, Error> {
    fail(Kind::Conflict, place, message)
}

/// Whether a text can be the name of a network interface (`dev_valid_name` of `net/core/dev.c`).
fn is_interface(name: &str) -> bool {
    const IFNAMSIZ: usize = 16;
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '/' && c != ':';
    !matches!(name, "" | "." | "..") && name.len() < IFNAMSIZ && name.chars().all(allowed)
}

fn interface(name: &str, place: impl fmt::Display) -> Result<(), Error> {
    if is_interface(name) {
        return Ok(());
    }
    invalid(
        place,
        format!(
            "`{}` is not the name of a network interface",
            crate::text::Short(name)
        ),
    )
}

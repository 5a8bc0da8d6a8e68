//! `linux`, but for `resources`.

use alloc::collections::BTreeSet;

use super::{
    absolute, all_absolute, conflict, entry, fail, ids, interface, invalid, no_namespace, numbers,
    resources, within,
};
use crate::sysctl::{Parameter, Refused};
use crate::text::Short;
use crate::{
    Device, DeviceType, Error, IntelRdt, Kind, Linux, MemoryPolicy, MemoryPolicyFlag,
    MemoryPolicyMode, NamespaceType, Spec,
};

/// The highest major number of a device (`MINORBITS` of `linux/kdev_t.h`).
pub(super) const MAX_MAJOR: u32 = (1 << 12) - 1;
/// The highest minor number of a device.
pub(super) const MAX_MINOR: u32 = (1 << 20) - 1;

pub(super) fn check(linux: &Linux<'_>, spec: &Spec<'_>) -> Result<(), Error> {
    namespaces(linux)?;
    id_maps(linux)?;
    sysctl(linux, spec)?;
    if let Some(all) = &linux.resources {
        resources::check(all)?;
    }
    cgroups_path(linux)?;
    devices(linux)?;
    net_devices(linux)?;
    all_absolute(&linux.masked_paths, "linux.maskedPaths")?;
    all_absolute(&linux.readonly_paths, "linux.readonlyPaths")?;
    if let Some(rdt) = &linux.intel_rdt {
        intel_rdt(rdt)?;
    }
    if let Some(policy) = &linux.memory_policy {
        memory_policy(policy)?;
    }
    if linux
        .personality
        .as_ref()
        .is_some_and(|personality| !personality.flags.is_empty())
    {
        return fail(
            Kind::Unknown,
            "linux.personality.flags",
            "the specification defines no flag",
        );
    }
    time_offsets(linux)
}

fn namespaces(linux: &Linux<'_>) -> Result<(), Error> {
    for (index, namespace) in linux.namespaces.iter().enumerate() {
        if linux.namespaces[..index]
            .iter()
            .any(|earlier| earlier.kind == namespace.kind)
        {
            let place = format_args!("linux.namespaces[{index}].type");
            return conflict(place, format_args!("`{}` is there twice", namespace.kind));
        }
        if let Some(path) = &namespace.path {
            absolute(path, format_args!("linux.namespaces[{index}].path"))?;
        }
    }
    Ok(())
}

fn id_maps(linux: &Linux<'_>) -> Result<(), Error> {
    for (place, ranges) in [
        ("linux.uidMappings", &linux.uid_mappings),
        ("linux.gidMappings", &linux.gid_mappings),
    ] {
        ids::map(ranges, format_args!("{place}"))?;
        if ranges.is_empty() && linux.makes_namespace(NamespaceType::User) {
            return fail(Kind::Missing, place, "required by the new `user` namespace");
        }
        if !ranges.is_empty() && linux.namespace(NamespaceType::User).is_none() {
            return conflict(
                place,
                "there is no `user` in linux.namespaces that it could be for",
            );
        }
    }
    Ok(())
}

fn sysctl(linux: &Linux<'_>, spec: &Spec<'_>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for name in linux.sysctl.keys() {
        let parameter = match Parameter::parse(name) {
            Ok(parameter) => parameter,
            Err(why @ Refused::Name) => return invalid(entry("linux.sysctl", name), why),
            Err(why @ Refused::NotNamespaced) => {
                return fail(Kind::Unknown, entry("linux.sysctl", name), why);
            }
        };
        if linux.namespace(parameter.namespace).is_none() {
            return no_namespace(parameter.namespace, entry("linux.sysctl", name));
        }
        if parameter.path == "kernel/hostname" && spec.hostname.is_some()
            || parameter.path == "kernel/domainname" && spec.domainname.is_some()
        {
            return conflict(
                entry("linux.sysctl", name),
                "is given by a field of its own, too",
            );
        }
        if !seen.insert(parameter.path) {
            return conflict(
                entry("linux.sysctl", name),
                "is given twice, in two ways to write it",
            );
        }
    }
    Ok(())
}

fn cgroups_path(linux: &Linux<'_>) -> Result<(), Error> {
    match &linux.cgroups_path {
        Some(path) if path.split('/').any(|component| component == "..") => invalid(
            "linux.cgroupsPath",
            format_args!("`{}` has a `..` in it", Short(path)),
        ),
        _ => Ok(()),
    }
}

fn devices(linux: &Linux<'_>) -> Result<(), Error> {
    linux
        .devices
        .iter()
        .enumerate()
        .try_for_each(|(index, one)| device(one, index))
}

fn device(device: &Device<'_>, index: usize) -> Result<(), Error> {
    absolute(&device.path, format_args!("linux.devices[{index}].path"))?;
    within(
        device.major,
        0..=MAX_MAJOR,
        format_args!("linux.devices[{index}].major"),
    )?;
    within(
        device.minor,
        0..=MAX_MINOR,
        format_args!("linux.devices[{index}].minor"),
    )?;
    if let Some(mode) = device.file_mode {
        file_mode(device.kind, mode, index)?;
    }
    ids::id(
        device.uid.unwrap_or(0),
        format_args!("linux.devices[{index}].uid"),
    )?;
    ids::id(
        device.gid.unwrap_or(0),
        format_args!("linux.devices[{index}].gid"),
    )
}

/// Some engines write all of `st_mode`; its file type must then be that of `type`.
fn file_mode(kind: DeviceType, mode: u32, index: usize) -> Result<(), Error> {
    let file_type = match kind {
        DeviceType::Char | DeviceType::Unbuffered => 0o020_000,
        DeviceType::Block => 0o060_000,
        DeviceType::Fifo => 0o010_000,
    };
    if mode & !0o7777 == 0 || mode & !0o7777 == file_type {
        return Ok(());
    }
    let message = format_args!("{mode} (0o{mode:o}) is not a mode of a device of type `{kind}`");
    invalid(format_args!("linux.devices[{index}].fileMode"), message)
}

fn net_devices(linux: &Linux<'_>) -> Result<(), Error> {
    const PLACE: &str = "linux.netDevices";
    if !linux.net_devices.is_empty() && linux.namespace(NamespaceType::Network).is_none() {
        return conflict(
            PLACE,
            "there is no `network` in linux.namespaces that they could move to",
        );
    }
    let mut inside = BTreeSet::new();
    for (outside, device) in &linux.net_devices {
        interface(outside, entry(PLACE, outside))?;
        let name = device.name.as_ref().unwrap_or(outside);
        interface(name, entry(PLACE, outside))?;
        if !inside.insert(name) {
            return conflict(
                entry(PLACE, outside),
                format_args!("another one is called `{name}` inside, too"),
            );
        }
    }
    Ok(())
}

fn intel_rdt(rdt: &IntelRdt<'_>) -> Result<(), Error> {
    if let Some(id) = &rdt.clos_id {
        let component = !matches!(id.as_str(), "." | "..") && !id.contains(['/', '\n']);
        if !component && *id != "/" {
            return invalid(
                "linux.intelRdt.closID",
                format_args!("`{}` is not one component of a path", Short(id)),
            );
        }
    }
    for (field, line) in [
        ("l3CacheSchema", &rdt.l3_cache_schema),
        ("memBwSchema", &rdt.mem_bw_schema),
    ] {
        if line.as_ref().is_some_and(|line| line.contains('\n')) {
            return invalid(format_args!("linux.intelRdt.{field}"), "must be one line");
        }
    }
    if rdt
        .mem_bw_schema
        .as_ref()
        .is_some_and(|line| !line.starts_with("MB:"))
    {
        return invalid("linux.intelRdt.memBwSchema", "must begin with `MB:`");
    }
    match rdt.schemata.iter().position(|line| line.contains('\n')) {
        Some(index) => invalid(
            format_args!("linux.intelRdt.schemata[{index}]"),
            "must be one line",
        ),
        None => Ok(()),
    }
}

/// `set_mempolicy(2)`.
fn memory_policy(policy: &MemoryPolicy<'_>) -> Result<(), Error> {
    use MemoryPolicyMode::{Default, Local, Preferred};
    const NODES: &str = "linux.memoryPolicy.nodes";
    numbers(policy.nodes.as_ref(), NODES)?;
    match (policy.mode, &policy.nodes) {
        (Default | Local, Some(_)) => {
            return conflict(NODES, format_args!("{} takes none", policy.mode));
        }
        (Default | Local | Preferred, None) | (_, Some(_)) => {}
        (mode, None) => return fail(Kind::Missing, NODES, format_args!("required by {mode}")),
    }
    let has = |flag| policy.flags.contains(&flag);
    if has(MemoryPolicyFlag::RelativeNodes) && has(MemoryPolicyFlag::StaticNodes) {
        return conflict(
            "linux.memoryPolicy.flags",
            "nodes are either static or relative",
        );
    }
    Ok(())
}

fn time_offsets(linux: &Linux<'_>) -> Result<(), Error> {
    let Some(offsets) = &linux.time_offsets else {
        return Ok(());
    };
    for (clock, offset) in [
        ("monotonic", &offsets.monotonic),
        ("boottime", &offsets.boottime),
    ] {
        if let Some(offset) = offset {
            within(
                offset.nanosecs,
                0..=999_999_999,
                format_args!("linux.timeOffsets.{clock}.nanosecs"),
            )?;
        }
    }
    let any = offsets.monotonic.is_some() || offsets.boottime.is_some();
    if any && !linux.makes_namespace(NamespaceType::Time) {
        return conflict(
            "linux.timeOffsets",
            "there is no new `time` in linux.namespaces that they could be for",
        );
    }
    Ok(())
}

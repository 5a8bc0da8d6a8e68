//! `mounts`.

use super::{conflict, fail, ids};
use crate::mount::Options;
use crate::text::Short;
use crate::{Error, Kind, Mount, NamespaceType, Spec};

pub(super) fn check(mount: &Mount<'_>, index: usize, spec: &Spec<'_>) -> Result<(), Error> {
    if mount.destination.is_empty() {
        return fail(
            Kind::Missing,
            format_args!("mounts[{index}].destination"),
            "may not be empty",
        );
    }
    let options = mount.parsed_options();
    source_and_type(mount, &options, index)?;
    id_maps(mount, &options, index, spec)
}

fn source_and_type(mount: &Mount<'_>, options: &Options<'_>, index: usize) -> Result<(), Error> {
    if options.bind.is_none() {
        // What changes an existing mount, or only how it propagates, has no type.
        if mount.fstype.is_none() && !options.remount && options.propagation.is_empty() {
            return fail(
                Kind::Missing,
                format_args!("mounts[{index}].type"),
                "required, but missing",
            );
        }
        return Ok(());
    }
    if mount.source.is_none() && !options.remount {
        return fail(
            Kind::Missing,
            format_args!("mounts[{index}].source"),
            "a bind mount needs a source",
        );
    }
    match options.data.first() {
        // The kernel ignores them, so whoever wrote them would believe in something that is not so.
        Some(option) => conflict(
            format_args!("mounts[{index}].options"),
            format_args!(
                "`{}` is an option of a file system, which a bind mount does not take",
                Short(option)
            ),
        ),
        None => Ok(()),
    }
}

fn id_maps(
    mount: &Mount<'_>,
    options: &Options<'_>,
    index: usize,
    spec: &Spec<'_>,
) -> Result<(), Error> {
    ids::map(
        &mount.uid_mappings,
        format_args!("mounts[{index}].uidMappings"),
    )?;
    ids::map(
        &mount.gid_mappings,
        format_args!("mounts[{index}].gidMappings"),
    )?;
    match (mount.uid_mappings.is_empty(), mount.gid_mappings.is_empty()) {
        (true, false) => fail(
            Kind::Missing,
            format_args!("mounts[{index}].uidMappings"),
            "required beside gidMappings",
        ),
        (false, true) => fail(
            Kind::Missing,
            format_args!("mounts[{index}].gidMappings"),
            "required beside uidMappings",
        ),
        (true, true) if options.idmap.is_some() && !spec.has_namespace(NamespaceType::User) => {
            fail(
                Kind::Missing,
                format_args!("mounts[{index}].uidMappings"),
                "required by `idmap`, as there is no `user` in linux.namespaces whose maps it could take",
            )
        }
        _ => Ok(()),
    }
}

//! The root's mounts, as a snapshotter asks for them in `CreateTaskRequest`.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use spec::mount::{Depth, Options, attribute, superblock};
use spec::{Propagation, Str};
use sys::Errno;
use sys::error::OnCall;
use sys::rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, mount_remount, unmount,
};

use crate::message::Mount;
use crate::ttrpc::{Code, Status};

/// mount(2) takes a page of options, its closing NUL included.
const LONGEST_DATA: usize = 4095;

/// Makes the mounts, in their order; on failure those that were made are taken away.
pub(crate) fn mount_all(mounts: &[Mount], rootfs: &str) -> Result<(), Status> {
    for one in mounts {
        if let Err(status) = mount_one(one, rootfs) {
            let _ = unmount_all(rootfs); // the first failure says more
            return Err(status);
        }
    }
    Ok(())
}

/// Takes away whatever is mounted at `rootfs`.
pub(crate) fn unmount_all(rootfs: &str) -> sys::Result<()> {
    loop {
        match unmount(rootfs, UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            // Not a mount, or not there.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY) => {
                unmount(rootfs, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH)
                    .on("umount", rootfs)?;
            }
            Err(errno) => return Err(errno).on("umount", rootfs),
        }
    }
}

fn mount_one(given: &Mount, rootfs: &str) -> Result<(), Status> {
    let target = target(given, rootfs)?;
    let words: Vec<Str<'_>> = given.options.iter().map(|word| Str::new(word)).collect();
    let mut options = Options::parse(&words);
    if given.kind == "bind" && options.bind.is_none() {
        options.bind = Some(Depth::One);
    }
    refuse(given, &options)?;
    let outcome = match options.bind {
        Some(depth) => bind(given, &target, depth, &options),
        None => new_mount(given, &target, &options),
    };
    outcome.map_err(|error| {
        Status::new(
            Code::Unknown,
            format!("rootfs: {} {}: {error}", given.kind, given.source),
        )
    })?;
    for kind in &options.propagation {
        mount_change(&*target, propagation(*kind)).on("mount", &target)?;
    }
    Ok(())
}

/// What it is mounted on: the root, or a directory beneath it.
fn target(given: &Mount, rootfs: &str) -> Result<String, Status> {
    let inside = given.target.trim_matches('/');
    if inside.split('/').any(|part| part == "..") {
        let message = format!("rootfs: target {}: leads out of the root", given.target);
        return Err(Status::new(Code::InvalidArgument, message));
    }
    Ok(if inside.is_empty() {
        rootfs.to_string()
    } else {
        format!("{rootfs}/{inside}")
    })
}

fn refuse(given: &Mount, options: &Options<'_>) -> Result<(), Status> {
    let loops = options.data.contains(&"loop");
    let tree = !options.tree_attributes.is_empty();
    let what = match () {
        () if options.remount => "remount",
        () if options.idmap.is_some() => "idmap",
        () if options.copy_up => "tmpcopyup",
        () if loops => "loop",
        () if tree => "recursive attributes",
        () => return Ok(()),
    };
    let message = format!(
        "rootfs: {} {}: {what}: not supported",
        given.kind, given.source
    );
    Err(Status::new(Code::Unimplemented, message))
}

fn bind(given: &Mount, target: &str, depth: Depth, options: &Options<'_>) -> sys::Result<()> {
    let source = &*given.source;
    match depth {
        Depth::One => mount_bind(source, target),
        Depth::Tree => mount_bind_recursive(source, target),
    }
    .on("mount", target)?;
    let flags = flags(options);
    if flags.is_empty() {
        return Ok(());
    }
    mount_remount(target, flags | MountFlags::BIND, c"").on("mount", target)
}

fn new_mount(given: &Mount, target: &str, options: &Options<'_>) -> sys::Result<()> {
    let data = options.joined_data().unwrap_or_default();
    if data.len() > LONGEST_DATA {
        return Err(Errno::NAMETOOLONG).on("mount", target);
    }
    let data = CString::new(data)
        .map_err(|_| Errno::INVAL)
        .on("mount", target)?;
    mount(&*given.source, target, &*given.kind, flags(options), &*data).on("mount", target)
}

/// The attributes and flags in the bits of mount(2).
fn flags(options: &Options<'_>) -> MountFlags {
    let attributes = [
        (attribute::RDONLY, MountFlags::RDONLY),
        (attribute::NOSUID, MountFlags::NOSUID),
        (attribute::NODEV, MountFlags::NODEV),
        (attribute::NOEXEC, MountFlags::NOEXEC),
        (attribute::NOATIME, MountFlags::NOATIME),
        (attribute::NODIRATIME, MountFlags::NODIRATIME),
    ];
    let superblocks = [
        (superblock::RDONLY, MountFlags::RDONLY),
        (superblock::SYNCHRONOUS, MountFlags::SYNCHRONOUS),
        (superblock::DIRSYNC, MountFlags::DIRSYNC),
        (superblock::SILENT, MountFlags::SILENT),
    ];
    let set = |from: u64, pairs: &[(u64, MountFlags)]| {
        let on = pairs.iter().filter(|(bit, _)| from & bit != 0);
        on.fold(MountFlags::empty(), |sum, (_, flag)| sum | *flag)
    };
    set(options.attributes.set, &attributes) | set(options.superblock.set, &superblocks)
}

fn propagation(kind: Propagation) -> MountPropagationFlags {
    let tree = MountPropagationFlags::REC;
    match kind {
        Propagation::Shared => MountPropagationFlags::SHARED,
        Propagation::RShared => MountPropagationFlags::SHARED | tree,
        Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
        Propagation::RSlave => MountPropagationFlags::DOWNSTREAM | tree,
        Propagation::Private => MountPropagationFlags::PRIVATE,
        Propagation::RPrivate => MountPropagationFlags::PRIVATE | tree,
        Propagation::Unbindable => MountPropagationFlags::UNBINDABLE,
        Propagation::RUnbindable => MountPropagationFlags::UNBINDABLE | tree,
    }
}

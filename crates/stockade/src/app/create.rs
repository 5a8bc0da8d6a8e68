//! Making a container: root, configuration, directory, name.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use container::{Directory, LogPolicy, Overlay, RestartPolicy, Root, Settings, Store, VolumeUse};
use front::app::value::namespace::{Net, Userns};
use front::app::value::restart::Restart;
use front::app::{
    Accounts, Asked, Base, Extras, Lowered, Machine, Origins, RunOptions, Storage, classify,
    host_root, lower,
};
use image::ImageConfig;

use super::containers::Running;
use super::failure::{Failure, Outcome};
use super::{names, user_range, volume};
use crate::output::progress::Progress;

/// A container that was made.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) settings: Settings,
    /// Which option asked for what.
    pub(crate) origins: Origins,
}

/// A container that could be made: nothing of it exists yet but its image's layers.
pub(crate) struct Planned {
    pub(crate) id: String,
    pub(crate) lowered: Lowered,
    pub(crate) settings: Settings,
    /// Upper and work directories below the container's own, each with the directory whose mode and owner the upper
    /// one takes.
    uppers: Vec<([String; 2], String)>,
    /// Held until the container's own record tells that it uses the image.
    _image: Option<image::Image>,
}

/// `create`.
pub(crate) fn create(store: &Store, options: &RunOptions) -> Outcome<Made> {
    store.prepare()?;
    // A range of ids is free only until the next one looks: it is ours once it is written down.
    let ranged = options
        .userns
        .as_deref()
        .is_some_and(|text| text.starts_with("auto"));
    // A template of the host is unused until the next record says otherwise.
    let _lock = if ranged || options.root == "host" {
        Some(store.lock()?)
    } else {
        None
    };
    let mut planned = plan(store, &store.data, options)?;
    for note in &planned.lowered.extras.notes {
        eprintln!("stockade: note: {note}");
    }
    let id = planned.id.clone();
    take_name(store, &mut planned)?;
    let path = store.path(&id);
    // Held until the record tells what is used.
    let wanted = &planned.lowered.extras.volumes;
    let _volumes = if wanted.is_empty() {
        None
    } else {
        Some(store.lock_volumes()?)
    };
    let made = volume::make_wanted(store, &planned.lowered.extras)
        .and_then(|()| write(&path, &mut planned))
        .and_then(|directory| {
            write_cidfile(&planned)?;
            Ok(directory)
        });
    match made {
        Ok(_) => Ok(Made {
            id,
            settings: planned.settings,
            origins: planned.lowered.origins,
        }),
        Err(failure) => {
            let _ = store.remove(&id);
            store.give_name_back(&planned.settings.name, &id);
            store.remove_anonymous(&planned.settings.volumes);
            Err(failure)
        }
    }
}

/// Lowers the options. An image as ROOT is imported below `layers`, where it is not there yet; else
/// nothing changes.
pub(crate) fn plan(store: &Store, layers: &str, options: &RunOptions) -> Outcome<Planned> {
    let id = names::new_id()?;
    let dir = store.path(&id);
    let machine = Machine {
        mountpoint: store.mountpoint(),
        volumes: store.volumes_path(),
        ..Machine::read(&id, &dir, options)?
    };
    let root = classify(&options.root, &machine)?;
    let (storage, image) = storage(layers, options, &root, &dir)?;
    let accounts = Accounts::read(&storage)
        .map_err(|fault| Failure::from(fault.at(format!("ROOT {}", options.root))))?;
    let asked = Asked {
        options,
        image: image.as_ref().map(|image| &image.config as &ImageConfig),
        storage: &storage,
        accounts: &accounts,
        machine: &machine,
        containers: &Running(store),
    };
    let mut lowered = lower(&asked)?;
    if let Userns::Auto { size } = lowered.extras.userns {
        lowered.set_user_range(user_range::pick(store, size)?);
    }
    let (settings, uppers) = settings(&id, options, &lowered, &storage)?;
    let settings = Settings {
        image_digest: image.as_ref().map(|image| image.digest.to_string()),
        ..settings
    };
    Ok(Planned {
        id,
        lowered,
        settings,
        uppers,
        _image: image,
    })
}

fn storage(
    layers: &str,
    options: &RunOptions,
    root: &front::app::Root,
    dir: &str,
) -> Outcome<(Storage, Option<image::Image>)> {
    Ok(match root {
        front::app::Root::Host => {
            let templates = format!("{layers}/templates");
            (host_root(Path::new(&templates), Path::new(dir))?, None)
        }
        front::app::Root::Directory(path) if options.ephemeral => {
            let storage = Storage::layers(vec![path.clone()]);
            storage.check_upper(Path::new(dir))?;
            (storage, None)
        }
        front::app::Root::Directory(path) => (Storage::directory(path), None),
        front::app::Root::OciLayout { path, reference }
        | front::app::Root::Archive { path, reference } => {
            let images = image::Store::open(Path::new(&format!("{layers}/images")))?;
            let request = image::Request {
                reference: reference.as_deref(),
                ..image::Request::of(Path::new(path))
            };
            let image = images.import(request, &mut Bar::default())?;
            let layers = image
                .layers
                .iter()
                .map(|layer| layer.to_string_lossy().into_owned())
                .collect();
            (Storage::layers(layers), Some(image))
        }
    })
}

/// The bar of an import; there is none where nothing is unpacked.
#[derive(Default)]
struct Bar(Option<Progress>);

impl image::Progress for Bar {
    fn bytes(&mut self, done: u64, total: u64) {
        self.0
            .get_or_insert_with(|| Progress::new("unpacking", Some(total)))
            .at(done);
    }

    fn note(&mut self, text: &str) {
        eprintln!("stockade: note: {}", crate::output::table::harmless(text));
    }
}

type Uppers = Vec<([String; 2], String)>;

fn settings(
    id: &str,
    options: &RunOptions,
    lowered: &Lowered,
    storage: &Storage,
) -> Outcome<(Settings, Uppers)> {
    let extras = &lowered.extras;
    // Owners are translated by root alone; an ordinary user's files are root's inside.
    let own_users = !matches!(extras.userns, Userns::Host) && is_root();
    let mut mounts = storage
        .overlay_mounts(match (extras.auto_remove, is_root()) {
            (true, true) => "volatile",
            (false, true) => "",
            // overlayfs keeps its marks where an ordinary user may write some.
            (true, false) => "volatile,userxattr",
            (false, false) => "userxattr",
        })
        .into_iter();
    let mut uppers = Vec::new();
    let mut lowers = storage.overlays.iter().map(|overlay| top(&overlay.lower));
    let root = match &storage.base {
        Base::Directory(path) => Root::Directory(path.clone()),
        Base::Overlay(layers) => {
            let mount = mounts
                .next()
                .ok_or_else(|| Failure::new("an overlay without a mount"))?;
            uppers.push((mount.directories, top(layers)));
            Root::Overlay {
                options: mount.options,
            }
        }
    };
    let overlays = mounts
        .map(|mount| {
            uppers.push((mount.directories, lowers.next().unwrap_or_default()));
            Overlay {
                target: mount.target,
                options: mount.options,
            }
        })
        .collect();
    let linux = lowered.spec.linux.as_ref();
    let range = linux
        .and_then(|linux| linux.uid_mappings.first())
        .map(|map| (map.host, map.size));
    let settings = Settings {
        id: id.to_owned(),
        name: extras.name.clone().unwrap_or_default(),
        created: engine::timestamp_now(),
        image: extras.root.clone(),
        root,
        overlays,
        translate_root: own_users,
        user_range: range.filter(|_| own_users),
        options: serde_json::to_value(options).map_err(|error| Failure::new(error.to_string()))?,
        ..of_extras(extras)
    };
    Ok((settings, uppers))
}

fn top(layers: &[String]) -> String {
    layers.first().cloned().unwrap_or_default()
}

fn of_extras(extras: &Extras) -> Settings {
    let log = LogPolicy::default();
    Settings {
        tty: extras.tty,
        interactive: extras.interactive,
        input_once: extras.interactive && !extras.detach,
        init: extras.init,
        volumes: extras
            .volumes
            .iter()
            .map(|wanted| VolumeUse {
                name: wanted.name.clone(),
                destination: wanted.destination.clone(),
                anonymous: wanted.anonymous,
            })
            .collect(),
        loopback: !matches!(extras.net, Net::Host | Net::Joined),
        auto_remove: extras.auto_remove,
        ephemeral: extras.ephemeral,
        restart: match extras.restart {
            Restart::No => RestartPolicy::No,
            Restart::OnFailure { max } => RestartPolicy::OnFailure(max),
            Restart::Always => RestartPolicy::Always,
            Restart::UnlessStopped => RestartPolicy::UnlessStopped,
        },
        log: LogPolicy {
            off: extras.log.off,
            max_size: extras.log.max_size.unwrap_or(log.max_size),
            max_files: extras.log.max_files.unwrap_or(log.max_files),
        },
        stop_signal: extras.stop_signal,
        stop_timeout: extras.stop_timeout,
        labels: extras.labels.clone(),
        ..Settings::default()
    }
}

/// Takes the name that was asked for, or one that is made of the id.
fn take_name(store: &Store, planned: &mut Planned) -> Outcome<()> {
    if !planned.settings.name.is_empty() {
        return Ok(store.take_name(&planned.settings.name, &planned.id)?);
    }
    for attempt in 0..16 {
        let name = names::name_of(&planned.id, attempt);
        match store.take_name(&name, &planned.id) {
            Ok(()) => {
                planned.settings.name = name;
                return Ok(());
            }
            Err(error) if error.kind == engine::Kind::Busy => {}
            Err(error) => return Err(error.into()),
        }
    }
    planned.settings.name = format!("c{}", &planned.id[..12]);
    Ok(store.take_name(&planned.settings.name, &planned.id)?)
}

/// Writes the container's directory; `container.json` last, as what makes it one.
fn write(path: &str, planned: &mut Planned) -> Outcome<Directory> {
    let directory = Directory::make(path)?;
    for ([upper, work], lower) in &planned.uppers {
        make_dir(&directory.file(upper))?;
        make_dir(&directory.file(work))?;
        take_after(
            &directory.file(upper),
            lower,
            planned.lowered.spec.linux.as_ref(),
        )?;
    }
    for file in &planned.lowered.extras.files {
        directory.write_own_file(&file.name, file.content.as_bytes())?;
    }
    directory.make_config(&planned.lowered.spec.to_json())?;
    directory.write_settings(&planned.settings)?;
    Ok(directory)
}

fn make_dir(path: &str) -> Outcome<()> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| Failure::new(format!("mkdir {path}: {error}")))
}

/// The upper directory is what the container sees as the merged one; with a user namespace, its owners
/// are those that the translated lower one has.
fn take_after(upper: &str, lower: &str, linux: Option<&spec::Linux<'_>>) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::new(format!("{upper}: {error}"));
    let like =
        std::fs::metadata(lower).map_err(|error| Failure::new(format!("{lower}: {error}")))?;
    let (users, groups) = linux.map_or((&[][..], &[][..]), |linux| {
        (&linux.uid_mappings, &linux.gid_mappings)
    });
    let (uid, gid) = (
        translated(users, like.uid()),
        translated(groups, like.gid()),
    );
    if is_root() {
        std::os::unix::fs::chown(upper, Some(uid), Some(gid)).map_err(failed)?;
    }
    let mode = std::fs::Permissions::from_mode(like.mode() & 0o7777);
    std::fs::set_permissions(upper, mode).map_err(failed)
}

/// Whether the caller can give files away.
fn is_root() -> bool {
    sys::initial::effective_user() == 0
}

/// What an id inside is outside; one that has no counterpart there stays what it is.
fn translated(maps: &[spec::IdMap], id: u32) -> u32 {
    let found = maps.iter().find_map(|map| {
        let offset = id.checked_sub(map.container)?;
        (offset < map.size).then(|| map.host.checked_add(offset))?
    });
    found.unwrap_or(id)
}

fn write_cidfile(planned: &Planned) -> Outcome<()> {
    let Some(path) = &planned.lowered.extras.cidfile else {
        return Ok(());
    };
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let failed = |error: std::io::Error| Failure::new(format!("--cidfile {path}: {error}"));
    let mut file = made.map_err(failed)?;
    std::io::Write::write_all(&mut file, planned.id.as_bytes()).map_err(failed)
}

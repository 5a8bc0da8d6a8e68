//! Which jails there are: a directory for each, below the engine's states.
//!
//! A jail's directory is locked by whoever makes, changes or removes it. Whether the jail lives is asked of the
//! engine, which asks the kernel. One that was left by somebody who was killed, or whose last process has ended, is
//! removed by whoever sees it next.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use container::Store;
use engine::Engine;
use front::jail::Values;
use front::jail::limits::Rule;
use serde::{Deserialize, Serialize};
use spec::Status;

use crate::app::{Failure, Outcome};

const RECORD: &str = "jail.json";
const RULES: &str = "rules";

/// What was made outside of the engine for a jail, to be undone with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Made {
    /// `exec.prepare` has begun, so that `exec.release` is due.
    Prepared,
    /// An interface was given an address.
    Alias {
        /// The interface.
        interface: String,
        /// The address, without its prefix.
        address: String,
    },
    /// `exec.prestart` has begun, so that `exec.poststop` is due.
    Prestarted,
}

/// A jail's record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Jail {
    /// Its number.
    pub(super) jid: u32,
    /// Its full name, with those of its ancestors.
    pub(super) name: String,
    /// The engine's name for it.
    pub(super) id: String,
    /// The number of the jail that it is a child of; 0 for none.
    pub(super) parent: u32,
    /// Whether it was made to the end.
    pub(super) complete: bool,
    /// Whether it is being removed.
    #[serde(default)]
    pub(super) dying: bool,
    /// Its parameters, as they were given.
    pub(super) parameters: Vec<(String, Vec<String>)>,
    /// What is to be undone, in the order in which it was made.
    #[serde(default)]
    pub(super) made: Vec<Made>,
}

impl Jail {
    /// Its parameters.
    pub(super) fn values(&self) -> Values {
        let mut values = Values::default();
        for (name, words) in &self.parameters {
            // They were right when they were written.
            let _ = values.set(name, Some(words.clone()), false, "");
        }
        values
    }

    pub(super) fn set_values(&mut self, values: &Values) {
        self.parameters = values
            .iter()
            .map(|(name, value)| (name.to_owned(), value.words.clone()))
            .collect();
    }
}

/// All jails of a store.
pub(super) struct Shelf<'s> {
    pub(super) engine: &'s Engine,
    directory: String,
}

/// A jail that nobody else may make, change or remove meanwhile.
pub(super) struct Held<'s> {
    pub(super) jail: Jail,
    directory: String,
    names: String,
    _lock: File,
    pub(super) engine: &'s Engine,
}

fn failed(what: &str, path: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("{what} {path}: {error}"))
}

fn make_directory(path: &str) -> Outcome<()> {
    match fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
    {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed("make", path, &error)),
        _ => Ok(()),
    }
}

/// The number and name of the jail that the engine calls `id`. Looks only: nothing is made, and nothing that is left
/// of one that ended is removed.
pub(crate) fn of_engine(store: &Store, id: &str) -> Option<(u32, String)> {
    let directory = format!("{}/.jails", store.engine.state_root);
    fs::read_dir(directory).ok()?.flatten().find_map(|entry| {
        let text = fs::read(entry.path().join(RECORD)).ok()?;
        let jail: Jail = serde_json::from_slice(&text).ok()?;
        (jail.id == id).then_some((jail.jid, jail.name))
    })
}

impl<'s> Shelf<'s> {
    pub(super) fn open(store: &'s Store) -> Outcome<Self> {
        let directory = format!("{}/.jails", store.engine.state_root);
        if !Path::new(&directory).join("names").exists() {
            make_directory(&store.engine.state_root)?;
            make_directory(&format!("{directory}/names"))?;
        }
        Ok(Self {
            engine: &store.engine,
            directory,
        })
    }

    fn path(&self, jid: u32) -> String {
        format!("{}/{jid}", self.directory)
    }

    fn names(&self) -> String {
        format!("{}/names", self.directory)
    }

    /// The jail with this name or number, living or not.
    fn number(&self, label: &str) -> Option<u32> {
        let link = fs::read_link(format!("{}/{label}", self.names())).ok();
        let named = link.and_then(|link| link.to_str()?.parse().ok());
        named.or_else(|| {
            let jid = label.parse::<u32>().ok()?;
            Path::new(&self.path(jid)).exists().then_some(jid)
        })
    }

    /// The jail with this name or number, if it lives. What is left of one that does not is removed.
    pub(super) fn find_living(&self, label: &str) -> Outcome<Option<Jail>> {
        if label.contains('/') || label.starts_with('.') {
            return Ok(None);
        }
        match self.number(label) {
            Some(jid) => self.living(jid),
            None => Ok(None),
        }
    }

    /// As [`Shelf::find_living`], and an error where there is none.
    pub(super) fn get(&self, label: &str) -> Outcome<Jail> {
        let found = self.find_living(label)?;
        found.ok_or_else(|| Failure::new(format!("jail {label:?} not found")))
    }

    fn living(&self, jid: u32) -> Outcome<Option<Jail>> {
        let Some(jail) = read(&self.path(jid))? else {
            return Ok(None);
        };
        if self.lives(&jail)? {
            return Ok(Some(jail));
        }
        // Somebody is at it, or was.
        let Some(held) = self.hold(jid, false)? else {
            return Ok(Some(jail).filter(|jail| jail.complete));
        };
        if self.lives(&held.jail)? {
            return Ok(Some(held.jail));
        }
        super::remove::left_over(held)?;
        Ok(None)
    }

    fn lives(&self, jail: &Jail) -> Outcome<bool> {
        if !jail.complete {
            return Ok(false);
        }
        match self.engine.inspect(&jail.id) {
            Ok((_, status)) => Ok(matches!(status, Status::Running | Status::Paused)),
            Err(error) if error.kind == engine::Kind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Every living jail, by number.
    pub(super) fn all(&self) -> Outcome<Vec<Jail>> {
        let mut jails = Vec::new();
        for jid in self.numbers()? {
            jails.extend(self.living(jid)?);
        }
        Ok(jails)
    }

    fn numbers(&self) -> Outcome<Vec<u32>> {
        let entries = fs::read_dir(&self.directory)
            .map_err(|error| failed("read", &self.directory, &error))?;
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The living jails below this one, the deepest last.
    pub(super) fn below(&self, jail: &Jail) -> Outcome<Vec<Jail>> {
        let prefix = format!("{}.", jail.name);
        let mut below = self.all()?;
        below.retain(|one| one.name.starts_with(&prefix));
        below.sort_by_key(|one| one.name.matches('.').count());
        Ok(below)
    }

    /// Locks a jail; waits for whoever has it, where `waits`.
    pub(super) fn hold(&self, jid: u32, waits: bool) -> Outcome<Option<Held<'s>>> {
        let directory = self.path(jid);
        let Ok(lock) = File::open(&directory) else {
            return Ok(None);
        };
        let locked = if waits {
            lock.lock().is_ok()
        } else {
            lock.try_lock().is_ok()
        };
        let Some(jail) = read(&directory)?.filter(|_| locked) else {
            return Ok(None);
        };
        Ok(Some(Held {
            jail,
            directory,
            names: self.names(),
            _lock: lock,
            engine: self.engine,
        }))
    }

    /// Takes a number and a name for a new jail, which is held.
    pub(super) fn take(&self, wanted: Option<u32>, name: Option<&str>) -> Outcome<Held<'s>> {
        let guard = format!("{}/lock", self.directory);
        let guard = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&guard)
            .map_err(|error| failed("open", &guard, &error))?;
        guard
            .lock()
            .map_err(|error| failed("lock", &self.directory, &error))?;
        let jid = match wanted {
            Some(jid) if self.living(jid)?.is_some() || Path::new(&self.path(jid)).exists() => {
                return Err(Failure::new(format!("jail {jid} already exists")));
            }
            Some(jid) => jid,
            None => self.next()?,
        };
        let name = name.map_or_else(|| jid.to_string(), str::to_owned);
        let directory = self.path(jid);
        make_directory(&directory)?;
        let lock = File::open(&directory).map_err(|error| failed("open", &directory, &error))?;
        lock.lock()
            .map_err(|error| failed("lock", &directory, &error))?;
        let held = Held {
            jail: Jail {
                jid,
                name,
                id: format!("jail-{jid}-{}", &crate::app::new_id()?[..12]),
                ..Jail::default()
            },
            directory,
            names: self.names(),
            _lock: lock,
            engine: self.engine,
        };
        let named = held
            .save()
            .and_then(|()| self.take_name(&held.jail.name, jid));
        if let Err(failure) = named {
            held.forget()?;
            return Err(failure);
        }
        Ok(held)
    }

    pub(super) fn take_name(&self, name: &str, jid: u32) -> Outcome<()> {
        let link = format!("{}/{name}", self.names());
        match symlink(jid.to_string(), &link) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if self.find_living(name)?.is_some() {
                    return Err(Failure::new(format!("jail {name} already exists")));
                }
                let _ = fs::remove_file(&link);
                symlink(jid.to_string(), &link).map_err(|error| failed("link", &link, &error))
            }
            other => other.map_err(|error| failed("link", &link, &error)),
        }
    }

    /// Whether anybody has ever made a rule.
    pub(super) fn has_rules(&self) -> bool {
        Path::new(&format!("{}/{RULES}", self.directory)).exists()
    }

    /// All rules, which nobody else changes for as long as the file lives.
    pub(super) fn rules(&self) -> Outcome<(File, Vec<Rule>)> {
        let path = format!("{}/{RULES}.lock", self.directory);
        let guard = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let guard = guard.map_err(|error| failed("open", &path, &error))?;
        guard
            .lock()
            .map_err(|error| failed("lock", &path, &error))?;
        let path = format!("{}/{RULES}", self.directory);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            other => other.map_err(|error| failed("read", &path, &error))?,
        };
        Ok((
            guard,
            text.lines()
                .filter_map(|line| Rule::parse(line).ok())
                .collect(),
        ))
    }

    /// Replaces the rules, at once or not at all.
    pub(super) fn set_rules(&self, rules: &[Rule]) -> Outcome<()> {
        let path = format!("{}/{RULES}", self.directory);
        let next = format!("{path}.next");
        let text: String = rules.iter().map(|rule| format!("{rule}\n")).collect();
        fs::write(&next, text)
            .and_then(|()| fs::rename(&next, &path))
            .map_err(|error| failed("write", &path, &error))
    }

    /// The number after the last one that was given; numbers begin anew after the greatest.
    fn next(&self) -> Outcome<u32> {
        let path = format!("{}/last", self.directory);
        let last = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.parse::<u32>().ok());
        let mut next = last.map_or(1, |last| last % 999_999 + 1);
        while Path::new(&self.path(next)).exists() {
            next = next % 999_999 + 1;
        }
        fs::write(&path, next.to_string()).map_err(|error| failed("write", &path, &error))?;
        Ok(next)
    }
}

fn read(directory: &str) -> Outcome<Option<Jail>> {
    let path = format!("{directory}/{RECORD}");
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed("read", &path, &error))?,
    };
    let parsed = serde_json::from_slice(&text);
    parsed
        .map(Some)
        .map_err(|error| Failure::new(format!("{path} is damaged: {error}")))
}

impl Held<'_> {
    /// Writes the record, at once or not at all.
    pub(super) fn save(&self) -> Outcome<()> {
        let (next, path) = (
            format!("{}/{RECORD}.next", self.directory),
            format!("{}/{RECORD}", self.directory),
        );
        let text =
            serde_json::to_vec(&self.jail).map_err(|error| Failure::new(error.to_string()))?;
        fs::write(&next, text)
            .and_then(|()| fs::rename(&next, &path))
            .map_err(|error| failed("write", &path, &error))
    }

    fn address_path(&self, interface: &str, address: &str) -> String {
        let shelf = self.names.trim_end_matches("/names");
        format!("{shelf}/addresses/{interface}-{address}")
    }

    /// Says that this jail uses an address, as others may, too.
    pub(super) fn use_address(&self, interface: &str, address: &str) -> Outcome<()> {
        let path = self.address_path(interface, address);
        // Whoever was the last to use it removes the directory.
        for _ in 0..100 {
            make_directory(&path)?;
            match fs::write(format!("{path}/{}", self.jail.jid), "") {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => return other.map_err(|error| failed("write", &path, &error)),
            }
        }
        Err(Failure::new(format!(
            "{path}: somebody else keeps removing it"
        )))
    }

    /// Says that this jail uses an address no more: whether nobody does.
    pub(super) fn release_address(&self, interface: &str, address: &str) -> bool {
        let path = self.address_path(interface, address);
        let _ = fs::remove_file(format!("{path}/{}", self.jail.jid));
        fs::remove_dir(&path).is_ok()
    }

    /// Gives the jail another name.
    pub(super) fn rename(&mut self, shelf: &Shelf<'_>, name: &str) -> Outcome<()> {
        shelf.take_name(name, self.jail.jid)?;
        let old = std::mem::replace(&mut self.jail.name, name.to_owned());
        self.save()?;
        let _ = fs::remove_file(format!("{}/{old}", self.names));
        Ok(())
    }

    /// Removes the record: there is no such jail any more.
    pub(super) fn forget(self) -> Outcome<()> {
        let link = format!("{}/{}", self.names, self.jail.name);
        let own =
            fs::read_link(&link).is_ok_and(|to| to.to_str() == Some(&self.jail.jid.to_string()));
        if own {
            let _ = fs::remove_file(&link);
        }
        fs::remove_dir_all(&self.directory)
            .map_err(|error| failed("remove", &self.directory, &error))
    }
}

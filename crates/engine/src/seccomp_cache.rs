//! Compiled seccomp programs, kept by the content that they were compiled from.
//!
//! To compile a profile takes longer than to load it, and nearly all containers have the same. A
//! program lies in `.seccomp` below the state root, under the digest of all that it depends on; whoever
//! can write there can write containers' states as well. What is damaged is made anew.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use seccomp::{Encoded, Flags, Kernel};
use spec::seccomp::{Arch, Flag, Seccomp};
use sys::file;
use sys::rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, mkdirat, renameat, unlinkat};
use sys::rustix::process::{geteuid, getpid};

use crate::error::{Error, Kind, Result};
use crate::state_dir::names_in_all;

const DIRECTORY: &str = ".seccomp";
/// How many programs are kept; then all make room.
const MOST: usize = 64;
/// Magic, flags and count before the instructions.
const HEADER: usize = 12;
/// The longest program that the kernel takes.
const LONGEST: usize = HEADER + 8 * 4096;
#[cfg(target_arch = "x86_64")]
const MACHINE: Arch = Arch::X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: Arch = Arch::Aarch64;

/// A compiled program, encoded.
pub(crate) struct Filter {
    bytes: Vec<u8>,
    flags: Flags,
    /// Where it is to be kept, if it is not there yet.
    place: Option<Place>,
}

struct Place {
    directory: String,
    name: String,
}

impl Filter {
    /// The kernel's instructions.
    pub(crate) fn instructions(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or(&[])
    }

    /// The kernel's flags.
    pub(crate) fn flags(&self) -> u64 {
        self.flags.0.into()
    }

    /// Whether loading it gives a listener.
    pub(crate) const fn listener(&self) -> bool {
        self.flags.has(Flags::NEW_LISTENER)
    }

    /// Keeps the program for the next container. Best effort: without it that compiles its own.
    pub(crate) fn keep(&self) {
        if let Some(place) = &self.place {
            _ = place.write(&self.bytes);
        }
    }
}

/// The names in `linux.seccomp` that are no system call known here: rules about them are left out, as all
/// runtimes do, so that one profile serves many kernels.
pub fn unknown_calls<'s>(spec: &'s spec::Spec<'_>) -> impl Iterator<Item = &'s str> {
    let profile = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let rules = profile.map_or(&[][..], |profile| &profile.syscalls);
    let names = rules.iter().flat_map(|rule| &rule.names);
    names
        .map(|name| name.as_str())
        .filter(|name| !seccomp::is_known(name))
}

/// The program of `profile`: a kept one, or compiled. Nothing is written before [`Filter::keep`].
pub(crate) fn program(state_root: &str, profile: &Seccomp<'_>) -> Result<Filter> {
    let kernel = kernel_for(profile);
    let place = Place {
        directory: format!("{state_root}/{DIRECTORY}"),
        name: seccomp::digest(profile, MACHINE, kernel).hex(),
    };
    if let Some(kept) = place.read() {
        return Ok(kept);
    }
    let compiled = seccomp::compile(profile, MACHINE, kernel)
        .map_err(|error| Error::new(Kind::BadConfig, format!("config.json: {error}")))?;
    Ok(Filter {
        bytes: compiled.program.to_bytes(),
        flags: compiled.program.flags,
        place: Some(place),
    })
}

/// Of the flags that a profile can ask for only one is younger than the oldest kernel that is supported.
fn kernel_for(profile: &Seccomp<'_>) -> Kernel {
    let wanted = Flags::WAIT_KILLABLE_RECV.with(Flags::NEW_LISTENER);
    if profile.flags.contains(&Flag::WaitKillableRecv) && !sys::seccomp::knows_flags(wanted.0) {
        return Kernel::LINUX_5_7;
    }
    Kernel::LINUX_5_19
}

impl Place {
    /// A program that only we can have written, if there is one.
    fn read(&self) -> Option<Filter> {
        let path = format!("{}/{}", self.directory, self.name);
        let file = file::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW).ok()?;
        let status = fstat(&file).ok()?;
        if status.st_uid != geteuid().as_raw() || status.st_mode & 0o022 != 0 {
            return None;
        }
        let bytes = file::read_all(&file, LONGEST, &path).ok()?;
        let flags = Encoded::new(&bytes).ok()?.flags;
        Some(Filter {
            bytes,
            flags,
            place: None,
        })
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        _ = mkdirat(CWD, self.directory.as_str(), Mode::RWXU);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let directory = file::open(&self.directory, flags)?;
        let known = names_in_all(&directory)?;
        for name in known.iter().filter(|_| known.len() >= MOST) {
            _ = unlinkat(&directory, name.as_c_str(), AtFlags::empty());
        }
        let next = format!("{}.{}", self.name, getpid().as_raw_nonzero());
        let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let written = file::open_at(&directory, &next, create, &next)
            .and_then(|file| file::write_all(&file, bytes, &next));
        let kept = written.is_ok() && renameat(&directory, &next, &directory, &self.name).is_ok();
        if !kept {
            _ = unlinkat(&directory, &next, AtFlags::empty());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::string::ToString;

    use spec::Spec;

    use super::*;

    const CONFIG: &str = r#"{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW",
        "syscalls":[{"names":["reboot"],"action":"SCMP_ACT_ERRNO"}]}}}"#;

    /// Runs `act` with a state root of its own.
    fn with_root(name: &str, act: impl Fn(&str, &Seccomp<'_>)) {
        let root =
            std::env::temp_dir().join(format!("stockade-cache-{name}-{}", std::process::id()));
        fs::create_dir(&root).expect("a directory");
        let spec = Spec::parse(CONFIG.as_bytes()).expect("a configuration");
        let profile = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
        act(&root.to_string_lossy(), profile.expect("a profile"));
        fs::remove_dir_all(&root).expect("it is gone");
    }

    fn kept(root: &str) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(std::path::Path::new(root).join(DIRECTORY));
        let entries = entries.into_iter().flatten();
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }

    #[test]
    fn a_kept_program_is_the_compiled_one_and_its_owners_alone() {
        with_root("same", |root, profile| {
            let compiled = program(root, profile).expect("compiled");
            assert!(kept(root).is_empty(), "planning writes nothing");
            compiled.keep();
            let files = kept(root);
            assert_eq!(files.len(), 1);
            let mode = fs::metadata(&files[0])
                .expect("a file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            let again = program(root, profile).expect("kept");
            assert!(again.place.is_none(), "it was read");
            assert_eq!(again.bytes, compiled.bytes);
            assert_eq!(again.flags(), compiled.flags());
        });
    }

    #[test]
    fn what_is_damaged_or_anybodys_is_made_anew() {
        with_root("damaged", |root, profile| {
            program(root, profile).expect("compiled").keep();
            let file = &kept(root)[0];
            let whole = fs::read(file).expect("its bytes");
            for damage in [&whole[..whole.len() - 1], &[], &[0; 64]] {
                fs::write(file, damage).expect("damaged");
                let made = program(root, profile).expect("compiled");
                assert!(made.place.is_some());
                assert_eq!(made.bytes, whole);
            }
            fs::write(file, &whole).expect("whole");
            fs::set_permissions(file, fs::Permissions::from_mode(0o622)).expect("anybody's");
            assert!(program(root, profile).expect("compiled").place.is_some());
        });
    }

    #[test]
    fn what_is_kept_is_bounded() {
        with_root("bounded", |root, profile| {
            for number in 0..=MOST {
                let text = number.to_string();
                let directory = format!("{root}/{DIRECTORY}");
                let other = Place {
                    directory,
                    name: text,
                };
                other.write(b"another program").expect("written");
            }
            assert!(kept(root).len() < MOST);
            program(root, profile).expect("compiled").keep();
            assert!(program(root, profile).expect("kept").place.is_none());
        });
    }
}

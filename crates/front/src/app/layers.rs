//! Reading a file of a root that is made of layers, without mounting it: what overlayfs would show.

use sys::rustix::fs::{FileType, OFlags, Stat, fgetxattr, fstat, readlinkat};
use sys::{AsFd, AsRawFd, Errno, OwnedFd};

use super::storage::{Base, Storage};
use crate::error::{Fault, Parsed};

/// As many symbolic links as the kernel follows.
const LINKS: u32 = 40;

/// A directory of the union: that of each layer that takes part, the topmost first.
type Merged = Vec<OwnedFd>;

/// A root that is made of layers.
#[derive(Debug)]
pub struct Layers(Merged);

/// What a name in a merged directory is.
enum Found {
    Directory(Merged),
    /// Anything else, as a descriptor of the path alone.
    Other(OwnedFd, Stat),
}

impl Layers {
    /// The root of a storage, without what is mounted inside it.
    pub fn open(storage: &Storage) -> Parsed<Self> {
        let paths = match &storage.base {
            Base::Directory(path) => std::slice::from_ref(path),
            Base::Overlay(paths) => paths,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let open = |path: &String| Ok(sys::file::open(path, flags)?);
        paths.iter().map(open).collect::<Parsed<_>>().map(Self)
    }

    /// Opens the regular file `path` for reading; none when it is missing.
    ///
    /// # Errors
    /// When it is something else, or when links go round in circles.
    pub fn file(&self, path: &str) -> Parsed<Option<OwnedFd>> {
        let mut walk = vec![self.0.iter().map(copy).collect::<Parsed<Merged>>()?];
        let mut todo = parts(path);
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                // Above the root is the root.
                walk.truncate(walk.len().saturating_sub(1).max(1));
                continue;
            }
            let here = walk.last().map_or(&[][..], Vec::as_slice);
            match look_up(here, &name)? {
                None => return Ok(None),
                Some(Found::Directory(below)) => walk.push(below),
                Some(Found::Other(node, stat)) => match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Symlink => {
                        links += 1;
                        if links > LINKS {
                            return Err(Fault::usage(format!(
                                "the root's {path} is a circle of links"
                            )));
                        }
                        let target = link_text(&node, path)?;
                        if target.starts_with('/') {
                            walk.truncate(1);
                        }
                        todo.extend(parts(&target));
                    }
                    FileType::RegularFile if todo.is_empty() => {
                        return reopen(&node, path).map(Some);
                    }
                    _ if todo.is_empty() => return not_a_file(path),
                    _ => return Ok(None),
                },
            }
        }
        not_a_file(path)
    }
}

fn not_a_file<T>(path: &str) -> Parsed<T> {
    Err(Fault::usage(format!(
        "the root's {path} is not a regular file"
    )))
}

/// The components of a path, the first one last.
fn parts(path: &str) -> Vec<String> {
    path.split('/')
        .rev()
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect()
}

fn copy(fd: &OwnedFd) -> Parsed<OwnedFd> {
    let call = |errno| sys::Error::new("fcntl", "F_DUPFD_CLOEXEC", errno);
    Ok(sys::rustix::io::fcntl_dupfd_cloexec(fd, 0).map_err(call)?)
}

/// One name in a merged directory; none where it is missing or removed by a whiteout.
fn look_up(here: &[OwnedFd], name: &str) -> Parsed<Option<Found>> {
    let mut merged = Merged::new();
    for layer in here {
        let Some((node, stat)) = entry(layer, name)? else {
            continue;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let opaque = opaque(layer, name);
                merged.push(node);
                if opaque {
                    break;
                }
            }
            FileType::CharacterDevice if stat.st_rdev == 0 => break,
            _ if merged.is_empty() => return Ok(Some(Found::Other(node, stat))),
            // A file below a directory of the same name is hidden by it.
            _ => break,
        }
    }
    Ok((!merged.is_empty()).then_some(Found::Directory(merged)))
}

/// One name in one layer's directory, links not followed.
fn entry(layer: &OwnedFd, name: &str) -> Parsed<Option<(OwnedFd, Stat)>> {
    match sys::root::open(layer, name, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(node) => {
            let stat = fstat(&node).map_err(|errno| sys::Error::new("fstat", name, errno))?;
            Ok(Some((node, stat)))
        }
        Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a layer's directory hides what is below it. Where that cannot be read there is no mark.
fn opaque(layer: &OwnedFd, name: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let Ok(directory) = sys::root::open(layer, name, flags) else {
        return false;
    };
    let mut value = [0_u8; 1];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .into_iter()
        .any(|attribute| {
            matches!(fgetxattr(&directory, attribute, &mut value), Ok(1)) && value == *b"y"
        })
}

fn link_text(node: &OwnedFd, path: &str) -> Parsed<String> {
    let text = readlinkat(node, "", Vec::new())
        .map_err(|errno| sys::Error::new("readlinkat", path, errno))?;
    text.into_string()
        .map_err(|_| Fault::usage(format!("the root's {path} is a link that is not UTF-8")))
}

/// Opens a regular file that is held by its path descriptor: nothing can be put in its place.
fn reopen(node: impl AsFd, path: &str) -> Parsed<OwnedFd> {
    let through = format!("/proc/self/fd/{}", node.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NOCTTY;
    sys::file::open(&through, flags).map_err(|error| {
        sys::Error {
            object: path.to_owned(),
            ..error
        }
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use sys::rustix::fs::{CWD, Mode, XattrFlags, mkfifoat, mknodat, setxattr};

    struct Two {
        dir: crate::scratch::TempDir,
    }

    impl Two {
        fn new() -> Self {
            let dir = crate::scratch::tempdir().unwrap();
            for layer in ["top", "low"] {
                fs::create_dir_all(dir.path().join(layer).join("etc")).unwrap();
            }
            Self { dir }
        }

        fn at(&self, path: &str) -> std::path::PathBuf {
            self.dir.path().join(path)
        }

        fn read(&self, path: &str) -> Parsed<Option<String>> {
            let layer = |name| self.at(name).to_str().unwrap().to_owned();
            let layers = Layers::open(&Storage::layers(vec![layer("top"), layer("low")]))?;
            let file = layers.file(path)?;
            Ok(file.map(|file| {
                String::from_utf8(sys::file::read_all(&file, 100, path).unwrap()).unwrap()
            }))
        }
    }

    fn whiteout(path: &str) {
        mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    }

    #[test]
    fn the_top_layer_wins_and_whiteouts_hide() {
        let two = Two::new();
        fs::write(two.at("low/etc/a"), "low").unwrap();
        assert_eq!(two.read("/etc/a"), Ok(Some("low".to_owned())));
        fs::write(two.at("top/etc/a"), "top").unwrap();
        assert_eq!(two.read("/etc/a"), Ok(Some("top".to_owned())));
        fs::write(two.at("low/etc/b"), "low").unwrap();
        whiteout(two.at("top/etc/b").to_str().unwrap());
        assert_eq!(two.read("/etc/b"), Ok(None));
        assert_eq!(two.read("/nothing/here"), Ok(None));
    }

    #[test]
    fn an_opaque_directory_hides_all_below() {
        let two = Two::new();
        fs::write(two.at("low/etc/a"), "low").unwrap();
        setxattr(
            two.at("top/etc").to_str().unwrap(),
            "trusted.overlay.opaque",
            b"y",
            XattrFlags::empty(),
        )
        .unwrap();
        assert_eq!(two.read("/etc/a"), Ok(None));
    }

    #[test]
    fn links_go_through_all_layers_and_never_outside() {
        let two = Two::new();
        fs::write(two.at("outside"), "secret").unwrap();
        fs::create_dir(two.at("low/store")).unwrap();
        fs::write(two.at("low/store/passwd"), "stored").unwrap();
        symlink("/store/passwd", two.at("top/etc/passwd")).unwrap();
        symlink("../../../../store/../etc/passwd", two.at("low/etc/far")).unwrap();
        symlink("../../../outside", two.at("top/etc/out")).unwrap();
        symlink("loop", two.at("top/etc/loop")).unwrap();
        assert_eq!(two.read("/etc/passwd"), Ok(Some("stored".to_owned())));
        assert_eq!(two.read("/etc/far"), Ok(Some("stored".to_owned())));
        assert_eq!(two.read("/etc/out"), Ok(None));
        assert!(
            two.read("/etc/loop")
                .unwrap_err()
                .message
                .contains("circle")
        );
    }

    #[test]
    fn only_regular_files_are_opened() {
        let two = Two::new();
        mkfifoat(CWD, two.at("top/etc/fifo").to_str().unwrap(), Mode::RUSR).unwrap();
        for path in ["/etc/fifo", "/etc", "/"] {
            assert!(
                two.read(path)
                    .unwrap_err()
                    .message
                    .contains("not a regular file"),
                "{path}"
            );
        }
        assert_eq!(two.read("/etc/fifo/x"), Ok(None));
    }
}

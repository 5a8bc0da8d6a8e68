//! `--size`: what a container's files take on disk.

use container::Root;
use sys::root::entry::{Entry, names};
use sys::rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use sys::{AsFd, OwnedFd};

use super::failure::{Failure, Outcome};
use super::state::Known;

/// A tree deeper than this is not measured: a descriptor is held for each level.
const DEEPEST: u32 = 1000;

/// Bytes written beside the root, and bytes with the root.
///
/// # Errors
/// A tree that cannot be read.
pub(crate) fn of(known: &Known) -> Outcome<(u64, u64)> {
    let options = match &known.settings.root {
        Root::Directory(path) => return Ok((0, bytes_in(path)?)),
        Root::Overlay { options } => options,
    };
    let inside = known
        .settings
        .overlays
        .iter()
        .map(|overlay| &overlay.options);
    let (mut written, mut read_only) = (0u64, 0u64);
    for options in std::iter::once(options).chain(inside) {
        let layers = layers(options);
        let path = |layer: &String| {
            if layer.starts_with('/') {
                layer.clone()
            } else {
                known.directory.file(layer)
            }
        };
        if let Some(upper) = &layers.upper {
            written = written.saturating_add(bytes_in(&path(upper))?);
        }
        for lower in &layers.lower {
            read_only = read_only.saturating_add(bytes_in(&path(lower))?);
        }
    }
    Ok((written, written.saturating_add(read_only)))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Layers {
    lower: Vec<String>,
    upper: Option<String>,
}

/// The lower layers in an overlay's options, the topmost first.
pub(super) fn lower_layers(options: &str) -> Vec<String> {
    layers(options).lower
}

/// The directories in an overlay's options, where `\` goes before a comma or colon of a name.
fn layers(options: &str) -> Layers {
    let mut layers = Layers::default();
    for option in split(options, ',') {
        if let Some(list) = option.strip_prefix("lowerdir=") {
            layers.lower = split(list, ':')
                .iter()
                .map(|part| part.replace('\\', ""))
                .collect();
        } else if let Some(upper) = option.strip_prefix("upperdir=") {
            layers.upper = Some(upper.replace('\\', ""));
        }
    }
    layers
}

fn split(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, letter) in text.char_indices() {
        if letter == at && !escaped {
            parts.push(&text[start..index]);
            start = index + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// The sizes of the files in a tree, each hard link counted; other file systems below are left out.
pub(super) fn bytes_in(path: &str) -> Outcome<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, path, flags, Mode::empty())
        .map_err(|errno| sys::Error::new("open", path, errno))?;
    let stat = fstat(&dir).map_err(|errno| sys::Error::new("fstat", path, errno))?;
    below(&dir, &stat, path, 0)
}

fn below(dir: &OwnedFd, top: &Stat, path: &str, depth: u32) -> Outcome<u64> {
    if depth == DEEPEST {
        return Err(Failure::new(format!(
            "{path}: is more than {DEEPEST} directories deep; its size is not told"
        )));
    }
    let mut sum = 0u64;
    for name in names(dir.as_fd(), path)? {
        let entry = Entry::named(dir, &name)?;
        // What goes away while it is looked at counts nothing.
        let Some(stat) = entry.stat()?.filter(|stat| stat.st_dev == top.st_dev) else {
            continue;
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            if let Ok(child) = entry.open_directory() {
                sum = sum.saturating_add(below(&child, top, path, depth + 1)?);
            }
        } else {
            sum = sum.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_an_overlay() {
        let found = layers("lowerdir=/l/2:/l/a\\:b\\,c,upperdir=upper0,workdir=work0,volatile");
        let lower = ["/l/2", "/l/a:b,c"].map(str::to_owned).to_vec();
        assert_eq!(
            found,
            Layers {
                lower,
                upper: Some("upper0".to_owned())
            }
        );
        assert_eq!(layers("volatile"), Layers::default());
    }
}

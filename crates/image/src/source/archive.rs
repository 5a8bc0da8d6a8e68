//! A tar archive of an image: an OCI layout, what `docker save` writes, or both at once.
//!
//! The archive is gone through once, from header to header, to learn where its files are; their
//! content is then read in place.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use sys::error::OnCall;
use sys::rustix::fs::{Mode, OFlags, openat};
use sys::{AsFd, OwnedFd};

use super::Member;
use crate::decode;
use crate::error::{Error, Of, Result, shown};
use crate::file::Section;
use crate::limits::Limits;
use crate::tar::{self, Kind};
use crate::wide;

/// Links from name to name inside an archive, one after the other.
const MOST_LINKS: usize = 8;
/// Bytes of a compressed archive that are unpacked at a time.
const PIECE: usize = 256 << 10;

/// An archive whose files are known.
pub(super) struct Archive {
    file: Arc<OwnedFd>,
    files: HashMap<String, Place>,
}

/// Where a file of the archive is.
enum Place {
    Data {
        offset: u64,
        size: u64,
    },
    /// The same as another name: `docker save` used to write layers that it had already so.
    Link(String),
}

impl Archive {
    /// Learns what is in `file`, an archive of `size` bytes.
    pub(super) fn open(
        file: OwnedFd,
        size: i64,
        spool: impl AsFd,
        limits: &Limits,
    ) -> Result<Self> {
        let mut size = u64::try_from(size).map_err(|_| Error::bad("size: negative"))?;
        let mut file = Arc::new(file);
        let mut start = Vec::new();
        Section::new(Arc::clone(&file), 0, 16).read_to_end(&mut start)?;
        if decode::is_compressed(&start)? {
            let plain = unpack(Section::new(file, 0, size), spool, limits)?;
            (file, size) = (Arc::new(plain.0), plain.1);
        }
        let files = scan(Section::new(Arc::clone(&file), 0, size), size, limits)?;
        if !files.contains_key("index.json") && !files.contains_key("manifest.json") {
            return Err(not_an_image());
        }
        Ok(Self { file, files })
    }

    pub(super) fn file(&self, name: &str) -> Result<Option<Member>> {
        let Some(mut name) = normal(name) else {
            return Ok(None);
        };
        for _ in 0..MOST_LINKS {
            match self.files.get(&name) {
                None => return Ok(None),
                Some(Place::Link(target)) => name.clone_from(target),
                Some(&Place::Data { offset, size }) => {
                    let section = Section::new(Arc::clone(&self.file), offset, size);
                    return Ok(Some(Member::new(section, size)));
                }
            }
        }
        Err(Error::bad("too many links in the archive").of(name))
    }
}

fn not_an_image() -> Error {
    Error::bad("not an image archive: it has neither index.json nor manifest.json")
        .hint("a root file system's archive can be unpacked into a directory, which can be run")
}

/// Goes from header to header.
fn scan(file: Section, size: u64, limits: &Limits) -> Result<HashMap<String, Place>> {
    let mut files = HashMap::new();
    let reader = Seekable(BufReader::with_capacity(4096, file));
    let mut archive = tar::Archive::new(reader, limits);
    while let Some(entry) = archive.next_entry()? {
        let Some(name) = std::str::from_utf8(&entry.path).ok().and_then(normal) else {
            continue;
        };
        let place = match entry.kind {
            Kind::File if entry.sparse.is_none() => Place::Data {
                offset: archive.position(),
                size: entry.size,
            },
            Kind::HardLink => Place::Link(link_target("", &entry.link)?),
            Kind::Symlink => Place::Link(link_target(directory(&name), &entry.link)?),
            _ => continue,
        };
        if let Place::Data {
            offset,
            size: length,
        } = place
            && offset.checked_add(length).is_none_or(|end| end > size)
        {
            return Err(Error::bad("cut off in the middle").of(name));
        }
        if files.insert(name, place).is_some() {
            return Err(Error::bad("twice in the archive").of(shown(&entry.path)));
        }
        if files.len() > limits.index_entries {
            return Err(not_an_image());
        }
    }
    Ok(files)
}

fn directory(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn link_target(directory: &str, target: &[u8]) -> Result<String> {
    let refuse = || Error::bad("a link that leaves the archive").of(shown(target));
    let target = std::str::from_utf8(target).map_err(|_| refuse())?;
    normal(&format!("{directory}/{target}")).ok_or_else(refuse)
}

/// A path within the archive without `.`, `..` and superfluous slashes; nothing when it leaves.
fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Decompresses the whole archive into a file without a name, which vanishes with us.
fn unpack(compressed: Section, spool: impl AsFd, limits: &Limits) -> Result<(OwnedFd, u64)> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let spooled =
        openat(spool, c".", flags, Mode::from_raw_mode(0o600)).on("open", "a temporary file")?;
    let most = limits.image_bytes;
    let mut plain = decode::decompressed(BufReader::with_capacity(PIECE, compressed))?;
    let (mut piece, mut size) = (Vec::with_capacity(PIECE), 0_u64);
    loop {
        piece.clear();
        let count = plain.by_ref().take(wide(PIECE)).read_to_end(&mut piece);
        size = match count.of(|| "the archive's compression")? {
            0 => return Ok((spooled, size)),
            count => size.saturating_add(wide(count)),
        };
        if size > most {
            return Err(Error::too_large(format!(
                "unpacks to more than the {most} bytes allowed"
            )));
        }
        sys::file::write_all(&spooled, &piece, "a temporary file")?;
    }
}

/// A reader of an archive that passes over content without reading it.
struct Seekable(BufReader<Section>);

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl BufRead for Seekable {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

impl tar::Input for Seekable {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let buffered = self.0.buffer().len();
        match usize::try_from(count) {
            Ok(count) if count <= buffered => self.0.consume(count),
            _ => {
                self.0.consume(buffered);
                self.0.get_mut().skip(count - wide(buffered));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_inside_an_archive_stay_inside() {
        assert_eq!(
            link_target("abc", b"../def/layer.tar").unwrap(),
            "def/layer.tar"
        );
        assert_eq!(link_target("", b"./x").unwrap(), "x");
        assert!(link_target("abc", b"../../etc/passwd").is_err());
        assert_eq!(normal("./blobs//sha256/./x").unwrap(), "blobs/sha256/x");
        assert_eq!(normal("."), None);
    }
}

//! Where an image comes from: an OCI layout directory, or a tar archive of one or of Docker's own
//! form. Both are a set of named files to what follows.

mod archive;
mod layout;

use std::io::Read;
use std::path::Path;

use sys::AsFd;
use sys::error::OnCall;
use sys::rustix::fs::{FileType, OFlags, Stat};

use crate::digest::Digest;
use crate::error::{Error, Of, Result};
use crate::file::{self, Section};
use crate::limits::Limits;
use crate::manifest::Descriptor;
use crate::wide;
use archive::Archive;
use layout::Layout;

/// A file of a source, open.
pub(crate) struct Member {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Its bytes.
    pub(crate) size: u64,
}

impl Member {
    fn new(section: Section, size: u64) -> Self {
        Self {
            reader: Box::new(section),
            size,
        }
    }
}

/// An open source. What it is was decided once, by a descriptor that is kept.
pub(crate) struct Source {
    files: Files,
    /// What tells whether it was changed: of the archive, or of a layout's index.json.
    pub(crate) stat: Stat,
}

enum Files {
    Layout(Layout),
    Archive(Archive),
}

impl Source {
    /// Opens the image source at `path`. A compressed archive is first unpacked into `spool`, a
    /// directory for files without a name.
    pub(crate) fn open(path: &Path, spool: impl AsFd, limits: &Limits) -> Result<Self> {
        let opened = file::open_path(path, OFlags::RDONLY).on("open", "")?;
        let stat = file::stat(&opened)?;
        match file::kind(&stat) {
            FileType::Directory => {
                let (layout, stat) = Layout::open(opened)?;
                Ok(Self {
                    files: Files::Layout(layout),
                    stat,
                })
            }
            FileType::RegularFile => {
                let archive = Archive::open(opened, stat.st_size, spool, limits)?;
                Ok(Self {
                    files: Files::Archive(archive),
                    stat,
                })
            }
            _ => Err(Error::unsupported("not a directory or a regular file")),
        }
    }

    /// The file `name`, or nothing when there is none.
    pub(crate) fn file(&self, name: &str) -> Result<Option<Member>> {
        match &self.files {
            Files::Layout(layout) => layout.file(name),
            Files::Archive(archive) => archive.file(name),
        }
    }

    /// The whole of a small file.
    pub(crate) fn text(&self, name: &str, limits: &Limits) -> Result<Option<Vec<u8>>> {
        let Some(member) = self.file(name)? else {
            return Ok(None);
        };
        read_small(member, limits).of(|| name).map(Some)
    }

    /// The content of a descriptor, verified.
    pub(crate) fn document(&self, descriptor: &Descriptor, limits: &Limits) -> Result<Vec<u8>> {
        let digest = &descriptor.digest;
        let member = self.blob(digest)?;
        if member.size != descriptor.size {
            return Err(Error::bad(format!(
                "size: {} bytes, its descriptor says {}",
                member.size, descriptor.size
            ))
            .of(digest));
        }
        let content = read_small(member, limits).of(|| digest)?;
        let found = Digest::with(digest.algorithm(), &content);
        if found != *digest {
            return Err(
                Error::bad(format!("digest does not match: the content is {found}")).of(digest),
            );
        }
        Ok(content)
    }

    /// The blob that has this digest by name; not verified.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Member> {
        self.file(&blob_name(digest))?
            .ok_or_else(|| Error::not_found("its content is not in the image").of(digest))
    }
}

/// Where the content of `digest` is in an OCI layout.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// What tells whether the source at `path` was changed since it was imported.
pub(crate) fn identity(path: &Path) -> Result<Stat> {
    let found = file::stat_path(path)?;
    match file::kind(&found) {
        FileType::Directory => file::stat_path(&path.join("index.json")).of(|| "index.json"),
        _ => Ok(found),
    }
}

fn read_small(member: Member, limits: &Limits) -> Result<Vec<u8>> {
    let most = wide(limits.document_bytes);
    if member.size > most {
        return Err(Error::too_large(format!(
            "{} bytes, at most {most} are allowed",
            member.size
        )));
    }
    let mut content = Vec::new();
    member.reader.take(most + 1).read_to_end(&mut content)?;
    if wide(content.len()) != member.size {
        return Err(Error::bad("its size changed while it was read"));
    }
    Ok(content)
}

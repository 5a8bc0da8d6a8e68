//! The files of a log, read as one: the numbered ones, which are older, and the one that is written.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

use sys::rustix::fs::OFlags;

/// The files of a log, the oldest first.
pub(super) struct Files {
    /// Where the newest one is.
    path: String,
    parts: Vec<Part>,
    /// Where is read next, counted from the start of the oldest.
    at: u64,
}

struct Part {
    file: File,
    /// What tells one file from another, whatever its name is now.
    inode: u64,
    /// Where it starts.
    start: u64,
}

/// Opens what is a file, and waits for nobody to write to a FIFO.
fn open_file(name: &str) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.cast_signed());
    let file = options.open(name)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a file")),
    }
}

impl Files {
    /// Opens what there is; none where nothing was written yet.
    pub(super) fn open(path: &str) -> io::Result<Option<Self>> {
        let mut files = Self {
            path: path.to_owned(),
            parts: Vec::new(),
            at: 0,
        };
        files.look_again()?;
        Ok((!files.parts.is_empty()).then_some(files))
    }

    /// Opens what was begun since the last look; says whether there was anything.
    ///
    /// The newest goes first, as a file that is renamed meanwhile is met again under its next name, and
    /// none is passed over.
    pub(super) fn look_again(&mut self) -> io::Result<bool> {
        let known = self.parts.last().map(|part| part.inode);
        let mut found: Vec<(File, u64)> = Vec::new();
        for number in 0.. {
            let name = match number {
                0 => self.path.clone(),
                _ => format!("{}.{number}", self.path),
            };
            let file = match open_file(&name) {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                opened => opened?,
            };
            let inode = file.metadata()?.ino();
            if known == Some(inode) {
                break;
            }
            if found.last().is_none_or(|(_, last)| *last != inode) {
                found.push((file, inode));
            }
        }
        let any = !found.is_empty();
        for (file, inode) in found.into_iter().rev() {
            let start = self.end()?;
            self.parts.push(Part { file, inode, start });
        }
        Ok(any)
    }

    /// Where the last part ends: for good, where there is a newer file.
    fn end(&self) -> io::Result<u64> {
        match self.parts.last() {
            Some(part) => Ok(part.start + part.file.metadata()?.len()),
            None => Ok(0),
        }
    }
}

impl Read for Files {
    /// At the end of the newest file there is nothing to read, until it grows.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let first = self
            .parts
            .iter()
            .rposition(|part| part.start <= self.at)
            .unwrap_or(0);
        for part in self.parts.get(first..).unwrap_or_default() {
            self.at = self.at.max(part.start);
            let count = part.file.read_at(buffer, self.at - part.start)?;
            if count > 0 {
                self.at += u64::try_from(count).unwrap_or(0);
                return Ok(count);
            }
        }
        Ok(0)
    }
}

impl Seek for Files {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(offset) => (self.end()?, offset),
            SeekFrom::Current(offset) => (self.at, offset),
        };
        let at = base.checked_add_signed(offset);
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("stockade-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn log(&self) -> String {
            self.0.join("log").to_str().unwrap().to_owned()
        }

        fn rotate(&self, most: u32) {
            for number in (1..most).rev() {
                let name = |number| match number {
                    0 => self.log(),
                    _ => format!("{}.{number}", self.log()),
                };
                let _ = fs::rename(name(number - 1), name(number));
            }
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn rest(files: &mut Files) -> String {
        let mut text = String::new();
        files.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn numbered_files_are_older() {
        let place = Place::new("log-files");
        assert!(Files::open(&place.log()).unwrap().is_none());
        for (name, text) in [("log.2", "a"), ("log.1", "bb"), ("log", "ccc")] {
            fs::write(place.0.join(name), text).unwrap();
        }
        let mut files = Files::open(&place.log()).unwrap().unwrap();
        assert_eq!(rest(&mut files), "abbccc");
        assert_eq!(files.seek(SeekFrom::End(-4)).unwrap(), 2);
        assert_eq!(rest(&mut files), "bccc");
    }

    #[test]
    fn what_is_renamed_while_it_is_read_is_read_once() {
        let place = Place::new("log-renamed");
        fs::write(place.log(), "one").unwrap();
        let mut files = Files::open(&place.log()).unwrap().unwrap();
        assert_eq!(rest(&mut files), "one");
        fs::write(place.log(), "one+").unwrap();
        for text in ["two", "three"] {
            place.rotate(4);
            fs::write(place.log(), text).unwrap();
        }
        assert_eq!(rest(&mut files), "+");
        assert!(files.look_again().unwrap());
        assert_eq!(rest(&mut files), "twothree");
        assert!(!files.look_again().unwrap());
    }
}

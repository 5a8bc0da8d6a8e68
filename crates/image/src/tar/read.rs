//! The archive as a stream of entries, each followed by its data.

use std::io::{self, BufRead, ErrorKind};

use super::header::{Header, text};
use super::pax::{self, Records, SparseRecords};
use super::sparse::{self, OldMap, Region, Sparse};
use super::{BLOCK, Entry, Kind};
use crate::error::{Error, Of, Result, shown};
use crate::limits::Limits;
use crate::wide;

/// Bytes to read an archive from.
pub trait Input: BufRead {
    /// Passes over `count` bytes; a seekable input need not read them, or notice that they are missing.
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let available = self.fill_buf()?.len();
            if available == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let step = usize::try_from(count).map_or(available, |left| left.min(available));
            self.consume(step);
            // `step` is at most `count`.
            count -= wide(step);
        }
        Ok(())
    }
}

impl Input for &[u8] {}

/// A tar archive being read.
pub struct Archive<'l, R> {
    input: R,
    limits: &'l Limits,
    /// Bytes of the archive that were read or passed over.
    position: u64,
    /// Data of the current entry that was not read yet.
    left: u64,
    /// What fills its last block.
    padding: u64,
    entries: u64,
    ended: bool,
}

/// The headers that stand before an entry and belong to it.
#[derive(Default)]
struct Before {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    records: Option<Records>,
    bytes: usize,
}

impl Before {
    fn is_empty(&self) -> bool {
        self.long_name.is_none() && self.long_link.is_none() && self.records.is_none()
    }
}

impl<'l, R: Input> Archive<'l, R> {
    /// An archive that begins where `input` stands.
    pub fn new(input: R, limits: &'l Limits) -> Self {
        Self {
            input,
            limits,
            position: 0,
            left: 0,
            padding: 0,
            entries: 0,
            ended: false,
        }
    }

    /// How far from its beginning the archive was read; after an entry, where its data begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The number of entries so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The input, to read what may follow the archive.
    pub fn into_input(self) -> R {
        self.input
    }

    /// The next entry, or nothing at the end. What was not read of the entry before is passed over.
    ///
    /// # Errors
    /// When the archive is malformed, ambiguous, cut off, or beyond a limit.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        if self.ended {
            return Ok(None);
        }
        self.pass(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut before = Before::default();
        loop {
            let Some(header) = self.header()? else {
                if !before.is_empty() {
                    return Err(Error::bad("tar: an extended header without its entry"));
                }
                self.ended = true;
                return Ok(None);
            };
            match header.type_flag() {
                b'L' => self.long(&header, &mut before, false)?,
                b'K' => self.long(&header, &mut before, true)?,
                b'x' => self.extended(&header, &mut before)?,
                b'g' => self.global(&header, &before)?,
                _ => return self.entry(&header, before).map(Some),
            }
        }
    }

    /// Hands the next `length` bytes of the entry's data to `sink`, piece by piece.
    ///
    /// # Errors
    /// What `sink` answers, or when the archive is cut off.
    pub fn data(&mut self, length: u64, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut wanted = length.min(self.left);
        while wanted > 0 {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Err(cut_off());
            }
            let step = usize::try_from(wanted).map_or(bytes.len(), |most| most.min(bytes.len()));
            sink(&bytes[..step])?;
            self.input.consume(step);
            let step = wide(step);
            (wanted, self.left, self.position) =
                (wanted - step, self.left - step, self.position + step);
        }
        Ok(())
    }

    fn pass(&mut self, count: u64) -> Result<()> {
        if count > 0 {
            self.input.skip(count)?;
            self.position += count;
        }
        Ok(())
    }

    /// A block, or nothing where the input ends.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(cut_off())
                };
            }
            let step = bytes.len().min(BLOCK - filled);
            block[filled..filled + step].copy_from_slice(&bytes[..step]);
            self.input.consume(step);
            filled += step;
        }
        self.position += wide(BLOCK);
        Ok(Some(block))
    }

    /// The next header; nothing at the two zero blocks that end an archive, or where the input ends.
    fn header(&mut self) -> Result<Option<Header>> {
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if block != [0; BLOCK] {
            return Header::parse(block).of(|| "tar").map(Some);
        }
        match self.block()? {
            None => Ok(None),
            Some(second) if second == [0; BLOCK] => Ok(None),
            Some(_) => Err(Error::bad("tar: a single zero block amid the archive")),
        }
    }

    /// The data of an extended header, within the limit for one entry.
    fn header_data(&mut self, header: &Header, before: &mut Before) -> Result<Vec<u8>> {
        let size = header.size()?;
        let most = self.limits.header_bytes;
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= most - before.bytes);
        let size = size.ok_or_else(|| {
            Error::too_large(format!("tar: extended headers of more than {most} bytes"))
        })?;
        before.bytes += size;
        self.left = wide(size);
        let mut data = Vec::with_capacity(size);
        self.data(self.left, |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        })?;
        self.pass(padding(wide(size)))?;
        Ok(data)
    }

    fn long(&mut self, header: &Header, before: &mut Before, link: bool) -> Result<()> {
        let data = self.header_data(header, before)?;
        let name = text(&data).to_vec();
        let field = if link {
            &mut before.long_link
        } else {
            &mut before.long_name
        };
        if field.replace(name).is_some() {
            return Err(Error::bad("tar: two GNU long names for one entry"));
        }
        Ok(())
    }

    fn extended(&mut self, header: &Header, before: &mut Before) -> Result<()> {
        let data = self.header_data(header, before)?;
        let records = Records::parse(&data, self.limits).of(|| "tar")?;
        if before.records.replace(records).is_some() {
            return Err(Error::bad("tar: two extended headers for one entry"));
        }
        Ok(())
    }

    fn global(&mut self, header: &Header, before: &Before) -> Result<()> {
        if !before.is_empty() {
            return Err(Error::bad(
                "tar: a global header between an extended one and its entry",
            ));
        }
        let data = self.header_data(header, &mut Before::default())?;
        pax::check_global(&data).of(|| "tar")
    }

    fn entry(&mut self, header: &Header, before: Before) -> Result<Entry> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Error::too_large(format!(
                "tar: more than {} entries",
                self.limits.entries
            )));
        }
        let mut records = before.records.unwrap_or_default();
        let named = [before.long_name, records.path.take()];
        let path = one_name(named, records.sparse.name.take(), header.path())?;
        let link = one_name([before.long_link, records.link.take()], None, header.link())?;
        let mut entry = self
            .described(header, &records, path.clone(), link)
            .of(|| shown(&path))?;
        entry.xattrs = records.xattrs;
        Ok(entry)
    }

    /// The entry without its extended attributes; from here its data is what is left to read.
    fn described(
        &mut self,
        header: &Header,
        records: &Records,
        path: Vec<u8>,
        link: Vec<u8>,
    ) -> Result<Entry> {
        let kind = kind(header, &path)?;
        let size = data_size(header, kind, records.size)?;
        check_names(&path, &link, kind, self.limits)?;
        (self.left, self.padding) = (size, padding(size));
        let sparse = match header.type_flag() {
            b'S' => Some(self.old_sparse(header)?),
            _ if records.sparse.present => Some(self.pax_sparse(&records.sparse, kind)?),
            _ => None,
        };
        let link_target = matches!(kind, Kind::HardLink | Kind::Symlink);
        let device = matches!(kind, Kind::CharacterDevice | Kind::BlockDevice);
        Ok(Entry {
            kind,
            path,
            link: if link_target { link } else { Vec::new() },
            mode: header.mode()?,
            uid: id(records.uid.unwrap_or(header.uid()?), "uid")?,
            gid: id(records.gid.unwrap_or(header.gid()?), "gid")?,
            mtime: records.mtime.unwrap_or(header.mtime()?),
            size: self.left,
            sparse,
            device: if device { header.device()? } else { (0, 0) },
            xattrs: Vec::new(),
        })
    }

    fn old_sparse(&mut self, header: &Header) -> Result<Sparse> {
        let mut map = OldMap::from_header(header, self.limits)?;
        while map.continued {
            let block = self.block()?.ok_or_else(cut_off)?;
            map.extend(&block, self.limits)?;
        }
        Sparse::new(map.size, map.regions, self.left)
    }

    fn pax_sparse(&mut self, records: &SparseRecords, kind: Kind) -> Result<Sparse> {
        if kind != Kind::File {
            return Err(Error::bad("sparse map: not for a file"));
        }
        let size = records
            .size
            .ok_or_else(|| Error::bad("GNU.sparse.size: missing"))?;
        let regions = match records.version {
            (None, None) | (Some(0), Some(0 | 1)) => records.regions.clone(),
            (Some(1), Some(0)) => self.map_in_data()?,
            _ => {
                return Err(Error::unsupported(
                    "GNU.sparse.major: this version is not supported",
                ));
            }
        };
        Sparse::new(size, regions, self.left)
    }

    /// Version 1.0: the map is text at the beginning of the data, filled up to a block.
    fn map_in_data(&mut self) -> Result<Vec<Region>> {
        let start = self.position;
        let count = self.map_number()?;
        let mut regions = Vec::new();
        for _ in 0..count {
            let (offset, length) = (self.map_number()?, self.map_number()?);
            sparse::add(&mut regions, Region { offset, length }, self.limits)?;
        }
        let fill = padding(self.position - start);
        if fill > self.left {
            return Err(Error::bad("sparse map: longer than the data"));
        }
        self.data(fill, |_| Ok(()))?;
        Ok(regions)
    }

    /// A line of decimal digits from the data.
    fn map_number(&mut self) -> Result<u64> {
        let mut digits = Vec::with_capacity(20);
        loop {
            let mut byte = 0;
            if self.left == 0 || digits.len() > 20 {
                return Err(Error::bad("sparse map: malformed"));
            }
            self.data(1, |bytes| {
                byte = bytes[0];
                Ok(())
            })?;
            if byte == b'\n' {
                return pax::decimal(&digits, "sparse map");
            }
            digits.push(byte);
        }
    }
}

/// The one name that an entry has: readers differ over which of two would win.
fn one_name(
    extended: [Option<Vec<u8>>; 2],
    sparse: Option<Vec<u8>>,
    plain: Vec<u8>,
) -> Result<Vec<u8>> {
    match (extended, sparse) {
        ([Some(_), Some(_)], _) | ([Some(_), None], Some(_)) => {
            Err(Error::bad("tar: a GNU long name beside a PAX one"))
        }
        // GNU tar sets both: the plain one is for readers that know nothing of holes.
        (_, Some(name)) => Ok(name),
        ([Some(name), None] | [None, Some(name)], None) => Ok(name),
        ([None, None], None) => Ok(plain),
    }
}

fn kind(header: &Header, path: &[u8]) -> Result<Kind> {
    let slash = path.ends_with(b"/");
    Ok(match header.type_flag() {
        // Before there was a type for directories, they were files whose names end so.
        0 if slash => Kind::Directory,
        b'0' | 0 | b'7' | b'S' if slash => {
            return Err(Error::bad("a file whose name ends in a slash"));
        }
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharacterDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            return Err(Error::unsupported(format!(
                "tar entry type {:?} is not supported",
                char::from(other)
            )));
        }
    })
}

/// Bytes of data after the header. Only files have data: where another kind has a size, some readers
/// take it that data follows and others that none does.
fn data_size(header: &Header, kind: Kind, record: Option<u64>) -> Result<u64> {
    let size = record.unwrap_or(header.size()?);
    if kind != Kind::File && size != 0 {
        return Err(Error::bad(
            "size: data after what is not a file is ambiguous",
        ));
    }
    if size > i64::MAX.unsigned_abs() - wide(BLOCK) {
        return Err(Error::bad("size: out of range"));
    }
    Ok(size)
}

fn check_names(path: &[u8], link: &[u8], kind: Kind, limits: &Limits) -> Result<()> {
    if path.is_empty() {
        return Err(Error::bad("tar: an entry without a name"));
    }
    let longest = path.len().max(link.len());
    if longest > limits.path_bytes {
        return Err(Error::too_large(format!(
            "path of {longest} bytes, at most {} are allowed",
            limits.path_bytes
        )));
    }
    if matches!(kind, Kind::HardLink | Kind::Symlink) && link.is_empty() {
        return Err(Error::bad("a link without a target"));
    }
    Ok(())
}

/// A user or group, which the kernel must be able to store; 2^32-1 means "no change" to it.
fn id(value: u64, field: &str) -> Result<u32> {
    u32::try_from(value)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| Error::bad(format!("{field}: {value} is out of range")))
}

fn padding(size: u64) -> u64 {
    let block = wide(BLOCK);
    (block - size % block) % block
}

fn cut_off() -> Error {
    Error::bad("tar: cut off in the middle")
}

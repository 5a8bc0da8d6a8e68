//! A layer's blob as the bytes of its tar archive: measured, decompressed and verified as it streams.
//!
//! Reading, the blob's own digest and decompression run in a thread of their own; the diff id's
//! digest and the unpacking run in the caller's. Nothing is trusted before both digests are.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flate2::bufread::MultiGzDecoder;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Kind, Of, Result};
use crate::manifest::Compression;
use crate::tar::Input;
use crate::wide;

/// Bytes that one thread hands to the other at a time.
const PIECE: usize = 256 << 10;
/// Pieces under way; the buffers go back and forth.
const PIECES: usize = 4;
/// zstd's window: 128 MiB, its own default limit. A larger one is memory that the image asks us for.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A layer as a source has it.
pub(crate) struct Blob {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Its bytes, compressed as they are.
    pub(crate) size: u64,
    /// The digest of those bytes; a Docker archive has none.
    pub(crate) digest: Option<Digest>,
    /// What the media type says; a Docker archive says nothing.
    pub(crate) compression: Option<Compression>,
    /// The digest of the bytes uncompressed.
    pub(crate) diff_id: Digest,
}

/// Streams `blob` through `consume` and verifies it; at most `limit` bytes come out. `read` counts
/// the bytes of the blob, `tick` is called now and then.
///
/// # Errors
/// What `consume` answers; but when the blob is not what its digests say, that, because it is the
/// cause of whatever else went wrong with it.
pub(crate) fn stream<T>(
    blob: Blob,
    limit: u64,
    read: &AtomicU64,
    tick: &mut dyn FnMut(),
    consume: impl FnOnce(&mut Decoded<'_>) -> Result<T>,
) -> Result<T> {
    let diff_id = blob.diff_id.clone();
    std::thread::scope(|scope| {
        // In here, so that the reading thread finds nobody listening when this returns early.
        let (to_consumer, pieces) = sync_channel(PIECES);
        let (give_back, empty) = sync_channel(PIECES);
        std::thread::Builder::new()
            .name("layer".to_owned())
            .spawn_scoped(scope, move || produce(blob, &to_consumer, &empty, read))?;
        let hasher = Hasher::new(diff_id.algorithm());
        let mut decoded = Decoded {
            pieces,
            give_back,
            piece: Vec::new(),
            at: 0,
            hasher,
            left: limit,
            limit,
            tick,
            failed: None,
        };
        match consume(&mut decoded) {
            Err(error) if error.kind() != Kind::BadImage => Err(error),
            result => decoded.verify(&diff_id).and(result),
        }
    })
}

type Piece = Result<Vec<u8>>;

/// The reading thread. It ends early when nobody listens any more.
fn produce(blob: Blob, out: &SyncSender<Piece>, empty: &Receiver<Vec<u8>>, read: &AtomicU64) {
    let send = |piece: Vec<u8>| out.send(Ok(piece)).is_ok();
    if let Err(error) = decompress(blob, send, empty, read) {
        let _ = out.send(Err(error));
    }
}

fn decompress(
    blob: Blob,
    send: impl FnMut(Vec<u8>) -> bool,
    empty: &Receiver<Vec<u8>>,
    read: &AtomicU64,
) -> Result<()> {
    let measured = Measured::new(&blob, read);
    let mut raw = BufReader::with_capacity(PIECE, measured.over(blob.reader));
    let compression = compression(raw.fill_buf()?, blob.compression)?;
    let mut tar = decoder(&mut raw, compression)?;
    let sent = send_pieces(&mut tar, send, empty);
    drop(tar);
    match sent {
        Ok(Heard::Nobody) => return Ok(()),
        Err(error) if error.kind() != Kind::BadImage => return Err(error),
        _ => {}
    }
    // Content that is not what its digest says is the cause of what is wrong with its compression.
    io::copy(&mut raw, &mut io::sink())?;
    raw.into_inner().verify(blob.digest.as_ref())?;
    sent.map(drop)
}

/// Whether anybody listened to the end.
enum Heard {
    All,
    Nobody,
}

fn send_pieces(
    mut tar: &mut dyn Read,
    mut send: impl FnMut(Vec<u8>) -> bool,
    empty: &Receiver<Vec<u8>>,
) -> Result<Heard> {
    loop {
        let mut piece = empty.try_recv().unwrap_or_default();
        piece.clear();
        let count = (&mut tar).take(wide(PIECE)).read_to_end(&mut piece);
        if count.of(|| "compression")? == 0 {
            return Ok(Heard::All);
        }
        if !send(piece) {
            return Ok(Heard::Nobody);
        }
    }
}

fn decoder<'r>(raw: impl BufRead + 'r, compression: Compression) -> Result<Box<dyn Read + 'r>> {
    Ok(match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

/// Whether a file that begins so is compressed.
pub(crate) fn is_compressed(start: &[u8]) -> Result<bool> {
    Ok(compression(start, None)? != Compression::None)
}

/// The decompressed bytes of a file that is compressed as a whole.
pub(crate) fn decompressed<'r>(mut raw: impl BufRead + 'r) -> Result<Box<dyn Read + 'r>> {
    let compression = compression(raw.fill_buf()?, None)?;
    decoder(raw, compression)
}

/// What the bytes are compressed with: by their magic number, which the media type must agree with.
fn compression(start: &[u8], stated: Option<Compression>) -> Result<Compression> {
    let found = match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        // A skippable frame: zstd:chunked and seekable archives may begin with one.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [
            b'B',
            b'Z',
            b'h',
            b'1'..=b'9',
            0x31,
            0x41,
            0x59,
            0x26,
            0x53,
            0x59,
            ..,
        ] => return Err(Error::unsupported("bzip2 is not supported")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            return Err(Error::unsupported("xz is not supported"));
        }
        _ => Compression::None,
    };
    match stated {
        Some(stated) if stated != found => Err(Error::bad(format!(
            "mediaType: says {}, the content is {}",
            words(stated),
            words(found)
        ))),
        _ => Ok(found),
    }
}

fn words(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "uncompressed",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}

/// Counts and hashes what is read from a blob, and stops at the size that it is said to have.
struct Measured<'r, R> {
    inner: R,
    hasher: Option<Hasher>,
    count: u64,
    size: u64,
    read: &'r AtomicU64,
}

impl<'r> Measured<'r, ()> {
    fn new(blob: &Blob, read: &'r AtomicU64) -> Self {
        // Uncompressed bytes whose digest is the diff id are hashed once, by the other side.
        let twice = blob.digest.as_ref() == Some(&blob.diff_id);
        let hashed = blob.digest.as_ref().filter(|_| !twice);
        let hasher = hashed.map(|digest| Hasher::new(digest.algorithm()));
        Measured {
            inner: (),
            hasher,
            count: 0,
            size: blob.size,
            read,
        }
    }

    fn over<R>(self, inner: R) -> Measured<'r, R> {
        let Self {
            hasher,
            count,
            size,
            read,
            ..
        } = self;
        Measured {
            inner,
            hasher,
            count,
            size,
            read,
        }
    }
}

impl<R> Measured<'_, R> {
    fn verify(self, digest: Option<&Digest>) -> Result<()> {
        if self.count != self.size {
            return Err(Error::bad(format!(
                "size: {} bytes, its descriptor says {}",
                self.count, self.size
            )));
        }
        match (self.hasher.map(Hasher::finish), digest) {
            (Some(found), Some(digest)) if found != *digest => Err(mismatch("digest", &found)),
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Measured<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += wide(count);
        if self.count > self.size {
            let text = format!(
                "size: more than the {} bytes that its descriptor says",
                self.size
            );
            return Err(Error::bad(text).into());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        self.read.fetch_add(wide(count), Ordering::Relaxed);
        Ok(count)
    }
}

fn mismatch(what: &str, found: &Digest) -> Error {
    Error::bad(format!("{what} does not match: the content is {found}"))
}

/// The bytes of the tar archive, on the unpacking side.
pub(crate) struct Decoded<'t> {
    pieces: Receiver<Piece>,
    give_back: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    hasher: Hasher,
    left: u64,
    limit: u64,
    tick: &'t mut dyn FnMut(),
    /// What the reading thread ended with.
    failed: Option<Error>,
}

impl Decoded<'_> {
    /// Reads to the end and compares the digest.
    fn verify(mut self, diff_id: &Digest) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while !self.fill_buf()?.is_empty() {
            self.consume(usize::MAX);
        }
        let found = self.hasher.finish();
        if found != *diff_id {
            Err(mismatch("diff id", &found))
        } else {
            Ok(())
        }
    }

    fn next_piece(&mut self) -> Result<()> {
        let Ok(piece) = self.pieces.recv() else {
            return Ok(());
        };
        let piece = piece.inspect_err(|error| self.failed = Some(error.clone()))?;
        self.hasher.update(&piece);
        (self.tick)();
        self.left = self.left.checked_sub(wide(piece.len())).ok_or_else(|| {
            Error::too_large(format!(
                "unpacks to more than the {} bytes allowed",
                self.limit
            ))
        })?;
        let used = std::mem::replace(&mut self.piece, piece);
        self.at = 0;
        // Where the way back is full the buffer is not needed.
        let _ = self.give_back.try_send(used);
        Ok(())
    }
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Decoded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.piece.len() {
            self.next_piece()?;
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.piece.len());
    }
}

impl Input for &mut Decoded<'_> {}

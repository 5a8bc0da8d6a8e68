//! A writer of tar archives that writes whatever it is told.

/// An archive being written.
#[derive(Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

/// A header to be changed before it is written.
pub struct Header {
    block: [u8; 512],
}

impl Header {
    pub fn new(path: &[u8], kind: u8) -> Self {
        let mut header = Self { block: [0; 512] };
        assert!(path.len() <= 100);
        header.block[..path.len()].copy_from_slice(path);
        header.number(100, 7, 0o644);
        header.number(108, 7, 0);
        header.number(116, 7, 0);
        header.number(124, 11, 0);
        header.number(136, 11, 1_000_000_000);
        header.block[156] = kind;
        header.block[257..265].copy_from_slice(b"ustar\x0000");
        header
    }

    /// Writes an octal number of `digits` digits.
    pub fn number(&mut self, at: usize, digits: usize, value: u64) {
        let text = format!("{value:0digits$o}");
        self.block[at..at + digits].copy_from_slice(text.as_bytes());
    }

    pub fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.block[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub fn mode(mut self, mode: u64) -> Self {
        self.number(100, 7, mode);
        self
    }

    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.number(108, 7, uid);
        self.number(116, 7, gid);
        self
    }

    pub fn size(mut self, size: u64) -> Self {
        self.number(124, 11, size);
        self
    }

    pub fn mtime(mut self, seconds: u64) -> Self {
        self.number(136, 11, seconds);
        self
    }

    pub fn link(self, target: &[u8]) -> Self {
        self.set(157, target)
    }

    pub fn device(mut self, major: u64, minor: u64) -> Self {
        self.number(329, 7, major);
        self.number(337, 7, minor);
        self
    }

    pub fn bytes(mut self) -> [u8; 512] {
        self.block[148..156].fill(b' ');
        let sum: u64 = self.block.iter().map(|&byte| u64::from(byte)).sum();
        let text = format!("{sum:06o}\0 ");
        self.block[148..156].copy_from_slice(text.as_bytes());
        self.block
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A header with its data and what fills its last block.
    pub fn entry(&mut self, header: Header, data: &[u8]) -> &mut Self {
        let header = if data.is_empty() {
            header
        } else {
            header.size(data.len() as u64)
        };
        self.raw(&header.bytes()).raw(data);
        let fill = (512 - data.len() % 512) % 512;
        self.raw(&vec![0; fill])
    }

    pub fn file(&mut self, path: &str, data: &[u8]) -> &mut Self {
        self.named(path.as_bytes(), |path| Header::new(path, b'0'), data)
    }

    pub fn dir(&mut self, path: &str) -> &mut Self {
        self.named(
            path.as_bytes(),
            |path| Header::new(path, b'5').mode(0o755),
            b"",
        )
    }

    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        let header = |path: &[u8]| Header::new(path, b'2').mode(0o777).link(target.as_bytes());
        self.named(path.as_bytes(), header, b"")
    }

    pub fn hard_link(&mut self, path: &str, target: &str) -> &mut Self {
        let header = |path: &[u8]| Header::new(path, b'1').link(target.as_bytes());
        self.named(path.as_bytes(), header, b"")
    }

    /// An entry whose path may need an extended header.
    fn named(&mut self, path: &[u8], header: impl Fn(&[u8]) -> Header, data: &[u8]) -> &mut Self {
        if path.len() > 100 {
            self.pax(&[(b"path", path)]);
        }
        self.entry(header(&path[..path.len().min(100)]), data)
    }

    /// An extended header for the next entry.
    pub fn pax(&mut self, records: &[(&[u8], &[u8])]) -> &mut Self {
        let data: Vec<u8> = records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect();
        self.entry(Header::new(b"pax", b'x'), &data)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn finish(&mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        std::mem::take(&mut self.bytes)
    }
}

/// `LENGTH KEY=VALUE\n`.
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

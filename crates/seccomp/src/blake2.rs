//! BLAKE2b with 32 bytes of output and no key (RFC 7693).
//!
//! Our own, because it runs before every container: the libraries' versions ask the processor what it can
//! do first, and a virtual machine pays more for that question than for the whole hash.

/// A hash in the making.
pub(crate) struct Hash {
    state: [u64; 8],
    block: [u8; BLOCK],
    /// How much of `block` is filled.
    filled: usize,
    /// How many bytes have gone into `state`.
    total: u64,
}

const BLOCK: usize = 128;

/// Section 2.6: SHA-512's.
const IV: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Section 2.7.
const SIGMA: [[u8; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

impl Hash {
    pub(crate) fn new() -> Self {
        let mut state = IV;
        state[0] ^= 0x0101_0020; // one lane, no key, 32 bytes
        Self {
            state,
            block: [0; BLOCK],
            filled: 0,
            total: 0,
        }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filled == BLOCK {
                self.compress(false);
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.block[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
        }
    }

    pub(crate) fn finish(mut self) -> [u8; 32] {
        self.block[self.filled..].fill(0);
        self.compress(true);
        let mut output = [0; 32];
        for (bytes, word) in output.chunks_exact_mut(8).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        output
    }

    /// Section 3.2.
    fn compress(&mut self, last: bool) {
        self.total += u64::try_from(self.filled).unwrap_or(0);
        self.filled = 0;
        let mut m = [0; 16];
        for (word, bytes) in m.iter_mut().zip(self.block.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let mut v = [0; 16];
        v[..8].copy_from_slice(&self.state);
        v[8..].copy_from_slice(&IV);
        v[12] ^= self.total;
        if last {
            v[14] = !v[14];
        }
        for round in 0..12 {
            let s = SIGMA[round % 10].map(usize::from);
            for (column, [a, b, c, d]) in COLUMNS.iter().enumerate() {
                let (x, y) = (m[s[2 * column]], m[s[2 * column + 1]]);
                mix(&mut v, [*a, *b, *c, *d], x, y);
            }
        }
        for (index, word) in self.state.iter_mut().enumerate() {
            *word ^= v[index] ^ v[index + 8];
        }
    }
}

/// Columns, then diagonals, of the 4x4 working state.
const COLUMNS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// Section 3.1.
#[inline(always)]
fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4], x: u64, y: u64) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
    v[d] = (v[d] ^ v[a]).rotate_right(32);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(24);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(63);
}

#[cfg(test)]
mod tests {
    use super::Hash;
    use crate::Digest;
    use alloc::vec;

    fn hash(parts: &[&[u8]]) -> alloc::string::String {
        let mut hash = Hash::new();
        parts.iter().for_each(|part| hash.update(part));
        Digest(hash.finish()).hex()
    }

    /// The values are those of Python's `hashlib.blake2b(…, digest_size=32)`.
    #[test]
    fn known_values() {
        assert_eq!(
            hash(&[]),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
        );
        assert_eq!(
            hash(&[b"abc"]),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
        );
        assert_eq!(
            hash(&[&[7; 128]]),
            "332f1f712b03a6a6f6c28db7d96c62f170744119ab0f831b9e0d80f800e3aad7"
        );
        assert_eq!(
            hash(&[&[7; 129]]),
            "a04de7247309966b2b2afc367838071ea523f897e6a405286f2b5627032a8dea"
        );
        assert_eq!(
            hash(&[&[7; 1000]]),
            "46514f71bd0672bb5c7c33206b4e91c653e97723aab6d5b78a4750bf11920f76"
        );
    }

    #[test]
    fn how_it_is_fed_does_not_matter() {
        let text = vec![5; 700];
        let whole = hash(&[&text]);
        for size in [1, 7, 127, 128, 129, 300] {
            let parts: vec::Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(hash(&parts), whole, "{size}");
        }
    }
}

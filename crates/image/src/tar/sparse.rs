//! Files with holes: GNU's own form (type `S`) and its three forms in PAX headers.

use super::BLOCK;
use super::header::{Header, unsigned};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// A run of data in a file with holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes in the file and in the archive.
    pub length: u64,
}

/// Where the data of a file with holes goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparse {
    /// The size of the file with its holes.
    pub size: u64,
    /// In ascending order, without overlap, within `size`; their lengths sum up to the entry's data.
    pub regions: Vec<Region>,
}

impl Sparse {
    /// Checks what an archive says.
    pub(super) fn new(size: u64, regions: Vec<Region>, stored: u64) -> Result<Self> {
        let mut end = 0;
        let mut sum = 0_u64;
        for region in &regions {
            let next = region.offset.checked_add(region.length);
            match next {
                Some(next) if region.offset >= end && next <= size => end = next,
                _ => return Err(Error::bad("sparse map: regions overlap or leave the file")),
            }
            // No overflow: the lengths lie side by side within `size`.
            sum += region.length;
        }
        if sum != stored {
            return Err(Error::bad(
                "sparse map: does not match the size of the data",
            ));
        }
        Ok(Self { size, regions })
    }
}

/// Adds a region within the limit.
pub(super) fn add(regions: &mut Vec<Region>, region: Region, limits: &Limits) -> Result<()> {
    if regions.len() >= limits.sparse_regions {
        return Err(Error::too_large(format!(
            "sparse map: more than {} regions",
            limits.sparse_regions
        )));
    }
    regions.push(region);
    Ok(())
}

/// GNU's own form: four regions in the header, further ones in blocks of 21 after it.
pub(super) struct OldMap {
    pub(super) size: u64,
    pub(super) regions: Vec<Region>,
    pub(super) continued: bool,
}

const PAIR: usize = 24;

impl OldMap {
    pub(super) fn from_header(header: &Header, limits: &Limits) -> Result<Self> {
        if !header.is_gnu() {
            return Err(Error::bad(
                "a GNU sparse file with a header that is not GNU's",
            ));
        }
        let mut map = Self {
            size: unsigned(&header.block[483..495], "sparse real size")?,
            regions: Vec::new(),
            continued: header.block[482] != 0,
        };
        map.pairs(&header.block[386..386 + 4 * PAIR], limits)?;
        Ok(map)
    }

    pub(super) fn extend(&mut self, block: &[u8; BLOCK], limits: &Limits) -> Result<()> {
        self.continued = block[504] != 0;
        self.pairs(&block[..21 * PAIR], limits)
    }

    fn pairs(&mut self, bytes: &[u8], limits: &Limits) -> Result<()> {
        for pair in bytes.chunks_exact(PAIR).take_while(|pair| pair[0] != 0) {
            let offset = unsigned(&pair[..12], "sparse offset")?;
            let length = unsigned(&pair[12..], "sparse length")?;
            add(&mut self.regions, Region { offset, length }, limits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_must_ascend_within_the_file_and_account_for_all_data() {
        let map = |pairs: &[(u64, u64)], size, stored| {
            let region = |&(offset, length): &(u64, u64)| Region { offset, length };
            Sparse::new(size, pairs.iter().map(region).collect(), stored).is_ok()
        };
        assert!(map(&[(0, 5), (10, 5), (20, 0)], 20, 10));
        assert!(map(&[], 1 << 40, 0));
        assert!(!map(&[(0, 5), (4, 5)], 20, 10));
        assert!(!map(&[(10, 5), (0, 5)], 20, 10));
        assert!(!map(&[(16, 5)], 20, 5));
        assert!(!map(&[(u64::MAX, 5)], 20, 5));
        assert!(!map(&[(0, 5)], 20, 6));
    }
}

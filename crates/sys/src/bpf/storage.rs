//! What programs remember for each cgroup that they are attached to (`BPF_MAP_TYPE_CGROUP_STORAGE`): one
//! value, all zero at first, shared by all programs of the cgroup that use it, gone with the cgroup.

use core::mem::size_of;

use alloc::vec::Vec;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;

use super::{Info, OBJ_GET_INFO_BY_FD, ProgramInfo, address, call, call_for_fd, error, number};
use crate::error::Result;

const MAP_CREATE: u32 = 0;
const MAP_LOOKUP: u32 = 1;
const MAP_UPDATE: u32 = 2;
const MAP_GET_FD_BY_ID: u32 = 14;
const CGROUP_STORAGE: u32 = 19;
/// The number of a cgroup's directory.
const KEY_SIZE: u32 = 8;

/// The memory. Programs name it by its descriptor when they are loaded.
#[derive(Debug)]
pub struct Storage {
    map: OwnedFd,
    /// Of one value, in bytes.
    size: usize,
}

#[repr(C)]
#[derive(Default)]
struct Map {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The head of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
}

impl Storage {
    /// Makes one whose values have `size` bytes; `name` as for [`super::load`].
    ///
    /// # Errors
    /// `EPERM` without CAP_BPF or CAP_SYS_ADMIN, `EINVAL` before Linux 5.9.
    pub fn new(name: &str, size: u32) -> Result<Self> {
        let mut attr = Map {
            kind: CGROUP_STORAGE,
            key_size: KEY_SIZE,
            value_size: size,
            ..Map::default()
        };
        for (to, from) in attr.name[..15].iter_mut().zip(name.bytes()) {
            *to = from;
        }
        // SAFETY: the attribute has no pointers.
        let map = unsafe { call_for_fd(MAP_CREATE, &mut attr) }
            .map_err(|errno| error("map_create", name, errno))?;
        let size = usize::try_from(size).unwrap_or(0);
        Ok(Self { map, size })
    }

    /// The one that a loaded program uses.
    ///
    /// # Errors
    /// `ENOENT` where it uses none of this kind, or several.
    pub fn of(program: impl AsFd) -> Result<Self> {
        let mut id = 0u32;
        // One number is what there is room for.
        let wanted = ProgramInfo {
            map_count: 1,
            maps: address(&raw mut id),
            ..ProgramInfo::default()
        };
        let found = super::info(&program, wanted)?;
        if found.map_count != 1 {
            return Err(error("obj_get_info_by_fd", "maps", Errno::NOENT));
        }
        Self::open(id)
    }

    fn open(id: u32) -> Result<Self> {
        let mut attr = [id, 0, 0];
        // SAFETY: the attribute has no pointers.
        let map = unsafe { call_for_fd(MAP_GET_FD_BY_ID, &mut attr) }
            .map_err(|errno| error("map_get_fd_by_id", "", errno))?;
        let mut found = MapInfo::default();
        let mut attr = Info {
            fd: number(map.as_raw_fd()),
            length: u32::try_from(size_of::<MapInfo>()).unwrap_or(0),
            info: address(&raw mut found),
        };
        // SAFETY: the kernel writes at most `length` bytes to `found`, which outlives the call.
        unsafe { call(OBJ_GET_INFO_BY_FD, &mut attr) }
            .map_err(|errno| error("obj_get_info_by_fd", "map", errno))?;
        if (found.kind, found.key_size) != (CGROUP_STORAGE, KEY_SIZE) {
            return Err(error("obj_get_info_by_fd", "map", Errno::NOENT));
        }
        let size = usize::try_from(found.value_size).unwrap_or(0);
        Ok(Self { map, size })
    }

    /// How many bytes a value has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number by which an instruction names it.
    pub fn descriptor(&self) -> i32 {
        self.map.as_raw_fd()
    }

    /// Writes a cgroup's value; programs see all of it or nothing. `cgroup` is the number of the cgroup's
    /// directory, `what` names it in an error.
    ///
    /// # Errors
    /// `ENOENT` where no program that uses the memory is attached, `EINVAL` for a value of another size.
    pub fn write(&self, cgroup: u64, value: &[u8], what: &str) -> Result<()> {
        if value.len() != self.size {
            return Err(error("map_update_elem", what, Errno::INVAL));
        }
        let mut attr = self.element(&cgroup, address(value.as_ptr()));
        // SAFETY: the kernel reads the key, and as many bytes as a value has, which were just counted.
        unsafe { call(MAP_UPDATE, &mut attr) }
            .map(drop)
            .map_err(|errno| error("map_update_elem", what, errno))
    }

    /// Reads a cgroup's value.
    ///
    /// # Errors
    /// As for [`Storage::write`].
    pub fn read(&self, cgroup: u64, what: &str) -> Result<Vec<u8>> {
        let mut value = alloc::vec![0; self.size];
        let mut attr = self.element(&cgroup, address(value.as_mut_ptr()));
        // SAFETY: the kernel reads the key, and writes as many bytes as a value has, which is `size`.
        unsafe { call(MAP_LOOKUP, &mut attr) }
            .map_err(|errno| error("map_lookup_elem", what, errno))?;
        Ok(value)
    }

    fn element(&self, key: &u64, value: u64) -> Element {
        Element {
            map: number(self.map.as_raw_fd()),
            key: address(key),
            value,
            ..Element::default()
        }
    }
}

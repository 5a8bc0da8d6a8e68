//! Users, groups and maps of them.

use core::fmt;

use super::{conflict, invalid};
use crate::{Error, IdMap};

/// The most ranges that a map can have (`UID_GID_MAP_MAX_EXTENTS` of `linux/user_namespace.h`).
const MAX_RANGES: usize = 340;

/// An id. The last number is none: system calls take it for "leave as it is", and older tools for root.
pub(super) fn id(id: u32, place: impl fmt::Display) -> Result<(), Error> {
    if id == u32::MAX {
        return invalid(place, format_args!("{id} is not an id"));
    }
    Ok(())
}

/// A map of ids: at least one and at most 340 ranges, none empty, none overlapping another on either side.
pub(super) fn map(ranges: &[IdMap], place: fmt::Arguments<'_>) -> Result<(), Error> {
    if ranges.len() > MAX_RANGES {
        return invalid(
            place,
            format_args!(
                "{} ranges are more than the {MAX_RANGES} of Linux",
                ranges.len()
            ),
        );
    }
    for (index, range) in ranges.iter().enumerate() {
        one_range(range, format_args!("{place}[{index}]"))?;
        for (other, earlier) in ranges[..index].iter().enumerate() {
            if overlap(range.container, range.size, earlier.container, earlier.size) {
                return conflict(
                    format_args!("{place}[{index}]"),
                    format_args!("overlaps [{other}] by its containerID"),
                );
            }
            if overlap(range.host, range.size, earlier.host, earlier.size) {
                return conflict(
                    format_args!("{place}[{index}]"),
                    format_args!("overlaps [{other}] by its hostID"),
                );
            }
        }
    }
    Ok(())
}

fn one_range(range: &IdMap, place: fmt::Arguments<'_>) -> Result<(), Error> {
    if range.size == 0 {
        return invalid(format_args!("{place}.size"), "must be at least 1");
    }
    for (field, first) in [("containerID", range.container), ("hostID", range.host)] {
        // The last id of the range must be at most 2^32-2.
        if first.checked_add(range.size).is_none() {
            let message = format_args!(
                "{} ids from {first} go beyond the last one, {}",
                range.size,
                u32::MAX - 1
            );
            return invalid(format_args!("{place}.{field}"), message);
        }
    }
    Ok(())
}

/// Whether two ranges, neither of which wraps, have an id in common.
const fn overlap(first: u32, size: u32, other: u32, other_size: u32) -> bool {
    if first < other {
        other - first < size
    } else {
        first - other < other_size
    }
}

/// Whether an id of the inside has one outside.
pub(super) fn is_mapped(ranges: &[IdMap], id: u32) -> bool {
    ranges.iter().any(|range| {
        id.checked_sub(range.container)
            .is_some_and(|offset| offset < range.size)
    })
}

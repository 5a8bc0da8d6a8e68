//! The clocks, without the vDSO, which needs a library that was initialised.

use crate::syscall;

/// Seconds and nanoseconds since 1970.
pub fn now() -> (i64, u32) {
    read(libc::CLOCK_REALTIME)
}

/// Seconds and nanoseconds of the clock that nobody sets.
pub fn monotonic() -> (i64, u32) {
    read(libc::CLOCK_MONOTONIC)
}

/// Seconds and nanoseconds since the machine was started, its sleep included.
pub fn since_boot() -> (i64, u32) {
    read(libc::CLOCK_BOOTTIME)
}

fn read(clock: libc::clockid_t) -> (i64, u32) {
    let mut time = [0i64; 2];
    // SAFETY: the kernel writes a struct timespec: two 64-bit numbers.
    let _ = unsafe { syscall!(libc::SYS_clock_gettime, clock, time.as_mut_ptr()) };
    (time[0], u32::try_from(time[1]).unwrap_or(0))
}

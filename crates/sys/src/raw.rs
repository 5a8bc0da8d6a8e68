//! System calls by number: what neither a C library nor `rustix` gives, in a form that works before
//! any library is initialised. Shared, as a source file, with the container's child program.

use core::arch::asm;

/// The result of a raw system call: its value, or the (positive) errno.
pub type Outcome = core::result::Result<usize, i32>;

/// Makes a system call with up to six arguments; unused ones are 0.
///
/// # Safety
/// The arguments must be what system call `number` expects: pointers must be valid for the access
/// that it makes, for as long as it makes it.
#[inline(always)]
pub unsafe fn syscall(number: usize, args: [usize; 6]) -> Outcome {
    let value: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the arguments; the clobbers are those of the x86-64 ABI.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => value,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller vouches for the arguments; svc clobbers x0 only.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") args[0] as isize => value,
            in("x1") args[1], in("x2") args[2], in("x3") args[3],
            in("x4") args[4], in("x5") args[5], options(nostack));
    }
    if (-4095..0).contains(&value) {
        Err((-value) as i32)
    } else {
        Ok(value as usize)
    }
}

/// `syscall!(NUMBER, a, b, …)`: a raw system call; each argument is made a `usize` with `as`.
#[macro_export]
macro_rules! syscall {
    ($number:expr $(, $arg:expr)* $(,)?) => {{
        let given = [$($arg as usize),*];
        let mut args = [0usize; 6];
        args[..given.len()].copy_from_slice(&given);
        $crate::raw::syscall($number as usize, args)
    }};
}

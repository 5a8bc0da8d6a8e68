//! The entry point and the byte functions of the child program, which has no C library. Used as a
//! source file by that program alone.

use core::arch::{asm, naked_asm};
use core::ffi::{CStr, c_char};

/// The program's arguments, as the kernel laid them on the stack.
#[derive(Clone, Copy)]
pub struct Arguments(*const usize);

impl Arguments {
    /// The argument at `index`, counted from the program's name.
    pub fn get(&self, index: usize) -> Option<&'static CStr> {
        // SAFETY: the pointer is the initial stack pointer: argc, then argc pointers to texts that
        // live as long as the process.
        unsafe {
            let count = *self.0;
            (index < count).then(|| CStr::from_ptr(*self.0.add(1 + index) as *const c_char))
        }
    }
}

/// Where the kernel starts the program.
///
/// # Safety
/// Called by the kernel only.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {start}", "ud2", start = sym start);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x29, #0", "mov x0, sp", "bl {start}", "brk #1", start = sym start);
}

extern "C" fn start(stack: *const usize) -> ! {
    crate::bare::exit(crate::run(Arguments(stack)))
}

/// memcpy(3).
///
/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..count {
        // SAFETY: the caller vouches for both ranges; volatile, so that this is not made a memcpy.
        unsafe { to.add(i).write_volatile(from.add(i).read()) };
    }
    to
}

/// memmove(3).
///
/// # Safety
/// As memmove(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize) <= from as usize || to as usize >= from as usize + count {
        // SAFETY: the caller vouches for both ranges; copying upwards is right here.
        return unsafe { memcpy(to, from, count) };
    }
    for i in (0..count).rev() {
        // SAFETY: the caller vouches for both ranges.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    to
}

/// memset(3).
///
/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    for i in 0..count {
        // SAFETY: the caller vouches for the range; volatile, so that this is not made a memset.
        unsafe { to.add(i).write_volatile(byte as u8) };
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for i in 0..count {
        // SAFETY: the caller vouches for both ranges.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// bcmp(3).
///
/// # Safety
/// As bcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the caller vouches for both ranges.
    unsafe { memcmp(a, b, count) }
}

/// strlen(3).
///
/// # Safety
/// As strlen(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len = 0;
    // SAFETY: the caller vouches for the closing NUL.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    len
}

/// execve(2) with the addresses of two closed arrays in a [`Mapping`].
pub fn execute(path: &CStr, arguments: usize, environment: usize) -> i32 {
    // SAFETY: `Script::list` made both arrays: every entry is the address of a text in the mapping
    // that ends in NUL, and the writer closed them with a zero word.
    unsafe { crate::bare::execve(path, arguments, environment) }
}

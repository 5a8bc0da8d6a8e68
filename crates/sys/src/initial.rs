//! What the kernel laid on the stack of a new program: its environment, and the auxiliary vector.
//! Reading it takes neither a library nor a system call.

use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicPtr, Ordering};

use rustix::process::geteuid;

/// `AT_EUID` of `linux/auxvec.h`.
const AT_EUID: usize = 12;

/// The stack pointer at the program's first instruction; null where nobody kept it.
static STACK: AtomicPtr<usize> = AtomicPtr::new(core::ptr::null_mut());

/// Keeps the place.
///
/// # Safety
/// `stack` is the stack pointer that the kernel gave the program: the number of arguments, the
/// arguments, the environment and the auxiliary vector, as execve(2) leaves them, for the process's life.
pub unsafe fn remember(stack: *const usize) {
    STACK.store(stack.cast_mut(), Ordering::Relaxed);
}

/// The first of the environment's texts; they end in a null pointer.
fn environment() -> Option<*const usize> {
    let stack = STACK.load(Ordering::Relaxed).cast_const();
    // SAFETY: `remember` was promised argc, argc pointers and a null one before the environment.
    (!stack.is_null()).then(|| unsafe { stack.add(*stack + 2) })
}

/// All `NAME=VALUE` texts of the environment, as the program was started with it.
pub fn variables() -> Vec<&'static CStr> {
    let mut found = Vec::new();
    let Some(mut at) = environment() else {
        return found;
    };
    // SAFETY: pointers to texts that live as long as the process, up to a null one.
    unsafe {
        while *at != 0 {
            found.push(CStr::from_ptr(*at as *const c_char));
            at = at.add(1);
        }
    }
    found
}

/// A variable of the environment; none where it is not set, empty, or no UTF-8.
pub fn variable(name: &str) -> Option<&'static str> {
    let mut at = environment()?;
    // SAFETY: as in `variables`.
    unsafe {
        while *at != 0 {
            let text = CStr::from_ptr(*at as *const c_char).to_bytes();
            let value = text.strip_prefix(name.as_bytes());
            if let Some(value) = value.and_then(|rest| rest.strip_prefix(b"=")) {
                let value = core::str::from_utf8(value).ok();
                return value.filter(|value| !value.is_empty());
            }
            at = at.add(1);
        }
    }
    None
}

/// The effective user that the program was started as.
pub fn effective_user() -> u32 {
    let Some(mut at) = environment() else {
        return geteuid().as_raw();
    };
    // SAFETY: behind the environment's null pointer come pairs of a number and a value, up to number 0.
    unsafe {
        while *at != 0 {
            at = at.add(1);
        }
        at = at.add(1);
        while *at != 0 {
            if *at == AT_EUID {
                return u32::try_from(*at.add(1)).unwrap_or(u32::MAX);
            }
            at = at.add(2);
        }
    }
    geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_and_user_are_found_on_the_stack() {
        let (name, first, second) = (c"program", c"HOME=/x", c"EMPTY=");
        let stack = [
            1,
            name.as_ptr() as usize,
            0,
            first.as_ptr() as usize,
            second.as_ptr() as usize,
            0,
            6,
            4096,
            AT_EUID,
            1234,
            0,
            0,
        ];
        // SAFETY: laid out as the kernel does, and put back before it goes.
        unsafe { remember(stack.as_ptr()) };
        let found = (
            variable("HOME"),
            variable("EMPTY"),
            variable("HOM"),
            effective_user(),
            variables().len(),
        );
        // SAFETY: null is "nobody kept it".
        unsafe { remember(core::ptr::null()) };
        assert_eq!(found, (Some("/x"), None, None, 1234, 2));
    }
}

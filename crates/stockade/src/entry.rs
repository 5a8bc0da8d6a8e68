//! Where the kernel starts the binary.
//!
//! The OCI commands are started thousands of times a day by other programs, and what they wait for is
//! page faults and CPUID instructions of a library's start (0.7 ms against 0.25 ms measured). So the
//! entry point is ours: OCI commands run to their end on raw system calls; everything else goes on to
//! the C library's `_start` as if nothing had been there.
//!
//! Until the library has started, its `memcpy` and relatives are unresolved indirect functions, so that
//! this file has its own, which then serve the whole program.
#![allow(unsafe_code, reason = "what the entry point needs; see CONTRIBUTING")]

use core::arch::{asm, naked_asm};
use core::ffi::{CStr, c_char};

use sys::heap::{self, Heap};

#[global_allocator]
static HEAP: Heap = Heap::new();

/// The program's first instruction: keeps what the kernel gave, asks [`early`], and goes on to the
/// library.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn stockade_start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "xor ebp, ebp",
        "mov r12, rdx",
        "mov r13, rsp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {early}",
        "mov rsp, r13",
        "mov rdx, r12",
        "jmp _start",
        early = sym early
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "mov x29, #0",
        "mov x19, x0",
        "mov x0, sp",
        "bl {early}",
        "mov x0, x19",
        "b _start",
        early = sym early
    );
}

/// Where the library goes on. Rust's own start before `main` is left out: it asks for the stack's bounds and makes
/// another stack for the one signal that would tell of their end, which costs as much as the rest of a
/// short command. What it does besides, this does.
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn main(_count: i32, _words: *const *const c_char) -> i32 {
    sys::signal::ignore_broken_pipe();
    let code = crate::after_library();
    std::process::exit(code)
}

/// Runs an OCI command to the process's end, or returns for all others.
unsafe extern "C" fn early(stack: *const usize) {
    // SAFETY: it is the kernel's initial stack.
    unsafe { sys::initial::remember(stack) };
    // SAFETY: the kernel puts argc and argc pointers to texts there, which live as long as the process.
    let words = unsafe { first_words(stack) };
    let kind = kind(&words);
    match kind {
        Early::No => return heap::library_is_there(),
        Early::Shim => heap::reuse(),
        Early::Oci | Early::Monitor | Early::Ns => {}
    }
    // SAFETY: as above.
    let all = unsafe { all_words(stack) };
    if let Some(code) = all.and_then(|all| run_early(kind, &all)) {
        sys::exit(code);
    }
    // The command has to be run again with the library. What was allocated is left where it is.
    heap::library_is_there();
}

/// The program's name and first arguments, as many as [`kind`] looks at; what is not UTF-8 is no command
/// of ours.
unsafe fn first_words(stack: *const usize) -> [&'static str; 4] {
    let mut words = [""; 4];
    // SAFETY: the caller's.
    unsafe {
        for (at, word) in words.iter_mut().enumerate().take(*stack) {
            *word = CStr::from_ptr(*stack.add(1 + at) as *const c_char)
                .to_str()
                .unwrap_or("");
        }
    }
    words
}

unsafe fn all_words(stack: *const usize) -> Option<Vec<&'static str>> {
    // SAFETY: the caller's.
    unsafe {
        (0..*stack)
            .map(|at| {
                CStr::from_ptr(*stack.add(1 + at) as *const c_char)
                    .to_str()
                    .ok()
            })
            .collect()
    }
}

/// What runs before the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    /// An OCI command: `stockade oci …`, the program's name is a runtime's, or the options before the
    /// command are.
    Oci,
    /// A container's monitor, which is to be small for as long as the container lives.
    Monitor,
    /// containerd's shim, by the program's name: one for each pod, and as long as that.
    Shim,
    /// A command that executes another one with a root or namespaces of its own: people start them as often
    /// as chroot(1) and unshare(1).
    Ns,
    /// Nothing: it is a command for people.
    No,
}

/// What these words are, by the first four of them.
pub(crate) fn kind(words: &[&str]) -> Early {
    match words {
        [name, ..] if is_runtime(name) => Early::Oci,
        [name, ..] if name.rsplit('/').next() == Some(::shim::NAME) => Early::Shim,
        [_, "oci", ..] => Early::Oci,
        [_, "monitor", ..] => Early::Monitor,
        [_, words @ ..] if ns::is_for_us(words) => Early::Ns,
        [_, options @ ..] if are_an_engines(options) => Early::Oci,
        _ => Early::No,
    }
}

fn run_early(kind: Early, words: &[&str]) -> Option<i32> {
    match kind {
        Early::Oci => crate::oci::early(words),
        Early::Monitor => Some(container::monitor(words.get(2..)?)),
        Early::Shim => Some(crate::shim::run(words)),
        Early::Ns => crate::by_hand::early(words.get(1..)?),
        Early::No => None,
    }
}

/// Whether the program was called by the name of a runtime.
pub(crate) fn is_runtime(name: &str) -> bool {
    matches!(
        name.rsplit('/').next(),
        Some("stockade-oci" | "runc" | "crun")
    )
}

/// Whether these options are those of Docker and containerd, which call `stockade --root DIR --log FILE
/// --log-format json create …`: no command for people has `--log`.
fn are_an_engines(options: &[&str]) -> bool {
    let rest = match options {
        ["--root", _, rest @ ..] => rest,
        [first, rest @ ..] if first.starts_with("--root=") => rest,
        all => all,
    };
    let name = rest.first().and_then(|word| word.split('=').next());
    matches!(name, Some("--log" | "--log-format" | "--systemd-cgroup"))
}

/// memcpy(3).
///
/// # Safety
/// As memcpy(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both ranges. Short copies, which are nearly all, go by overlapping
    // words: starting `rep movsb` costs some tens of cycles.
    unsafe {
        match count {
            0..=16 => copy_short(to, from, count),
            17..=32 => {
                let first = (from as *const u128).read_unaligned();
                let last = (from.add(count - 16) as *const u128).read_unaligned();
                (to as *mut u128).write_unaligned(first);
                (to.add(count - 16) as *mut u128).write_unaligned(last);
            }
            _ => asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _,
                inout("rsi") from => _, options(nostack, preserves_flags)),
        }
    }
    to
}

/// Copies at most 16 bytes.
#[cfg(target_arch = "x86_64")]
unsafe fn copy_short(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller vouches for both ranges; every branch stays inside them.
    unsafe {
        match count {
            8..=16 => {
                let first = (from as *const u64).read_unaligned();
                let last = (from.add(count - 8) as *const u64).read_unaligned();
                (to as *mut u64).write_unaligned(first);
                (to.add(count - 8) as *mut u64).write_unaligned(last);
            }
            4..8 => {
                let first = (from as *const u32).read_unaligned();
                let last = (from.add(count - 4) as *const u32).read_unaligned();
                (to as *mut u32).write_unaligned(first);
                (to.add(count - 4) as *mut u32).write_unaligned(last);
            }
            1..4 => {
                let (first, middle, last) = (*from, *from.add(count / 2), *from.add(count - 1));
                *to = first;
                *to.add(count / 2) = middle;
                *to.add(count - 1) = last;
            }
            _ => {}
        }
    }
}

/// memmove(3).
///
/// # Safety
/// As memmove(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both ranges. Up to 32 bytes are read before any is written; where
    // the target does not begin inside the source, copying upwards is right.
    unsafe {
        if count <= 32 || (to as usize).wrapping_sub(from as usize) >= count {
            return memcpy(to, from, count);
        }
        asm!("std", "rep movsb", "cld", inout("rcx") count => _,
            inout("rdi") to.add(count - 1) => _, inout("rsi") from.add(count - 1) => _);
    }
    to
}

/// memset(3).
///
/// # Safety
/// As memset(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the range.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8,
            options(nostack, preserves_flags));
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// As memcmp(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    let mut at = 0;
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        while at + 8 <= count {
            let x = (a.add(at) as *const u64).read_unaligned();
            let y = (b.add(at) as *const u64).read_unaligned();
            if x != y {
                return if x.swap_bytes() < y.swap_bytes() {
                    -1
                } else {
                    1
                };
            }
            at += 8;
        }
        while at < count {
            let (x, y) = (a.add(at).read_volatile(), b.add(at).read_volatile());
            if x != y {
                return i32::from(x) - i32::from(y);
            }
            at += 1;
        }
    }
    0
}

/// bcmp(3).
///
/// # Safety
/// As bcmp(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { memcmp(a, b, count) }
}

/// strlen(3).
///
/// # Safety
/// As strlen(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len = 0;
    // SAFETY: the caller vouches for the closing NUL. Volatile, so that this is not made a strlen.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::{Early, kind};

    #[test]
    fn engines_are_known_by_their_options() {
        for oci in [
            &["/usr/bin/stockade-oci", "state", "x"][..],
            &["runc", "--root"],
            &["stockade", "oci", "run"],
            &["stockade", "--root", "/r", "--log", "/l", "create"],
            &["stockade", "--root=/r", "--log-format=json", "create"],
            &["stockade", "--log", "/l", "state"],
        ] {
            assert_eq!(kind(oci), Early::Oci, "{oci:?}");
        }
        for other in [
            &["stockade"][..],
            &["stockade", "--root", "/r", "run", "--log"],
            &["stockade", "--root", "--log"],
            &["stockade", "create", "--bundle"],
            &["stockade", "ns", "ls"],
        ] {
            assert_eq!(kind(other), Early::No, "{other:?}");
        }
    }
}

//! What the running kernel knows of seccomp(2).

use crate::syscall;

/// Whether filters can be loaded with these `SECCOMP_FILTER_FLAG_…`: flags are looked at before the program,
/// which is none here.
pub fn knows_flags(flags: u32) -> bool {
    const SET_MODE_FILTER: i32 = 1;
    // SAFETY: there is no program to read, so that nothing can be loaded.
    let outcome = unsafe { syscall!(libc::SYS_seccomp, SET_MODE_FILTER, flags, 0usize) };
    outcome == Err(libc::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::knows_flags;

    #[test]
    fn flags_of_this_kernel_and_none() {
        assert!(knows_flags(1 << 1), "LOG is as old as Linux 4.14");
        assert!(!knows_flags(1 << 30));
    }
}

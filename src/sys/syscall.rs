//! System calls straight from the kernel, for code that may change threads and must leave `errno` alone.
//!
//! The wrappers of the C library answer through `errno`, which is a thread-local that a goroutine must not keep the address of,
//! and several of them are cancellation points: a plain thread that is cancelled in one would unwind through our frames.
//! Here the answer is the kernel's: a number, or a negated errno value.

use std::arch::asm;
use std::ffi::c_long;

/// An errno value, above zero.
pub type Errno = i32;

/// Makes a system call.
///
/// # Safety
/// As the call itself: what the arguments point at is good for what the kernel does with it.
#[inline(always)]
pub unsafe fn call(number: c_long, a: [usize; 6]) -> Result<usize, Errno> {
    let answer: isize;
    // SAFETY: the kernel's convention: it changes what is named here, and the memory that the caller vouches for.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => answer, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] as isize => answer, in("x1") a[1], in("x2") a[2],
            in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    // The last page of the address space is no answer of any call.
    if (-4095..0).contains(&answer) { Err(-answer as Errno) } else { Ok(answer as usize) }
}

/// The same with up to three arguments.
///
/// # Safety
/// As [`call`].
#[inline(always)]
pub unsafe fn call3(number: c_long, a: usize, b: usize, c: usize) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    unsafe { call(number, [a, b, c, 0, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors() {
        // SAFETY: neither call touches memory.
        unsafe {
            assert_eq!(call3(libc::SYS_getpid, 0, 0, 0), Ok(std::process::id() as usize));
            assert_eq!(call3(libc::SYS_close, usize::MAX, 0, 0), Err(libc::EBADF));
        }
    }
}

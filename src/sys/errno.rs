//! The thread's `errno`, which every call leaves as it found it.

use libc::c_int;

/// Where the calling thread's errno lives. The compiler may take the answer for a constant within a function,
/// so code that can change threads keeps the pointer in its M instead of asking twice.
pub fn location() -> *mut c_int {
    // SAFETY: has no preconditions.
    unsafe { libc::__errno_location() }
}

/// Runs `f`, which makes system calls or allocates but never switches, and puts errno back afterwards.
#[inline]
pub fn preserved<R>(f: impl FnOnce() -> R) -> R {
    let at = location();
    // SAFETY: the address is the calling thread's own, and f does not change threads.
    let saved = unsafe { *at };
    let r = f();
    // SAFETY: as above.
    unsafe { *at = saved };
    r
}

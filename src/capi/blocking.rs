//! Blocking calls of the program's own.

use super::base::{RT_EINVAL, RT_EPERM, RT_OK, rt_fn};
use super::entry;
use crate::sched::{blocking, handshake, m};
use std::ffi::{c_int, c_void};

/**
 * Runs a function that blocks or needs a deep stack: on the thread's own stack (8 MiB), while another thread at once takes
 * over the processor. It is still the goroutine that runs, with its id, rt_self and floating-point modes. Calls in it
 * that have to wait block the thread. Nested, and on a plain thread, it just runs the function.
 *
 * @param fn   the function. It must not be left by an exception, longjmp or rt_goexit: these end the process
 * @param arg  handed to it as it is
 * Returns RT_OK when the function has returned.
 * Errors: RT_EINVAL: fn is NULL; RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: for as long as the function takes. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_blocking(r#fn: rt_fn, arg: *mut c_void) -> c_int {
    let Some(f) = r#fn else { return RT_EINVAL };
    if m::current().is_none() {
        // SAFETY: the caller vouches for its function and argument.
        unsafe { f(arg) };
        return RT_OK;
    }
    entry(|m| {
        if m.in_commit.get() {
            return RT_EPERM;
        }
        blocking::call(m, f, arg);
        RT_OK
    })
}

/**
 * Announces that the caller is about to block for a while, outside these calls: its processor may be taken at the next
 * look, without the time it takes to notice. That it blocks is noticed without this too, within 2 ms, unless RT_COOPERATIVE
 * is set.
 *
 * Call it right before what blocks; any other call of this library ends the announcement. On a plain thread, and in an
 * unlockf, it does nothing.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_entersyscall() {
    if m::current().is_some_and(|m| m.goroutine().is_some() && !m.in_commit.get()) {
        handshake::announce();
    }
}

/**
 * The announcement of rt_entersyscall is over: waits for a processor, if the caller's was taken. Without an announcement it
 * does nothing.
 *
 * Call from: any thread. Blocks: the goroutine, while there is no processor for it. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_exitsyscall() {
    if m::current().is_some_and(|m| m.attention.is_announced()) {
        entry(|_| ());
    }
}

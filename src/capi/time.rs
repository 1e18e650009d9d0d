//! Time: nanoseconds on CLOCK_MONOTONIC.

use super::{code, entry};
use crate::sys::clock;
use crate::time::sleep;
use std::ffi::c_int;

/**
 * The time on CLOCK_MONOTONIC, nanoseconds.
 *
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_now() -> i64 {
    clock::now()
}

/**
 * Sleeps, never less than asked for.
 *
 * @param ns  nanoseconds; zero or less is over at once, what would overflow is for ever
 * Returns RT_OK.
 * Errors: RT_EPERM: in the unlockf of a park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_sleep(ns: i64) -> c_int {
    entry(|_| code(sleep::sleep(ns)))
}

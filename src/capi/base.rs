//! Version, errors, the types of callbacks.

use crate::time::timeout::Timeout;
use libc::{EAGAIN, EBUSY, ECANCELED, EDEADLK, EINVAL, ENOMEM, EPERM, EPIPE, ETIMEDOUT};
use std::ffi::{c_char, c_int, c_void};

/// Success.
pub const RT_OK: c_int = 0;
/// Not now, and the caller did not want to wait.
pub const RT_EAGAIN: c_int = -EAGAIN;
/// The channel is closed.
pub const RT_ECLOSED: c_int = -EPIPE;
/// Time is over.
pub const RT_ETIMEDOUT: c_int = -ETIMEDOUT;
/// The work was cancelled.
pub const RT_ECANCELED: c_int = -ECANCELED;
/// A NULL or impossible argument.
pub const RT_EINVAL: c_int = -EINVAL;
/// No memory is left.
pub const RT_ENOMEM: c_int = -ENOMEM;
/// Too late for this call.
pub const RT_EBUSY: c_int = -EBUSY;
/// Nothing can ever happen again.
pub const RT_EDEADLK: c_int = -EDEADLK;
/// The call may not be made here, or not in this state.
pub const RT_EPERM: c_int = -EPERM;

/// A timeout that never ends.
pub const RT_FOREVER: i64 = i64::MIN;
/// A timeout that never waits.
pub const RT_NOWAIT: i64 = 0;

/// A goroutine, as others name it: opaque. Stays valid, if useless, after the goroutine has ended.
#[allow(non_camel_case_types)]
pub struct rt_g(());

/// A function that takes one pointer: what a goroutine runs. It must not be left by an exception or longjmp.
#[allow(non_camel_case_types)]
pub type rt_fn = Option<unsafe extern "C" fn(arg: *mut c_void)>;

/// Decides whether a park holds: see rt_gopark.
#[allow(non_camel_case_types)]
pub type rt_unlock_fn = Option<unsafe extern "C" fn(g: *mut rt_g, lock: *mut c_void) -> bool>;

/**
 * The version of the library that runs, "MAJOR.MINOR.PATCH".
 *
 * Returns a string of static life.
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/**
 * One line that explains a result code.
 *
 * @param code  what a call answered: 0 or a negative errno value
 * Returns a string of static life, in English; for an unknown code a general one, never NULL.
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_strerror(code: c_int) -> *const c_char {
    let text = match code {
        RT_OK => c"success",
        RT_EAGAIN => c"would have to wait, and the timeout is RT_NOWAIT",
        RT_ECLOSED => c"the channel is closed",
        RT_ETIMEDOUT => c"the timeout is over",
        RT_ECANCELED => c"canceled",
        RT_EINVAL => c"invalid argument",
        RT_ENOMEM => c"out of memory",
        RT_EBUSY => c"too late: already in use",
        RT_EDEADLK => c"all goroutines are asleep: deadlock",
        RT_EPERM => c"not permitted here, or not in this state",
        c if c > 0 => c"not an error",
        _ => c"unknown error",
    };
    text.as_ptr()
}

// What the rooms below take for the special timeouts is what the header says.
const _: () = assert!(RT_FOREVER == Timeout::FOREVER.0 && RT_NOWAIT == Timeout::NOWAIT.0);

//! Homes: goroutines that share a thread.

use super::base::{RT_EBUSY, RT_OK};
use super::{entry_if, giving};
use crate::error::Error;
use crate::sched::home_thread::{self, Home};
use crate::sys::errno;
use std::ffi::c_int;
use std::ptr;

/// A home: a thread that goroutines share, opaque, with one owner, whose rt_home_free must not overlap another call on it.
#[allow(non_camel_case_types)]
pub struct rt_home(());

/// The home behind a pointer of the caller's.
///
/// # Safety
/// `home` is NULL or a home that is not freed during the call, nor while it has goroutines.
pub(super) unsafe fn of(home: *mut rt_home) -> Option<&'static Home> {
    // SAFETY: the caller's promise; `free` refuses while there are goroutines.
    unsafe { home.cast::<Home>().as_ref() }
}

/**
 * A home: the goroutines that are started with it (rt_go_opts) always run on one and the same thread of the runtime, which runs
 * nothing else. One of them runs at a time; another goes on when it waits, ends or gives way. They are served in the order in
 * which they became ready. Other goroutines are not held up by them, whatever they do.
 *
 * The thread is one of those that max_threads limits: where that allows no other, goroutines without a home wait until there is one.
 * It is made when the first goroutine of the home is to run, and is the
 * home's until rt_home_free or rt_stop. After a stop, and in a forked child, the home is as new: its next goroutine gets another
 * thread.
 *
 * Returns the home, for the caller to free; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_home_new() -> *mut rt_home {
    let made = entry_if(|_| errno::preserved(home_thread::make).ok_or(Error::NoMemory));
    made.map_or(ptr::null_mut(), |home| ptr::from_ref(home).cast_mut().cast())
}

/**
 * Frees a home, whose thread serves any goroutine again.
 *
 * @param home  the home, which the caller does not use again; or NULL: then nothing happens
 * Returns RT_OK.
 * Errors: RT_EBUSY: it has goroutines that have not ended; nothing happens then.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_home_free(home: *mut rt_home) -> c_int {
    // SAFETY: the caller gives up what it owns.
    let Some(home) = (unsafe { of(home) }) else { return RT_OK };
    if giving(|| errno::preserved(|| home.free())) { RT_OK } else { RT_EBUSY }
}

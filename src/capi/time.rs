//! Time: nanoseconds on CLOCK_MONOTONIC.

use super::base::rt_fn;
use super::chan::rt_chan;
use super::{code, entry_if, giving, giving_at_once, waiting};
use crate::error::Error;
use crate::rt;
use crate::sys::throw::print_line;
use crate::sys::{clock, errno};
use crate::time::sleep;
use crate::time::timer::Timer;
use std::ffi::{c_int, c_void};
use std::ptr;

/// A timer: opaque, with one owner, whose rt_timer_free or rt_timer_detach must not overlap another call on it.
#[allow(non_camel_case_types)]
pub struct rt_timer(());

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
    code(waiting(|_| sleep::sleep(ns)))
}

/// Makes a timer, with the runtime up.
fn timer(make: impl FnOnce() -> Option<&'static Timer>) -> *mut rt_timer {
    let t = entry_if(|_| {
        errno::preserved(|| {
            rt::ensure_up()?;
            make().ok_or(Error::NoMemory)
        })
    });
    t.map_or(ptr::null_mut(), |t| ptr::from_ref(t).cast_mut().cast())
}

/// The timer behind a pointer of the caller's.
///
/// # Safety
/// `t` is NULL or a timer that is not freed during the call.
unsafe fn of(t: *mut rt_timer) -> Option<&'static Timer> {
    // SAFETY: the caller's promise; what outlives the call holds a reference of its own.
    unsafe { t.cast::<Timer>().as_ref() }
}

/**
 * A timer whose channel gets the time once.
 *
 * The channel's elements are int64_t: the time on CLOCK_MONOTONIC, nanoseconds, at which it fired. Its len and cap are 0.
 * Once rt_timer_stop or rt_timer_reset has returned, no value from before can be received.
 *
 * @param ns  nanoseconds from now; zero or less is over at once, what would overflow never comes
 * Returns the timer; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_timer_new(ns: i64) -> *mut rt_timer {
    timer(|| Timer::feeding(ns, 0))
}

/**
 * A timer whose channel gets the time once every period. A slow receiver misses ticks; they do not drift.
 *
 * @param period_ns  nanoseconds, above zero
 * Returns the timer; NULL: the period is not above zero, or no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_ticker_new(period_ns: i64) -> *mut rt_timer {
    if period_ns <= 0 {
        return ptr::null_mut();
    }
    timer(|| Timer::feeding(period_ns, period_ns))
}

/**
 * A timer that runs a function in a goroutine of its own.
 *
 * @param ns   nanoseconds from now, as rt_timer_new
 * @param fn   the function
 * @param arg  handed to it as it is
 * Returns the timer; NULL: fn is NULL, or no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_after_func(ns: i64, r#fn: rt_fn, arg: *mut c_void) -> *mut rt_timer {
    r#fn.map_or(ptr::null_mut(), |f| timer(|| Timer::running(ns, f, arg)))
}

/**
 * The channel of a timer. It belongs to the timer: add a reference to keep it longer.
 *
 * @param t  the timer
 * Returns the channel; NULL for an after-function and for NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_timer_chan(t: *mut rt_timer) -> *mut rt_chan {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { of(t) }.and_then(Timer::chan).map_or(ptr::null_mut(), |c| c.as_ptr().cast())
}

/**
 * Stops a timer. It does not wait for a function that runs.
 *
 * @param t  the timer
 * Returns true if, but for this call, a value would still have been received, or the function started; so a value that has
 * fired and was not received counts. False also for NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_timer_stop(t: *mut rt_timer) -> bool {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { of(t) }.is_some_and(|t| giving_at_once(|| t.stop()))
}

/**
 * Lets a timer fire at another time, whether it has fired, was stopped, or neither. A ticker also takes the time for its
 * period.
 *
 * @param t   the timer
 * @param ns  nanoseconds from now, as rt_timer_new; for a ticker above zero, else nothing changes and it answers false
 * Returns as rt_timer_stop. A timer of a runtime that is down, and cannot be started, stays stopped, which it says in one line
 * if it is for want of memory; else this needs none.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_timer_reset(t: *mut rt_timer, ns: i64) -> bool {
    // SAFETY: the caller's promise is that of this function's documentation.
    let Some(t) = (unsafe { of(t) }) else { return false };
    giving_at_once(|| match rt::ensure_up() {
        Ok(()) => t.reset(ns),
        Err(e) => {
            if e == Error::NoMemory {
                errno::preserved(|| {
                    print_line(format_args!(
                        "gort: no memory to start the runtime: a timer that was reset stays stopped"
                    ));
                });
            }
            false
        }
    })
}

/**
 * rt_timer_stop that also waits until the timer's function, if it runs, has ended.
 *
 * @param t  the timer
 * Returns as rt_timer_stop. Called from the timer's function it does nothing and answers false; so it does if it would have to
 * wait in the unlockf of a park, or without memory for the thread's record, or where the
 * caller's on_park refuses.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_timer_stop_wait(t: *mut rt_timer) -> bool {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { of(t) }.is_some_and(|t| giving(|| t.stop_wait().unwrap_or(false)))
}

/**
 * Gives a timer up without stopping it: an after-function still runs, and the timer then frees itself. A timer with a channel
 * is freed.
 *
 * @param t  the timer, which the caller does not use again; or NULL: then nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_timer_detach(t: *mut rt_timer) {
    // SAFETY: the caller gives up what it owns.
    if let Some(t) = unsafe { of(t) } {
        giving(|| t.detach());
    }
}

/**
 * Stops a timer and frees it. Its channel goes with its last reference. May be called from the timer's function.
 *
 * @param t  the timer, which the caller does not use again; or NULL: then nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_timer_free(t: *mut rt_timer) {
    // SAFETY: the caller gives up what it owns.
    if let Some(t) = unsafe { of(t) } {
        giving(|| t.free());
    }
}

/**
 * A channel that gets the time once, as that of rt_timer_new, without a timer to look after: unref'ing the channel drops it.
 *
 * @param ns  nanoseconds from now, as rt_timer_new
 * Returns the channel, with one reference that the caller owns; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_after(ns: i64) -> *mut rt_chan {
    let t = timer(|| Timer::feeding(ns, 0));
    // SAFETY: just made, and nobody else knows it.
    unsafe { of(t) }.map_or(ptr::null_mut(), |t| giving(|| t.give_to_chan().as_ptr().cast()))
}

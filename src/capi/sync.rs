//! Synchronisation: objects in the caller's memory. Zeroed is ready for use.

use super::base::{RT_EINVAL, RT_OK, rt_fn};
use super::goroutine::spawn_with;
use super::{code, entry_if, giving, waiting};
use crate::error::Error;
use crate::sched::g::EndHook;
use crate::sched::spawn::Options;
use crate::sync::mutex::Mutex;
use crate::sync::waitgroup::WaitGroup;
use crate::time::timeout::Timeout;
use std::ffi::{c_int, c_void};

/// A mutex. Zeroed is unlocked. Never copied or moved while in use; no destroy.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_mutex {
    opaque: [u64; 2],
}

/// A waitgroup: a count to wait for. Zeroed is a count of zero. Never copied or moved while in use; no destroy.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_waitgroup {
    opaque: [u64; 4],
}

const _: () = assert!(size_of::<Mutex>() <= size_of::<rt_mutex>());
const _: () = assert!(size_of::<WaitGroup>() <= size_of::<rt_waitgroup>());

/// # Safety
/// `m` is NULL or a mutex of the caller's that stays in place during the call.
pub(super) unsafe fn mutex<'a>(m: *mut rt_mutex) -> Option<&'a Mutex> {
    // SAFETY: the caller's promise; zeroed memory is a valid Mutex.
    unsafe { m.cast::<Mutex>().as_ref() }
}

/// # Safety
/// `wg` is NULL or a waitgroup of the caller's that stays in place during the call.
unsafe fn group<'a>(wg: *mut rt_waitgroup) -> Option<&'a WaitGroup> {
    // SAFETY: the caller's promise; zeroed memory is a valid WaitGroup.
    unsafe { wg.cast::<WaitGroup>().as_ref() }
}

/**
 * Locks a mutex, waiting for it. A waiter that has waited for 1 ms in vain gets it next.
 *
 * @param m  the mutex
 * Returns RT_OK.
 * Errors: RT_EINVAL: m is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_mutex_lock(m: *mut rt_mutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { lock(m, Timeout::FOREVER) }
}

/**
 * Locks a mutex, waiting no longer than a time.
 *
 * @param m           the mutex
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: m is NULL; RT_EPERM: it would block in the unlockf of a park;
 * RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_mutex_lock_timeout(m: *mut rt_mutex, timeout_ns: i64) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { lock(m, Timeout(timeout_ns)) }
}

unsafe fn lock(m: *mut rt_mutex, timeout: Timeout) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { mutex(m) } {
        None => RT_EINVAL,
        Some(m) if m.try_lock().is_ok() => RT_OK,
        Some(m) => code(waiting(|_| m.lock_slow(timeout))),
    }
}

/**
 * Locks a mutex if that needs no waiting.
 *
 * @param m  the mutex
 * Returns RT_OK.
 * Errors: RT_EAGAIN: it is locked; RT_EINVAL: m is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_mutex_try_lock(m: *mut rt_mutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { mutex(m) }.map_or(RT_EINVAL, |m| code(m.try_lock()))
}

/**
 * Unlocks a mutex. Any goroutine or thread may do so, not only the one that locked it.
 *
 * @param m  the mutex
 * Returns RT_OK.
 * Errors: RT_EPERM: it is not locked; RT_EINVAL: m is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_mutex_unlock(m: *mut rt_mutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { mutex(m) } {
        None => RT_EINVAL,
        Some(m) if m.unlock_fast() => RT_OK,
        Some(m) => giving(|| code(m.unlock_slow())),
    }
}

/**
 * Changes the count of a waitgroup. At zero everybody who waits goes on.
 *
 * @param wg     the waitgroup
 * @param delta  added to the count
 * Returns RT_OK.
 * Errors: RT_EINVAL: wg is NULL, or the count would fall below zero or overflow; nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_waitgroup_add(wg: *mut rt_waitgroup, delta: i64) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { group(wg) } {
        None => RT_EINVAL,
        Some(wg) => giving(|| code(wg.add(delta))),
    }
}

/**
 * Lowers the count of a waitgroup by one: rt_waitgroup_add(wg, -1).
 *
 * @param wg  the waitgroup
 * Returns RT_OK.
 * Errors: as rt_waitgroup_add.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_waitgroup_done(wg: *mut rt_waitgroup) -> c_int {
    // SAFETY: the same promise.
    unsafe { rt_waitgroup_add(wg, -1) }
}

/**
 * Waits until the count is zero. The waitgroup may be used again, or freed, when it returns.
 *
 * @param wg  the waitgroup
 * Returns RT_OK.
 * Errors: RT_EINVAL: wg is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_waitgroup_wait(wg: *mut rt_waitgroup) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { wait(wg, Timeout::FOREVER) }
}

/**
 * Waits until the count is zero, no longer than a time.
 *
 * @param wg          the waitgroup
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: wg is NULL; RT_EPERM: it would block in the unlockf of a
 * park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_waitgroup_wait_timeout(wg: *mut rt_waitgroup, timeout_ns: i64) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { wait(wg, Timeout(timeout_ns)) }
}

unsafe fn wait(wg: *mut rt_waitgroup, timeout: Timeout) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { group(wg) } {
        None => RT_EINVAL,
        Some(wg) if wg.is_done() => RT_OK,
        Some(wg) => code(waiting(|_| wg.wait(timeout))),
    }
}

/**
 * Starts a goroutine that the waitgroup counts from here until it has ended.
 *
 * @param wg   the waitgroup
 * @param fn   what the goroutine runs
 * @param arg  handed to fn as it is
 * Returns the id of the goroutine, as rt_go.
 * Errors: as rt_go; RT_EINVAL also: wg is NULL, or its count would overflow. The count is unchanged then.
 * Call from: as rt_go. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_waitgroup_go(wg: *mut rt_waitgroup, r#fn: rt_fn, arg: *mut c_void) -> i64 {
    unsafe fn done(wg: *const ()) {
        // SAFETY: the goroutine is counted, so the waitgroup is in use until this has lowered the count. Below
        // zero it can't fall but by the caller's mistake, and then nothing changes.
        let _ = unsafe { (*wg.cast::<WaitGroup>()).add(-1) };
    }
    // SAFETY: the caller's promise is that of this function's documentation.
    let Some(group) = (unsafe { group(wg) }) else {
        return RT_EINVAL.into();
    };
    if r#fn.is_none() {
        return RT_EINVAL.into();
    }
    if let Err(e) = entry_if(|_| group.add(1)) {
        return code(Err::<(), Error>(e)).into();
    }
    let on_end = Some(EndHook { f: done, arg: wg.cast::<()>().cast_const() });
    let id = spawn_with(r#fn, arg, Options { on_end, ..Options::default() });
    if id < 0 {
        let _ = giving(|| group.add(-1));
    }
    id
}

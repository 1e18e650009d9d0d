//! More of synchronisation: read-write mutex, condition, once, semaphore; objects in the caller's memory, as in `sync`.

use super::base::{RT_EINVAL, RT_OK, rt_fn};
use super::sync::{mutex, rt_mutex};
use super::{code, entry, giving, waiting};
use crate::error::Error;
use crate::sched::exit::Cleanup;
use crate::sync::cond::Cond;
use crate::sync::once::Once;
use crate::sync::rwmutex::RwMutex;
use crate::sync::sema::Sema;
use crate::time::timeout::Timeout;
use std::ffi::{c_int, c_void};
use std::ptr;

/// A mutex that many may hold for reading, or one for writing. Zeroed is unlocked. Never copied or moved while in use; no
/// destroy.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_rwmutex {
    opaque: [u64; 6],
}

/// A condition: where to wait for a change of what a mutex guards. Zeroed is ready for use. Never copied or moved while in
/// use; no destroy.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_cond {
    opaque: [u64; 4],
}

/// A function that is called once. Zeroed has not been called. Never copied or moved while in use; no destroy.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_once {
    opaque: [u64; 2],
}

/// A semaphore: a count of units. Zeroed is a count of zero. Never copied or moved while in use; no destroy.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_sema {
    opaque: [u64; 4],
}

const _: () = assert!(size_of::<RwMutex>() <= size_of::<rt_rwmutex>() && size_of::<rt_rwmutex>() == 48);
const _: () = assert!(size_of::<Cond>() <= size_of::<rt_cond>() && size_of::<rt_cond>() == 32);
const _: () = assert!(size_of::<Once>() <= size_of::<rt_once>() && size_of::<rt_once>() == 16);
const _: () = assert!(size_of::<Sema>() <= size_of::<rt_sema>() && size_of::<rt_sema>() == 32);

/// # Safety
/// `rw` is NULL or a read-write mutex of the caller's that stays in place during the call.
unsafe fn rwmutex<'a>(rw: *mut rt_rwmutex) -> Option<&'a RwMutex> {
    // SAFETY: the caller's promise; zeroed memory is a valid RwMutex.
    unsafe { rw.cast::<RwMutex>().as_ref() }
}

/// # Safety
/// `c` is NULL or a condition of the caller's that stays in place during the call.
unsafe fn cond<'a>(c: *mut rt_cond) -> Option<&'a Cond> {
    // SAFETY: the caller's promise; zeroed memory is a valid Cond.
    unsafe { c.cast::<Cond>().as_ref() }
}

/// # Safety
/// `o` is NULL or a once of the caller's that stays in place during the call.
unsafe fn once<'a>(o: *mut rt_once) -> Option<&'a Once> {
    // SAFETY: the caller's promise; zeroed memory is a valid Once.
    unsafe { o.cast::<Once>().as_ref() }
}

/// # Safety
/// `s` is NULL or a semaphore of the caller's that stays in place during the call.
unsafe fn sema<'a>(s: *mut rt_sema) -> Option<&'a Sema> {
    // SAFETY: the caller's promise; zeroed memory is a valid Sema.
    unsafe { s.cast::<Sema>().as_ref() }
}

/**
 * Locks a read-write mutex for writing, waiting until nobody else holds it. While it waits no new reader gets in; writers
 * get it in the order they came.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EINVAL: rw is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_rwmutex_lock(rw: *mut rt_rwmutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { rwmutex(rw) } {
        None => RT_EINVAL,
        Some(rw) if rw.try_lock().is_ok() => RT_OK,
        Some(rw) => code(waiting(|_| rw.lock_slow())),
    }
}

/**
 * Locks a read-write mutex for writing if that needs no waiting.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EAGAIN: somebody holds it; RT_EINVAL: rw is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_rwmutex_try_lock(rw: *mut rt_rwmutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { rwmutex(rw) }.map_or(RT_EINVAL, |rw| code(rw.try_lock()))
}

/**
 * Unlocks what was locked for writing. Everybody who waits to read gets in, or else the next writer. Any goroutine or
 * thread may do so, not only the one that locked it.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EPERM: it is not locked for writing; RT_EINVAL: rw is NULL. Nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_rwmutex_unlock(rw: *mut rt_rwmutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { rwmutex(rw) } {
        None => RT_EINVAL,
        Some(rw) if rw.unlock_fast() => RT_OK,
        Some(rw) => giving(|| code(rw.unlock_slow())),
    }
}

/**
 * Locks a read-write mutex for reading, waiting until no writer holds it or waits for it. Who holds it for reading must
 * not do so again: a writer that came between would wait for the first, and the second for the writer.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EINVAL: rw is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_rwmutex_rlock(rw: *mut rt_rwmutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { rwmutex(rw) } {
        None => RT_EINVAL,
        Some(rw) if rw.try_rlock().is_ok() => RT_OK,
        Some(rw) => code(waiting(|_| rw.rlock_slow())),
    }
}

/**
 * Locks a read-write mutex for reading if that needs no waiting.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EAGAIN: a writer holds it or waits for it; RT_EINVAL: rw is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_rwmutex_try_rlock(rw: *mut rt_rwmutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { rwmutex(rw) }.map_or(RT_EINVAL, |rw| code(rw.try_rlock()))
}

/**
 * Undoes one lock for reading. When the last reader has left, the next writer gets in. Any goroutine or thread may do
 * so, not only one that locked it.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EPERM: it is not locked for reading; RT_EINVAL: rw is NULL. Nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_rwmutex_runlock(rw: *mut rt_rwmutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { rwmutex(rw) } {
        None => RT_EINVAL,
        Some(rw) if rw.runlock_fast() => RT_OK,
        Some(rw) => giving(|| code(rw.runlock_slow())),
    }
}

/**
 * Unlocks a mutex, waits for a signal or a broadcast, and locks the mutex again. The caller waits from the moment when
 * the mutex is free, and nothing else wakes it. What it waits for may have changed again before it has the mutex, so look
 * at it in a loop.
 *
 * @param c  the condition
 * @param m  the mutex that guards what the caller waits for, locked; locked again when this returns
 * Returns RT_OK.
 * Errors: RT_EPERM: m is not locked, or in the unlockf of a park; RT_EINVAL: c or m is NULL. The mutex is as it was then.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_cond_wait(c: *mut rt_cond, m: *mut rt_mutex) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { wait(c, m, Timeout::FOREVER) }
}

/**
 * rt_cond_wait, waiting for the signal no longer than a time. The mutex is locked again also when time is over; that may
 * take longer.
 *
 * @param c           the condition
 * @param m           as rt_cond_wait
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already. One that is over does not wait,
 *                    so the mutex stays locked
 * Returns RT_OK: it was woken by a signal or a broadcast.
 * Errors: RT_ETIMEDOUT: no signal was spent on the caller; RT_EAGAIN: for RT_NOWAIT; RT_ENOMEM; else as rt_cond_wait. The
 * mutex is locked whenever it was.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_cond_wait_timeout(c: *mut rt_cond, m: *mut rt_mutex, timeout_ns: i64) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { wait(c, m, Timeout(timeout_ns)) }
}

unsafe fn wait(c: *mut rt_cond, m: *mut rt_mutex, timeout: Timeout) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { (cond(c), mutex(m)) } {
        (Some(c), Some(m)) => code(waiting(|_| c.wait(m, timeout))),
        _ => RT_EINVAL,
    }
}

/**
 * Wakes the one that has waited longest on a condition, if any waits. The caller may hold the mutex, and need not.
 *
 * @param c  the condition
 * Returns RT_OK.
 * Errors: RT_EINVAL: c is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_cond_signal(c: *mut rt_cond) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    let Some(c) = (unsafe { cond(c) }) else { return RT_EINVAL };
    giving(|| c.signal());
    RT_OK
}

/**
 * Wakes everybody who waits on a condition. The caller may hold the mutex, and need not.
 *
 * @param c  the condition
 * Returns RT_OK.
 * Errors: RT_EINVAL: c is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_cond_broadcast(c: *mut rt_cond) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    let Some(c) = (unsafe { cond(c) }) else { return RT_EINVAL };
    giving(|| c.broadcast());
    RT_OK
}

/**
 * Calls a function if none was called through this once before. Whoever comes meanwhile waits until it has returned; a
 * goroutine that exits inside of it has returned. In the function a call for the same once waits for itself, for ever.
 *
 * @param o    the once
 * @param fn   the function; it may block
 * @param arg  handed to fn as it is
 * Returns RT_OK: the first function has returned.
 * Errors: RT_EINVAL: o or fn is NULL; RT_EPERM: in the unlockf of a park, and the function has not returned yet.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_once_do(o: *mut rt_once, r#fn: rt_fn, arg: *mut c_void) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match (unsafe { once(o) }, r#fn) {
        (None, _) | (_, None) => RT_EINVAL,
        (Some(once), _) if once.is_done() => RT_OK,
        (Some(once), Some(f)) => call_once(once, f, arg),
    }
}

fn call_once(once: &Once, f: unsafe extern "C" fn(*mut c_void), arg: *mut c_void) -> c_int {
    match waiting(|m| if m.in_commit.get() { Err(Error::NotPermitted) } else { once.begin() }) {
        Ok(true) => {}
        Ok(false) => return RT_OK,
        Err(e) => return code(Err(e)),
    }
    // If the function ends its goroutine, the others go on all the same.
    unsafe fn finish(once: *const ()) {
        // SAFETY: the caller of rt_once_do keeps its object while the call runs.
        unsafe { (*once.cast::<Once>()).finish() }
    }
    // SAFETY: as just said.
    let cleanup = unsafe { Cleanup::new(finish, ptr::from_ref(once).cast()) };
    entry(|m| m.curg.get().inspect(|g| cleanup.put_on(g)));
    // Outside of the runtime, as any code of the program.
    // SAFETY: the caller of rt_once_do vouches for its function.
    unsafe { f(arg) };
    entry(|m| {
        m.curg.get().inspect(|g| cleanup.take_off(g));
        once.finish();
    });
    RT_OK
}

/**
 * Sets the count of a semaphore, whatever its memory holds. A zeroed semaphore has a count of zero without it.
 *
 * @param s      the semaphore, which nobody uses yet
 * @param count  units that can be acquired at once
 * Returns RT_OK.
 * Errors: RT_EINVAL: s is NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sema_init(s: *mut rt_sema, count: u32) -> c_int {
    if s.is_null() {
        return RT_EINVAL;
    }
    // SAFETY: the caller passes memory for an rt_sema, which a Sema fits in, and which nobody else looks at yet.
    unsafe {
        s.write(rt_sema { opaque: [0; 4] });
        s.cast::<Sema>().write(Sema::with_count(count));
    }
    RT_OK
}

/**
 * Takes a unit, waiting for one. First come, first served.
 *
 * @param s  the semaphore; its memory may go when this returns, if nobody else will use it
 * Returns RT_OK.
 * Errors: RT_EINVAL: s is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sema_acquire(s: *mut rt_sema) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { acquire(s, Timeout::FOREVER) }
}

/**
 * Takes a unit, waiting no longer than a time.
 *
 * @param s           the semaphore
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: s is NULL; RT_EPERM: it would block in the unlockf of a park;
 * RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sema_acquire_timeout(s: *mut rt_sema, timeout_ns: i64) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { acquire(s, Timeout(timeout_ns)) }
}

unsafe fn acquire(s: *mut rt_sema, timeout: Timeout) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { sema(s) } {
        None => RT_EINVAL,
        Some(s) if s.try_acquire().is_ok() => RT_OK,
        Some(s) => code(waiting(|_| s.acquire_slow(timeout))),
    }
}

/**
 * Takes a unit if that needs no waiting.
 *
 * @param s  the semaphore
 * Returns RT_OK.
 * Errors: RT_EAGAIN: there is none; RT_EINVAL: s is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sema_try_acquire(s: *mut rt_sema) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { sema(s) }.map_or(RT_EINVAL, |s| code(s.try_acquire()))
}

/**
 * Gives a unit: to the one that has waited longest, or else to the count. Whoever gives need not have taken.
 *
 * @param s  the semaphore
 * Returns RT_OK.
 * Errors: RT_EINVAL: s is NULL, or the count would rise above UINT32_MAX; nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sema_release(s: *mut rt_sema) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    match unsafe { sema(s) } {
        None => RT_EINVAL,
        Some(s) if s.release_fast() => RT_OK,
        Some(s) => giving(|| code(s.release_slow())),
    }
}

//! Goroutine-local storage: a value for each goroutine under each key.

use super::base::{RT_EINVAL, rt_fn};
use super::goroutine::attached;
use super::{code, code_of, entry};
use crate::error::Error;
use crate::sched::m;
use crate::scope::{key, local};
use crate::sys::errno;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Names a value that each goroutine, and each plain thread, has for itself. 0 is no key.
#[allow(non_camel_case_types)]
pub type rt_key = u32;

/**
 * Makes a key, under which every goroutine and every plain thread, present and future, has NULL.
 *
 * The destructor is called for each value that is not NULL when its goroutine ends, on it, after what it has put off by
 * rt_defer; on a plain thread when the thread ends. The value is NULL by then. If destructors set values, they are called
 * again, in at most four rounds. It may do what a goroutine may; it must not be left by an exception or longjmp.
 *
 * @param key         out: the key
 * @param destructor  called with the value; NULL: none
 * Returns RT_OK.
 * Errors: RT_EINVAL: key is NULL; RT_ENOMEM: no memory is left, or there are 65,535 keys.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_key_create(key: *mut rt_key, destructor: rt_fn) -> c_int {
    if key.is_null() {
        return RT_EINVAL;
    }
    let made = entry(|_| errno::preserved(|| key::create(destructor))).ok_or(Error::NoMemory);
    // SAFETY: not NULL, so the caller passes room for a key.
    code(made.map(|made| unsafe { key.write(made) }))
}

/**
 * Deletes a key. What is kept under it is forgotten, without its destructor.
 *
 * @param key  the key
 * Returns RT_OK.
 * Errors: RT_EINVAL: there is no such key.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_key_delete(key: rt_key) -> c_int {
    match entry(|_| key::delete(key)) {
        true => super::base::RT_OK,
        false => RT_EINVAL,
    }
}

/**
 * What the calling goroutine, or plain thread, has under a key.
 *
 * @param key  the key
 * Returns the value; NULL: it has set none, there is no such key, or in the unlockf of a park.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_key_get(key: rt_key) -> *mut c_void {
    // The goroutine may run elsewhere while its unlockf runs.
    let m = m::current().filter(|m| !m.in_commit.get());
    m.and_then(|m| m.curg.get()).map_or(ptr::null_mut(), |g| local::get(g, key))
}

/**
 * Sets what the calling goroutine, or plain thread, has under a key. No destructor is called for what it had. In rt_blocking
 * it is the goroutine's.
 *
 * A goroutine that has set a value uses 16 bytes for each key up to the highest that it has set.
 *
 * @param key    the key
 * @param value  the value, or NULL
 * Returns RT_OK.
 * Errors: RT_EINVAL: there is no such key; RT_ENOMEM: the value is as before; RT_EPERM: in the unlockf of a park.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_key_set(key: rt_key, value: *const c_void) -> c_int {
    let m = attached();
    match m.curg.get() {
        Some(g) if !m.in_commit.get() => code(errno::preserved(|| local::set(g, key, value.cast_mut()))),
        _ => code_of(Error::NotPermitted),
    }
}

//! Channels: typed by the size of their elements, which are copied in and out.

use super::base::{RT_EAGAIN, RT_EINVAL, RT_EPERM};
use super::{code, entry_if, giving, waiting};
use crate::sync::chan::{self, Chan};
use crate::sys::errno;
use crate::time::timeout::Timeout;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

/// A channel: opaque, reference counted.
#[allow(non_camel_case_types)]
pub struct rt_chan(());

/// The channel behind a pointer of the caller's, for the length of the call.
///
/// # Safety
/// `c` is NULL or comes from rt_chan_make, and the caller holds a reference.
unsafe fn of<'a>(c: *const rt_chan) -> Option<&'a Chan> {
    // SAFETY: the caller's promise.
    unsafe { c.cast::<Chan>().as_ref() }
}

/**
 * Makes a channel, with one reference that the caller owns.
 *
 * @param elem_size  bytes of an element; 0 is allowed
 * @param cap        how many elements it buffers; 0: a send waits for its receiver
 * Returns the channel; NULL if the size overflows or no memory is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_chan_make(elem_size: usize, cap: usize) -> *mut rt_chan {
    errno::preserved(|| Chan::make(elem_size, cap).map_or(ptr::null_mut(), |c| c.as_ptr().cast()))
}

/**
 * Adds a reference.
 *
 * @param c  a channel, or NULL
 * Returns c.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_ref(c: *mut rt_chan) -> *mut rt_chan {
    // SAFETY: as rt_chan_send.
    if let Some(chan) = unsafe { of(c) } {
        giving(|| chan.add_ref());
    }
    c
}

/**
 * Drops a reference. The last one frees the channel, with what it buffers, once nobody waits on it.
 *
 * @param c  a channel of which the caller owns a reference, or NULL: then nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_unref(c: *mut rt_chan) {
    if let Some(c) = NonNull::new(c.cast::<Chan>()) {
        // SAFETY: the caller owns the reference that it gives up.
        giving(|| unsafe { Chan::unref(c) });
    }
}

/**
 * Sends a copy of an element, waiting for room or a receiver.
 *
 * @param c     the channel; NULL blocks for ever
 * @param elem  in: elem_size bytes; NULL only where elem_size is 0
 * Returns RT_OK.
 * Errors: RT_ECLOSED: closed, also while it waited; RT_EINVAL: elem is NULL; RT_EPERM: only the library feeds
 * it, or it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_send(c: *mut rt_chan, elem: *const c_void) -> c_int {
    // SAFETY: the caller's promises are those of this function's documentation.
    unsafe { send(c, elem, Timeout::FOREVER) }
}

/**
 * Receives an element, waiting for one.
 *
 * @param c     the channel; NULL blocks for ever
 * @param elem  out: elem_size bytes; NULL throws the element away
 * Returns RT_OK.
 * Errors: RT_ECLOSED: closed and drained, elem is zeroed; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_recv(c: *mut rt_chan, elem: *mut c_void) -> c_int {
    // SAFETY: the caller's promises are those of this function's documentation.
    unsafe { recv(c, elem, Timeout::FOREVER) }
}

/**
 * Sends if that needs no waiting.
 *
 * @param c     the channel
 * @param elem  in: elem_size bytes; NULL only where elem_size is 0
 * Returns RT_OK.
 * Errors: RT_EAGAIN: full and no receiver waits, or c is NULL; RT_ECLOSED; RT_EINVAL: elem is NULL;
 * RT_EPERM: only the library feeds it; RT_ENOMEM.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_try_send(c: *mut rt_chan, elem: *const c_void) -> c_int {
    // SAFETY: the caller holds a reference.
    match unsafe { of(c) } {
        None => RT_EAGAIN,
        Some(chan) if chan.is_fed() => RT_EPERM,
        Some(chan) if elem.is_null() && chan.elem_size() > 0 => RT_EINVAL,
        Some(chan) if chan.is_full() => RT_EAGAIN,
        // SAFETY: elem as the caller promises.
        Some(chan) => unsafe { send_now(chan, elem) },
    }
}

// Out of line: to ask a full channel needs no registers saved.
#[inline(never)]
unsafe fn send_now(chan: &Chan, elem: *const c_void) -> c_int {
    // SAFETY: elem as the caller promises.
    code(entry_if(|_| unsafe { chan.send(elem.cast(), Timeout::NOWAIT) }))
}

/**
 * Receives if that needs no waiting.
 *
 * @param c     the channel
 * @param elem  out: elem_size bytes; NULL throws the element away
 * Returns RT_OK.
 * Errors: RT_EAGAIN: empty and no sender waits, or c is NULL; RT_ECLOSED: closed and drained, elem is zeroed;
 * RT_ENOMEM.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_try_recv(c: *mut rt_chan, elem: *mut c_void) -> c_int {
    // SAFETY: the caller holds a reference.
    match unsafe { of(c) } {
        None => RT_EAGAIN,
        Some(chan) if chan.is_empty() => RT_EAGAIN,
        // SAFETY: elem as the caller promises.
        Some(chan) => unsafe { recv_now(chan, elem) },
    }
}

// As above.
#[inline(never)]
unsafe fn recv_now(chan: &Chan, elem: *mut c_void) -> c_int {
    // SAFETY: elem as the caller promises.
    code(entry_if(|_| unsafe { chan.recv(elem.cast(), Timeout::NOWAIT) }))
}

/**
 * Sends, waiting no longer than a time.
 *
 * @param c           the channel; NULL waits for the time
 * @param elem        in: elem_size bytes; NULL only where elem_size is 0
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK; what can go at once goes, whatever the timeout.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_ECLOSED: closed, also while it waited; RT_EINVAL: elem is NULL;
 * RT_EPERM: only the library feeds it, or it would block in the unlockf of a park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_send_timeout(c: *mut rt_chan, elem: *const c_void, timeout_ns: i64) -> c_int {
    // SAFETY: the caller's promises are those of this function's documentation.
    unsafe { send(c, elem, Timeout(timeout_ns)) }
}

/**
 * Receives, waiting no longer than a time.
 *
 * @param c           the channel; NULL waits for the time
 * @param elem        out: elem_size bytes; NULL throws the element away; untouched on a timeout
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK; what can go at once goes, whatever the timeout.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_ECLOSED: closed and drained, elem is zeroed; RT_EPERM: it would block
 * in the unlockf of a park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_recv_timeout(c: *mut rt_chan, elem: *mut c_void, timeout_ns: i64) -> c_int {
    // SAFETY: the caller's promises are those of this function's documentation.
    unsafe { recv(c, elem, Timeout(timeout_ns)) }
}

unsafe fn send(c: *mut rt_chan, elem: *const c_void, timeout: Timeout) -> c_int {
    // SAFETY: the caller holds a reference.
    match unsafe { of(c) } {
        None => code(waiting(|_| chan::wait_on_nil(true, timeout))),
        Some(chan) if chan.is_fed() => RT_EPERM,
        Some(chan) if elem.is_null() && chan.elem_size() > 0 => RT_EINVAL,
        // SAFETY: elem as the caller promises.
        Some(chan) => code(waiting(|_| unsafe { chan.send(elem.cast(), timeout) })),
    }
}

unsafe fn recv(c: *mut rt_chan, elem: *mut c_void, timeout: Timeout) -> c_int {
    // SAFETY: the caller holds a reference.
    match unsafe { of(c) } {
        None => code(waiting(|_| chan::wait_on_nil(false, timeout))),
        // SAFETY: elem as the caller promises.
        Some(chan) => code(waiting(|_| unsafe { chan.recv(elem.cast(), timeout) })),
    }
}

/**
 * Closes a channel and wakes everybody who waits on it. Buffered elements can still be received.
 *
 * @param c  the channel
 * Returns RT_OK.
 * Errors: RT_ECLOSED: closed already; RT_EINVAL: c is NULL; RT_EPERM: only the library feeds it.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_close(c: *mut rt_chan) -> c_int {
    // SAFETY: the caller holds a reference.
    match unsafe { of(c) } {
        None => RT_EINVAL,
        Some(chan) if chan.is_fed() => RT_EPERM,
        Some(chan) => giving(|| code(chan.close())),
    }
}

/**
 * How many elements are buffered, at some moment of the call; 0 for NULL.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_len(c: *const rt_chan) -> usize {
    // SAFETY: the caller holds a reference.
    unsafe { of(c) }.map_or(0, Chan::len)
}

/**
 * How many elements it can buffer; 0 for NULL.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_cap(c: *const rt_chan) -> usize {
    // SAFETY: the caller holds a reference.
    unsafe { of(c) }.map_or(0, Chan::cap)
}

/**
 * Bytes of an element; 0 for NULL.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_chan_elem_size(c: *const rt_chan) -> usize {
    // SAFETY: the caller holds a reference.
    unsafe { of(c) }.map_or(0, Chan::elem_size)
}

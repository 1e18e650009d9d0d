//! The C ABI: the only room with C types. Each function converts its arguments and calls a room below; `include/gort.h`
//! is generated from this one, and the comments here are its manual.

pub mod base;
pub mod blocking;
pub mod chan;
pub mod context;
#[cfg(feature = "fault-injection")]
pub mod faults;
pub mod file;
pub mod goroutine;
pub mod group;
pub mod home;
pub mod key;
pub mod lifecycle;
pub mod locks;
pub mod net;
pub mod observe;
pub mod park;
pub mod select;
pub mod socket;
pub mod sync;
pub mod time;

use crate::error::{Error, Result};
use crate::rt;
use crate::sched::handshake;
use crate::sched::m::M;
use std::ffi::c_int;

/// The one way from outside into the runtime and back, for a thread with a record; one that has none gets it, or, where no
/// memory is left, ends the process.
#[inline(always)]
fn entry<R>(body: impl FnOnce(&'static M) -> R) -> R {
    let (m, outer) = handshake::enter();
    let r = body(m);
    handshake::leave(outer);
    r
}

/// The same for a call that may answer that no memory is left.
#[inline(always)]
fn entry_if<R>(body: impl FnOnce(&'static M) -> Result<R>) -> Result<R> {
    let (m, outer) = handshake::try_enter().ok_or(Error::NoMemory)?;
    let r = body(m);
    handshake::leave(outer);
    r
}

/// The same for a call that gives something back or wakes somebody: it must go, with no record if there is no memory for it.
#[inline(always)]
fn giving<R>(body: impl FnOnce() -> R) -> R {
    let Some((_, outer)) = handshake::try_enter() else { return handshake::as_stranger(body) };
    let r = body();
    handshake::leave(outer);
    r
}

/// [`giving`] for a call that does not wait, wherever it is made.
#[inline(always)]
fn giving_at_once<R>(body: impl FnOnce() -> R) -> R {
    let Some((m, outer)) = handshake::try_enter() else { return handshake::as_stranger(body) };
    let r = body();
    handshake::leave_on(m, outer);
    r
}

/// [`entry_if`] for a call that is made with a lock of the program's in hand.
#[inline(always)]
fn entry_in_lock_if<R>(body: impl FnOnce(&'static M) -> Result<R>) -> Result<R> {
    let (m, outer) = handshake::try_enter_in_lock().ok_or(Error::NoMemory)?;
    let r = body(m);
    handshake::leave(outer);
    r
}

/// [`giving`] for such a call.
#[inline(always)]
fn giving_in_lock<R>(body: impl FnOnce() -> R) -> R {
    let Some((_, outer)) = handshake::try_enter_in_lock() else { return handshake::as_stranger(body) };
    let r = body();
    handshake::leave(outer);
    r
}

/// [`entry_if`] for a call that may have to wait, which needs the runtime: nothing has been done when it says so.
#[inline(always)]
fn waiting<R>(mut body: impl FnMut(&'static M) -> Result<R>) -> Result<R> {
    entry_if(|m| match body(m) {
        Err(Error::NotUp) => {
            rt::ensure_up()?;
            body(m)
        }
        r => r,
    })
}

/// Sees to it that the runtime is up, for what is to be started or armed. Where a goroutine calls it is up, also while it
/// is being stopped: that waits for the goroutine.
fn up(m: &M) -> Result {
    if m.any_goroutine().is_some() { Ok(()) } else { rt::ensure_up() }
}

/// The one converter of results.
#[inline(always)]
fn code(r: Result) -> c_int {
    match r {
        Ok(()) => base::RT_OK,
        Err(e) => code_of(e),
    }
}

// Out of line: else the good case goes through the table of the others.
#[cold]
#[inline(never)]
fn code_of(e: Error) -> c_int {
    match e {
        Error::Again => base::RT_EAGAIN,
        Error::Closed => base::RT_ECLOSED,
        Error::TimedOut => base::RT_ETIMEDOUT,
        Error::Invalid => base::RT_EINVAL,
        Error::NoMemory => base::RT_ENOMEM,
        Error::Busy => base::RT_EBUSY,
        Error::Canceled => base::RT_ECANCELED,
        Error::Deadlock => base::RT_EDEADLK,
        Error::NotPermitted | Error::NotUp => base::RT_EPERM,
        Error::Os(errno) => -errno,
        Error::Name(eai) => base::RT_EAI_BASE - eai,
    }
}

/// The answer of a call that counts: a number, or a negative code.
#[inline(always)]
fn answer(r: Result<usize>) -> libc::ssize_t {
    match r {
        Ok(n) => n as libc::ssize_t,
        Err(e) => code_of(e) as libc::ssize_t,
    }
}

/// A list of the caller's with an int for its length. None: a negative one, or no list.
///
/// # Safety
/// So many may be read, until the call ends.
unsafe fn slice<'a, T>(at: *const T, n: c_int) -> Option<&'a [T]> {
    match usize::try_from(n).ok()? {
        0 => Some(&[]),
        _ if at.is_null() => None,
        // SAFETY: as the caller promises.
        n => Some(unsafe { std::slice::from_raw_parts(at, n) }),
    }
}

/// A caller's struct of which there are versions that end after `first` bytes, or after any pointer behind them. What a caller's
/// version does not have is zero. None: it is smaller than the first, or what we do not know is not zero.
///
/// # Safety
/// As [`known_size`]; and a `T` may be all zero.
unsafe fn grown<T: Copy>(at: *const T, first: usize) -> Option<T> {
    // SAFETY: the first member, as the caller promises.
    let size = unsafe { at.cast::<usize>().read_unaligned() };
    if size >= size_of::<T>() {
        // SAFETY: as the caller promises; all of it is there.
        return unsafe { known_size(at).map(|_| at.read()) };
    }
    if size < first || !size.is_multiple_of(size_of::<usize>()) {
        return None;
    }
    let mut whole = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: so many bytes are readable, and fit; the rest is zero, which is a value as the caller promises.
    unsafe {
        std::ptr::copy_nonoverlapping(at.cast::<u8>(), whole.as_mut_ptr().cast(), size);
        Some(whole.assume_init())
    }
}

/// How many bytes of a caller's struct we read: its size, if the part that we do not know is zero.
///
/// # Safety
/// `at` points at a struct whose first member is its size, and that many bytes are readable.
unsafe fn known_size<T>(at: *const T) -> Option<usize> {
    // SAFETY: the first member, as the caller promises.
    let size = unsafe { at.cast::<usize>().read_unaligned() };
    if size < size_of::<T>() {
        return None;
    }
    // SAFETY: inside the size that the caller vouches for.
    let rest = unsafe { std::slice::from_raw_parts(at.cast::<u8>().add(size_of::<T>()), size - size_of::<T>()) };
    rest.iter().all(|&b| b == 0).then_some(size_of::<T>())
}

//! How the shim's functions take their arguments, answer, fail, and wait.
//!
//! *Waiting.* What may wait on a channel, a lock or an event of a descriptor is tried first with Python's lock held, in the form
//! that never waits. Only if that says RT_EAGAIN is the lock released and the waiting form called ([`patient`]). Sleeps have no
//! such form; reads and writes of descriptors are system calls, for which the lock is released as Python itself does.
//!
//! *Errors* are made by a function of the package, [`FAIL`], which raises what a code means.

use super::state;
use super::table::{Object, py};
use crate::capi::base::{RT_EPERM, RT_ETIMEDOUT, RT_FOREVER, RT_OK};
use crate::capi::{goroutine, time};
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// Raises the exception for a code; of the package's.
pub(super) static FAIL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Raises what `code` means. Always NULL.
#[cold]
pub(super) fn fail(code: i64) -> Object {
    let end: *const c_void = ptr::null();
    // SAFETY: the lock is held; FAIL is an object that the package never drops, or NULL before it was given.
    unsafe {
        let number = (py().PyLong_FromLongLong)(code);
        let raiser = FAIL.load(Relaxed);
        if !number.is_null() && !raiser.is_null() {
            let r = (py().PyObject_CallFunctionObjArgs)(raiser, number, end);
            if !r.is_null() {
                (py().Py_DecRef)(r);
                (py().PyErr_SetString)(*py().PyExc_TypeError, c"an error that was not raised".as_ptr());
            }
        }
        if !number.is_null() {
            (py().Py_DecRef)(number);
        }
    }
    ptr::null_mut()
}

pub(super) fn none() -> Object {
    // SAFETY: the lock is held.
    unsafe { (py().Py_IncRef)(py()._Py_NoneStruct) };
    py()._Py_NoneStruct
}

pub(super) fn integer(n: i64) -> Object {
    // SAFETY: the lock is held.
    unsafe { (py().PyLong_FromLong)(n as c_long) }
}

/// None for success, else the exception.
pub(super) fn done(code: c_int) -> Object {
    if code == RT_OK { none() } else { fail(code.into()) }
}

/// Added to a code of the system's, of which -EPIPE is no closed channel.
pub(super) const OF_SYSTEM: i64 = -1_000_000;

/// A number, or the exception that the system's code means.
pub(super) fn of_system(n: i64) -> Object {
    if n < 0 { fail(OF_SYSTEM + n) } else { integer(n) }
}

/// A number, or the exception for a negative one.
pub(super) fn counted(n: i64) -> Object {
    if n < 0 { fail(n) } else { integer(n) }
}

/// The arguments of a call.
pub(super) struct Args<'a>(pub(super) &'a [Object]);

/// An argument was not what it must be; Python knows.
pub(super) struct Wrong;

impl Args<'_> {
    /// # Safety
    /// `args` and `n` are what Python handed to a function with METH_FASTCALL.
    pub(super) unsafe fn of<'a>(args: *const Object, n: isize, wanted: usize) -> Result<Args<'a>, Wrong> {
        if n != wanted as isize {
            // SAFETY: the lock is held.
            unsafe { (py().PyErr_SetString)(*py().PyExc_TypeError, c"another number of arguments is wanted".as_ptr()) };
            return Err(Wrong);
        }
        // SAFETY: so many arguments; none needs no address.
        Ok(Args(if n == 0 { &[] } else { unsafe { std::slice::from_raw_parts(args, wanted) } }))
    }

    pub(super) fn int(&self, i: usize) -> Result<i64, Wrong> {
        // SAFETY: an object, with the lock held.
        unsafe { integer_of(self.0[i]) }
    }

    pub(super) fn fd(&self, i: usize) -> Result<c_int, Wrong> {
        Ok(self.int(i)?.try_into().unwrap_or(-1))
    }

    pub(super) fn pointer<P>(&self, i: usize) -> Result<*mut P, Wrong> {
        // SAFETY: an object, with the lock held.
        unsafe { pointer_of(self.0[i]) }
    }
}

pub(super) unsafe fn integer_of(object: Object) -> Result<i64, Wrong> {
    // SAFETY: an object, with the lock held.
    let n = unsafe { (py().PyLong_AsLongLong)(object) };
    // SAFETY: as above.
    if n == -1 && unsafe { !(py().PyErr_Occurred)().is_null() } { Err(Wrong) } else { Ok(n) }
}

pub(super) unsafe fn pointer_of<P>(object: Object) -> Result<*mut P, Wrong> {
    // SAFETY: an object, with the lock held.
    let at = unsafe { (py().PyLong_AsVoidPtr)(object) };
    // SAFETY: as above.
    if at.is_null() && unsafe { !(py().PyErr_Occurred)().is_null() } { Err(Wrong) } else { Ok(at.cast()) }
}

/// Whether it is Python's main thread that calls, and no goroutine.
pub(super) fn is_main() -> bool {
    // SAFETY: have no preconditions.
    (unsafe { libc::gettid() == libc::getpid() }) && goroutine::rt_goid() == 0
}

/// How often the main thread looks whether a signal has come while it waits.
pub(super) const LOOK_NS: i64 = 50_000_000;

/// What has to wait, so the form that never does has said. Python's main thread comes back now and then, since only it runs the handlers of
/// signals, which may raise: KeyboardInterrupt. Goroutines and other threads wait in one piece; who must not wait is
/// refused, with RT_EPERM.
pub(super) fn patient(timeout: i64, mut wait: impl FnMut(i64) -> c_int) -> Result<c_int, Wrong> {
    if state::may_not_wait() {
        return Ok(RT_EPERM);
    }
    if !is_main() {
        return Ok(state::released(|| wait(timeout)));
    }
    let begun = time::rt_now();
    loop {
        let left = match timeout {
            RT_FOREVER => i64::MAX,
            _ => timeout - (time::rt_now() - begun).min(timeout.max(0)),
        };
        let (before, slice) = (time::rt_now(), left.min(LOOK_NS));
        let code = state::released(|| wait(if left > 0 { slice } else { -1 }));
        if code != RT_ETIMEDOUT {
            // Handlers run when Python goes on: what has come is not lost by what they raise.
            return Ok(code);
        }
        // SAFETY: the lock is held.
        if unsafe { (py().PyErr_CheckSignals)() } < 0 {
            return Err(Wrong);
        }
        // Sooner than asked for: a deadline of the descriptor's.
        if left <= LOOK_NS || time::rt_now() - before < slice {
            return Ok(code);
        }
    }
}

/// Defines a function of the shim: `|arguments|`, how many there are, and a body that answers an object or `Wrong`.
macro_rules! call {
    ($(#[$doc:meta])* $name:ident($args:ident: $n:literal) $body:block) => {
        $(#[$doc])*
        pub(super) unsafe extern "C" fn $name(_: Object, args: *const Object, n: isize) -> Object {
            let body = |$args: Args<'_>| -> Result<Object, Wrong> { $body };
            // SAFETY: Python passes what METH_FASTCALL says.
            match unsafe { Args::of(args, n, $n) }.and_then(body) {
                Ok(object) => object,
                Err(Wrong) => ptr::null_mut(),
            }
        }
    };
}

pub(super) use call;

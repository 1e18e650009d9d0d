//! What the shim offers to Python: built-in functions, made by [`offer`]. Each is one step for Python: nothing else of Python
//! runs in it but while it waits, and no signal handler between what it took from a channel and its answer.

use super::args::{Args, FAIL, Wrong, call, counted, done, fail, integer, none, patient, pointer_of};
use super::channels::{recv, select, send};
use super::descriptors::{fd_accept, fd_recv, fd_recv_into, fd_send, fd_send_all, fd_wait};
use super::table::{Fast, Method, Object, py};
use super::{locals, runner, state};
use crate::capi::base::{RT_EAGAIN, RT_EINVAL, RT_EPERM, RT_ETIMEDOUT, RT_NOWAIT, RT_OK};
use crate::capi::{goroutine, locks, sync, time};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::Ordering::*;

/// METH_FASTCALL.
const FASTCALL: c_int = 0x80;

call! {
    /// `gosched()`: gives way.
    gosched(_args: 0) {
        if state::may_not_wait() {
            return Ok(fail(RT_EPERM.into()));
        }
        state::released(|| goroutine::rt_gosched());
        Ok(none())
    }
}

call! {
    /// `may_wait()`: raises where the shim's functions would refuse to wait.
    may_wait(_args: 0) {
        Ok(done(if state::may_not_wait() { RT_EPERM } else { RT_OK }))
    }
}

call! {
    /// `sleep(ns)`
    sleep(args: 1) {
        let ns = args.int(0)?;
        // Time that is over is what it waits for.
        let code = patient(ns.max(0), |ns| match time::rt_sleep(ns) {
            RT_OK => RT_ETIMEDOUT,
            e => e,
        })?;
        Ok(done(if code == RT_ETIMEDOUT { RT_OK } else { code }))
    }
}

call! {
    /// `goid()`: the number of the goroutine that calls, a runner or one of C's; 0 on a plain thread.
    goid(_args: 0) {
        Ok(integer(goroutine::rt_goid()))
    }
}

/// What can be waited for at an address: the numbers are known to the package.
fn wait_now(kind: i64, at: *mut c_void) -> c_int {
    // SAFETY: the package passes the address of an object of this kind, which it holds.
    unsafe {
        match kind {
            0 => again_if_busy(sync::rt_mutex_try_lock(at.cast())),
            1 => sync::rt_waitgroup_wait_timeout(at.cast(), RT_NOWAIT),
            2 => again_if_busy(locks::rt_sema_try_acquire(at.cast())),
            3 => again_if_busy(locks::rt_rwmutex_try_lock(at.cast())),
            4 => again_if_busy(locks::rt_rwmutex_try_rlock(at.cast())),
            _ => RT_EINVAL,
        }
    }
}

fn again_if_busy(code: c_int) -> c_int {
    if code == crate::capi::base::RT_EBUSY { RT_EAGAIN } else { code }
}

call! {
    /// `wait(kind, address, timeout_ns)`: a code.
    wait(args: 3) {
        let (kind, at, timeout) = (args.int(0)?, args.pointer::<c_void>(1)?, args.int(2)?);
        let mut code = wait_now(kind, at);
        if code == RT_EAGAIN && timeout != RT_NOWAIT {
            // SAFETY: as in wait_now.
            code = patient(timeout, |timeout| unsafe {
                match kind {
                    0 => sync::rt_mutex_lock_timeout(at.cast(), timeout),
                    1 => sync::rt_waitgroup_wait_timeout(at.cast(), timeout),
                    2 => locks::rt_sema_acquire_timeout(at.cast(), timeout),
                    3 => locks::rt_rwmutex_lock(at.cast()),
                    4 => locks::rt_rwmutex_rlock(at.cast()),
                    _ => RT_EINVAL,
                }
            })?;
        }
        Ok(integer(code.into()))
    }
}

call! {
    /// `wake(kind, address)`: the other end of `wait`: a code.
    wake(args: 2) {
        let (kind, at) = (args.int(0)?, args.pointer::<c_void>(1)?);
        // SAFETY: as in wait_now.
        let code = unsafe {
            match kind {
                0 => sync::rt_mutex_unlock(at.cast()),
                1 => sync::rt_waitgroup_done(at.cast()),
                2 => locks::rt_sema_release(at.cast()),
                3 => locks::rt_rwmutex_unlock(at.cast()),
                4 => locks::rt_rwmutex_runlock(at.cast()),
                _ => RT_EINVAL,
            }
        };
        Ok(integer(code.into()))
    }
}

call! {
    /// `wake_one(addresses)`: takes the last semaphore off a list and releases it: 1. 0: the list is empty. In one step, so
    /// that no signal handler can raise between the two.
    wake_one(args: 1) {
        // SAFETY: the lock is held; what is no list is refused by Python. The package holds the semaphores on its list.
        unsafe {
            let size = (py().PyList_Size)(args.0[0]);
            if size <= 0 {
                return if size < 0 { Err(Wrong) } else { Ok(integer(0)) };
            }
            let at = pointer_of((py().PyList_GetItem)(args.0[0], size - 1))?;
            if (py().PyList_SetSlice)(args.0[0], size - 1, size, ptr::null_mut()) < 0 {
                return Err(Wrong);
            }
            locks::rt_sema_release(at);
            Ok(integer(1))
        }
    }
}

call! {
    /// `spawn(body, stack_size)`: starts a runner: its id.
    spawn(args: 2) {
        let size = usize::try_from(args.int(1)?).unwrap_or(usize::MAX);
        if state::is_closed() {
            return Ok(fail(crate::capi::base::RT_ECANCELED.into()));
        }
        // SAFETY: an object, with the lock held.
        Ok(counted(unsafe { runner::spawn(args.0[0], size) }))
    }
}

call! {
    /// `clear_thread()`: forgets what `threading.local`s keep for the caller. False: it can't be done here, the
    /// runner has to end.
    clear_thread(_args: 0) {
        // SAFETY: the lock is held.
        Ok(integer(unsafe { locals::clear() }.into()))
    }
}

call! {
    /// `find_locals(uses, does_not)`: see `locals.rs`.
    find_locals(args: 2) {
        // SAFETY: two objects, with the lock held.
        if unsafe { locals::find(args.0[0], args.0[1]) } { Ok(none()) } else { Err(Wrong) }
    }
}

call! {
    /// `close()`: at exit: no goroutine takes Python's lock again, but for the one that has it now.
    close(_args: 0) {
        Ok(integer(if state::close() { runner::spawn_stopper().into() } else { 0 }))
    }
}

call! {
    /// `is_quiet()`: after close: no goroutine runs Python, or is about to.
    is_quiet(_args: 0) {
        Ok(integer(state::is_quiet().into()))
    }
}

call! {
    /// `interrupt(exception)`: raises it in the goroutine whose turn it is.
    interrupt(args: 1) {
        Ok(integer(state::interrupt(args.0[0]).into()))
    }
}

call! {
    /// `freeze()`: after close, if it does not become quiet.
    freeze(_args: 0) {
        state::freeze();
        Ok(none())
    }
}

call! {
    /// `forked(inside)`: in a child; whether it was forked on a goroutine.
    forked(args: 1) {
        state::forked(args.int(0)? != 0);
        Ok(none())
    }
}

macro_rules! methods {
    ($($name:ident)*) => {
        &[$(Method { name: concat!(stringify!($name), "\0").as_ptr().cast(), function: Some($name as Fast), flags: FASTCALL, doc: ptr::null() },)*]
    };
}

static METHODS: &[Method] = methods! {
    gosched may_wait sleep goid send recv select wait wake wake_one spawn fd_wait fd_accept fd_recv fd_recv_into fd_send fd_send_all
    clear_thread find_locals close is_quiet interrupt freeze forked
};

/// Puts the functions into a dict, and notes who raises errors. False: Python has an exception.
///
/// # Safety
/// With Python's lock held; both are objects, the first a dict.
pub unsafe fn offer(namespace: Object, fail: Object) -> bool {
    // SAFETY: the lock is held; the methods are of static life.
    unsafe {
        (py().Py_IncRef)(fail);
        FAIL.store(fail, Relaxed);
        METHODS.iter().all(|method| {
            let function = (py().PyCFunction_NewEx)(method, ptr::null_mut(), ptr::null_mut());
            let put = !function.is_null() && (py().PyDict_SetItemString)(namespace, method.name, function) == 0;
            if !function.is_null() {
                (py().Py_DecRef)(function);
            }
            put
        })
    }
}

//! Channels and select, for Python.
//!
//! A channel carries numbers. What is sent stands under its number in a dict of the channel's Python object, from before the
//! number is sent until it has been received or the send has failed. So the dict is the only owner: references are dropped with
//! it, whatever becomes of the channel, and Python's collector sees through it.

use super::args::{Args, Wrong, call, done, fail, integer, integer_of, none, patient, pointer_of};
use super::table::{Object, py};
use crate::capi::base::{RT_EAGAIN, RT_ECLOSED, RT_EINVAL, RT_NOWAIT, RT_OK};
use crate::capi::chan;
use crate::capi::select::{RT_RECV, RT_SEND, rt_select, rt_select_case};
use std::alloc::Layout;
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering::*};

/// Numbers of what is sent.
static NUMBERS: AtomicI64 = AtomicI64::new(1);

/// Puts an object under a fresh number.
unsafe fn deposit(items: Object, object: Object) -> Result<i64, Wrong> {
    let number = NUMBERS.fetch_add(1, Relaxed);
    // SAFETY: the lock is held; items is a dict, or Python says that it is none.
    unsafe {
        let key = (py().PyLong_FromLongLong)(number);
        if key.is_null() {
            return Err(Wrong);
        }
        let r = (py().PyDict_SetItem)(items, key, object);
        (py().Py_DecRef)(key);
        if r < 0 { Err(Wrong) } else { Ok(number) }
    }
}

/// Takes the object under a number back. NULL: it is not there, and Python has an exception.
unsafe fn withdraw(items: Object, number: i64) -> Object {
    // SAFETY: the lock is held; items is a dict, or Python says that it is none.
    unsafe {
        let key = (py().PyLong_FromLongLong)(number);
        if key.is_null() {
            return key;
        }
        let object = (py().PyDict_GetItemWithError)(items, key);
        if !object.is_null() {
            (py().Py_IncRef)(object);
            (py().PyDict_DelItem)(items, key);
        } else if (py().PyErr_Occurred)().is_null() {
            fail(RT_EINVAL.into());
        }
        (py().Py_DecRef)(key);
        object
    }
}

/// Drops what was deposited for a send that did not go. An exception that is set stays.
unsafe fn cancel(items: Object, number: i64) {
    let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: as withdraw.
    unsafe {
        (py().PyErr_Fetch)(&mut kind, &mut value, &mut trace);
        let object = withdraw(items, number);
        if object.is_null() {
            (py().PyErr_Clear)();
        } else {
            (py().Py_DecRef)(object);
        }
        (py().PyErr_Restore)(kind, value, trace);
    }
}

call! {
    /// `send(channel, items, object, timeout_ns)`: None, or raises.
    send(args: 4) {
        let (c, items, timeout) = (args.pointer(0)?, args.0[1], args.int(3)?);
        // SAFETY: the package's own dict and channel, which it holds for the call; the number lives as long as the call.
        unsafe {
            let number = deposit(items, args.0[2])?;
            let elem = ptr::from_ref(&number).cast();
            let mut code = chan::rt_chan_try_send(c, elem);
            if code == RT_EAGAIN && timeout != RT_NOWAIT {
                match patient(timeout, |timeout| chan::rt_chan_send_timeout(c, elem, timeout)) {
                    Ok(waited) => code = waited,
                    Err(Wrong) => {
                        cancel(items, number);
                        return Err(Wrong);
                    }
                }
            }
            if code != RT_OK {
                cancel(items, number);
            }
            Ok(done(code))
        }
    }
}

call! {
    /// `recv(channel, items, timeout_ns)`: the object, or raises. Without items: the number itself.
    recv(args: 3) {
        let (c, items, timeout) = (args.pointer(0)?, args.0[1], args.int(2)?);
        let mut number = 0_i64;
        // SAFETY: as in send.
        unsafe {
            let elem = ptr::from_mut(&mut number).cast();
            let mut code = chan::rt_chan_try_recv(c, elem);
            if code == RT_EAGAIN && timeout != RT_NOWAIT {
                code = patient(timeout, |timeout| chan::rt_chan_recv_timeout(c, elem, timeout))?;
            }
            Ok(if code != RT_OK { fail(code.into()) } else { received(items, number) })
        }
    }
}

/// What came, as an object.
unsafe fn received(items: Object, number: i64) -> Object {
    if items == py()._Py_NoneStruct {
        // SAFETY: the lock is held.
        return unsafe { (py().PyLong_FromLongLong)(number) };
    }
    // SAFETY: the lock is held.
    unsafe { withdraw(items, number) }
}

/// A case of a select, as the list has it.
#[derive(Clone, Copy)]
struct Case {
    items: Object,
    number: i64,
    /// It stands at an address of the package's.
    raw: bool,
}

/// So many cases need no memory of the heap's.
const FEW: usize = 8;

call! {
    /// `select(list, timeout_ns)`: the list has four entries for each case: channel, items, what (0: receive, 1: send, 2 and 3:
    /// the same with items for the address of the element), object. Answers `(index, object, open)`, or a negative code.
    select(args: 2) {
        let list = args.0[0];
        let timeout = args.int(1)?;
        // SAFETY: an object, with the lock held; what is no list is refused by Python.
        let size = unsafe { (py().PyList_Size)(list) };
        if size < 0 {
            return Err(Wrong);
        }
        let n = size as usize / 4;
        let mut few = ([const { rt_select_case { chan: ptr::null_mut(), elem: ptr::null_mut(), dir: 0, result: 0 } }; FEW],
            [Case { items: ptr::null_mut(), number: 0, raw: false }; FEW]);
        if n <= FEW {
            // SAFETY: the list is the package's own.
            return unsafe { select_among(list, &mut few.0[..n], &mut few.1[..n], timeout) };
        }
        let (Ok(cases), Ok(own)) = (Layout::array::<rt_select_case>(n), Layout::array::<Case>(n)) else {
            return Ok(integer(RT_EINVAL.into()));
        };
        // SAFETY: neither layout is empty; zeroes are valid for both types.
        unsafe {
            let (a, b) = (std::alloc::alloc_zeroed(cases), std::alloc::alloc_zeroed(own));
            let r = if a.is_null() || b.is_null() {
                (py().PyErr_NoMemory)();
                Err(Wrong)
            } else {
                let cases = std::slice::from_raw_parts_mut(a.cast(), n);
                select_among(list, cases, std::slice::from_raw_parts_mut(b.cast(), n), timeout)
            };
            if !a.is_null() {
                std::alloc::dealloc(a, cases);
            }
            if !b.is_null() {
                std::alloc::dealloc(b, own);
            }
            r
        }
    }
}

/// # Safety
/// With the lock held; the list is as `select` has it, and nobody changes it meanwhile.
unsafe fn select_among(
    list: Object,
    cases: &mut [rt_select_case],
    own: &mut [Case],
    timeout: i64,
) -> Result<Object, Wrong> {
    let n = cases.len();
    let mut ready = 0;
    // SAFETY: the list has four objects for each case.
    let mut filled = unsafe { fill(list, cases, own, &mut ready) };
    let mut went = RT_EINVAL;
    if filled.is_ok() {
        // SAFETY: the caller's channels and our numbers live until the call is over.
        unsafe {
            went = rt_select(cases.as_mut_ptr(), n, RT_NOWAIT);
            if went == RT_EAGAIN && timeout != RT_NOWAIT {
                match patient(timeout, |timeout| rt_select(cases.as_mut_ptr(), n, timeout)) {
                    Ok(waited) => went = waited,
                    Err(Wrong) => filled = Err(Wrong),
                }
            }
        }
    }
    // What was deposited for sends that did not go.
    for (i, case) in own.iter().enumerate().take(ready) {
        let gone = went >= 0 && went as usize == i && cases[i].result == RT_OK;
        if cases[i].dir == RT_SEND && !case.raw && !gone {
            // SAFETY: deposited by fill.
            unsafe { cancel(case.items, case.number) };
        }
    }
    filled?;
    if went < 0 {
        return Ok(integer(went.into()));
    }
    let (case, own) = (&cases[went as usize], &own[went as usize]);
    // SAFETY: the lock is held; the tuple takes over the references.
    unsafe {
        let object = match (case.dir, case.result) {
            (RT_RECV, RT_OK) if !own.raw => received(own.items, own.number),
            (RT_SEND, RT_ECLOSED) => return Ok(fail(RT_ECLOSED.into())),
            _ => none(),
        };
        if object.is_null() {
            return Err(Wrong);
        }
        let tuple = (py().PyTuple_New)(3);
        if tuple.is_null() {
            (py().Py_DecRef)(object);
            return Err(Wrong);
        }
        (py().PyTuple_SetItem)(tuple, 0, integer(went.into()));
        (py().PyTuple_SetItem)(tuple, 1, object);
        (py().PyTuple_SetItem)(tuple, 2, integer((case.result == RT_OK).into()));
        Ok(tuple)
    }
}

/// Writes the cases. `ready` counts those that are whole.
unsafe fn fill(list: Object, cases: &mut [rt_select_case], own: &mut [Case], ready: &mut usize) -> Result<(), Wrong> {
    for (i, (case, own)) in cases.iter_mut().zip(own).enumerate() {
        // SAFETY: the lock is held; the list has four objects for each case.
        unsafe {
            let entry = |k: usize| (py().PyList_GetItem)(list, (4 * i + k) as isize);
            let what = integer_of(entry(2))?;
            let sends = what & 1 != 0;
            *own = Case { items: entry(1), number: 0, raw: what & 2 != 0 };
            *case = rt_select_case {
                chan: pointer_of(entry(0))?,
                elem: if own.raw { pointer_of(own.items)? } else { ptr::from_mut(&mut own.number).cast() },
                dir: if sends { RT_SEND } else { RT_RECV },
                result: 0,
            };
            if sends && !own.raw {
                own.number = deposit(own.items, entry(3))?;
            }
        }
        *ready += 1;
    }
    Ok(())
}

//! What the shim offers to Python: built-in functions, made by [`offer`]. Each is one step for Python: nothing else of Python
//! runs in it but while it waits, and no signal handler between what it took from a channel and its answer.
//!
//! *Waiting.* Whatever may wait is tried first with Python's lock held, in the form that never waits. Only if that says
//! RT_EAGAIN is the lock released and the waiting form called (`state::released`).
//!
//! *Objects in channels.* A channel carries numbers. What is sent stands under its number in a dict of the channel's Python
//! object, from before the number is sent until it has been received or the send has failed. So the dict is the only owner:
//! references are dropped with it, whatever becomes of the channel, and Python's collector sees through it.
//!
//! *Errors* are made by a function of the package, [`FAIL`], which raises what a code means.

use super::table::{Buffer, Fast, Method, Object, py};
use super::{locals, runner, state};
use crate::capi::base::{RT_EAGAIN, RT_ECLOSED, RT_EINVAL, RT_ETIMEDOUT, RT_FOREVER, RT_NOWAIT, RT_OK};
use crate::capi::select::{RT_RECV, RT_SEND, rt_select, rt_select_case};
use crate::capi::{chan, goroutine, locks, net, socket, sync, time};
use std::alloc::Layout;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering::*};

/// Raises the exception for a code; of the package's.
static FAIL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Numbers of what is sent.
static NUMBERS: AtomicI64 = AtomicI64::new(1);

/// METH_FASTCALL.
const FASTCALL: c_int = 0x80;

/// Raises what `code` means. Always NULL.
#[cold]
fn fail(code: i64) -> Object {
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

fn none() -> Object {
    // SAFETY: the lock is held.
    unsafe { (py().Py_IncRef)(py()._Py_NoneStruct) };
    py()._Py_NoneStruct
}

fn integer(n: i64) -> Object {
    // SAFETY: the lock is held.
    unsafe { (py().PyLong_FromLong)(n as c_long) }
}

/// None for success, else the exception.
fn done(code: c_int) -> Object {
    if code == RT_OK { none() } else { fail(code.into()) }
}

/// Added to a code of the system's, of which -EPIPE is no closed channel.
const OF_SYSTEM: i64 = -1_000_000;

/// A number, or the exception that the system's code means.
fn of_system(n: i64) -> Object {
    if n < 0 { fail(OF_SYSTEM + n) } else { integer(n) }
}

/// A number, or the exception for a negative one.
fn counted(n: i64) -> Object {
    if n < 0 { fail(n) } else { integer(n) }
}

/// The arguments of a call.
struct Args<'a>(&'a [Object]);

/// An argument was not what it must be; Python knows.
struct Wrong;

impl Args<'_> {
    /// # Safety
    /// `args` and `n` are what Python handed to a function with METH_FASTCALL.
    unsafe fn of<'a>(args: *const Object, n: isize, wanted: usize) -> Result<Args<'a>, Wrong> {
        if n != wanted as isize {
            // SAFETY: the lock is held.
            unsafe { (py().PyErr_SetString)(*py().PyExc_TypeError, c"another number of arguments is wanted".as_ptr()) };
            return Err(Wrong);
        }
        // SAFETY: so many arguments; none needs no address.
        Ok(Args(if n == 0 { &[] } else { unsafe { std::slice::from_raw_parts(args, wanted) } }))
    }

    fn int(&self, i: usize) -> Result<i64, Wrong> {
        // SAFETY: an object, with the lock held.
        unsafe { integer_of(self.0[i]) }
    }

    fn fd(&self, i: usize) -> Result<c_int, Wrong> {
        Ok(self.int(i)?.try_into().unwrap_or(-1))
    }

    fn pointer<P>(&self, i: usize) -> Result<*mut P, Wrong> {
        // SAFETY: an object, with the lock held.
        unsafe { pointer_of(self.0[i]) }
    }
}

unsafe fn integer_of(object: Object) -> Result<i64, Wrong> {
    // SAFETY: an object, with the lock held.
    let n = unsafe { (py().PyLong_AsLongLong)(object) };
    // SAFETY: as above.
    if n == -1 && unsafe { !(py().PyErr_Occurred)().is_null() } { Err(Wrong) } else { Ok(n) }
}

unsafe fn pointer_of<P>(object: Object) -> Result<*mut P, Wrong> {
    // SAFETY: an object, with the lock held.
    let at = unsafe { (py().PyLong_AsVoidPtr)(object) };
    // SAFETY: as above.
    if at.is_null() && unsafe { !(py().PyErr_Occurred)().is_null() } { Err(Wrong) } else { Ok(at.cast()) }
}

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

/// Defines a function of the shim: `|arguments|`, how many there are, and a body that answers an object or `Wrong`.
/// Before a call on a descriptor that may wait: on the main thread this waits in its place, as [`patient`] does.
fn patient_fd(fd: c_int, events: c_int) -> Result<(), Wrong> {
    if !is_main() {
        return Ok(());
    }
    loop {
        let begun = time::rt_now();
        let code = state::released(|| net::rt_fd_wait(fd, events, LOOK_NS));
        // SAFETY: the lock is held.
        if unsafe { (py().PyErr_CheckSignals)() } < 0 {
            return Err(Wrong);
        }
        // Sooner it was the descriptor's deadline, which the call itself reports, as it does all else.
        if code != RT_ETIMEDOUT || time::rt_now() - begun < LOOK_NS {
            return Ok(());
        }
    }
}

/// Whether it is Python's main thread that calls, and no goroutine.
fn is_main() -> bool {
    // SAFETY: have no preconditions.
    (unsafe { libc::gettid() == libc::getpid() }) && goroutine::rt_goid() == 0
}

/// How often the main thread looks whether a signal has come while it waits.
const LOOK_NS: i64 = 50_000_000;

/// A wait that `wait_now` has said to be one. Python's main thread comes back now and then, since only it runs the handlers of
/// signals, which may raise: KeyboardInterrupt. Goroutines and other threads wait in one piece.
fn patient(timeout: i64, mut wait: impl FnMut(i64) -> c_int) -> Result<c_int, Wrong> {
    if !is_main() {
        return Ok(state::released(|| wait(timeout)));
    }
    let begun = time::rt_now();
    loop {
        let left = match timeout {
            RT_FOREVER => i64::MAX,
            _ => timeout - (time::rt_now() - begun).min(timeout.max(0)),
        };
        let code = state::released(|| wait(if left > 0 { left.min(LOOK_NS) } else { -1 }));
        if code != RT_ETIMEDOUT {
            // Handlers run when Python goes on: what has come is not lost by what they raise.
            return Ok(code);
        }
        // SAFETY: the lock is held.
        if unsafe { (py().PyErr_CheckSignals)() } < 0 {
            return Err(Wrong);
        }
        if left <= LOOK_NS {
            return Ok(code);
        }
    }
}

macro_rules! call {
    ($(#[$doc:meta])* $name:ident($args:ident: $n:literal) $body:block) => {
        $(#[$doc])*
        unsafe extern "C" fn $name(_: Object, args: *const Object, n: isize) -> Object {
            let body = |$args: Args<'_>| -> Result<Object, Wrong> { $body };
            // SAFETY: Python passes what METH_FASTCALL says.
            match unsafe { Args::of(args, n, $n) }.and_then(body) {
                Ok(object) => object,
                Err(Wrong) => ptr::null_mut(),
            }
        }
    };
}

call! {
    /// `gosched()`: gives way.
    gosched(_args: 0) {
        state::released(|| goroutine::rt_gosched());
        Ok(none())
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
    /// `goid()`: that of the runner; 0 on a plain thread.
    goid(_args: 0) {
        Ok(integer(goroutine::rt_goid()))
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
    /// `fd_accept(fd)`: the connection.
    fd_accept(args: 1) {
        let fd = args.fd(0)?;
        patient_fd(fd, net::RT_POLL_READ)?;
        // SAFETY: no address is asked for.
        Ok(of_system(state::released(|| unsafe { socket::rt_accept(fd, ptr::null_mut(), ptr::null_mut()) }).into()))
    }
}

call! {
    /// `fd_recv(fd, n)`: bytes.
    fd_recv(args: 2) {
        let (fd, n) = (args.fd(0)?, args.int(1)?);
        patient_fd(fd, net::RT_POLL_READ)?;
        // SAFETY: the lock is held but while it waits; the bytes are nobody else's yet, and have room for n.
        unsafe {
            let mut bytes = (py().PyBytes_FromStringAndSize)(ptr::null(), n as isize);
            if bytes.is_null() {
                return Err(Wrong);
            }
            let at = (py().PyBytes_AsString)(bytes);
            let got = state::released(|| net::rt_read(fd, at.cast(), n as usize));
            if got < 0 {
                (py().Py_DecRef)(bytes);
                return Ok(of_system(got as i64));
            }
            if got as i64 != n {
                // On failure it has dropped the bytes and says so itself.
                (py()._PyBytes_Resize)(&mut bytes, got);
            }
            Ok(bytes)
        }
    }
}

/// Runs `io` on the bytes of an object, which stay where they are meanwhile.
fn with_buffer(object: Object, writable: bool, io: impl FnOnce(*mut c_void, usize) -> i64) -> Result<Object, Wrong> {
    let mut buffer = Buffer::EMPTY;
    // SAFETY: the lock is held but in io; PyBUF_SIMPLE or PyBUF_WRITABLE: contiguous bytes.
    unsafe {
        if (py().PyObject_GetBuffer)(object, &mut buffer, writable.into()) < 0 {
            return Err(Wrong);
        }
        let (at, len) = (buffer.buf, buffer.len as usize);
        let n = state::released(|| io(at, len));
        (py().PyBuffer_Release)(&mut buffer);
        Ok(of_system(n))
    }
}

call! {
    /// `fd_recv_into(fd, buffer)`: how many bytes.
    fd_recv_into(args: 2) {
        let fd = args.fd(0)?;
        patient_fd(fd, net::RT_POLL_READ)?;
        // SAFETY: the buffer has room for len bytes.
        with_buffer(args.0[1], true, |at, len| unsafe { net::rt_read(fd, at, len) as i64 })
    }
}

call! {
    /// `fd_send(fd, bytes)`: how many went.
    fd_send(args: 2) {
        let fd = args.fd(0)?;
        patient_fd(fd, net::RT_POLL_WRITE)?;
        // SAFETY: the buffer has len bytes.
        with_buffer(args.0[1], false, |at, len| unsafe { net::rt_write(fd, at, len) as i64 })
    }
}

call! {
    /// `fd_send_all(fd, bytes)`: 0.
    fd_send_all(args: 2) {
        let fd = args.fd(0)?;
        // SAFETY: as above; nobody asks how many went before an error.
        with_buffer(args.0[1], false, |at, len| unsafe { net::rt_write_all(fd, at, len, ptr::null_mut()).into() })
    }
}

call! {
    /// `clear_thread()`: forgets what belongs to the thread that a goroutine is for Python. False: it can't be done here, the
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
        state::close();
        Ok(integer(runner::spawn_stopper().into()))
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
    /// `forked()`: in a child.
    forked(_args: 0) {
        state::forked();
        Ok(none())
    }
}

macro_rules! methods {
    ($($name:ident)*) => {
        &[$(Method { name: concat!(stringify!($name), "\0").as_ptr().cast(), function: Some($name as Fast), flags: FASTCALL, doc: ptr::null() },)*]
    };
}

static METHODS: &[Method] = methods! {
    gosched sleep goid send recv select wait wake spawn fd_accept fd_recv fd_recv_into fd_send fd_send_all
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

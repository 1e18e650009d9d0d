//! Carriers: goroutines that run Python. A carrier calls one Python object, without arguments, and ends when that returns. The
//! package has this object run many functions, one after the other: a state of Python's costs more than a goroutine.
//!
//! A carrier's [`Carrier`] is made with the goroutine and freed at its end. It holds a reference to the object until Python has
//! been left, and the state that the goroutine wears.

use super::state;
use super::table::{Object, State, py};
use crate::capi::goroutine::{rt_go_opts, rt_go_with};
use std::alloc::Layout;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

struct Carrier {
    interpreter: *mut c_void,
    body: Object,
    state: Cell<State>,
}

/// Starts a carrier. Answers its id, or an error.
///
/// # Safety
/// With Python's lock held; `body` is an object.
pub unsafe fn spawn(body: Object, stack_size: usize) -> i64 {
    // SAFETY: the layout is not empty.
    let Some(at) = NonNull::new(unsafe { std::alloc::alloc(Layout::new::<Carrier>()) }) else {
        return crate::capi::base::RT_ENOMEM.into();
    };
    let at = at.cast::<Carrier>();
    // SAFETY: with the lock held there is an interpreter.
    let interpreter = unsafe { (py().PyInterpreterState_Get)() };
    // SAFETY: fresh memory of the right layout.
    unsafe { at.write(Carrier { interpreter, body, state: Cell::new(ptr::null_mut()) }) };
    // SAFETY: with the lock held. The carrier owns this reference.
    unsafe { (py().Py_IncRef)(body) };
    let opts = rt_go_opts { struct_size: size_of::<rt_go_opts>(), name: c"python".as_ptr(), stack_size };
    // SAFETY: options that live for the call; the carrier is handed over.
    let id = unsafe { rt_go_with(&opts, Some(run), at.as_ptr().cast()) };
    if id < 0 {
        // SAFETY: no goroutine has it, and the lock is held.
        unsafe {
            (py().Py_DecRef)(body);
            std::alloc::dealloc(at.as_ptr().cast(), Layout::new::<Carrier>());
        }
    }
    id
}

unsafe extern "C" fn run(arg: *mut c_void) {
    // SAFETY: handed over by spawn.
    let carrier = unsafe { &*arg.cast::<Carrier>() };
    // SAFETY: the interpreter outlives its goroutines: the gate sees to it.
    let state = unsafe { (py().PyThreadState_New)(carrier.interpreter) };
    if state.is_null() {
        crate::throw!("no memory is left for a thread state of Python");
    }
    carrier.state.set(state);
    state::name_apart(state);
    state::wear(state);
    state::resume(state);
    state::turn_of(state);
    let end: *const c_void = ptr::null();
    // SAFETY: the lock is held; the object lives until the carrier drops it.
    unsafe {
        let r = (py().PyObject_CallFunctionObjArgs)(carrier.body, end);
        if r.is_null() {
            (py().PyErr_WriteUnraisable)(carrier.body);
        } else {
            (py().Py_DecRef)(r);
        }
        (py().Py_DecRef)(carrier.body);
        (py().PyThreadState_Clear)(state);
        (py().PyThreadState_DeleteCurrent)();
        std::alloc::dealloc(arg.cast(), Layout::new::<Carrier>());
    }
}

/// After the gate was closed: a goroutine that holds the thread of all others for ever.
pub fn spawn_stopper() -> c_int {
    unsafe extern "C" fn stop(_: *mut c_void) {
        state::sleep_for_ever();
    }
    let opts = rt_go_opts { struct_size: size_of::<rt_go_opts>(), name: c"python exit".as_ptr(), stack_size: 0 };
    // SAFETY: options that live for the call.
    let id = unsafe { rt_go_with(&opts, Some(stop), ptr::null_mut()) };
    id.min(0) as c_int
}

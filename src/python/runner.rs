//! Runners: goroutines that run Python. A runner calls one Python object, without arguments, and ends when that returns. The
//! package has this object run many functions, one after the other: a state of Python's costs more than a goroutine.
//!
//! A runner's [`Runner`] is made with the goroutine and freed by the last hook. It holds a reference to the object, and the
//! state that the goroutine wears. The hooks (`sched/host.rs`) put the state on the thread whenever the goroutine goes on, refuse
//! a wait with Python's lock held, and give all up at the end.

use super::state;
use super::table::{Object, State, py};
use crate::capi::base::{RT_ENOMEM, RT_EPERM, RT_OK};
use crate::capi::goroutine::{rt_go_opts, rt_go_with};
use crate::capi::home::{rt_home, rt_home_new};
use std::alloc::Layout;
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// The home of all runners: Python's objects are used by one thread at a time, and a switch between runners hands its lock over
/// within one thread. Made with the first runner, under Python's lock, and kept: in a forked child it is as new.
static HOME: AtomicPtr<rt_home> = AtomicPtr::new(ptr::null_mut());

fn home() -> Option<*mut rt_home> {
    if HOME.load(Relaxed).is_null() {
        HOME.store(rt_home_new(), Relaxed);
    }
    Some(HOME.load(Relaxed)).filter(|home| !home.is_null())
}

struct Runner {
    interpreter: *mut c_void,
    body: Object,
    state: Cell<State>,
}

/// Starts a runner. Answers its id, or an error.
///
/// # Safety
/// With Python's lock held; `body` is an object.
pub unsafe fn spawn(body: Object, stack_size: usize) -> i64 {
    let Some(home) = home() else { return RT_ENOMEM.into() };
    // SAFETY: the layout is not empty.
    let Some(at) = NonNull::new(unsafe { std::alloc::alloc(Layout::new::<Runner>()) }) else {
        return RT_ENOMEM.into();
    };
    let at = at.cast::<Runner>();
    // SAFETY: with the lock held there is an interpreter.
    let interpreter = unsafe { (py().PyInterpreterState_Get)() };
    // SAFETY: fresh memory of the right layout.
    unsafe { at.write(Runner { interpreter, body, state: Cell::new(ptr::null_mut()) }) };
    // SAFETY: with the lock held. The runner owns this reference.
    unsafe { (py().Py_IncRef)(body) };
    let opts = rt_go_opts {
        on_park: Some(on_park),
        on_resume: Some(on_resume),
        on_exit: Some(on_exit),
        hook_arg: at.as_ptr().cast(),
        ..options(c"python", stack_size, home)
    };
    // SAFETY: options that live for the call; the runner is handed over.
    let id = unsafe { rt_go_with(&opts, Some(run), at.as_ptr().cast()) };
    if id >= 0 {
        state::spawned();
    } else {
        // SAFETY: no goroutine has it, and the lock is held.
        unsafe {
            (py().Py_DecRef)(body);
            std::alloc::dealloc(at.as_ptr().cast(), Layout::new::<Runner>());
        }
    }
    id
}

fn options(name: &'static CStr, stack_size: usize, home: *mut rt_home) -> rt_go_opts {
    rt_go_opts {
        struct_size: size_of::<rt_go_opts>(),
        name: name.as_ptr(),
        stack_size,
        on_park: None,
        on_resume: None,
        on_exit: None,
        hook_arg: ptr::null_mut(),
        home,
    }
}

/// The runner behind a hook's argument.
///
/// # Safety
/// `arg` is that of a hook, or of `run`.
unsafe fn of<'a>(arg: *mut c_void) -> &'a Runner {
    // SAFETY: made by spawn, alive until on_exit has returned.
    unsafe { &*arg.cast::<Runner>() }
}

unsafe extern "C" fn run(arg: *mut c_void) {
    // SAFETY: handed over by spawn.
    let runner = unsafe { of(arg) };
    // SAFETY: the interpreter outlives its goroutines: the gate sees to it.
    let state = unsafe { (py().PyThreadState_New)(runner.interpreter) };
    if state.is_null() {
        crate::throw!("no memory is left for a thread state of Python");
    }
    state::name_apart(state);
    runner.state.set(state);
    state::on_this_thread();
    state::wear(state);
    state::resume(state);
    let end: *const c_void = ptr::null();
    // SAFETY: the lock is held; the object lives until the runner drops it.
    unsafe {
        let r = (py().PyObject_CallFunctionObjArgs)(runner.body, end);
        if r.is_null() {
            (py().PyErr_WriteUnraisable)(runner.body);
        } else {
            (py().Py_DecRef)(r);
        }
        let _ = (py().PyEval_SaveThread)();
    }
}

/// A goroutine that has Python's lock is not switched away: whoever went on in its place would wait for that lock, on the same
/// thread, for ever.
unsafe extern "C" fn on_park(arg: *mut c_void) -> c_int {
    // SAFETY: a hook.
    let state = unsafe { of(arg) }.state.get();
    if !state.is_null() && state::is_current(state) { RT_EPERM } else { RT_OK }
}

unsafe extern "C" fn on_resume(arg: *mut c_void) {
    // SAFETY: a hook.
    let state = unsafe { of(arg) }.state.get();
    if state::is_closed() {
        // It would return into Python.
        state::on_this_thread();
        state::sleep_for_ever();
    }
    if !state.is_null() {
        state::wear(state);
    }
}

/// Also after an rt_goexit that Python code has called: whatever it held of Python's is lost then, but for the state.
unsafe extern "C" fn on_exit(arg: *mut c_void) {
    // SAFETY: a hook.
    let runner = unsafe { of(arg) };
    let state = runner.state.get();
    if !state.is_null() {
        if !state::is_current(state) {
            state::resume(state);
        }
        // SAFETY: the lock is held with this state, which nobody uses afterwards. What its clearing runs may wait: the hooks
        // are told of the state until it is gone.
        unsafe {
            (py().Py_DecRef)(runner.body);
            (py().PyThreadState_Clear)(state);
            runner.state.set(ptr::null_mut());
            (py().PyThreadState_DeleteCurrent)();
        }
    }
    // SAFETY: made by spawn with this layout; no hook is called again.
    unsafe { std::alloc::dealloc(arg.cast(), Layout::new::<Runner>()) };
}

/// After the gate was closed: a goroutine that holds the thread of all others for ever.
pub fn spawn_stopper() -> c_int {
    unsafe extern "C" fn stop(_: *mut c_void) {
        state::on_this_thread();
        state::sleep_for_ever();
    }
    let Some(home) = home() else { return RT_ENOMEM };
    // SAFETY: options that live for the call.
    let id = unsafe { rt_go_with(&options(c"python exit", 0, home), Some(stop), ptr::null_mut()) };
    id.min(0) as c_int
}

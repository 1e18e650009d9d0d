//! What `threading.local` leaves in a thread state, so that a runner that runs many functions can tell whether one has used it.
//!
//! Up to Python 3.12 it is entries of the state's dict, with keys that begin with "thread.local.", which can be deleted. The
//! dict has others, which stay: up to 3.11 asyncio keeps the running loop there, and a pointer to what it has put there. From
//! 3.13 on the state itself has two members for it, which end with the state: a runner whose function has used them has to end
//! too. Where they stand is in no header that versions share, so it is tried out, once: two functions run, each in a fresh
//! state; one makes a `threading.local` and uses it, the other only looks the name up. What is zero after the second and not
//! after the first is the place.

use super::table::{Object, State, py};
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// Every version's state is at least so long.
const WORDS: usize = 40;

/// A bit for each word that tells.
static PLACES: AtomicU64 = AtomicU64::new(0);

/// Tries it out. False: Python has an exception.
///
/// # Safety
/// With Python's lock held; both are objects to be called without arguments.
pub unsafe fn find(uses: Object, does_not: Object) -> bool {
    // SAFETY: as the caller promises.
    let (Some(with), Some(without)) = (unsafe { left_by(uses) }, unsafe { left_by(does_not) }) else { return false };
    PLACES.store(with & !without, Relaxed);
    true
}

/// Which words of a fresh state are not zero after a call in it.
unsafe fn left_by(function: Object) -> Option<u64> {
    let end: *const c_void = ptr::null();
    // SAFETY: the lock is held, with a state of the caller's that becomes current again. The fresh one is nobody else's.
    unsafe {
        let fresh = (py().PyThreadState_New)((py().PyInterpreterState_Get)());
        if fresh.is_null() {
            (py().PyErr_NoMemory)();
            return None;
        }
        let own = (py().PyThreadState_Swap)(fresh);
        let r = (py().PyObject_CallFunctionObjArgs)(function, end);
        let words = used(fresh);
        if r.is_null() {
            (py().PyErr_WriteUnraisable)(function);
        } else {
            (py().Py_DecRef)(r);
        }
        (py().PyThreadState_Clear)(fresh);
        (py().PyThreadState_Swap)(own);
        (py().PyThreadState_Delete)(fresh);
        Some(words)
    }
}

/// A bit for each word that is not zero.
unsafe fn used(state: State) -> u64 {
    let words = state.cast::<usize>();
    // SAFETY: inside the state, which the caller holds.
    (0..WORDS).filter(|&i| unsafe { words.add(i).read() } != 0).fold(0, |bits, i| bits | 1 << i)
}

/// Deletes what `threading.local`s have in a dict. What that drops may run Python, which may change the dict.
///
/// # Safety
/// With Python's lock held; `dict` is one, and the caller's.
unsafe fn delete_locals(dict: Object) {
    const PREFIX: &CStr = c"thread.local.";
    // SAFETY: the lock is held. The list holds the keys while they are looked at; nobody else has it.
    unsafe {
        let keys = (py().PyDict_Keys)(dict);
        if keys.is_null() {
            return (py().PyErr_Clear)();
        }
        for i in 0..(py().PyList_Size)(keys) {
            let key = (py().PyList_GetItem)(keys, i);
            let text = (py().PyUnicode_AsUTF8)(key);
            if text.is_null() || libc::strncmp(text, PREFIX.as_ptr(), PREFIX.count_bytes()) != 0 {
                (py().PyErr_Clear)(); // no text at all
            } else if (py().PyDict_DelItem)(dict, key) < 0 {
                (py().PyErr_Clear)(); // gone with its `threading.local` meanwhile
            }
        }
        (py().Py_DecRef)(keys);
    }
}

/// Forgets what `threading.local`s keep for the caller. False: it can't be done, the state has to end.
///
/// # Safety
/// With Python's lock held.
pub unsafe fn clear() -> bool {
    // SAFETY: the dict is the current state's, a borrowed reference, or NULL without memory for one.
    unsafe {
        let dict = (py().PyThreadState_GetDict)();
        if dict.is_null() {
            (py().PyErr_Clear)();
        } else if (py().PyDict_Size)(dict) > 0 {
            delete_locals(dict);
        }
        let places = PLACES.load(Relaxed);
        places == 0 || used((py().PyThreadState_Get)()) & places == 0
    }
}

//! `rt_run`: a goroutine, and a thread that waits for its end, or for the news that nothing can ever happen again.

use super::ensure_up;
use crate::error::{Error, Result};
use crate::sched::g::{EndHook, GoFn};
use crate::sched::note::Note;
use crate::sched::spawn::{self, Options};
use crate::sys::lock::{Rank, RawLock};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// What a run ended with.
pub const ENDED: u8 = 1;
pub const DEADLOCK: u8 = 2;

/// The runs that somebody waits for. Each is shared with its goroutine, which outlives a run that ends in a deadlock.
struct Runs {
    lock: RawLock,
    list: UnsafeCell<Vec<Arc<Note>>>,
}

// SAFETY: the list is touched under the lock.
unsafe impl Sync for Runs {}

static RUNS: Runs = Runs { lock: RawLock::new(Rank::Runs), list: UnsafeCell::new(Vec::new()) };
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn with<R>(f: impl FnOnce(&mut Vec<Arc<Note>>) -> R) -> R {
    RUNS.lock.lock();
    // SAFETY: the lock is held, and `f` does not come back here.
    let list = unsafe { &mut *RUNS.list.get() };
    let r = f(list);
    COUNT.store(list.len(), Relaxed);
    RUNS.lock.unlock();
    r
}

/// Whether anybody waits in a run.
pub fn any() -> bool {
    COUNT.load(Relaxed) != 0
}

/// Tells everybody who waits in a run that nothing can happen any more.
pub fn end_all_in_deadlock() {
    for note in with(std::mem::take) {
        note.signal(DEADLOCK);
    }
}

/// For a fork: nobody else may be at the list.
pub fn lock() {
    RUNS.lock.lock();
}

pub fn unlock() {
    RUNS.lock.unlock();
}

/// In a forked child: the runs are the parent's.
pub fn forget_all() {
    with(Vec::clear);
}

/// Runs `f(arg)` as a goroutine and waits for its end. On a plain thread.
pub fn run(f: GoFn, arg: *mut c_void) -> Result {
    unsafe fn ended(note: *const ()) {
        // SAFETY: the reference that `run` gave to the goroutine.
        unsafe { Arc::from_raw(note.cast::<Note>()) }.signal(ENDED);
    }
    ensure_up()?;
    let note = Arc::new(Note::new());
    let hook = EndHook { f: ended, arg: Arc::into_raw(note.clone()).cast() };
    with(|runs| runs.push(note.clone()));
    let spawned = spawn::spawn(f, arg, Options { on_end: Some(hook), ..Options::default() });
    let outcome = match spawned {
        Ok(_) => note.wait(),
        Err(_) => {
            // SAFETY: the goroutine's reference; there is no goroutine.
            drop(unsafe { Arc::from_raw(hook.arg.cast::<Note>()) });
            ENDED
        }
    };
    with(|runs| runs.retain(|r| !Arc::ptr_eq(r, &note)));
    spawned.map_err(|_| Error::NoMemory)?;
    if outcome == DEADLOCK { Err(Error::Deadlock) } else { Ok(()) }
}

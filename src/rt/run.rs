//! `rt_run`: a goroutine, and a thread that waits for its end, or for the news that nothing can ever happen again.
//!
//! A run stands in the frame of the thread that waits, so it needs no memory. It is on the list from before its goroutine is
//! there until the wait is over, and whoever signals it holds the lock of the list meanwhile: a run that is on the list is
//! there. A goroutine may outlive its run, which ends in a deadlock; so it knows the run by number, not by address.

use super::ensure_up;
use crate::error::{Error, Result};
use crate::sched::g::{EndHook, GoFn};
use crate::sched::note::Note;
use crate::sched::spawn::{self, Options};
use crate::sys::lock::{Rank, RawLock};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// What a run ended with.
pub const ENDED: u8 = 1;
pub const DEADLOCK: u8 = 2;

struct Run {
    note: Note,
    number: usize,
    next: Cell<*const Run>,
}

/// The runs that somebody waits for.
struct Runs {
    lock: RawLock,
    first: Cell<*const Run>,
}

// SAFETY: the list is touched under the lock.
unsafe impl Sync for Runs {}

static RUNS: Runs = Runs { lock: RawLock::new(Rank::Runs), first: Cell::new(ptr::null()) };
static ANY: AtomicBool = AtomicBool::new(false);

/// Calls `f` for each run, under the lock, and drops those from the list for which it answers false.
fn retain(mut f: impl FnMut(&Run) -> bool) {
    RUNS.lock.lock();
    let mut link = &RUNS.first;
    // SAFETY: a run on the list is there while the lock is held.
    while let Some(run) = unsafe { link.get().as_ref() } {
        if f(run) {
            link = &run.next;
        } else {
            link.set(run.next.get());
        }
    }
    ANY.store(!RUNS.first.get().is_null(), Relaxed);
    RUNS.lock.unlock();
}

/// Whether anybody waits in a run.
pub fn any() -> bool {
    ANY.load(Relaxed)
}

/// Tells everybody who waits in a run that nothing can happen any more.
pub fn end_all_in_deadlock() {
    retain(|run| {
        run.note.signal(DEADLOCK);
        false
    });
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
    retain(|_| false);
}

/// Runs `f(arg)` as a goroutine and waits for its end. On a plain thread.
pub fn run(f: GoFn, arg: *mut c_void) -> Result {
    static NUMBERS: AtomicUsize = AtomicUsize::new(1);
    unsafe fn ended(number: *const ()) {
        retain(|run| {
            if run.number == number.addr() {
                run.note.signal(ENDED);
            }
            true
        });
    }
    ensure_up()?;
    let run = Run { note: Note::new(), number: NUMBERS.fetch_add(1, Relaxed), next: Cell::new(ptr::null()) };
    RUNS.lock.lock();
    run.next.set(RUNS.first.replace(&run));
    ANY.store(true, Relaxed);
    RUNS.lock.unlock();
    let hook = EndHook { f: ended, arg: ptr::without_provenance(run.number) };
    let spawned = spawn::spawn(f, arg, Options { on_end: Some(hook), ..Options::default() });
    let outcome = if spawned.is_ok() { run.note.wait() } else { ENDED };
    // On the list up to here, unless a deadlock has taken it off; whoever signals it has let go of it after this.
    retain(|other| !ptr::eq(other, &run));
    spawned.map_err(|_| Error::NoMemory)?;
    if outcome == DEADLOCK { Err(Error::Deadlock) } else { Ok(()) }
}

//! Thread states of Python: each goroutine that runs Python has one of its own, and wears it as its OS thread's.
//!
//! Python keeps in a PyThreadState what belongs to one flow of control: the frame, the data stack, the exception, the depth
//! of recursion. Two goroutines that shared one would interleave all of these at their parks. Two things tell Python which
//! state is whose:
//!
//! * the *current* state, which goes with Python's lock. It is let go before every wait and taken up after it, with the state
//!   in a local variable, so it travels with the stack;
//! * the *slot*, a pthread key that PyGILState_Ensure reads ("autoTSSkey"): a callback through ctypes takes the state it finds
//!   there. It belongs to the OS thread, so it is set anew whenever a goroutine goes on there. The key has no exported name:
//!   it is the one under which the caller of [`find_slot`] finds its own state.
//!
//! *The gate.* Once Python is being finalized, a thread that asks for its lock is ended by pthread_exit (before 3.14), which on
//! a goroutine's stack ends the process. So whoever closes the gate (`CLOSED`) must know that nobody is between looking at it
//! and having the lock. Both sides:
//!
//! ```text
//! a thread that takes the lock            the thread that finalizes (holds the lock now and then)
//! 1 ENTERING += 1                         1 CLOSED = its own mark
//! 2 look at CLOSED; not mine: sleep       2 look at ENTERING, until it is 0
//!   for ever, after ENTERING -= 1         3 finalize
//! 3 take the lock; ENTERING -= 1
//! ```
//!
//! Sequentially consistent, so one of them sees the other. Who waits in step 3 gets the lock, because the other lets go of it
//! while it looks. The thread that closed the gate may pass.
//!
//! A callback through ctypes on a goroutine that C has started asks for the lock in PyGILState_Ensure, past the gate. There
//! pthread_exit is let happen, and whom it unwinds is held where it leaves the goroutine's stack (`sys/context.rs`).

use super::table::{State, py};
use crate::capi::goroutine::rt_goid;
use crate::sys::context;
use std::ffi::c_ulong;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicIsize, AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

/// No slot was found: an odd number, no key.
const NO_SLOT: u32 = u32::MAX;
static SLOT: AtomicU32 = AtomicU32::new(NO_SLOT);

/// 0: open. Else the pthread_t of who closed it.
static CLOSED: AtomicUsize = AtomicUsize::new(0);
static ENTERING: AtomicIsize = AtomicIsize::new(0);
/// Whether the thread of the runners sleeps at the gate, for ever.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Whether a runner was spawned in this process: then there is such a thread, or will be.
static SPAWNED: AtomicBool = AtomicBool::new(false);
/// It, once the first runner has begun.
static THREAD: AtomicUsize = AtomicUsize::new(0);
/// The process was forked on a goroutine.
static FORKED_INSIDE: AtomicBool = AtomicBool::new(false);

/// The state of the goroutine that went on last; only to be named to Python, which may not know it any more.
static LATEST: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(std::ptr::null_mut());
/// Its id. All runners are on one thread, so one that runs finds its own here, and no other goroutine ever does.
static LATEST_ID: AtomicI64 = AtomicI64::new(0);

/// Finds the slot, on a thread that runs Python and has it set. False: there is none.
pub fn find_slot() -> bool {
    if SLOT.load(Relaxed) != NO_SLOT {
        return true;
    }
    // SAFETY: the caller holds Python's lock.
    let mine = unsafe { (py().PyThreadState_Get)() };
    // 1024 is PTHREAD_KEYS_MAX of the GNU library.
    // SAFETY: a key that does not exist reads as NULL.
    let found = (0..1024).find(|&key| unsafe { libc::pthread_getspecific(key) } == mine);
    SLOT.store(found.unwrap_or(NO_SLOT), Relaxed);
    found.is_some()
}

/// The OS thread runs the goroutine with this state from now on.
#[inline]
pub fn wear(state: State) {
    LATEST.store(state, Relaxed);
    LATEST_ID.store(rt_goid(), Relaxed);
    let slot = SLOT.load(Relaxed);
    // SAFETY: the key was found, so it exists; Python never deletes it before it is gone itself.
    if slot != NO_SLOT && unsafe { libc::pthread_getspecific(slot) } != state {
        // SAFETY: as above. The first 32 keys need no memory; if a later one found none, only callbacks would suffer.
        unsafe { libc::pthread_setspecific(slot, state) };
    }
}

/// Whether the caller runs Python with this state, so that a wait would keep Python's lock.
#[inline]
pub fn is_current(state: State) -> bool {
    // Before 3.12 this is the state of whoever holds the lock, in any thread: equal to ours only if we hold it.
    // SAFETY: has no preconditions.
    unsafe { (py().PyThreadState_GetUnchecked)() == state }
}

/// Whether the caller must not wait. So it is on a goroutine that is no runner: one in C, whose body calls Python. Its state is
/// the one that PyGILState_Ensure keeps for the OS thread; but it may go on on another thread, and another goroutine on this
/// one meanwhile. And so it is in a child that was forked on a goroutine: no runtime knows the stack that it stands on.
#[inline]
pub fn may_not_wait() -> bool {
    let id = rt_goid();
    (id != 0 && id != LATEST_ID.load(Relaxed)) || FORKED_INSIDE.load(Relaxed)
}

/// Runs what may wait, without Python's lock.
#[inline(always)]
pub fn released<R>(wait: impl FnOnce() -> R) -> R {
    // SAFETY: functions of the shim are called with the lock held.
    let state = unsafe { (py().PyEval_SaveThread)() };
    let r = wait();
    resume(state);
    r
}

/// Takes Python's lock with a state: at the beginning of a goroutine, and after each wait.
#[inline]
pub fn resume(state: State) {
    ENTERING.fetch_add(1, SeqCst);
    let closed = CLOSED.load(SeqCst);
    if closed != 0 && closed != me() {
        ENTERING.fetch_sub(1, SeqCst);
        sleep_for_ever();
    }
    // SAFETY: a state of this flow of control, which is not current.
    unsafe { (py().PyEval_RestoreThread)(state) };
    ENTERING.fetch_sub(1, SeqCst);
}

fn me() -> usize {
    // SAFETY: has no preconditions.
    unsafe { libc::pthread_self() as usize }
}

/// A runner was spawned.
pub fn spawned() {
    SPAWNED.store(true, Relaxed);
}

/// A runner begins, or goes on: this is their thread.
pub fn on_this_thread() {
    THREAD.store(me(), Relaxed);
}

/// At the end of the process: this thread runs nothing any more.
pub fn sleep_for_ever() -> ! {
    if me() == THREAD.load(Relaxed) {
        STOPPED.store(true, SeqCst);
    }
    loop {
        // SAFETY: has no preconditions.
        unsafe { libc::pause() };
    }
}

/// Closes the gate for all but the caller. Answers whether there are runners, whose thread has to be stopped.
pub fn close() -> bool {
    CLOSED.store(me(), SeqCst);
    context::hold_unwound(true);
    SPAWNED.load(Relaxed)
}

/// Whether [`close`] was called.
pub fn is_closed() -> bool {
    CLOSED.load(SeqCst) != 0
}

/// After [`close`], as the last means: stops the thread of the runners by a signal, in whose handler it stays. The caller has
/// Python's lock, and keeps it until the handler runs or 100 ms are over. So that thread is not in the middle of Python: it waits
/// for the lock, or is in a call that needs none, such as a long system call. What that call has taken (a lock of the C
/// library's, perhaps) it keeps: that is why a thread comes to rest by itself if it can.
pub fn freeze() {
    extern "C" fn stop(_: libc::c_int) {
        sleep_for_ever();
    }
    let thread = THREAD.load(Relaxed);
    let signal = libc::SIGRTMIN() + 7;
    // SAFETY: zeroes are a valid sigaction. The thread was made by the library, which never ends one that a goroutine is on.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = stop as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        if thread == 0 || libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
            return;
        }
        libc::pthread_kill(thread as libc::pthread_t, signal);
        let begun = crate::capi::time::rt_now();
        while !STOPPED.load(SeqCst) && crate::capi::time::rt_now() - begun < 100_000_000 {
            libc::usleep(100);
        }
    }
}

/// After [`close`]: whether the thread of the runners sleeps, if there is one, and nobody is about to take Python's lock.
pub fn is_quiet() -> bool {
    (STOPPED.load(SeqCst) || !SPAWNED.load(Relaxed)) && ENTERING.load(SeqCst) == 0
}

/// A forked child: one thread, which runs Python; `inside`: on a goroutine's stack.
pub fn forked(inside: bool) {
    CLOSED.store(0, SeqCst);
    context::hold_unwound(false);
    ENTERING.store(0, SeqCst);
    STOPPED.store(false, SeqCst);
    SPAWNED.store(false, Relaxed);
    THREAD.store(0, Relaxed);
    LATEST.store(std::ptr::null_mut(), Relaxed);
    LATEST_ID.store(0, Relaxed);
    FORKED_INSIDE.store(inside, Relaxed);
}

/// Gives a fresh state an identity of its own: its address, in place of the thread's. All goroutines are on one OS thread, and
/// Python's means to interrupt a thread, and to show its frames, go by this number. Its place is not in the headers that all
/// versions share, so it is looked for: the one word that is the calling thread's number. If there is not just one, all stays
/// as it is.
pub fn name_apart(state: State) {
    // Every version's state is longer than this.
    const WORDS: usize = 32;
    let words = state.cast::<usize>();
    let mut found = None;
    for i in 0..WORDS {
        // SAFETY: inside the state, which is the caller's own and not yet current anywhere.
        if unsafe { words.add(i).read() } == me() {
            if found.is_some() {
                return;
            }
            found = Some(i);
        }
    }
    if let Some(i) = found {
        // SAFETY: as above.
        unsafe { words.add(i).write(state as usize) };
    }
}

/// Raises an exception in the goroutine whose turn it is. False: there is none.
pub fn interrupt(exception: super::table::Object) -> bool {
    let state = LATEST.load(Relaxed);
    // SAFETY: Python compares the number with those of the states it has.
    !state.is_null() && unsafe { (py().PyThreadState_SetAsyncExc)(state as c_ulong, exception) > 0 }
}

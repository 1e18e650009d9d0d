//! Once, 16 bytes in the caller's memory: a word that says how far the one call is, and a queue of those who wait for
//! it.
//!
//! | word                | means                         | leaves it by                                    |
//! |---------------------|-------------------------------|-------------------------------------------------|
//! | 0                   | no call yet                   | `begin`, by the one whose compare-and-swap wins |
//! | RUNNING (and flags) | the winner is in the function | `finish`, by the winner                         |
//! | DONE                | the function has returned     | never                                           |
//!
//! The function is code of the program, so it is not called in here: who `begin` answers true to calls it outside of
//! the runtime and then owes a `finish`, also when the goroutine exits inside of it.
//! What the function did happens before any `begin` that answers false, and any `is_done` that is true.
//!
//! While RUNNING, QUEUE is the lock of the queue (wordlock.rs) and WAITERS says that the queue is not empty. A waiter
//! takes QUEUE in a word that says RUNNING; `finish` goes from RUNNING alone to DONE in one step, or else takes QUEUE,
//! claims everybody, and then writes DONE. So either the waiter sees DONE or `finish` sees the waiter. That write is
//! the last touch; who sees it, or was woken after it, may free the memory.

use super::mutex::unlock_queue;
use super::waitq::{WaitQueue, Waiter};
use super::wordlock;
use crate::error::Result;
use crate::sched::list::GList;
use crate::sched::park;
use crate::sched::state::Kind;
use crate::sys::atomic::{Acquire, AtomicU64, Relaxed, Release};
use crate::sys::clock::NEVER;
use std::ptr;

const WAITERS: u64 = 1;
const QUEUE: u64 = 2;
const RUNNING: u64 = 4;
const DONE: u64 = 8;

/// See the file's header. Zeroed has not been called.
#[repr(C)]
pub struct Once {
    state: AtomicU64,
    queue: WaitQueue,
}

// SAFETY: the queue is touched under its lock, the flag QUEUE.
unsafe impl Sync for Once {}

impl Once {
    #[cfg(loom)]
    pub fn new() -> Self {
        Once { state: AtomicU64::new(0), queue: WaitQueue::new() }
    }

    /// Whether the function has returned, and what it did is visible.
    #[inline(always)]
    pub fn is_done(&self) -> bool {
        self.state.load(Acquire) == DONE
    }

    /// True: the caller is the first, calls the function, and then owes a [`finish`](Self::finish). False: the function
    /// has returned, maybe after a wait.
    pub fn begin(&self) -> Result<bool> {
        if self.state.compare_exchange(0, RUNNING, Relaxed, Relaxed).is_ok() {
            return Ok(true);
        }
        if wordlock::lock(&self.state, QUEUE, |s| s & RUNNING != 0).is_none() {
            // It is done; the load that saw it was relaxed.
            self.is_done();
            return Ok(false);
        }
        let wait = match park::prepare(Kind::Sync, NEVER) {
            Ok(wait) => wait,
            Err(e) => {
                self.state.fetch_and(!QUEUE, Release);
                return Err(e.into());
            }
        };
        let waiter = Waiter::new(&wait, ptr::null_mut());
        // SAFETY: QUEUE is held; the waiter stays here until it is unlinked.
        unsafe { self.queue.push_back(&waiter) };
        self.state.fetch_or(WAITERS, Relaxed);
        // It has no deadline, so it was readied.
        let _ = park::park(wait, c"sync.Once.Do", unlock_queue(&self.state, QUEUE));
        Ok(false)
    }

    /// The function has returned, or will never: everybody who waits goes on. By the one who began, once.
    pub fn finish(&self) {
        if self.state.compare_exchange(RUNNING, DONE, Release, Relaxed).is_ok() {
            return;
        }
        let _ = wordlock::lock(&self.state, QUEUE, |_| true);
        let woken = GList::new();
        // SAFETY: QUEUE is held; the waiters are not used after they were readied.
        while let Some(w) = unsafe { self.queue.pop_claimed(|| ()) } {
            woken.push_back(w.g);
        }
        self.state.store(DONE, Release);
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
    }
}

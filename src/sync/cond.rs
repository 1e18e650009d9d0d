//! Cond, 32 bytes in the caller's memory: a queue of goroutines that wait for a change of what a mutex guards.
//!
//! First in, first out, and nobody wakes but by a signal, a broadcast, or the end of its time. The word has two flags:
//! QUEUE, the lock of the queue (wordlock.rs), and WAITERS: the queue is not empty. It changes under QUEUE only.
//!
//! ```text
//! waiter, with the mutex locked                 signaller
//! 1 take QUEUE                                  1 change what the mutex guards, with the mutex locked
//! 2 queue a node, set WAITERS                   2 WAITERS set? if not, that is all
//! 3 unlock the mutex                            3 take QUEUE (once the far side has cleared it)
//! 4 park; the far side clears QUEUE             4 claim the first whose time has not come
//! 5 lock the mutex                              5 one write: WAITERS if any are left, QUEUE clear
//!                                               6 ready it
//! ```
//! *No signal is lost.* Whoever locks the mutex after the waiter's 3 sees WAITERS (2 comes before 3, and the mutex
//! orders them), and can't get past its own 3 before the waiter is parked. Whoever locked it before, has changed what
//! the waiter looked at.
//!
//! *Signal against time.* One claims the waiter. If time does, the signal goes to the next waiter: it is never spent on
//! one that answers that its time is over.
//!
//! The mutex is unlocked with QUEUE held, and with the heap of the deadline locked, since after `prepare` nothing may
//! fail and before it nothing may be given up. Unlocking takes the mutex's own QUEUE and readies its next locker; who
//! holds that QUEUE is about to wait for the mutex, and for no condition.
//!
//! A signal touches the condition for the last time in 5, and who was woken does not touch it at all: when the last
//! waiter has been woken it may free the memory.

use super::mutex::{Mutex, unlock_queue};
use super::waitq::{WaitQueue, Waiter};
use super::wordlock;
use crate::error::{Error, Result};
use crate::sched::list::GList;
use crate::sched::park::{self, Woken};
use crate::sched::state::Kind;
use crate::sys::atomic::{AtomicU64, Relaxed, Release};
use crate::time::timeout::Timeout;
use std::ptr;

const WAITERS: u64 = 1;
const QUEUE: u64 = 2;

/// See the file's header. Zeroed is ready for use.
#[repr(C)]
pub struct Cond {
    state: AtomicU64,
    queue: WaitQueue,
}

// SAFETY: the queue is touched under its lock, the flag QUEUE.
unsafe impl Sync for Cond {}

impl Cond {
    #[cfg(loom)]
    pub fn new() -> Self {
        Cond { state: AtomicU64::new(0), queue: WaitQueue::new() }
    }

    /// Unlocks the mutex, waits for a signal, and locks the mutex again, whatever it answers. A wait that is refused,
    /// or whose timeout says that it never waits, leaves the mutex locked all the time. `NotPermitted` if it is not
    /// locked.
    pub fn wait(&self, mutex: &Mutex, timeout: Timeout) -> Result {
        if !mutex.is_locked() {
            return Err(Error::NotPermitted);
        }
        let when = timeout.begin()?;
        let _ = wordlock::lock(&self.state, QUEUE, |_| true);
        let wait = match park::prepare(Kind::Sync, when) {
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
        // It fails if somebody has unlocked the mutex since we looked. Then it is as if we had, and we wait.
        let _ = mutex.unlock_fast() || mutex.unlock_slow().is_ok();
        let woken = park::park(wait, c"sync.Cond.Wait", unlock_queue(&self.state, QUEUE));
        if woken == Woken::TimedOut {
            self.forget(&waiter);
        }
        mutex.lock_again();
        match woken {
            Woken::Ready => Ok(()),
            Woken::TimedOut => Err(Error::TimedOut),
        }
    }

    /// A waiter whose time is over leaves the queue.
    fn forget(&self, waiter: &Waiter) {
        let _ = wordlock::lock(&self.state, QUEUE, |_| true);
        self.queue.remove(waiter);
        self.unlock();
    }

    /// Lets go of QUEUE and says who is left. The last touch.
    fn unlock(&self) {
        self.state.store(if self.queue.is_empty() { 0 } else { WAITERS }, Release);
    }

    /// Wakes the one that has waited longest, if any waits.
    pub fn signal(&self) {
        if wordlock::lock(&self.state, QUEUE, |s| s & WAITERS != 0).is_none() {
            return;
        }
        // SAFETY: QUEUE is held; the waiter is not used after it was readied.
        let woken = unsafe { self.queue.pop_claimed(|| ()) }.map(|w| w.g);
        self.unlock();
        if let Some(g) = woken {
            park::ready(g);
        }
    }

    /// Wakes everybody who waits, in the order they came.
    pub fn broadcast(&self) {
        if wordlock::lock(&self.state, QUEUE, |s| s & WAITERS != 0).is_none() {
            return;
        }
        let woken = GList::new();
        // SAFETY: QUEUE is held; the waiters are not used after they were readied.
        while let Some(w) = unsafe { self.queue.pop_claimed(|| ()) } {
            woken.push_back(w.g);
        }
        self.unlock();
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
    }
}

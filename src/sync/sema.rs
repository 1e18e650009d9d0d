//! Semaphore, 32 bytes in the caller's memory: a count of units and a queue of those who wait for one.
//!
//! First come, first served: a release with waiters hands its unit to the first of them; the count does not rise, so
//! nobody can come in between. Units on the count and waiters never exist together.
//!
//! One word holds the count, the lock of the queue (QUEUE, see wordlock.rs) and whether anybody waits (WAITERS).
//! * A waiter queues itself under QUEUE, which it takes in a word whose count is zero.
//! * The count rises only while QUEUE is clear, or by its holder. It may fall at any time it is above zero.
//! * So: WAITERS implies a count of zero.
//!
//! Acquire against release: both are decided by a compare-and-swap of the word. If the acquirer's (count is zero: set
//! QUEUE) comes first, the release finds QUEUE set, waits until the far side of the acquirer's park has cleared it,
//! and finds WAITERS. If the release's comes first, the acquirer's fails and it finds a unit.
//!
//! Release against time: one claims the waiter. If time does, the release goes on to the next waiter, or puts its unit
//! on the count; the waiter unlinks itself, if the release has not, and answers that time is over.
//!
//! The last thing a release does to the semaphore is the one write that raises the count, or that clears QUEUE before
//! it readies whom it has claimed: whoever gets that unit may free the memory. An acquire that has waited touches
//! nothing when it goes on, unless its time was over.

use super::mutex::unlock_queue;
use super::waitq::{WaitQueue, Waiter};
use super::wordlock;
use crate::error::{Error, Result};
use crate::sched::park::{self, Woken};
use crate::sched::state::Kind;
use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed, Release};
use crate::time::timeout::Timeout;
use std::ptr;

const WAITERS: u64 = 1;
const QUEUE: u64 = 2;
/// A unit on the count.
const UNIT: u64 = 4;
const MOST: u64 = u32::MAX as u64 * UNIT;

/// See the file's header. Zeroed is a count of zero.
#[repr(C)]
pub struct Sema {
    state: AtomicU64,
    queue: WaitQueue,
}

// SAFETY: the queue is touched under its lock, the flag QUEUE.
unsafe impl Sync for Sema {}

impl Sema {
    /// A semaphore with so many units, and nobody who waits.
    pub fn with_count(count: u32) -> Self {
        Sema { state: AtomicU64::new(count as u64 * UNIT), queue: WaitQueue::new() }
    }

    /// Takes a unit if there is one.
    #[inline(always)]
    pub fn try_acquire(&self) -> Result {
        let mut state = self.state.load(Relaxed);
        while state >= UNIT {
            // QUEUE may be set, by a waiter whose time is over. It leaves the count alone.
            match self.state.compare_exchange_weak(state, state - UNIT, Acquire, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
        Err(Error::Again)
    }

    /// Takes a unit when the fast path (a `try_acquire`) has failed.
    #[cold]
    pub fn acquire_slow(&self, timeout: Timeout) -> Result {
        let when = timeout.begin()?;
        while wordlock::lock(&self.state, QUEUE, |s| s < UNIT).is_none() {
            if self.try_acquire().is_ok() {
                return Ok(());
            }
        }
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
        match park::park(wait, c"semacquire", unlock_queue(&self.state, QUEUE)) {
            Woken::Ready => Ok(()),
            Woken::TimedOut => {
                let _ = wordlock::lock(&self.state, QUEUE, |_| true);
                self.queue.remove(&waiter);
                let clear = if self.queue.is_empty() { QUEUE | WAITERS } else { QUEUE };
                self.state.fetch_and(!clear, Release);
                Err(Error::TimedOut)
            }
        }
    }

    /// Gives a unit back that nobody waits for. False, and nothing, if somebody might, or the count is full.
    #[inline(always)]
    pub fn release_fast(&self) -> bool {
        let state = self.state.load(Relaxed);
        state & (QUEUE | WAITERS) == 0
            && state < MOST
            && self.state.compare_exchange(state, state + UNIT, Release, Relaxed).is_ok()
    }

    /// Gives a unit back, to the first who waits. `Invalid` if the count would overflow.
    #[cold]
    pub fn release_slow(&self) -> Result {
        let mut tries = 0;
        loop {
            let state = self.state.load(Relaxed);
            if state >= MOST {
                return Err(Error::Invalid);
            }
            if state & QUEUE != 0 {
                wordlock::pause(&mut tries);
                continue;
            }
            let waiters = state & WAITERS != 0;
            let new = if waiters { state | QUEUE } else { state + UNIT };
            if self.state.compare_exchange_weak(state, new, AcqRel, Relaxed).is_err() {
                continue;
            }
            if waiters {
                self.hand_over();
            }
            return Ok(());
        }
    }

    /// QUEUE is held, and the count is zero: nobody else writes the word now. The first waiter whose time has not come
    /// gets the caller's unit; without one it goes on the count.
    fn hand_over(&self) {
        // SAFETY: QUEUE is held; the waiter is not used after it was readied.
        let Some(w) = (unsafe { self.queue.pop_claimed(|| ()) }) else {
            self.state.store(UNIT, Release);
            return;
        };
        let g = w.g;
        self.state.store(if self.queue.is_empty() { 0 } else { WAITERS }, Release);
        park::ready(g);
    }
}

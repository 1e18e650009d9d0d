//! WaitGroup, 32 bytes in the caller's memory: a count and a queue of waiters.
//!
//! One word holds the count, the lock of the queue (QUEUE, see wordlock.rs) and whether anybody waits. The count changes
//! only while QUEUE is clear, or by its holder. A waiter queues itself while the count is above zero. Whoever brings
//! it to zero with waiters there takes QUEUE, claims them all, and then sets the word to zero in one write,
//! its last touch: a waiter that goes on, or a wait that finds zero, may free the group.

use super::mutex::unlock_queue;
use super::waitq::{WaitQueue, Waiter};
use super::wordlock;
use crate::error::{Error, Result};
use crate::sched::list::GList;
use crate::sched::park::{self, Woken};
use crate::sched::state::Kind;
use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed, Release};
use crate::time::timeout::Timeout;
use std::ptr;

const WAITERS: u64 = 1;
const QUEUE: u64 = 2;
const COUNT_SHIFT: u32 = 2;
const MOST: i64 = (1 << 60) - 1;

/// See the file's header. Zeroed is a count of zero.
#[repr(C)]
pub struct WaitGroup {
    state: AtomicU64,
    queue: WaitQueue,
}

// SAFETY: the queue is touched under its lock, the flag QUEUE.
unsafe impl Sync for WaitGroup {}

impl WaitGroup {
    pub fn new() -> Self {
        WaitGroup { state: AtomicU64::new(0), queue: WaitQueue::new() }
    }

    /// Changes the count; at zero everybody who waits goes on. `Invalid` if it would fall below zero or overflow.
    pub fn add(&self, delta: i64) -> Result {
        let mut tries = 0;
        loop {
            let state = self.state.load(Relaxed);
            let count = ((state >> COUNT_SHIFT) as i64).checked_add(delta).filter(|n| (0..=MOST).contains(n));
            let Some(count) = count else {
                return Err(Error::Invalid);
            };
            if state & QUEUE != 0 {
                wordlock::pause(&mut tries);
                continue;
            }
            let zero = count == 0 && state & WAITERS != 0;
            let new = if zero { state | QUEUE } else { (count as u64) << COUNT_SHIFT | state & WAITERS };
            if self.state.compare_exchange_weak(state, new, AcqRel, Relaxed).is_err() {
                continue;
            }
            if zero {
                self.release_all();
            }
            return Ok(());
        }
    }

    /// QUEUE is held: claims everybody, sets the count to zero, and only then readies them.
    fn release_all(&self) {
        let woken = GList::new();
        // SAFETY: QUEUE is held; the waiters are not used after they were readied.
        while let Some(w) = unsafe { self.queue.pop_claimed(|| ()) } {
            woken.push_back(w.g);
        }
        self.state.store(0, Release);
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
    }

    /// Whether the count is zero, and what happened before it became so is visible.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.state.load(Acquire) >> COUNT_SHIFT == 0
    }

    /// Waits until the count is zero.
    pub fn wait(&self, timeout: Timeout) -> Result {
        if self.is_done() {
            return Ok(());
        }
        let when = timeout.begin()?;
        if wordlock::lock(&self.state, QUEUE, |s| s >> COUNT_SHIFT != 0).is_none() {
            // It became zero; the load that saw it was relaxed.
            self.is_done();
            return Ok(());
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
        match park::park(wait, c"sync.WaitGroup.Wait", unlock_queue(&self.state, QUEUE)) {
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
}

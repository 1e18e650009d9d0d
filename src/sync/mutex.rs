//! Mutex, 16 bytes in the caller's memory: a word of flags and a queue of waiters.
//!
//! After Go's sync.Mutex. *Normal mode*: a woken waiter competes with whoever comes by, which keeps a busy lock with the
//! running goroutine. *Starvation mode*, once a waiter has waited a millisecond in vain: unlock hands the lock straight to
//! the first waiter. It ends when the last waiter, or one that waited less, gets the lock.
//!
//! The flag QUEUE is the lock of the queue (wordlock.rs). Whoever sets it to wait does so while LOCKED is set,
//! and an unlock clears LOCKED only while QUEUE is clear or its own; so nobody queues on a free mutex.
//! The last thing an unlock does to the mutex is the one write that clears both: its next owner may free it.

use super::waitq::{WaitQueue, Waiter};
use super::wordlock;
use crate::error::{Error, Result};
use crate::sched::park::{self, Commit, Refused, Wait, Woken};
use crate::sched::state::Kind;
use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed, Release, spin_hint};
use crate::time::timeout::Timeout;
use std::ptr;

#[cfg(not(loom))]
use crate::sys::clock::now;
#[cfg(loom)]
fn now() -> i64 {
    0
}

const LOCKED: u64 = 1;
const QUEUE: u64 = 2;
/// A waiter was woken and has not yet tried: no other needs to be.
const WOKEN: u64 = 4;
const STARVING: u64 = 8;
const WAITERS: u64 = 16;

/// How long a waiter waits in vain before it is handed the lock, ns.
const STARVED: i64 = 1_000_000;
/// Looks before a locker queues itself.
const SPINS: u32 = 4;

/// How a wait begins: `park::prepare`, or the form that is not refused.
type Prepare = fn(Kind, i64) -> std::result::Result<Wait, Refused>;

/// See the file's header. Zeroed is unlocked.
#[repr(C)]
pub struct Mutex {
    state: AtomicU64,
    queue: WaitQueue,
}

// SAFETY: the queue is touched under its lock, the flag QUEUE.
unsafe impl Sync for Mutex {}

impl Mutex {
    /// One that is unlocked.
    pub fn new() -> Self {
        Mutex { state: AtomicU64::new(0), queue: WaitQueue::new() }
    }

    /// Whether somebody holds the lock at this moment.
    pub fn is_locked(&self) -> bool {
        self.state.load(Relaxed) & LOCKED != 0
    }

    /// Takes the lock if it is free at this moment and nobody is being handed it.
    #[inline(always)]
    pub fn try_lock(&self) -> Result {
        // One instruction, whatever the other flags are: where it was locked already nothing has changed.
        if self.state.fetch_or(LOCKED, Acquire) & LOCKED == 0 { Ok(()) } else { Err(Error::Again) }
    }

    /// Takes the lock when the fast path (a `try_lock`) has failed.
    #[cold]
    pub fn lock_slow(&self, timeout: Timeout) -> Result {
        self.lock_with(timeout, park::prepare)
    }

    /// Takes the lock, in a call that has waited and so may wait, for as long as it needs.
    pub fn lock_again(&self) {
        if self.try_lock().is_err() && self.lock_with(Timeout::FOREVER, park::prepare_again).is_err() {
            unreachable!("who has just waited may wait, and a wait without end needs no memory");
        }
    }

    fn lock_with(&self, timeout: Timeout, prepare: Prepare) -> Result {
        let mut when = None;
        let mut since = 0;
        let mut starving = false;
        let mut woken = 0;
        let mut spins = 0;
        loop {
            let state = self.state.load(Relaxed);
            if state & LOCKED == 0 {
                if self.state.compare_exchange_weak(state, (state | LOCKED) & !woken, Acquire, Relaxed).is_ok() {
                    return Ok(());
                }
                continue;
            }
            if spins < SPINS && state & (STARVING | WAITERS) == 0 {
                spins += 1;
                (0..30).for_each(|_| spin_hint());
                continue;
            }
            let when = match when {
                Some(when) => when,
                None => *when.insert(timeout.begin()?),
            };
            // Nobody may queue on a mutex that is free.
            if wordlock::lock(&self.state, QUEUE, |s| s & LOCKED != 0).is_none() {
                continue;
            }
            let wait = match prepare(Kind::Sync, when) {
                Ok(wait) => wait,
                Err(e) => {
                    self.state.fetch_and(!(QUEUE | woken), Release);
                    return Err(e.into());
                }
            };
            let waiter = Waiter::new(&wait, ptr::null_mut());
            // SAFETY: QUEUE is held; the waiter stays here until it is unlinked.
            unsafe { if since == 0 { self.queue.push_back(&waiter) } else { self.queue.push_front(&waiter) } }
            if since == 0 {
                since = now();
            }
            self.state.fetch_or(WAITERS | if starving { STARVING } else { 0 }, Relaxed);
            self.state.fetch_and(!woken, Relaxed);
            match park::park(wait, c"sync.Mutex.Lock", unlock_queue(&self.state, QUEUE)) {
                Woken::TimedOut => {
                    self.forget(&waiter);
                    return Err(Error::TimedOut);
                }
                Woken::Ready if waiter.granted.get() => {
                    if !starving_since(since) || self.state.load(Relaxed) & WAITERS == 0 {
                        self.state.fetch_and(!STARVING, Relaxed);
                    }
                    return Ok(());
                }
                Woken::Ready => {
                    woken = WOKEN;
                    starving = starving || starving_since(since);
                    spins = 0;
                }
            }
        }
    }

    /// A waiter whose time is over leaves the queue.
    fn forget(&self, waiter: &Waiter) {
        let _ = wordlock::lock(&self.state, QUEUE, |_| true);
        self.queue.remove(waiter);
        let mut clear = QUEUE;
        if self.queue.is_empty() {
            clear |= WAITERS | STARVING;
        }
        self.state.fetch_and(!clear, Release);
    }

    /// Lets go of a mutex that nobody need be woken for. False, and nothing, if it is in any other state.
    #[inline(always)]
    pub fn unlock_fast(&self) -> bool {
        let state = self.state.load(Relaxed);
        if state == LOCKED {
            return self.state.compare_exchange(LOCKED, 0, Release, Relaxed).is_ok();
        }
        // Or one that waits is on its way to it already.
        state & (LOCKED | QUEUE | WOKEN | STARVING) == LOCKED | WOKEN
            && self.state.compare_exchange(state, state & !LOCKED, Release, Relaxed).is_ok()
    }

    /// Lets go, in whatever state the mutex is. `NotPermitted` if it is not locked.
    #[cold]
    pub fn unlock_slow(&self) -> Result {
        let mut tries = 0;
        loop {
            let state = self.state.load(Relaxed);
            if state & LOCKED == 0 {
                return Err(Error::NotPermitted);
            }
            if state & QUEUE != 0 {
                wordlock::pause(&mut tries);
                continue;
            }
            if state & WAITERS == 0 || state & (WOKEN | STARVING) == WOKEN {
                // Nobody waits, or one is on its way.
                if self.state.compare_exchange_weak(state, state & !LOCKED, Release, Relaxed).is_ok() {
                    return Ok(());
                }
                continue;
            }
            if self.state.compare_exchange_weak(state, state | QUEUE, AcqRel, Relaxed).is_err() {
                continue;
            }
            // With LOCKED and QUEUE ours nobody else writes the word.
            // SAFETY: QUEUE is held; the waiter is not used after it was readied.
            let Some(w) = (unsafe { self.queue.pop_claimed(|| ()) }) else {
                self.state.store(0, Release);
                return Ok(());
            };
            let left = if self.queue.is_empty() { 0 } else { WAITERS };
            let g = w.g;
            if state & STARVING != 0 {
                w.granted.set(true);
                self.state.store(LOCKED | STARVING | left, Release);
            } else {
                self.state.store(WOKEN | left, Release);
            }
            park::ready(g);
            return Ok(());
        }
    }
}

fn starving_since(since: i64) -> bool {
    now() - since > STARVED
}

/// The commit of those who wait on an object with a [`wordlock`]: clears the bit.
pub fn unlock_queue(word: &AtomicU64, bit: u64) -> Commit {
    unsafe fn clear(word: *const ()) {
        // SAFETY: the waiter holds the bit, so the object is alive until it is cleared.
        unsafe { (*word.cast::<AtomicU64>()).fetch_and(!QUEUE, Release) };
    }
    debug_assert_eq!(bit, QUEUE);
    // SAFETY: one atomic write to an object that the bit keeps alive.
    unsafe { Commit::new(clear, ptr::from_ref(word).cast()) }
}

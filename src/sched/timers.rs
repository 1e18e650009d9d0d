//! The deadlines of a P: a heap of parks that end when their time comes.
//!
//! An entry names a park by goroutine and token, nothing more: a park that ended otherwise leaves its entry behind,
//! dead, and only counts it. When a quarter of a heap is dead it is swept. So waking early costs no search, and
//! an entry needs nothing of the goroutine that could be gone.
//!
//! A goroutine arms the deadline of its own park on its own P and keeps the heap locked until it waits: the lock
//! is let go in the commit. Otherwise time could come before the park and be taken for stale.
//! Whoever schedules on the P, a stealer, or the monitor's helper runs what is due; a thief only tries the lock.

use super::g::G;
use super::list::GList;
use super::state::Token;
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use crate::time::heap::Heap;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::*};

#[derive(Clone, Copy)]
struct Entry {
    g: &'static G,
    token: Token,
}

/// See the file's header.
pub struct Timers {
    lock: RawLock,
    heap: UnsafeCell<Heap<Entry>>,
    /// The earliest time in the heap, or NEVER. Written under the lock.
    earliest: AtomicI64,
    dead: AtomicUsize,
}

// SAFETY: the heap is touched under the lock only.
unsafe impl Sync for Timers {}

/// No memory for one more entry.
pub struct NoMemory;

impl Timers {
    pub const fn new() -> Self {
        Timers {
            lock: RawLock::new(Rank::Timers),
            heap: UnsafeCell::new(Heap::new()),
            earliest: AtomicI64::new(NEVER),
            dead: AtomicUsize::new(0),
        }
    }

    /// The earliest time, or NEVER. A hint to those who don't hold the lock.
    #[inline]
    pub fn earliest(&self) -> i64 {
        self.earliest.load(Relaxed)
    }

    /// Makes room for the entry of a park that is about to begin.
    pub fn reserve(&self) -> Result<(), NoMemory> {
        self.lock.lock();
        // SAFETY: the lock is held.
        let ok = unsafe { (*self.heap.get()).reserve_one() };
        self.lock.unlock();
        ok.then_some(()).ok_or(NoMemory)
    }

    /// Adds the deadline of the caller's park, and leaves the heap locked.
    pub fn arm(&self, when: i64, g: &'static G, token: Token) -> Result<(), NoMemory> {
        self.lock.lock();
        // SAFETY: the lock is held.
        let heap = unsafe { &mut *self.heap.get() };
        if !heap.reserve_one() {
            self.lock.unlock();
            return Err(NoMemory);
        }
        heap.push(when, Entry { g, token });
        if when < self.earliest.load(Relaxed) {
            self.earliest.store(when, Relaxed);
        }
        Ok(())
    }

    /// The goroutine waits: its deadline may come.
    #[inline]
    pub fn armed(&self) {
        self.lock.unlock();
    }

    /// A park with a deadline ended before it.
    pub fn disarmed(&self) {
        self.dead.fetch_add(1, Relaxed);
    }

    /// Moves the goroutines whose time has come to `woken`, each claimed and marked. A caller that is not the P's
    /// owner only tries: the owner may have lost its processor with the lock in hand.
    pub fn run(&self, now: i64, owner: bool, woken: &GList) {
        if self.earliest() > now && !(owner && self.dead.load(Relaxed) > 64) {
            return;
        }
        if owner {
            self.lock.lock();
        } else if !self.lock.try_lock() {
            return;
        }
        // SAFETY: the lock is held.
        let heap = unsafe { &mut *self.heap.get() };
        while let Some(e) = heap.pop_due(now) {
            if e.g.word.claim(e.token) {
                e.g.timed_out.set(true);
                woken.push_back(e.g);
            } else {
                // One of the dead. The count may trail what a sweep has already dropped.
                let _ = self.dead.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
            }
        }
        if self.dead.load(Relaxed) > 64 && self.dead.load(Relaxed) * 4 > heap.len() {
            self.dead.store(0, Relaxed);
            heap.retain(|e| e.g.word.is_waiting(e.token));
        }
        self.earliest.store(heap.earliest().unwrap_or(NEVER), Relaxed);
        self.lock.unlock();
    }
}

//! Goroutines that are queued outside the Ps: the global queue, and two that go before it.
//!
//! Each is a list through the records under a lock of its own, so that queueing never needs memory, with its length beside
//! it for those who only look.

use super::g::G;
use super::global::procs;
use super::list::GList;
use super::p::P;
use crate::sys::lock::{Rank, RawLock};
use std::sync::atomic::{AtomicUsize, Ordering::*};

struct Queue {
    lock: RawLock,
    list: GList,
    /// Its length, for those who only look.
    len: AtomicUsize,
}

// SAFETY: the list is touched under the lock.
unsafe impl Sync for Queue {}

impl Queue {
    const fn new() -> Queue {
        Queue { lock: RawLock::new(Rank::Queue), list: GList::new(), len: AtomicUsize::new(0) }
    }

    fn push(&self, g: &'static G) {
        self.lock.lock();
        self.list.push_back(g);
        self.len.store(self.list.len(), Relaxed);
        self.lock.unlock();
    }

    /// Takes up to `n` goroutines: answers the first, hands on the others.
    fn take(&self, n: usize, mut other: impl FnMut(&'static G)) -> Option<&'static G> {
        if self.is_empty() {
            return None;
        }
        self.lock.lock();
        let first = self.list.pop();
        for g in (1..n).map_while(|_| self.list.pop()) {
            other(g);
        }
        self.len.store(self.list.len(), Relaxed);
        self.lock.unlock();
        first
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.len.load(Relaxed) == 0
    }

    /// Nobody else is there.
    fn forget(&self) {
        while self.list.pop().is_some() {}
        self.len.store(0, Relaxed);
    }
}

static QUEUE: Queue = Queue::new();
/// Goroutines that a timer has made ready while every P was held by others: they go first.
static URGENT: Queue = Queue::new();
/// Goroutines that lost their P and want to go on.
static STARTED: Queue = Queue::new();
/// How many are in those two: one look at each switch.
static FIRST: AtomicUsize = AtomicUsize::new(0);

/// So many goroutines at most are moved to a local queue at once.
const BATCH: usize = 32;

/// Puts a goroutine on the global queue. Wakes nobody.
#[inline(never)]
pub fn push(g: &'static G) {
    QUEUE.push(g);
}

/// Puts a goroutine before all others. Wakes nobody.
pub fn push_urgent(g: &'static G) {
    FIRST.fetch_add(1, Relaxed);
    URGENT.push(g);
}

/// Puts a goroutine where those go that lost their P. Wakes nobody.
pub fn push_started(g: &'static G) {
    FIRST.fetch_add(1, Relaxed);
    STARTED.push(g);
}

/// Whether the global queue holds anything.
#[inline]
pub fn has_global() -> bool {
    !QUEUE.is_empty()
}

/// Whether there is anything that may go even where the rest is held back.
#[inline]
pub fn has_first() -> bool {
    FIRST.load(Relaxed) != 0
}

/// How many goroutines are queued outside the Ps: those that may always go, and the others.
pub fn queued() -> (usize, usize) {
    (URGENT.len.load(Relaxed) + STARTED.len.load(Relaxed), QUEUE.len.load(Relaxed))
}

/// Takes one goroutine off the global queue.
pub fn take_one() -> Option<&'static G> {
    QUEUE.take(1, |_| ())
}

/// Takes a goroutine that goes before all others.
#[inline]
pub fn take_urgent() -> Option<&'static G> {
    URGENT.take(1, |_| ()).inspect(|_| one_less())
}

/// Takes a goroutine that lost its P.
#[inline]
pub fn take_started() -> Option<&'static G> {
    STARTED.take(1, |_| ()).inspect(|_| one_less())
}

/// Takes one goroutine off the global queue, and a batch of others into the queue of `p`, which the caller owns.
#[inline(never)]
pub fn take_batch(p: &P) -> Option<&'static G> {
    let fair = QUEUE.len.load(Relaxed) / procs() as usize + 1;
    QUEUE.take(fair.min(BATCH).min(1 + p.room()), |g| {
        g.expect_run();
        let _room = p.push(g);
        debug_assert!(_room);
    })
}

fn one_less() {
    FIRST.fetch_sub(1, Relaxed);
}

/// For a fork: nobody else may be at a queue.
pub fn lock_all() {
    [&QUEUE, &URGENT, &STARTED].iter().for_each(|q| q.lock.lock());
}

pub fn unlock_all() {
    [&QUEUE, &URGENT, &STARTED].iter().for_each(|q| q.lock.unlock());
}

/// In a forked child: nobody else is there, and what was queued was the parent's.
pub fn forget() {
    for queue in [&QUEUE, &URGENT, &STARTED] {
        queue.forget();
    }
    FIRST.store(0, Relaxed);
}

//! The deadlines of a P: a heap of parks that end, and of timers that fire, when their time comes.
//!
//! The entry of a park names goroutine and token, nothing more: a park that ended otherwise leaves its entry behind,
//! dead, and only counts it. The entry of a timer names the timer and the number that its live entry has; the timer
//! decides under its own lock whether the time is still right (`time/timer.rs`). When a quarter of a heap is dead it is
//! swept. So waking early, stopping and resetting cost no search.
//!
//! A goroutine arms the deadline of its own park on its own P and keeps the heap locked until it waits: the lock is
//! let go in the commit. Otherwise time could come before the park and be taken for stale.
//! Whoever schedules on the P, a stealer, or the monitor's helper runs what is due; a thief only tries the lock.

use super::g::G;
use super::list::GList;
use super::state::Token;
use crate::sys::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Relaxed};
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use crate::time::heap::Heap;
use std::cell::UnsafeCell;

/// What a timer shows to the heaps: it stands at the start of the timer's memory.
pub struct TimerHead {
    /// The number of the entry that counts; others of this timer are dead.
    pub live_entry: AtomicU64,
    /// It wants to fire. Written under the timer's lock.
    pub armed: AtomicBool,
    /// Called for an entry that was due, with its number, when no lock is held. It owns the entry's reference.
    pub fire: unsafe fn(&'static TimerHead, u64, i64),
    /// Called for a dead entry that is swept: gives the entry's reference back. No lock but the heap's is held.
    pub forget: unsafe fn(&'static TimerHead),
    /// Called for a live entry when the runtime stops: the timer is stopped and has no entry. No lock is held.
    pub lost: unsafe fn(&'static TimerHead),
    /// The three go from the reference on to the timer and change it. Loom's atomics have no cell of the language in them:
    /// without this one the compiler takes what is reached by way of the reference to be constant.
    #[cfg(loom)]
    changes: UnsafeCell<()>,
}

impl TimerHead {
    pub fn new(
        fire: unsafe fn(&'static TimerHead, u64, i64),
        forget: unsafe fn(&'static TimerHead),
        lost: unsafe fn(&'static TimerHead),
    ) -> Self {
        TimerHead {
            live_entry: AtomicU64::new(0),
            armed: AtomicBool::new(false),
            fire,
            forget,
            lost,
            #[cfg(loom)]
            changes: UnsafeCell::new(()),
        }
    }
}

#[derive(Clone, Copy)]
enum Entry {
    Wait(&'static G, Token),
    /// Owns a reference to the timer, which is what makes the `'static` true.
    Timer(&'static TimerHead, u64),
}

impl Entry {
    fn is_live(&self) -> bool {
        match self {
            Entry::Wait(g, token) => g.word.is_waiting(*token),
            Entry::Timer(t, number) => t.live_entry.load(Relaxed) == *number,
        }
    }
}

/// See the file's header.
pub struct Timers {
    lock: RawLock,
    heap: UnsafeCell<Heap<Entry>>,
    /// The earliest time in the heap, or NEVER. Written under the lock.
    earliest: AtomicI64,
    dead: AtomicUsize,
    /// How many forks lie before it: the heap of a P of the parent's is nobody's in the child.
    #[cfg(not(loom))]
    forks: u32,
}

#[cfg(not(loom))]
static FORKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// This is a forked child: the heaps there are were the parent's.
#[cfg(not(loom))]
pub fn forked() {
    FORKS.fetch_add(1, Relaxed);
}

// SAFETY: the heap is touched under the lock only.
unsafe impl Sync for Timers {}

/// No memory for one more entry.
#[derive(Debug)]
pub struct NoMemory;

impl Timers {
    pub fn new() -> Self {
        Timers {
            lock: RawLock::new(Rank::Timers),
            heap: UnsafeCell::new(Heap::new()),
            earliest: AtomicI64::new(NEVER),
            dead: AtomicUsize::new(0),
            #[cfg(not(loom))]
            forks: FORKS.load(Relaxed),
        }
    }

    /// Whether somebody runs what is due here, in this process.
    pub fn is_alive(&self) -> bool {
        #[cfg(not(loom))]
        return self.forks == FORKS.load(Relaxed);
        #[cfg(loom)]
        true
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
        self.add(when, Entry::Wait(g, token))
    }

    /// The goroutine waits: its deadline may come.
    #[inline]
    pub fn armed(&self) {
        self.lock.unlock();
    }

    /// Adds an entry for a timer. It takes over a reference of the caller's.
    pub fn arm_timer(&self, when: i64, t: &'static TimerHead, number: u64) -> Result<(), NoMemory> {
        self.add(when, Entry::Timer(t, number))?;
        self.lock.unlock();
        Ok(())
    }

    /// Adds an entry, and leaves the heap locked unless it fails.
    fn add(&self, when: i64, entry: Entry) -> Result<(), NoMemory> {
        self.lock.lock();
        // SAFETY: the lock is held.
        let heap = unsafe { &mut *self.heap.get() };
        if !heap.reserve_one() {
            self.lock.unlock();
            return Err(NoMemory);
        }
        heap.push(when, entry);
        if when < self.earliest.load(Relaxed) {
            self.earliest.store(when, Relaxed);
        }
        Ok(())
    }

    /// An entry died: a park with a deadline ended before it, or a timer has a newer entry.
    pub fn one_died(&self) {
        self.dead.fetch_add(1, Relaxed);
    }

    fn one_dead_less(&self) {
        let _ = self.dead.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
    }

    fn take_all(&self) -> Heap<Entry> {
        self.lock.lock();
        // SAFETY: the lock is held.
        let all = unsafe { std::mem::replace(&mut *self.heap.get(), Heap::new()) };
        self.earliest.store(NEVER, Relaxed);
        self.dead.store(0, Relaxed);
        self.lock.unlock();
        all
    }

    /// Moves what `other` has here: its P is no longer used.
    pub fn take_over(&self, other: &Timers) {
        for (when, entry) in other.take_all().into_items() {
            match self.add(when, entry) {
                Ok(()) => self.lock.unlock(),
                Err(NoMemory) => crate::throw!("no memory to move a deadline to another P"),
            }
        }
    }

    /// Stops every timer: the runtime stops. There are no goroutines that wait.
    pub fn clear(&self) {
        for (_, entry) in self.take_all().into_items() {
            match entry {
                Entry::Wait(..) => {}
                // SAFETY: the entry goes, and with it its reference. No lock is held.
                Entry::Timer(t, _) if entry.is_live() => unsafe { (t.lost)(t) },
                // SAFETY: as above.
                Entry::Timer(t, _) => unsafe { (t.forget)(t) },
            }
        }
    }

    /// Whether time will end any wait or fire any timer: entries that are dead, or whose timer was stopped, do not count.
    pub fn is_pending(&self) -> bool {
        if self.earliest() == NEVER {
            return false;
        }
        self.lock.lock();
        // SAFETY: the lock is held.
        let heap = unsafe { &*self.heap.get() };
        let pending = heap.iter().any(|e| match e {
            Entry::Timer(t, _) => e.is_live() && t.armed.load(Relaxed),
            Entry::Wait(..) => e.is_live(),
        });
        self.lock.unlock();
        pending
    }

    /// How many entries there are, dead ones included.
    pub fn len(&self) -> usize {
        self.lock.lock();
        // SAFETY: the lock is held.
        let n = unsafe { (*self.heap.get()).len() };
        self.lock.unlock();
        n
    }

    /// Moves the goroutines whose time has come to `woken`, each claimed and marked, and fires timers. A caller that is
    /// not the P's owner only tries: the owner may have lost its processor with the lock in hand.
    pub fn run(&self, now: i64, owner: bool, woken: &GList) {
        while let Some((timer, number)) = self.run_until_timer(now, owner, woken) {
            // SAFETY: the entry was due, and its reference goes to `fire`. No lock is held.
            unsafe { (timer.fire)(timer, number, now) };
        }
    }

    /// Runs what is due up to the first timer, which is fired without the lock.
    fn run_until_timer(&self, now: i64, owner: bool, woken: &GList) -> Option<(&'static TimerHead, u64)> {
        if self.earliest() > now && !(owner && self.dead.load(Relaxed) > 64) {
            return None;
        }
        if owner {
            self.lock.lock();
        } else if !self.lock.try_lock() {
            return None;
        }
        // SAFETY: the lock is held.
        let heap = unsafe { &mut *self.heap.get() };
        let mut timer = None;
        while timer.is_none()
            && let Some(entry) = heap.pop_due(now)
        {
            match entry {
                Entry::Wait(g, token) if g.word.claim(token) => {
                    g.timed_out.set(true);
                    woken.push_back(g);
                }
                Entry::Timer(t, number) if entry.is_live() => timer = Some((t, number)),
                // One of the dead. The count may trail what a sweep has already dropped.
                Entry::Wait(..) => self.one_dead_less(),
                Entry::Timer(t, _) => {
                    self.one_dead_less();
                    // SAFETY: the entry is off the heap, and with it goes its reference.
                    unsafe { (t.forget)(t) };
                }
            }
        }
        if self.dead.load(Relaxed) > 64 && self.dead.load(Relaxed) * 4 > heap.len() {
            self.dead.store(0, Relaxed);
            heap.retain(|e| {
                let live = e.is_live();
                if let (false, Entry::Timer(t, _)) = (live, e) {
                    // SAFETY: the entry goes, and with it its reference.
                    unsafe { (t.forget)(t) };
                }
                live
            });
        }
        self.earliest.store(heap.earliest().unwrap_or(NEVER), Relaxed);
        self.lock.unlock();
        timer
    }
}

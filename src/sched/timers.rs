//! The deadlines of a P: a heap of parks that end, and of timers that fire, when their time comes.
//!
//! The entry of a park names goroutine and token, nothing more: a park that ended otherwise leaves its entry behind,
//! dead, and only counts it. The entry of a timer names the timer and the number that its live entry has; the timer
//! decides under its own lock whether the time is still right (`time/timer.rs`). When a quarter of a heap is dead it is
//! swept. So waking early, stopping and resetting cost no search.
//!
//! *Without memory* a park with a deadline is refused before it begins. A timer cannot be refused when it is reset, or put
//! back after a tick: so each has room for one entry in itself, its *spare*, which stands on a list of the heap that had no
//! room for it, and goes into the heap when there is some. Dead or alive a timer has at most one such entry: if it needs one
//! while the former is still on a list, where it is dead, that is changed in its place.
//!
//! A goroutine arms the deadline of its own park on its own P and keeps the heap locked until it waits: the lock is
//! let go in the commit. Otherwise time could come before the park and be taken for stale.
//! Whoever schedules on the P, a stealer, or the monitor's helper runs what is due; a thief only tries the lock.

use super::g::G;
use super::list::GList;
use super::state::Token;
use crate::sys::atomic::{Acquire, AtomicBool, AtomicI64, AtomicPtr, AtomicU64, AtomicUsize, Relaxed, Release};
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use crate::time::heap::Heap;
use std::cell::{Cell, UnsafeCell};
use std::ptr;

/// What a timer shows to the heaps: it stands at the start of the timer's memory.
pub struct TimerHead {
    /// The number of the entry that counts; others of this timer are dead.
    pub live_entry: AtomicU64,
    /// It wants to fire. Written under the timer's lock.
    pub armed: AtomicBool,
    spare: Spare,
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
            spare: Spare {
                heap: AtomicPtr::new(ptr::null_mut()),
                when: Cell::new(0),
                number: Cell::new(0),
                next: Cell::new(None),
            },
            fire,
            forget,
            lost,
            #[cfg(loom)]
            changes: UnsafeCell::new(()),
        }
    }
}

/// See the file's header.
struct Spare {
    /// The heap whose list it is on, or null. Set under the timer's lock and the heap's, cleared under the heap's.
    heap: AtomicPtr<Timers>,
    /// The entry, while it is on a list: under the lock of that heap.
    when: Cell<i64>,
    number: Cell<u64>,
    next: Cell<Option<&'static TimerHead>>,
}

impl Spare {
    /// It is on no list any more, and not touched after this by who has taken it off.
    fn is_free(&self) {
        self.heap.store(ptr::null_mut(), Release);
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

    /// Whether time will end a wait with it, or fire a timer that was not stopped.
    fn is_pending(&self) -> bool {
        self.is_live() && !matches!(self, Entry::Timer(t, _) if !t.armed.load(Relaxed))
    }

    /// The runtime has stopped. No lock is held.
    fn end(&self) {
        match self {
            Entry::Wait(..) => {}
            // SAFETY: the entry goes, and with it its reference. No lock is held.
            Entry::Timer(t, _) if self.is_live() => unsafe { (t.lost)(t) },
            // SAFETY: as above.
            Entry::Timer(t, _) => unsafe { (t.forget)(t) },
        }
    }
}

/// See the file's header.
pub struct Timers {
    lock: RawLock,
    heap: UnsafeCell<Heap<Entry>>,
    /// Timers whose entry stands in themselves. Under the lock.
    spares: Cell<Option<&'static TimerHead>>,
    /// The earliest time in the heap or among the spares, or NEVER. Written under the lock.
    earliest: AtomicI64,
    /// How many entries time has ended. Written under the lock.
    ended: AtomicU64,
    dead: AtomicUsize,
    /// A model says that no memory is left. Under the lock.
    #[cfg(loom)]
    full: Cell<bool>,
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
            spares: Cell::new(None),
            earliest: AtomicI64::new(NEVER),
            ended: AtomicU64::new(0),
            dead: AtomicUsize::new(0),
            #[cfg(loom)]
            full: Cell::new(false),
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

    /// How many entries time has ended, of those that were still wanted.
    pub fn ended(&self) -> u64 {
        self.ended.load(Relaxed)
    }

    /// Promises room for the entry of a park that is about to begin. Either [`arm_promised`](Self::arm_promised) or
    /// [`not_needed`](Self::not_needed) follows.
    pub fn promise(&self) -> Result<(), NoMemory> {
        self.lock.lock();
        // SAFETY: the lock is held.
        let ok = unsafe { (*self.heap.get()).hold() };
        self.lock.unlock();
        ok.then_some(()).ok_or(NoMemory)
    }

    /// Adds the deadline of a park for which there is a promise.
    pub fn arm_promised(&self, when: i64, g: &'static G, token: Token) {
        self.lock.lock();
        // SAFETY: the lock is held.
        unsafe { (*self.heap.get()).push_held(when, Entry::Wait(g, token)) };
        self.comes_no_later(when);
        self.lock.unlock();
    }

    /// The park has no deadline after all.
    pub fn not_needed(&self) {
        self.lock.lock();
        // SAFETY: the lock is held.
        unsafe { (*self.heap.get()).let_go() };
        self.lock.unlock();
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

    /// Adds an entry for a timer, which is locked, and whose live entry it is. It takes over a reference of the caller's.
    /// Answers the heap that has it: another one where there is no memory.
    pub fn arm_timer(&'static self, when: i64, t: &'static TimerHead, number: u64) -> &'static Timers {
        if self.add(when, Entry::Timer(t, number)).is_ok() {
            self.lock.unlock();
            return self;
        }
        loop {
            // SAFETY: null or the heap of a P, which is there for good.
            match unsafe { t.spare.heap.load(Acquire).as_ref() } {
                Some(heap) if heap.is_alive() => {
                    if heap.change_spare(when, t, number) {
                        return heap;
                    }
                }
                // Nobody else can put it on a list.
                _ => {
                    self.lock.lock();
                    self.put_spare(when, t, number);
                    self.lock.unlock();
                    return self;
                }
            }
        }
    }

    /// Puts a timer's own entry on the list. Under the lock.
    fn put_spare(&self, when: i64, t: &'static TimerHead, number: u64) {
        t.spare.when.set(when);
        t.spare.number.set(number);
        t.spare.next.set(self.spares.replace(Some(t)));
        t.spare.heap.store(ptr::from_ref(self).cast_mut(), Release);
        self.comes_no_later(when);
    }

    /// Gives a new time and number to a timer's own entry, which is dead. False if it is no longer here.
    fn change_spare(&self, when: i64, t: &'static TimerHead, number: u64) -> bool {
        self.lock.lock();
        let here = ptr::eq(t.spare.heap.load(Relaxed), self);
        if here {
            t.spare.when.set(when);
            t.spare.number.set(number);
            self.comes_no_later(when);
            self.one_dead_less();
        }
        self.lock.unlock();
        if here {
            // SAFETY: the dead entry is no more, and with it goes its reference. The timer's lock alone is held, by a caller
            // with a reference of its own.
            unsafe { (t.forget)(t) };
        }
        here
    }

    /// Empties the list of the timers' own entries. Each goes to `f`, which either puts it on a list again, its own or another
    /// heap's that is locked, or calls [`Spare::is_free`]: in between nobody may think that it is on none. Under the lock.
    fn take_spares(&self, mut f: impl FnMut(i64, &'static TimerHead, u64)) {
        let mut rest = self.spares.take();
        while let Some(t) = rest {
            rest = t.spare.next.take();
            f(t.spare.when.get(), t, t.spare.number.get());
        }
    }

    /// The timers' own entries on the list. Under the lock.
    fn spares(&self) -> impl Iterator<Item = &'static TimerHead> {
        std::iter::successors(self.spares.get(), |t| t.spare.next.get())
    }

    /// Adds an entry, and leaves the heap locked unless it fails.
    fn add(&self, when: i64, entry: Entry) -> Result<(), NoMemory> {
        self.lock.lock();
        // SAFETY: the lock is held.
        let heap = unsafe { &mut *self.heap.get() };
        if !self.has_room(heap) {
            self.lock.unlock();
            return Err(NoMemory);
        }
        heap.push(when, entry);
        self.comes_no_later(when);
        Ok(())
    }

    /// Whether there is room for one more entry. Under the lock.
    fn has_room(&self, heap: &mut Heap<Entry>) -> bool {
        #[cfg(loom)]
        if self.full.get() {
            return false;
        }
        heap.reserve(1)
    }

    /// From here on no memory is left for entries, or there is some again.
    #[cfg(loom)]
    pub fn set_full(&self, full: bool) {
        self.lock.lock();
        self.full.set(full);
        self.lock.unlock();
    }

    /// There is an entry for this time. Under the lock.
    fn comes_no_later(&self, when: i64) {
        if when < self.earliest.load(Relaxed) {
            self.earliest.store(when, Relaxed);
        }
    }

    /// Entries have gone. Under the lock.
    fn find_earliest(&self, heap: &Heap<Entry>) {
        let spare = self.spares().map(|t| t.spare.when.get()).min();
        self.earliest.store(heap.earliest().unwrap_or(NEVER).min(spare.unwrap_or(NEVER)), Relaxed);
    }

    /// An entry died: a park with a deadline ended before it, or a timer has a newer entry.
    pub fn one_died(&self) {
        self.dead.fetch_add(1, Relaxed);
    }

    fn one_dead_less(&self) {
        let _ = self.dead.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
    }

    /// Moves what `other` has here: its P is no longer used. False, and nothing moved, when no memory is left. This is the
    /// heap of the first P, whose lock goes before those of all others.
    #[must_use]
    pub fn take_over(&self, other: &Timers) -> bool {
        debug_assert!(!ptr::eq(self, other), "there is always a P that is not surplus");
        self.lock.lock();
        other.lock.lock();
        // SAFETY: both locks are held, and they are two.
        let (heap, from) = unsafe { (&mut *self.heap.get(), &mut *other.heap.get()) };
        let ok = heap.take_over(from);
        if ok {
            other.take_spares(|when, t, number| self.put_spare(when, t, number));
            other.earliest.store(NEVER, Relaxed);
            self.dead.fetch_add(other.dead.swap(0, Relaxed), Relaxed);
            self.find_earliest(heap);
        }
        other.lock.unlock();
        self.lock.unlock();
        ok
    }

    /// Stops every timer: the runtime stops. There are no goroutines that wait.
    pub fn clear(&self) {
        self.lock.lock();
        // SAFETY: the lock is held.
        let heap = unsafe { &mut *self.heap.get() };
        let all = std::mem::replace(heap, Heap::new());
        self.dead.store(0, Relaxed);
        self.find_earliest(heap);
        self.lock.unlock();
        all.iter().for_each(|entry| entry.end());
        while let Some(entry) = self.take_spare() {
            entry.end();
        }
    }

    /// Takes one of the timers' own entries off the list.
    fn take_spare(&self) -> Option<Entry> {
        self.lock.lock();
        let entry = self.spares.get().map(|t| {
            self.spares.set(t.spare.next.take());
            let number = t.spare.number.get();
            t.spare.is_free();
            Entry::Timer(t, number)
        });
        // SAFETY: the lock is held.
        self.find_earliest(unsafe { &*self.heap.get() });
        self.lock.unlock();
        entry
    }

    /// Whether time will end any wait or fire any timer: entries that are dead, or whose timer was stopped, do not count.
    pub fn is_pending(&self) -> bool {
        if self.earliest() == NEVER {
            return false;
        }
        self.lock.lock();
        // SAFETY: the lock is held.
        let heap = unsafe { &*self.heap.get() };
        let pending = heap.iter().any(Entry::is_pending)
            || self.spares().any(|t| Entry::Timer(t, t.spare.number.get()).is_pending());
        self.lock.unlock();
        pending
    }

    /// How many entries there are, dead ones included.
    pub fn len(&self) -> usize {
        self.lock.lock();
        // SAFETY: the lock is held.
        let n = unsafe { (*self.heap.get()).len() } + self.spares().count();
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
        let mut timer = self.settle_spares(heap, now);
        let mut ended = self.ended.load(Relaxed);
        while timer.is_none()
            && let Some(entry) = heap.pop_due(now)
        {
            // Among many that sleep, the next one's record is in no cache.
            if let Some(Entry::Wait(g, _)) = heap.first() {
                g.expect();
            }
            match entry {
                Entry::Wait(g, token) if g.word.claim(token) => {
                    g.timed_out.set(true);
                    woken.push_back(g);
                    ended += 1;
                }
                Entry::Timer(t, number) if entry.is_live() => {
                    timer = Some((t, number));
                    ended += 1;
                }
                // One of the dead. The count may trail what a sweep has already dropped.
                Entry::Wait(..) => self.one_dead_less(),
                Entry::Timer(t, _) => {
                    self.one_dead_less();
                    // SAFETY: the entry is off the heap, and with it goes its reference.
                    unsafe { (t.forget)(t) };
                }
            }
        }
        self.ended.store(ended, Relaxed);
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
        self.find_earliest(heap);
        self.lock.unlock();
        timer
    }

    /// Entries that had no room go into the heap if it has some. Answers one that has none, and is due. Under the lock.
    fn settle_spares(&self, heap: &mut Heap<Entry>, now: i64) -> Option<(&'static TimerHead, u64)> {
        let mut due = None;
        self.take_spares(|when, t, number| {
            if !Entry::Timer(t, number).is_live() {
                t.spare.is_free();
                self.one_dead_less();
                // SAFETY: the entry is off the list, and with it goes its reference.
                unsafe { (t.forget)(t) };
            } else if self.has_room(heap) {
                t.spare.is_free();
                heap.push(when, Entry::Timer(t, number));
            } else if due.is_none() && when <= now {
                t.spare.is_free();
                due = Some((t, number));
            } else {
                self.put_spare(when, t, number);
            }
        });
        due
    }
}

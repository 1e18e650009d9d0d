//! P: the right to run goroutine code, and all that goes with it: queues, deadlines, caches.
//!
//! A P belongs to the M whose `p` names it, or to nobody while it is idle. Everything in a `Cell` is its owner's;
//! ownership changes hands under the scheduler's lock. Thieves touch only the queue's head, `runnext`, `timers` and the
//! counters. Ps are made once per index and never freed, so a `&'static P` stays good across restarts.

use super::crowd;
use super::g::G;
use super::list::GList;
use super::m::M;
use super::next::Next;
use super::patience::Patience;
use super::records;
use super::runq::{self, RunQueue};
use super::timers::Timers;
use crate::sys::barrier;
use crate::sys::stack::{self, Class, Stack};
use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering::*};

/// Dead G records a cache keeps.
const RECORDS: usize = 256;
/// Stacks a P keeps hot.
const STACKS: usize = 64;
/// Ids taken from the global counter at a time.
const IDS: i64 = 64;
/// Promises of stacks taken from the pool at a time.
const PROMISES: usize = 64;

/// See the file's header.
#[repr(align(128))]
pub struct P {
    pub index: u32,
    /// Somebody has it, or a thread is made for it. Under the scheduler's lock.
    pub held: Cell<bool>,
    /// The M that runs it, for the monitor; null while idle.
    pub m: AtomicPtr<M>,
    /// The goroutine made ready last: runs next, in its predecessor's time slice.
    runnext: Next<G>,
    queue: RunQueue,
    /// Rises for each goroutine that gets a time slice of its own.
    pub tick: AtomicU32,
    /// How many goroutines were spawned here when there was no room for more, in which slice.
    spilled: Cell<(u32, u32)>,
    /// Rises for each switch to a goroutine.
    pub switches: AtomicU64,
    /// Times that the P's owner took work from another P.
    pub steals: AtomicU64,
    /// How many more times a lone `runnext` may wake a thread. See `idle.rs`.
    pub lone_credit: AtomicI32,
    pub patience: Patience,
    pub timers: Timers,
    pub cache: SpawnCache,
    stacks: [Cell<Stack>; STACKS],
    stacks_len: Cell<usize>,
    /// The next idle P, while this one is on that list.
    pub idle_link: Cell<Option<&'static P>>,
}

// SAFETY: the header says who touches the cells.
unsafe impl Sync for P {}

/// What spawning needs at hand. A P has one, and so has each plain thread.
pub struct SpawnCache {
    pub records: GList,
    next_id: Cell<i64>,
    ids_end: Cell<i64>,
    promises: Cell<usize>,
    /// Goroutines spawned and ended here. Read by anybody, written by the owner.
    pub spawned: AtomicI64,
    pub ended: AtomicI64,
}

static IDS_TAKEN: AtomicI64 = AtomicI64::new(1);

/// Adds one without a locked instruction: there is one writer.
#[inline(always)]
pub fn bump(counter: &AtomicI64) {
    counter.store(counter.load(Relaxed) + 1, Release);
}

impl SpawnCache {
    pub const fn new() -> Self {
        SpawnCache {
            records: GList::new(),
            next_id: Cell::new(0),
            ids_end: Cell::new(0),
            promises: Cell::new(0),
            spawned: AtomicI64::new(0),
            ended: AtomicI64::new(0),
        }
    }

    /// A dead record, or None when no memory is left.
    #[inline]
    pub fn take_record(&self) -> Option<&'static G> {
        if self.records.is_empty() && !records::allocate(&self.records, RECORDS / 4) {
            return None;
        }
        self.records.pop()
    }

    #[inline]
    pub fn put_record(&self, g: &'static G) {
        self.records.push_front(g);
        if self.records.len() > RECORDS {
            records::release(&self.records, RECORDS / 2);
        }
    }

    /// An id higher than `above`, which is the newest of the same spawner.
    #[inline]
    pub fn take_id(&self, above: i64) -> i64 {
        let mut id = self.next_id.get();
        if id >= self.ids_end.get() || id <= above {
            id = IDS_TAKEN.fetch_add(IDS, Relaxed);
            self.ids_end.set(id + IDS);
        }
        self.next_id.set(id + 1);
        id
    }

    /// One promised stack of the default class or another. False when no memory is left.
    #[inline]
    pub fn take_promise(&self, class: Class, default: Class) -> bool {
        if class != default {
            return stack::promise(class, 1);
        }
        if self.promises.get() == 0 {
            if stack::promise(class, PROMISES) {
                self.promises.set(PROMISES);
            } else if stack::promise(class, 1) {
                self.promises.set(1);
            } else {
                return false;
            }
        }
        self.promises.set(self.promises.get() - 1);
        true
    }

    #[inline]
    pub fn put_promise(&self, class: Class, default: Class) {
        if class != default {
            stack::unpromise(class, 1);
            return;
        }
        self.promises.set(self.promises.get() + 1);
        if self.promises.get() > 2 * PROMISES {
            self.promises.set(self.promises.get() - PROMISES);
            stack::unpromise(class, PROMISES);
        }
    }

    /// Gives everything back but the counts: a plain thread ends.
    pub fn flush(&self, default: Class) {
        records::release(&self.records, usize::MAX);
        // Without promises the runtime may not be up, and there is no default yet.
        if self.promises.get() > 0 {
            stack::unpromise(default, self.promises.take());
        }
    }

    /// The goroutines were another process's.
    pub fn forget_counts(&self) {
        self.spawned.store(0, Relaxed);
        self.ended.store(0, Relaxed);
    }

    /// The stacks are gone, and with them what was promised.
    pub fn drop_promises(&self) {
        self.promises.set(0);
    }
}

impl P {
    pub fn new(index: u32) -> Self {
        P {
            index,
            held: Cell::new(false),
            m: AtomicPtr::new(std::ptr::null_mut()),
            runnext: Next::new(barrier::is_cheap()),
            queue: RunQueue::new(),
            tick: AtomicU32::new(0),
            spilled: Cell::new((0, 0)),
            switches: AtomicU64::new(0),
            steals: AtomicU64::new(0),
            lone_credit: AtomicI32::new(0),
            patience: Patience::new(),
            timers: Timers::new(),
            cache: SpawnCache::new(),
            stacks: [const { Cell::new(Stack::NONE) }; STACKS],
            stacks_len: Cell::new(0),
            idle_link: Cell::new(None),
        }
    }

    /// How many slots the cache of a P can hold back: they must be promised (see stack.rs).
    pub const fn stack_cache() -> usize {
        STACKS
    }

    /// The number of Ps was lowered, and this one is no longer among them.
    #[inline]
    pub fn is_surplus(&self) -> bool {
        self.index >= super::global::procs()
    }

    /// Makes `g` the next to run, and answers the one that was.
    #[inline]
    pub fn swap_next(&self, g: &'static G) -> Option<&'static G> {
        // SAFETY: runnext holds a record's address or null; records are never unmapped.
        unsafe { self.runnext.swap(std::ptr::from_ref(g).cast_mut()).as_ref() }
    }

    /// Takes `runnext`, by the owner.
    #[inline]
    pub fn take_next(&self) -> Option<&'static G> {
        // SAFETY: as in swap_next.
        unsafe { self.runnext.take().as_ref() }
    }

    /// What `runnext` holds, to be compared only.
    pub fn peek_next(&self) -> *const G {
        self.runnext.peek()
    }

    /// Takes `runnext` if it still is `seen`, by a thief.
    pub fn steal_next(&self, seen: *const G) -> Option<&'static G> {
        // SAFETY: as in swap_next.
        if self.runnext.steal(seen.cast_mut()) { unsafe { seen.as_ref() } } else { None }
    }

    /// Puts a goroutine behind the others. False, and nothing, when the queue is full. Owner only.
    #[inline]
    #[must_use]
    pub fn push(&self, g: &'static G) -> bool {
        self.queue.push(g)
    }

    /// Takes the goroutine at the head of the queue. Owner only.
    #[inline]
    pub fn pop(&self) -> Option<&'static G> {
        self.queue.pop()
    }

    /// How many more goroutines the queue takes.
    pub fn room(&self) -> usize {
        runq::SIZE - self.queue.len()
    }

    /// Takes half of a victim's queue: answers one goroutine, the others are queued here. Owner only, with an empty queue.
    pub fn rob(&self, victim: &P) -> Option<&'static G> {
        let g = self.queue.steal_from(&victim.queue)?;
        self.steals.store(self.steals.load(Relaxed) + 1, Relaxed);
        Some(g)
    }

    /// How many goroutines are queued here, `runnext` aside. A hint.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many have ever left the queue. A hint.
    pub fn left(&self) -> u32 {
        self.queue.left()
    }

    /// Whether goroutines are queued here, `runnext` aside.
    #[inline]
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether goroutines are queued here for which a thread is to be woken. Whoever thought of sparing a P that was given up
    /// meanwhile is mistaken: nobody would look at its queue.
    pub fn has_loose(&self) -> bool {
        self.has_queued()
            && (self.m.load(Relaxed).is_null() || !(self.patience.is_spared() || crowd::is_soon_done(self)))
    }

    /// Whether anything at all is ready here.
    pub fn has_ready(&self) -> bool {
        self.has_queued() || !self.peek_next().is_null()
    }

    /// How many goroutines are ready here. A hint.
    pub fn ready(&self) -> usize {
        self.queue.len() + !self.peek_next().is_null() as usize
    }

    /// Whether the next slice is the one in 61 before which the global queue goes first.
    #[inline]
    pub fn global_is_due(&self) -> bool {
        self.tick.load(Relaxed).wrapping_add(1).is_multiple_of(61)
    }

    /// A goroutine gets a slice of its own.
    #[inline]
    pub fn new_slice(&self) {
        self.tick.store(self.tick.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// One more was spawned when there was no room for more. Answers how many there were in the present slice.
    pub fn spills(&self) -> u32 {
        let (tick, (slice, n)) = (self.tick.load(Relaxed), self.spilled.get());
        let n = if slice == tick { n.wrapping_add(1) } else { 1 };
        self.spilled.set((tick, n));
        n
    }

    /// A switch to a goroutine. True every 16th time, when the clock is looked at.
    #[inline]
    pub fn count_switch(&self) -> bool {
        let n = self.switches.load(Relaxed) + 1;
        self.switches.store(n, Relaxed);
        n.is_multiple_of(16)
    }

    /// A stack of the default class from the cache.
    #[inline]
    pub fn cached_stack(&self) -> Option<Stack> {
        let n = self.stacks_len.get().checked_sub(1)?;
        self.stacks_len.set(n);
        Some(self.stacks[n].get())
    }

    /// A stack for a goroutine that holds a promise.
    pub fn take_stack(&self, class: Class, default: Class) -> Stack {
        if class == default {
            if let Some(s) = self.cached_stack() {
                return s;
            }
            let mut batch = [Stack::NONE; 16];
            let n = stack::take(class, &mut batch);
            if n > 0 {
                for &s in &batch[1..n] {
                    self.put_stack(s, class, default);
                }
                return batch[0];
            }
        } else {
            let mut one = [Stack::NONE];
            if stack::take(class, &mut one) == 1 {
                return one[0];
            }
        }
        crate::throw!("a promised stack of {} bytes is missing", class.size())
    }

    /// Keeps a stack that nobody uses any more.
    #[inline]
    pub fn put_stack(&self, s: Stack, class: Class, default: Class) {
        if class != default {
            stack::give(class, &[s]);
            return;
        }
        let n = self.stacks_len.get();
        if n == STACKS {
            self.spill_stacks(class);
            return self.put_stack(s, class, default);
        }
        self.stacks[n].set(s);
        self.stacks_len.set(n + 1);
    }

    /// The stacks are gone.
    pub fn drop_stacks(&self) {
        self.stacks_len.set(0);
    }

    #[cold]
    fn spill_stacks(&self, class: Class) {
        let mut half = [Stack::NONE; STACKS / 2];
        let keep = self.stacks_len.get() - half.len();
        for (to, from) in half.iter_mut().zip(&self.stacks[keep..]) {
            *to = from.get();
        }
        self.stacks_len.set(keep);
        stack::give(class, &half);
    }
}

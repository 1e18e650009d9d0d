//! The lock inside the runtime: a futex mutex of one word, held for a few hundred instructions.
//!
//! To let go is a plain store, not an exchange, which would cost as much as taking it: so the word cannot say whether
//! somebody sleeps. That is counted elsewhere, by the lock's address, in memory that stays when the object goes ([`ASLEEP`]):
//!
//! ```text
//!   lets go                           goes to sleep
//!   U1 word = FREE (Release)          S1 asleep += 1
//!   U2 asleep != 0: wake one          S2 a barrier on every running thread of the process
//!                                     S3 compare-and-swap FREE to HELD; else sleep while the word is HELD
//! ```
//!
//! *Nobody sleeps on without a waker.* Look at where the barrier strikes the thread that has the word HELD at S3. Between U1
//! and U2, or after both: its U1 is visible at S3, so it is not the one that has the word HELD. Before U1: then its U2 comes
//! after the barrier, sees S1, and wakes; and if that wake-up comes before the sleep, the kernel finds the word changed. Where
//! there is no such barrier (no membarrier, no runtime yet) the sleep is short and tried again. The models are in
//! `lock_models.rs`; in those of other rooms letting go is an exchange and sleeping is loom's.
//!
//! A lock is taken and let go by the same thread, but not always by the same goroutine: a park lets go of its
//! locks on the far side of the switch, in the commit. So there is no guard; `lock` and `unlock` are written out.
//!
//! Every lock has a rank ([`Rank`]). A thread takes locks in rising rank only; several channels are taken in
//! address order. Debug builds check it.

use crate::sys::atomic::{Acquire, AtomicU32, Relaxed, Release, SeqCst, spin_hint, thread_yield};
#[cfg(not(loom))]
use crate::sys::{barrier, clock, clock::NEVER, errno, futex};
#[cfg(not(loom))]
use std::cell::Cell;
#[cfg(not(loom))]
use std::sync::atomic::compiler_fence;

#[cfg(all(test, loom))]
#[path = "lock_models.rs"]
mod models;

/// The order of locks, lowest first. `docs/HACKING.md` carries the same list with what each one guards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Rank {
    /// Birth and death of the runtime.
    Lifecycle,
    /// The list of runs that are waited for.
    Runs,
    /// Looking something up in the dynamic linker.
    Loader,
    /// A tree of contexts.
    Context,
    /// A timer: what it wants.
    Timer,
    /// A channel's state and queues.
    Channel,
    /// Note: done flag and waiter.
    Note,
    /// A descriptor's queues.
    Descriptor,
    /// A ring of calls that the kernel carries out.
    Ring,
    /// A P's timer heap.
    Timers,
    /// The table of homes.
    Homes,
    /// A home's line of goroutines.
    Home,
    /// Idle Ps and Ms, and the list of Ms.
    Sched,
    /// The global queue.
    Queue,
    /// The table of keys.
    Keys,
    /// Names of goroutines.
    Names,
    /// The table of G records.
    Records,
    /// A class of stacks.
    Stacks,
    /// The deepest use of a stack.
    Deepest,
}

const FREE: u32 = 0;
const HELD: u32 = 1;

/// How many sleep for a lock, by a hash of its address: too many are counted where two locks share a place, which costs a
/// needless wake-up.
#[cfg(not(loom))]
static ASLEEP: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];
/// After how many turns of the processor's own spin wait who finds a lock taken looks again.
#[cfg(not(loom))]
const LOOKS: [u32; 8] = [32, 32, 32, 32, 128, 128, 128, 128];
/// How long a sleep is that may have missed its waker, ns.
#[cfg(not(loom))]
const UNSURE: i64 = 1_000_000;

#[cfg(not(loom))]
#[inline(always)]
fn asleep(word: *const AtomicU32) -> &'static AtomicU32 {
    &ASLEEP[(word.addr() >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56]
}

/// U1 and U2 of the header; `between` keeps them in order where the barrier is. True: somebody is to be woken.
#[inline(always)]
fn let_go(word: &AtomicU32, asleep: &AtomicU32, between: impl FnOnce()) -> bool {
    word.store(FREE, Release);
    between();
    asleep.load(Relaxed) != 0
}

/// S1 to S3. True: the caller has the lock. The caller lowers the count when it no longer sleeps.
#[inline(always)]
fn goes_to_sleep(word: &AtomicU32, asleep: &AtomicU32, barrier: impl FnOnce()) -> bool {
    asleep.fetch_add(1, SeqCst);
    barrier();
    word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
}

/// In a forked child: nobody sleeps.
#[cfg(not(loom))]
pub fn forked() {
    ASLEEP.iter().for_each(|n| n.store(0, Relaxed));
}

/// See the room's header.
pub struct RawLock {
    word: AtomicU32,
    #[cfg(debug_assertions)]
    rank: Rank,
}

impl RawLock {
    #[cfg(not(loom))]
    pub const fn new(rank: Rank) -> Self {
        let _ = rank;
        RawLock {
            word: AtomicU32::new(FREE),
            #[cfg(debug_assertions)]
            rank,
        }
    }

    #[cfg(loom)]
    pub fn new(rank: Rank) -> Self {
        let _ = rank;
        RawLock {
            word: AtomicU32::new(FREE),
            #[cfg(debug_assertions)]
            rank,
        }
    }

    #[inline(always)]
    pub fn lock(&self) {
        self.lock_or_fight();
    }

    /// Takes the lock. True: somebody else had it.
    #[inline(always)]
    pub fn lock_or_fight(&self) -> bool {
        #[cfg(debug_assertions)]
        ranks::taking(self.rank);
        let fight = self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_err();
        if fight {
            self.lock_slow();
        }
        fight
    }

    /// Takes the lock if nobody holds it. Never waits, so it is exempt from the order of ranks.
    #[inline]
    #[must_use]
    pub fn try_lock(&self) -> bool {
        let ok = self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok();
        #[cfg(debug_assertions)]
        if ok {
            ranks::took(self.rank);
        }
        ok
    }

    /// Lets go. The caller holds the lock; from the store on the object may be gone.
    #[inline(always)]
    pub fn unlock(&self) {
        #[cfg(debug_assertions)]
        ranks::dropped(self.rank);
        let at: *const AtomicU32 = &self.word;
        #[cfg(not(loom))]
        if let_go(&self.word, asleep(at), || compiler_fence(SeqCst)) {
            Self::wake_one(at);
        }
        #[cfg(loom)]
        {
            self.word.swap(FREE, Release);
            waiting::wake(at);
        }
    }

    /// The caller has the lock by other means (`sched/bias.rs`): its rank counts all the same.
    #[inline(always)]
    pub fn taken_otherwise(&self) {
        #[cfg(debug_assertions)]
        ranks::taking(self.rank);
    }

    /// The end of that.
    #[inline(always)]
    pub fn let_go_otherwise(&self) {
        #[cfg(debug_assertions)]
        ranks::dropped(self.rank);
    }

    #[cfg(not(loom))]
    #[cold]
    #[inline(never)]
    fn wake_one(at: *const AtomicU32) {
        futex::wake(at, 1);
    }

    #[cfg(not(loom))]
    #[cold]
    #[inline(never)]
    fn lock_slow(&self) {
        // The holder is about to let go, unless the kernel took its processor away: spin for some microseconds, then sleep. With
        // long breaks: each look takes the word out of the holder's cache, and he is likely to take the lock again.
        for pauses in LOOKS {
            for _ in 0..pauses {
                spin_hint();
            }
            if self.word.load(Relaxed) == FREE && self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok() {
                return;
            }
        }
        let asleep = asleep(&self.word);
        loop {
            let is_sure = Cell::new(false);
            let got = goes_to_sleep(&self.word, asleep, || is_sure.set(errno::preserved(barrier::on_running)));
            if !got {
                futex::wait(&self.word, HELD, if is_sure.get() { NEVER } else { clock::after(UNSURE) });
            }
            asleep.fetch_sub(1, Relaxed);
            if got || self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok() {
                return;
            }
        }
    }

    #[cfg(loom)]
    fn lock_slow(&self) {
        while self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_err() {
            waiting::wait(&self.word);
        }
    }
}

/// Who waits for a lock in a model. They sleep: two that look again and again, while a third is about to let go, have runs
/// without end, which no bound on preemptions cuts.
#[cfg(loom)]
mod waiting {
    use crate::sys::atomic::AtomicU32;
    use loom::thread::{self, Thread};
    use std::sync::Mutex;

    loom::lazy_static! {
        static ref WAITING: Mutex<Vec<(usize, Thread)>> = Mutex::new(Vec::new());
    }

    /// The caller has just found the word taken: loom lets no other thread go between the two.
    pub fn wait(word: *const AtomicU32) {
        let own = thread::current();
        WAITING.lock().unwrap().push((word.addr(), own));
        thread::park();
    }

    pub fn wake(word: *const AtomicU32) {
        let woken: Vec<_> = WAITING.lock().unwrap().extract_if(.., |w| w.0 == word.addr()).collect();
        for (_, thread) in woken {
            thread.unpark();
        }
    }
}

/// Waits a little longer each time, for somebody who needs some dozen instructions but may have lost his processor.
pub fn pause(tries: &mut u32) {
    *tries += 1;
    match *tries {
        0..=60 => spin_hint(),
        61..=80 => thread_yield(),
        #[cfg(not(loom))]
        _ => super::futex::nap(20_000),
        #[cfg(loom)]
        _ => thread_yield(),
    }
}

/// What the thread holds, as a count per rank. Debug builds only. These functions contain no switch and stay out
/// of line, because they read a thread-local of std.
#[cfg(debug_assertions)]
mod ranks {
    use super::Rank;
    use std::cell::Cell;

    thread_local!(static HELD: Cell<[u16; 24]> = const { Cell::new([0; 24]) });

    #[inline(never)]
    pub fn taking(rank: Rank) {
        let held = HELD.get();
        // Several channels are locked by a select, descriptors by a poll, all pools, queues, homes and rings by a fork, two heaps for a
        // move, each in a fixed order.
        use Rank::*;
        let several = matches!(rank, Channel | Descriptor | Ring | Timers | Home | Queue | Stacks);
        let from = rank as usize + several as usize;
        if let Some(above) = (from..24).find(|&r| held[r] != 0) {
            crate::throw!("lock of rank {} ({:?}) wanted while rank {} is held", rank as usize, rank, above);
        }
        took(rank);
    }

    #[inline(never)]
    pub fn took(rank: Rank) {
        let mut held = HELD.get();
        held[rank as usize] += 1;
        HELD.set(held);
    }

    #[inline(never)]
    pub fn dropped(rank: Rank) {
        let mut held = HELD.get();
        held[rank as usize] -= 1;
        HELD.set(held);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;

    struct Shared(RawLock, UnsafeCell<u64>);
    // SAFETY: the cell is touched under the lock only.
    unsafe impl Sync for Shared {}

    #[test]
    fn excludes() {
        let shared = Shared(RawLock::new(Rank::Sched), UnsafeCell::new(0));
        let s = &shared;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50_000 {
                        s.0.lock();
                        // SAFETY: the lock is held.
                        unsafe { *s.1.get() += 1 };
                        s.0.unlock();
                    }
                });
            }
        });
        assert_eq!(shared.1.into_inner(), 200_000);
    }

    #[test]
    fn try_lock_never_waits() {
        let l = RawLock::new(Rank::Sched);
        assert!(l.try_lock());
        assert!(!l.try_lock());
        l.unlock();
        assert!(l.try_lock());
        l.unlock();
    }
}

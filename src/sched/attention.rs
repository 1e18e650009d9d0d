//! The two words between a thread and the monitor: where the thread is, and what the monitor wants of it. With them a P is
//! taken from a thread that runs code of the program, which nobody can stop or ask.
//!
//! ```text
//! thread                                    taker (the monitor alone)
//! enter:                                    1 flags |= REQ
//!   E1 place = INSIDE                       2 a barrier on every running thread of the process
//!   E2 flags == 0?  go on                   3 place != INSIDE?
//!   E3 else settle: clear REQ by CAS,            no: REQ becomes PREEMPT; nothing taken
//!      or find TAKEN: the P is gone         4 the thread still has the same P, in the same slice?
//! leave:                                    5 CAS REQ -> TAKEN; where it fails the thread was first
//!   L1 place = OUTSIDE (Release)            6 the P is the taker's
//! ```
//! *Between E1 and E2 stands only a compiler fence*: the price of a call. The barrier (membarrier) makes up for it.
//!
//! *Nobody touches a P that the other has.* Look at the thread's last E1 whose store is visible before the barrier strikes it.
//! * If it has not left since, 3 reads INSIDE, and nothing is taken.
//! * If it has left, 3 reads OUTSIDE with Acquire from L1's Release: all it did to the P is visible to the taker.
//! * Any later E1 comes after the barrier on that thread, so its E2 sees REQ (or TAKEN, or what the taker made of it). Then
//!   both change the one word `flags` by compare-and-swap: either the thread clears REQ first and keeps the P, and 5
//!   fails; or 5 is first, and the thread finds TAKEN and does not touch the P again.
//!
//! A store of TAKEN instead of 5, a relaxed L1, or no barrier break this: the models (`retake_models.rs`) show each.
//!
//! *Without membarrier* FENCE is set for good: no entry sees 0, and the settling puts a full fence between E1 and the second
//! look. It stands for the barrier.
//!
//! From the scheme of "asymmetric Dekker synchronisation" (Dice, Huang, Yang: Asymmetric Dekker Synchronization, 2001).

use crate::sys::atomic::{AcqRel, Acquire, AtomicU8, AtomicU32, Relaxed, Release, SeqCst, full_fence};
use std::sync::atomic::compiler_fence;

/// The thread runs code of the program.
pub const OUTSIDE: u8 = 0;
/// The thread runs the runtime.
pub const INSIDE: u8 = 1;
/// The thread runs code of the program that is going to block, and said so.
pub const ANNOUNCED: u8 = 2;

/// The monitor is about to take the P.
const REQ: u32 = 1;
/// It has.
const TAKEN: u32 = 2;
/// The time slice is over.
const PREEMPT: u32 = 4;
/// There is no barrier to be had but a fence at each entry.
const FENCE: u32 = 8;
/// Whoever sees it says how long the goroutine took.
const HOG: u32 = 16;
/// The scheduler is to look at the clock: a deadline is due.
const LOOK: u32 = 32;

/// What a thread finds when it settles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Found {
    /// Its P is gone. The flag stays up until [`Attention::accept`].
    pub taken: bool,
    /// The slice is over; that stays up too, until [`Attention::attend`].
    pub slice_over: bool,
    /// The scheduler is to look; that stays up until [`Attention::attend`].
    pub look: bool,
    /// It has been long outside.
    pub hog: bool,
}

/// What the scheduler finds wanted.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub slice_over: bool,
    pub look: bool,
    /// A report of a goroutine that has left since.
    pub hog: bool,
}

/// See the file's header. Both words stand on one line, so that an entry costs a store, a load and a branch.
#[repr(C)]
pub struct Attention {
    place: AtomicU8,
    flags: AtomicU32,
    #[cfg(loom)]
    pub barrier: super::retake_models::Injected,
}

impl Attention {
    pub fn new() -> Self {
        Attention {
            place: AtomicU8::new(INSIDE),
            flags: AtomicU32::new(0),
            #[cfg(loom)]
            barrier: Default::default(),
        }
    }

    /// A thread begins or ends with nothing asked of it; `fences` where there is no membarrier.
    pub fn reset(&self, place: u8, fences: bool) {
        self.place.store(place, Release);
        self.flags.store(if fences { FENCE } else { 0 }, Release);
    }

    /// Under loom the barrier may strike between any two accesses of the thread.
    #[inline(always)]
    fn point(&self) {
        #[cfg(loom)]
        self.barrier.point();
    }

    /// Whether the thread, which asks itself, is inside.
    #[inline(always)]
    pub fn is_inside(&self) -> bool {
        self.place.load(Relaxed) == INSIDE
    }

    /// Whether the thread, which asks itself, has announced that it will block.
    pub fn is_announced(&self) -> bool {
        self.place.load(Relaxed) == ANNOUNCED
    }

    /// E1, E2. True: the thread must [`settle`](Self::settle) before it touches anything.
    #[inline(always)]
    #[must_use]
    pub fn enter(&self) -> bool {
        self.point();
        self.place.store(INSIDE, Relaxed);
        compiler_fence(SeqCst);
        self.point();
        let flags = self.flags.load(Relaxed);
        self.point();
        flags != 0
    }

    /// E3.
    #[cold]
    pub fn settle(&self) -> Found {
        self.point();
        if self.flags.load(Relaxed) & FENCE != 0 {
            full_fence();
        }
        let mut seen = self.flags.load(Acquire);
        loop {
            self.point();
            // A request that comes too late has still found the slice to be over.
            let over = if seen & REQ != 0 { PREEMPT } else { seen & PREEMPT };
            let new = seen & (FENCE | TAKEN | LOOK) | over;
            match self.flags.compare_exchange(seen, new, AcqRel, Acquire) {
                Ok(_) => {
                    return Found {
                        taken: seen & TAKEN != 0,
                        slice_over: over != 0,
                        look: seen & LOOK != 0,
                        hog: seen & HOG != 0,
                    };
                }
                Err(now) => seen = now,
            }
        }
    }

    /// The thread, inside, has drawn its conclusions from the loss of its P.
    pub fn accept(&self) {
        self.flags.fetch_and(!(TAKEN | PREEMPT), Relaxed);
    }

    /// The thread, inside, has given its P away and does without: it is as if that had been taken.
    #[cfg(not(loom))]
    pub fn lost(&self) {
        self.flags.fetch_or(TAKEN, Relaxed);
    }

    /// Whether the P is gone, asked by the thread inside.
    pub fn is_taken(&self) -> bool {
        self.flags.load(Acquire) & TAKEN != 0
    }

    /// The thread, inside, has ended a slice. True if that was wanted.
    #[inline(always)]
    pub fn new_slice(&self) -> bool {
        self.flags.load(Relaxed) & PREEMPT != 0 && self.flags.fetch_and(!PREEMPT, Relaxed) & PREEMPT != 0
    }

    /// The scheduler, inside, attends to all that is wanted of it.
    #[inline(always)]
    pub fn attend(&self) -> Wanted {
        const ALL: u32 = PREEMPT | LOOK | HOG;
        let flags = if self.flags.load(Relaxed) & ALL == 0 { 0 } else { self.flags.fetch_and(!ALL, Relaxed) };
        Wanted { slice_over: flags & PREEMPT != 0, look: flags & LOOK != 0, hog: flags & HOG != 0 }
    }

    /// Whether anything but the sticky flag is up: the scheduler has to look.
    #[inline(always)]
    pub fn is_wanted(&self) -> bool {
        self.flags.load(Relaxed) & !FENCE != 0
    }

    /// L1.
    #[inline(always)]
    pub fn leave(&self) {
        compiler_fence(SeqCst);
        self.place.store(OUTSIDE, Release);
        self.point();
    }

    /// L1, with the announcement that the thread will block.
    pub fn leave_announced(&self) {
        self.place.store(ANNOUNCED, Release);
        self.point();
    }

    /// Where the thread is, asked by another. After the barrier it is what step 3 wants to know.
    pub fn place(&self) -> u8 {
        self.place.load(Acquire)
    }

    /// Asks for the end of the slice.
    pub fn ask_for_end_of_slice(&self) {
        self.flags.fetch_or(PREEMPT, AcqRel);
    }

    /// Asks for a look at the clock.
    pub fn ask_for_look(&self) {
        self.flags.fetch_or(LOOK, AcqRel);
    }

    /// Asks for a report.
    pub fn ask_for_report(&self) {
        self.flags.fetch_or(HOG, AcqRel);
    }

    /// Step 1.
    pub fn ask(&self) {
        self.flags.fetch_or(REQ, SeqCst);
    }

    /// Step 5. False: the thread has entered meanwhile, and keeps what it has.
    #[must_use]
    pub fn take(&self) -> bool {
        let mut seen = self.flags.load(Relaxed);
        while seen & REQ != 0 {
            match self.flags.compare_exchange(seen, seen & !(REQ | PREEMPT) | TAKEN, AcqRel, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Takes step 1 back; the slice may be over all the same.
    pub fn withdraw(&self, slice_over: bool) {
        let mut seen = self.flags.load(Relaxed);
        while seen & REQ != 0 {
            let new = seen & !REQ | if slice_over { PREEMPT } else { 0 };
            match self.flags.compare_exchange(seen, new, AcqRel, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

/// Wrong on purpose: the models must find what each of these breaks.
#[cfg(loom)]
impl Attention {
    pub fn leave_relaxed(&self) {
        self.place.store(OUTSIDE, Relaxed);
        self.point();
    }

    pub fn take_by_store(&self) -> bool {
        self.flags.store(TAKEN, Release);
        true
    }
}

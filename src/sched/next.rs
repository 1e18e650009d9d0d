//! What a P runs next (`runnext`): one place, that its owner uses at every switch and a thief hardly ever.
//!
//! A goroutine goes in at each ready and out at each park. By exchanges that is a fifth of what a value over a channel and back
//! costs. So the owner loads and stores, and says so; a thief has the kernel's `membarrier` make up for the fence that the owner
//! does not have, as in `sys/lock.rs` and `bias.rs`:
//!
//! ```text
//!   owner                                       thief
//!   O1 busy = true                              T1 thieves += 1
//!   O2 thieves == 0: load and store;            T2 a barrier on every running thread
//!      else exchange                            T3 busy: give up; else compare-and-swap
//!   O3 busy = false (Release)                   T4 thieves -= 1 (Release)
//! ```
//!
//! *Nothing is taken twice, or lost.* Look at where the barrier strikes the owner. Before O1: its O2 sees the thief, and two
//! atomic instructions on one word come one after the other. Between O1 and O3: T3 sees `busy`, or that O3 is done. After O3: what O2
//! stored is there at T3. An owner that no longer sees the thief sees what it took (T4, Acquire at O2).
//!
//! Where the kernel has no such barrier thieves always count, and the owner always exchanges. A model is below, with the
//! variant without a barrier, which must fail.

use crate::sys::atomic::{AcqRel, Acquire, AtomicBool, AtomicPtr, AtomicU32, Relaxed, Release, SeqCst};
use std::ptr;

/// What stands among the thieves where there is no barrier.
const ALWAYS: u32 = 1 << 16;

/// See the file's header.
pub struct Next<T> {
    at: AtomicPtr<T>,
    busy: AtomicBool,
    thieves: AtomicU32,
}

impl<T> Next<T> {
    pub fn new(has_barrier: bool) -> Next<T> {
        Next {
            at: AtomicPtr::new(ptr::null_mut()),
            busy: AtomicBool::new(false),
            thieves: AtomicU32::new(if has_barrier { 0 } else { ALWAYS }),
        }
    }

    /// What is there, to be compared only.
    #[inline]
    pub fn peek(&self) -> *mut T {
        self.at.load(Relaxed)
    }

    /// O1 to O3: puts `new` there and answers what was. `between` keeps O1 and O2 in order where the barrier is.
    #[inline(always)]
    fn put(&self, new: *mut T, between: impl Fn()) -> *mut T {
        self.busy.store(true, Relaxed);
        between();
        let old = if self.thieves.load(Acquire) == 0 {
            let old = self.at.load(Relaxed);
            between();
            self.at.store(new, Release);
            old
        } else {
            self.at.swap(new, AcqRel)
        };
        self.busy.store(false, Release);
        old
    }

    /// T1 to T4: takes what is there if it still is `seen`.
    fn steal_with(&self, seen: *mut T, barrier: impl FnOnce() -> bool) -> bool {
        let others = self.thieves.fetch_add(1, SeqCst);
        // Without it only where the owner exchanges whatever comes.
        let may = barrier() || others >= ALWAYS;
        let taken =
            may && !self.busy.load(Acquire) && self.at.compare_exchange(seen, ptr::null_mut(), AcqRel, Relaxed).is_ok();
        self.thieves.fetch_sub(1, Release);
        taken
    }
}

#[cfg(not(loom))]
impl<T> Next<T> {
    /// By the owner: makes `new` the next, and answers what was.
    #[inline(always)]
    pub fn swap(&self, new: *mut T) -> *mut T {
        use std::sync::atomic::compiler_fence;
        self.put(new, || compiler_fence(SeqCst))
    }

    /// By the owner: takes what is there, or null.
    #[inline(always)]
    pub fn take(&self) -> *mut T {
        if self.peek().is_null() { ptr::null_mut() } else { self.swap(ptr::null_mut()) }
    }

    /// By a thief: takes what is there if it still is `seen`. False also where the owner is at it.
    #[cold]
    pub fn steal(&self, seen: *mut T) -> bool {
        use crate::sys::{barrier, errno};
        self.steal_with(seen, || errno::preserved(barrier::on_running))
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sys::barrier_model::Injected;
    use loom::sync::Arc;
    use loom::thread;

    const FIRST: *mut u8 = ptr::without_provenance_mut(8);
    const SECOND: *mut u8 = ptr::without_provenance_mut(16);

    /// The owner puts a second goroutine before the first and then takes what is there; a thief wants the first. Each is had once.
    fn owner_against_thief(has_barrier: bool) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(4);
        builder.check(move || {
            let next = Arc::new((Next::<u8>::new(true), Injected::default()));
            next.0.at.store(FIRST, Relaxed);
            let n = next.clone();
            let thief = thread::spawn(move || {
                let barrier = || {
                    if has_barrier {
                        n.1.everywhere();
                    }
                    true
                };
                n.0.steal_with(FIRST, barrier)
            });
            let between = || next.1.point();
            let mut had = vec![next.0.put(SECOND, between), next.0.put(ptr::null_mut(), between)];
            next.1.stops();
            if thief.join().unwrap() {
                had.push(FIRST);
            }
            had.push(next.0.peek());
            had.retain(|g| !g.is_null());
            had.sort();
            assert_eq!(had, [FIRST, SECOND], "one is lost, or had twice");
        });
    }

    #[test]
    fn loom_next_is_had_once() {
        owner_against_thief(true);
    }

    #[test]
    #[should_panic(expected = "one is lost, or had twice")]
    fn loom_next_without_barrier_fails() {
        owner_against_thief(false);
    }
}

//! The run queue of a P: a ring of fixed size that its owner fills and empties and that thieves rob.
//!
//! The algorithm is Go's (runqput, runqget, runqgrab). It needs no memory beyond the ring and no thread-local: queueing
//! and stealing cannot fail, on any thread, however little memory is left. (Not so with crossbeam-deque: its buffers grow, and
//! its thieves register with an epoch; where memory is out, either ends the process.)
//!
//! `tail` is written by the owner alone. `head` is moved by whoever takes, with a compare-and-swap: that is what makes a
//! take valid.
//!
//! * *push*, owner: write the slot, then `tail` + 1 (Release). A thief that reads the new tail (Acquire) sees the slot.
//!   The slot is free: the owner has read `head` (Acquire) and the takers read their slots before they moved it (Release).
//! * *pop*, owner, against thieves: both read the slot at `head` and try to move `head` past it. Who fails has read a slot
//!   that is not his, and throws it away.
//! * *steal*: copies half of what it sees to its own ring first, then moves the victim's `head` past it in one step. If that
//!   fails, the copies count for nothing, since its own `tail` has not moved. `head` and `tail` of the victim are read one
//!   after the other and may belong to different moments: then there may seem to be more than fits, and it looks again. A slot
//!   may be overwritten while it is copied; then `head` has moved, and the swap fails.
//!
//! Both counters run on for ever and wrap; only differences count.

use super::g::G;
use crate::sys::atomic::{AcqRel, Acquire, AtomicPtr, AtomicU32, Relaxed, Release};
use std::ptr;

/// How many goroutines it holds. Small in models, where each interleaving costs.
pub const SIZE: usize = if cfg!(loom) { 4 } else { 256 };

/// See the file's header.
pub struct RunQueue {
    head: AtomicU32,
    tail: AtomicU32,
    slots: [AtomicPtr<G>; SIZE],
}

fn index(counter: u32) -> usize {
    counter as usize % SIZE
}

/// The goroutine that a slot names.
///
/// # Safety
/// The slot was filled by a push, and the caller's compare-and-swap has made it his.
unsafe fn taken(slot: *mut G) -> &'static G {
    // SAFETY: records are never unmapped, and a filled slot is never null.
    unsafe { &*slot }
}

impl RunQueue {
    pub fn new() -> Self {
        RunQueue {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// Adds a goroutine behind all others. False, and nothing, when there is no room. Owner only.
    #[inline]
    #[must_use]
    pub fn push(&self, g: &'static G) -> bool {
        let (head, tail) = (self.head.load(Acquire), self.tail.load(Relaxed));
        if tail.wrapping_sub(head) as usize >= SIZE {
            return false;
        }
        self.slots[index(tail)].store(ptr::from_ref(g).cast_mut(), Relaxed);
        self.tail.store(tail.wrapping_add(1), Release);
        true
    }

    /// Takes the goroutine at the head. Owner only.
    #[inline]
    pub fn pop(&self) -> Option<&'static G> {
        let mut head = self.head.load(Acquire);
        loop {
            if head == self.tail.load(Relaxed) {
                return None;
            }
            let slot = self.slots[index(head)].load(Relaxed);
            match self.head.compare_exchange_weak(head, head.wrapping_add(1), AcqRel, Acquire) {
                // SAFETY: the swap has made it ours.
                Ok(_) => return Some(unsafe { taken(slot) }),
                Err(now) => head = now,
            }
        }
    }

    /// Takes half of a victim's goroutines: answers one of them, and leaves the others here. Called by the owner of this
    /// queue, which is empty.
    pub fn steal_from(&self, victim: &RunQueue) -> Option<&'static G> {
        let tail = self.tail.load(Relaxed);
        loop {
            let head = victim.head.load(Acquire);
            let there = victim.tail.load(Acquire).wrapping_sub(head) as usize;
            if there == 0 {
                return None;
            }
            if there > SIZE {
                continue;
            }
            let n = there.div_ceil(2) as u32;
            for i in 0..n {
                let slot = victim.slots[index(head.wrapping_add(i))].load(Relaxed);
                self.slots[index(tail.wrapping_add(i))].store(slot, Relaxed);
            }
            if victim.head.compare_exchange(head, head.wrapping_add(n), AcqRel, Relaxed).is_ok() {
                // The last of them runs first here; those before it stay in their order.
                let last = self.slots[index(tail.wrapping_add(n - 1))].load(Relaxed);
                self.tail.store(tail.wrapping_add(n - 1), Release);
                // SAFETY: the swap has made it ours.
                return Some(unsafe { taken(last) });
            }
        }
    }

    /// How many there are: exact for the owner if nobody steals, else a hint.
    #[inline]
    pub fn len(&self) -> usize {
        let head = self.head.load(Acquire);
        (self.tail.load(Acquire).wrapping_sub(head) as usize).min(SIZE)
    }

    /// How many have ever left, for those who only look.
    pub fn left(&self) -> u32 {
        self.head.load(Relaxed)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.load(Acquire) == self.tail.load(Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::list::GList;
    use super::super::records;
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn records(n: usize) -> Vec<&'static G> {
        let list = GList::new();
        while list.len() < n {
            assert!(records::allocate(&list, n - list.len()));
        }
        std::iter::from_fn(|| list.pop()).collect()
    }

    #[test]
    fn first_in_first_out_and_full() {
        let all = records(SIZE + 1);
        let q = RunQueue::new();
        for round in 0..3 {
            for g in &all[..SIZE] {
                assert!(q.push(g), "round {round}");
            }
            assert!(!q.push(all[SIZE]));
            for g in &all[..SIZE] {
                assert!(ptr::eq(q.pop().unwrap(), *g));
            }
            assert!(q.pop().is_none() && q.is_empty());
        }
    }

    #[test]
    fn nothing_is_lost_or_doubled_by_thieves() {
        struct Shared(RunQueue, Vec<&'static G>);
        // SAFETY: what is tested here.
        unsafe impl Sync for Shared {}
        const N: usize = 200_000;
        let shared = Shared(RunQueue::new(), records(64));
        let (queue, all) = (&shared, shared.1.len());
        let taken = AtomicUsize::new(0);
        let shared = &queue;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let own = RunQueue::new();
                    while taken.load(Relaxed) < N {
                        if shared.0.steal_from_into(&own) {
                            taken.fetch_add(1, Relaxed);
                            while own.pop().is_some() {
                                taken.fetch_add(1, Relaxed);
                            }
                        }
                    }
                });
            }
            let mut pushed = 0;
            while pushed < N {
                if shared.0.push(shared.1[pushed % all]) {
                    pushed += 1;
                }
                if pushed % 3 == 0 && shared.0.pop().is_some() {
                    taken.fetch_add(1, Relaxed);
                }
            }
            while shared.0.pop().is_some() {
                taken.fetch_add(1, Relaxed);
            }
        });
        assert_eq!(taken.load(Relaxed), N);
    }

    impl RunQueue {
        fn steal_from_into(&self, own: &RunQueue) -> bool {
            own.steal_from(self).is_some()
        }
    }
}

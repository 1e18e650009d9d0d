//! A lock that knows who uses it: where one thread takes it again and again, that thread takes it without an atomic instruction.
//!
//! Most channels and timers are used by the goroutines of one P, so by one thread at a time; an exchange or compare-and-swap
//! is most of what a send or a receive costs there (9 ns of 18). Biased locking is old (Kawachiya and others, "Lock Reservation",
//! 2002); the barrier on the other thread is the kernel's `membarrier`, as in `sys/lock.rs`.
//!
//! Below lies an ordinary lock (*raw*). Its holder may make an M the *owner*. The owner takes the lock by announcing it in a slot of
//! its own; anybody else takes the raw lock, and if there is an owner, ends that first:
//!
//! ```text
//!   owner                                   another
//!   O1 slot = this lock (Release)           R1 take the raw lock; there is an owner
//!   O2 still the owner? else slot = none,   R2 owner = none
//!      and take the raw lock                R3 a barrier on every running thread
//!   ... what the lock guards                R4 wait until no slot of the former owner has this lock
//!   O3 slot = none (Release)                ... what the lock guards
//! ```
//!
//! *Never both.* Look at where the barrier strikes the owner. Before O1: its O2 comes after the barrier, and finds that it is the
//! owner no more. After O1: R4 sees the slot, and waits for O3 (or the retreat at O2). Only the holder of the raw lock makes an owner
//! (itself), so there is none behind a holder's back. The model is below, with the variant without a barrier, which must fail.
//!
//! *Who becomes owner, when.* An M that has taken the raw lock so often in a row, with no other between; the number doubles each
//! time an owner is ended, up to a bound, since that costs a microsecond or more: so it never costs more than it has saved. Without
//! `membarrier` nobody does.
//!
//! *What a slot is good for.* Slots belong to the M, not to the lock: letting go touches nothing of the object, which may be gone
//! by then. An M has few; a thread that holds more locks at once takes the raw ones. Locks are let go by the thread that took them,
//! in any order, so an M alone writes its slots.

#[cfg(not(loom))]
pub use real::{BiasedLock, Slots};

/// In models of other rooms it is an ordinary lock.
#[cfg(loom)]
mod plain {
    use crate::sched::park::Commit;
    use crate::sys::lock::{Rank, RawLock};

    pub struct BiasedLock(RawLock);

    impl BiasedLock {
        pub fn new(rank: Rank) -> Self {
            BiasedLock(RawLock::new(rank))
        }

        pub fn lock(&self) {
            self.0.lock();
        }

        pub fn unlock(&self) {
            self.0.unlock();
        }

        pub fn try_lock(&self) -> bool {
            self.0.try_lock()
        }

        pub fn commit(&self) -> Commit {
            Commit::unlock(&self.0)
        }
    }
}
#[cfg(loom)]
pub use plain::BiasedLock;

use crate::sys::atomic::{Acquire, AtomicPtr, Relaxed, Release};
use std::ptr;

/// O1 and O2. `between` keeps them in order where the barrier is. True: the owner has the lock.
#[inline(always)]
fn announce<M>(
    slot: &AtomicPtr<()>,
    lock: *mut (),
    owner: &AtomicPtr<M>,
    me: *const M,
    between: impl FnOnce(),
) -> bool {
    slot.store(lock, Release);
    between();
    if ptr::eq(owner.load(Relaxed), me) {
        return true;
    }
    slot.store(ptr::null_mut(), Release);
    false
}

/// O3.
#[inline(always)]
fn withdraw(slot: &AtomicPtr<()>) {
    slot.store(ptr::null_mut(), Release);
}

/// R2 to R4. The caller has the raw lock.
fn end_owner<M>(
    owner: &AtomicPtr<M>,
    lock: *mut (),
    slots: &[AtomicPtr<()>],
    barrier: impl FnOnce(),
    mut pause: impl FnMut(),
) {
    owner.store(ptr::null_mut(), Relaxed);
    barrier();
    while slots.iter().any(|slot| slot.load(Acquire) == lock) {
        pause();
    }
}

#[cfg(not(loom))]
mod real {
    use super::*;
    use crate::sched::m::{self, M};
    use crate::sched::park::Commit;
    use crate::sched::patience;
    use crate::sys::barrier;
    use crate::sys::lock::{Rank, RawLock, pause};
    use std::cell::Cell;
    use std::sync::atomic::{Ordering::SeqCst, compiler_fence};

    const SLOTS: usize = 8;
    /// So often in a row an M takes a lock before it becomes its owner, at first and at most.
    const FIRST: u32 = 128;
    const MOST: u32 = 65_536;

    /// The locks that an M holds as their owner.
    #[derive(Default)]
    pub struct Slots {
        slots: [AtomicPtr<()>; SLOTS],
        /// How many are in use but for the first.
        others: Cell<usize>,
    }

    impl Slots {
        pub const fn new() -> Slots {
            Slots { slots: [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS], others: Cell::new(0) }
        }

        /// Announces the lock in a free one: as a rule the first, since few hold two. True: the owner has the lock.
        #[inline(always)]
        fn announce(&self, lock: *mut (), owner: &AtomicPtr<M>, me: *const M) -> bool {
            let first = &self.slots[0];
            if first.load(Relaxed).is_null() {
                return announce(first, lock, owner, me, || compiler_fence(SeqCst));
            }
            self.announce_other(lock, owner, me)
        }

        // As a rule locks are let go in the reverse order, and then what is wanted is the first or the last of those in use.
        #[inline(never)]
        fn announce_other(&self, lock: *mut (), owner: &AtomicPtr<M>, me: *const M) -> bool {
            let likely = self.slots.get(1 + self.others.get()).filter(|slot| slot.load(Relaxed).is_null());
            let free = likely.or_else(|| self.slots[1..].iter().find(|slot| slot.load(Relaxed).is_null()));
            let got = free.is_some_and(|slot| announce(slot, lock, owner, me, || compiler_fence(SeqCst)));
            self.others.set(self.others.get() + got as usize);
            got
        }

        /// Lets the lock go if a slot has it, after `before`: the lock may be gone then.
        #[inline(always)]
        fn withdraw(&self, lock: *mut (), before: impl FnOnce()) -> bool {
            if self.slots[0].load(Relaxed) == lock {
                before();
                withdraw(&self.slots[0]);
                return true;
            }
            self.others.get() != 0 && self.withdraw_other(lock, before)
        }

        #[inline(never)]
        fn withdraw_other(&self, lock: *mut (), before: impl FnOnce()) -> bool {
            let likely = Some(&self.slots[self.others.get()]).filter(|slot| slot.load(Relaxed) == lock);
            let found = likely.or_else(|| self.slots[1..].iter().find(|slot| slot.load(Relaxed) == lock));
            let Some(slot) = found else { return false };
            self.others.set(self.others.get() - 1);
            before();
            withdraw(slot);
            true
        }

        /// In a forked child: its thread is not here.
        pub fn forget(&self) {
            self.slots.iter().for_each(withdraw);
            self.others.set(0);
        }
    }

    /// See the file's header.
    pub struct BiasedLock {
        raw: RawLock,
        /// Written by who holds the raw lock.
        owner: AtomicPtr<M>,
        /// Who has taken the raw lock last, and how often in a row; how often makes an owner. Under the raw lock.
        last: Cell<*const M>,
        row: Cell<u32>,
        wanted: Cell<u32>,
    }

    impl BiasedLock {
        pub const fn new(rank: Rank) -> Self {
            BiasedLock {
                raw: RawLock::new(rank),
                owner: AtomicPtr::new(ptr::null_mut()),
                last: Cell::new(ptr::null()),
                row: Cell::new(0),
                wanted: Cell::new(FIRST),
            }
        }

        fn name(&self) -> *mut () {
            ptr::from_ref(self).cast_mut().cast()
        }

        #[inline(always)]
        pub fn lock(&self) {
            let me = m::current();
            if let Some(me) = me
                && ptr::eq(self.owner.load(Relaxed), me)
                && me.slots.announce(self.name(), &self.owner, me)
            {
                self.raw.taken_otherwise();
                return;
            }
            self.lock_raw(me);
        }

        #[inline(always)]
        fn lock_raw(&self, me: Option<&'static M>) {
            let fought = self.raw.lock_or_fight();
            if !self.owner.load(Relaxed).is_null() {
                self.end_owner();
            }
            let me = me.map_or(ptr::null(), ptr::from_ref);
            if !ptr::eq(self.last.get(), me) {
                if fought {
                    self.fought(me);
                }
                self.last.set(me);
                self.row.set(0);
                return;
            }
            self.row.set(self.row.get() + 1);
            if self.row.get() == self.wanted.get() {
                self.make_owner(me);
            }
        }

        /// The thread has waited for the one that had the lock last.
        #[cold]
        fn fought(&self, me: *const M) {
            // SAFETY: records of Ms are never freed.
            if let (Some(me), Some(other)) = unsafe { (me.as_ref(), self.last.get().as_ref()) } {
                patience::fought(me, other);
            }
        }

        #[cold]
        #[inline(never)]
        fn make_owner(&self, me: *const M) {
            self.row.set(0);
            if barrier::is_cheap() {
                self.owner.store(me.cast_mut(), Relaxed);
            }
        }

        #[cold]
        #[inline(never)]
        fn end_owner(&self) {
            self.wanted.set((self.wanted.get() * 2).min(MOST));
            self.row.set(0);
            // SAFETY: records of Ms are never freed.
            let Some(owner) = (unsafe { self.owner.load(Relaxed).as_ref() }) else { return };
            let mut tries = 0;
            end_owner(&self.owner, self.name(), &owner.slots.slots, barrier::everywhere, || pause(&mut tries));
        }

        /// Lets go. The caller holds the lock; from here on the object may be gone.
        #[inline(always)]
        pub fn unlock(&self) {
            if let Some(me) = m::current()
                && me.slots.withdraw(self.name(), || self.raw.let_go_otherwise())
            {
                return;
            }
            self.raw.unlock();
        }

        /// Unlocks it when the goroutine waits.
        pub fn commit(&self) -> Commit {
            unsafe fn unlock(lock: *const ()) {
                // SAFETY: the waiter holds the lock, so its owner is alive until it is let go.
                unsafe { (*lock.cast::<BiasedLock>()).unlock() }
            }
            // SAFETY: the thread that took the lock lets it go, on whatever stack.
            unsafe { Commit::new(unlock, self.name()) }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn slots_are_found_in_any_order() {
            let slots = Slots::new();
            let locks: Vec<*mut ()> = (1..=SLOTS).map(|i| ptr::without_provenance_mut(i * 8)).collect();
            let me = ptr::without_provenance(4096);
            let (owner, nobody) = (AtomicPtr::new(me as *mut M), AtomicPtr::new(ptr::null_mut()));
            for &lock in &locks {
                assert!(!slots.announce(lock, &nobody, me), "not the owner");
                assert!(slots.announce(lock, &owner, me));
            }
            assert!(!slots.announce(ptr::without_provenance_mut(4), &owner, me), "no slot is free");
            assert!(!slots.withdraw(ptr::without_provenance_mut(4), || ()));
            for &i in &[3, 0, 7, 1] {
                assert!(slots.withdraw(locks[i], || ()));
                assert!(!slots.withdraw(locks[i], || ()));
            }
            for &i in &[1, 7] {
                assert!(slots.announce(locks[i], &owner, me));
            }
            assert!(slots.withdraw(locks[2], || ()));
            slots.forget();
            assert!(locks.iter().all(|&lock| !slots.withdraw(lock, || ())) && slots.others.get() == 0);
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sys::atomic::AtomicBool;
    use crate::sys::barrier_model::Injected;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    struct Model {
        owner: AtomicPtr<u8>,
        slot: [AtomicPtr<()>; 1],
        raw: AtomicBool,
        barrier: Injected,
        guarded: UnsafeCell<u32>,
    }

    // SAFETY: the cell is checked by loom.
    unsafe impl Sync for Model {}
    // SAFETY: as above.
    unsafe impl Send for Model {}

    const LOCK: *mut () = ptr::without_provenance_mut(8);
    const ME: *mut u8 = ptr::without_provenance_mut(16);

    impl Model {
        fn touch(&self) {
            // SAFETY: loom checks it.
            self.guarded.with_mut(|n| unsafe { *n += 1 });
        }

        fn lock_raw(&self) {
            while self.raw.compare_exchange(false, true, Acquire, Relaxed).is_err() {
                thread::yield_now();
            }
        }

        fn as_owner(&self) {
            self.barrier.point();
            if announce(&self.slot[0], LOCK, &self.owner, ME, || self.barrier.point()) {
                self.barrier.point();
                self.touch();
                self.barrier.point();
                withdraw(&self.slot[0]);
            } else {
                self.barrier.stops();
                self.lock_raw();
                self.touch();
                self.raw.store(false, Release);
            }
        }
    }

    fn owner_against_another(has_barrier: bool) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(4);
        builder.check(move || {
            let model = Arc::new(Model {
                owner: AtomicPtr::new(ME),
                slot: [AtomicPtr::new(ptr::null_mut())],
                raw: AtomicBool::new(false),
                barrier: Injected::default(),
                guarded: UnsafeCell::new(0),
            });
            let m = model.clone();
            let another = thread::spawn(move || {
                m.lock_raw();
                let barrier = || {
                    if has_barrier {
                        m.barrier.everywhere();
                    }
                };
                end_owner(&m.owner, LOCK, &m.slot, barrier, thread::yield_now);
                m.touch();
                m.raw.store(false, Release);
            });
            model.as_owner();
            model.as_owner();
            model.barrier.stops();
            another.join().unwrap();
            // SAFETY: loom checks it.
            assert_eq!(model.guarded.with(|n| unsafe { *n }), 3);
        });
    }

    #[test]
    fn loom_bias_ends() {
        owner_against_another(true);
    }

    #[test]
    #[should_panic]
    fn loom_bias_without_barrier_fails() {
        owner_against_another(false);
    }
}

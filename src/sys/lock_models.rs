//! Models of letting go against going to sleep. As the kernel's futex does, the sleeper looks at the word and goes to sleep in
//! one step, against every wake-up. Nobody may be asleep in the end.

use super::{HELD, goes_to_sleep, let_go};
use crate::sys::atomic::{AtomicU32, Relaxed};
use crate::sys::barrier_model::Injected;
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

struct Model {
    word: AtomicU32,
    asleep: AtomicU32,
    barrier: Injected,
    /// Whether anybody sleeps, by the kernel's books.
    sleeps: Mutex<bool>,
    /// What the lock guards.
    guarded: UnsafeCell<u32>,
    has_barrier: bool,
}

// SAFETY: the cell is checked by loom.
unsafe impl Sync for Model {}
// SAFETY: as above.
unsafe impl Send for Model {}

impl Model {
    fn touch(&self) {
        // SAFETY: loom checks it.
        self.guarded.with_mut(|n| unsafe { *n += 1 });
    }

    fn unlock(&self) {
        self.barrier.point();
        if let_go(&self.word, &self.asleep, || self.barrier.point()) {
            *self.sleeps.lock().unwrap() = false;
        }
        self.barrier.stops();
    }

    /// One try. False: it sleeps, unless somebody has woken it by now.
    fn lock(&self) -> bool {
        let barrier = || {
            if self.has_barrier {
                self.barrier.everywhere();
            }
        };
        let got = goes_to_sleep(&self.word, &self.asleep, barrier);
        if !got {
            let mut sleeps = self.sleeps.lock().unwrap();
            *sleeps = self.word.load(Relaxed) == HELD;
        }
        self.asleep.fetch_sub(got as u32, Relaxed);
        got
    }
}

/// One has the lock and lets it go, another waits for it.
fn one_waits(has_barrier: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(move || {
        let model = Arc::new(Model {
            word: AtomicU32::new(HELD),
            asleep: AtomicU32::new(0),
            barrier: Injected::default(),
            sleeps: Mutex::new(false),
            guarded: UnsafeCell::new(0),
            has_barrier,
        });
        let m = model.clone();
        let waiter = thread::spawn(move || {
            if m.lock() {
                m.touch();
            }
        });
        model.touch();
        model.unlock();
        waiter.join().unwrap();
        assert!(!*model.sleeps.lock().unwrap(), "it sleeps, and the lock is free");
    });
}

#[test]
fn loom_lock_sleeper_is_woken() {
    one_waits(true);
}

#[test]
#[should_panic(expected = "it sleeps")]
fn loom_lock_without_barrier_fails() {
    one_waits(false);
}

//! Models of the handshake in `attention.rs`. What the P guards is a cell: loom reports any two accesses to it that are not
//! ordered, which is what "nobody touches a P that the other has" comes to.

use super::attention::{ANNOUNCED, Attention, INSIDE};
use crate::sys::atomic::{AcqRel, Acquire, AtomicU32, Relaxed, Release, SeqCst, fence};
pub use crate::sys::barrier_model::Injected;
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Notify};
use loom::thread;

#[derive(Clone, Copy, PartialEq)]
enum Barrier {
    /// membarrier.
    Injected,
    /// No membarrier: each entry has a fence.
    Fences,
    /// Wrong: none.
    Missing,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    RelaxedExit,
    TakenByStore,
}

struct Model {
    thread: Attention,
    /// What the P guards.
    p: UnsafeCell<u32>,
    barrier: Barrier,
    fault: Fault,
}

// SAFETY: the cell is checked by loom.
unsafe impl Sync for Model {}
// SAFETY: as above.
unsafe impl Send for Model {}

impl Model {
    fn new(barrier: Barrier, fault: Fault) -> Arc<Model> {
        let thread = Attention::new();
        thread.reset(super::attention::OUTSIDE, barrier == Barrier::Fences);
        if barrier != Barrier::Injected {
            thread.barrier.stops();
        }
        Arc::new(Model { thread, p: UnsafeCell::new(0), barrier, fault })
    }

    fn touch(&self) {
        // SAFETY: loom checks it.
        self.p.with_mut(|p| unsafe { *p += 1 });
    }

    /// True if the thread still has its P.
    fn enters(&self) -> bool {
        if !self.thread.enter() {
            return true;
        }
        let found = self.thread.settle();
        if found.taken {
            self.thread.accept();
        }
        if found.slice_over {
            let _ = self.thread.new_slice();
        }
        !found.taken
    }

    fn leaves(&self) {
        match self.fault {
            Fault::RelaxedExit => self.thread.leave_relaxed(),
            _ => self.thread.leave(),
        }
    }

    fn barrier(&self) {
        match self.barrier {
            Barrier::Injected => self.thread.barrier.everywhere(),
            Barrier::Fences => fence(SeqCst),
            Barrier::Missing => {}
        }
    }

    /// One try of the taker's. True if the P is its own.
    fn takes(&self) -> bool {
        self.thread.ask();
        self.barrier();
        if self.thread.place() == INSIDE {
            self.thread.withdraw(true);
            return false;
        }
        if self.fault == Fault::TakenByStore { self.thread.take_by_store() } else { self.thread.take() }
    }
}

fn bounded(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// A thread that is twice in the runtime, and a taker.
fn one_taker(barrier: Barrier, fault: Fault) {
    bounded(3, move || {
        let model = Model::new(barrier, fault);
        let m = model.clone();
        let thread = thread::spawn(move || {
            let mut has_p = true;
            for _ in 0..2 {
                if has_p {
                    has_p = m.enters();
                    if has_p {
                        m.touch();
                    }
                    m.leaves();
                }
            }
            m.thread.barrier.stops();
        });
        if model.takes() {
            model.touch();
        }
        thread.join().unwrap();
    });
}

#[test]
fn loom_retake_with_membarrier() {
    one_taker(Barrier::Injected, Fault::None);
}

#[test]
fn loom_retake_with_fences() {
    one_taker(Barrier::Fences, Fault::None);
}

#[test]
#[should_panic]
fn loom_retake_without_barrier_fails() {
    one_taker(Barrier::Missing, Fault::None);
}

#[test]
#[should_panic]
fn loom_retake_relaxed_exit_fails() {
    one_taker(Barrier::Injected, Fault::RelaxedExit);
}

#[test]
#[should_panic]
fn loom_retake_taken_by_store_fails() {
    one_taker(Barrier::Injected, Fault::TakenByStore);
}

/// The P goes to a second thread by way of the taker, and that one uses it while the first comes back.
fn exchange(barrier: Barrier, preemptions: usize) {
    bounded(preemptions, move || {
        let model = Model::new(barrier, Fault::None);
        let given = Arc::new(AtomicU32::new(0));
        let (m, g) = (model.clone(), given.clone());
        let first = thread::spawn(move || {
            let has_p = m.enters();
            if has_p {
                m.touch();
            }
            m.leaves();
            // Back once more: whoever lost the P knows it, and waits to be given one.
            if has_p && m.enters() {
                m.touch();
                m.leaves();
            } else if g.load(Acquire) == 2 {
                m.touch();
            }
            m.thread.barrier.stops();
        });
        let (m, g) = (model.clone(), given.clone());
        let second = thread::spawn(move || {
            if g.load(Acquire) == 1 {
                m.touch();
                // Done with it: the first may have it.
                g.store(2, Release);
            }
        });
        if model.takes() {
            model.touch();
            given.store(1, Release);
        }
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn loom_retake_exchange_with_membarrier() {
    exchange(Barrier::Injected, 1);
}

#[test]
fn loom_retake_exchange_with_fences() {
    exchange(Barrier::Fences, 3);
}

/// A thread that announced is taken from all the same only by the handshake; and what it announced ends with its entry.
#[test]
fn loom_retake_announced() {
    bounded(3, || {
        let model = Model::new(Barrier::Injected, Fault::None);
        let m = model.clone();
        let thread = thread::spawn(move || {
            if m.enters() {
                m.touch();
                m.thread.leave_announced();
                if m.enters() {
                    m.touch();
                }
                m.leaves();
            }
            m.thread.barrier.stops();
        });
        if model.thread.place() == ANNOUNCED && model.takes() {
            model.touch();
        }
        thread.join().unwrap();
    });
}

/// The end of a slice is asked for and noticed, by a thread that never loses its P to it; and a request that came too
/// late still ends the slice.
#[test]
fn loom_retake_preempt() {
    bounded(3, || {
        let model = Model::new(Barrier::Fences, Fault::None);
        let m = model.clone();
        let thread = thread::spawn(move || {
            let mut ends = 0;
            for _ in 0..2 {
                if m.thread.enter() {
                    let found = m.thread.settle();
                    assert!(!found.taken);
                    ends += found.slice_over as u32;
                    if found.slice_over {
                        assert!(m.thread.new_slice());
                    }
                }
                m.touch();
                m.leaves();
            }
            ends
        });
        model.thread.ask_for_end_of_slice();
        let ends = thread.join().unwrap();
        let pending = model.thread.new_slice() as u32;
        assert_eq!(ends + pending, 1, "asked once, ended once");
    });
}

/// A thread with a goroutine locked to it loses its P, gets it back by hand, and goes on; the one that had it meanwhile
/// does not touch it any more.
#[test]
fn loom_retake_locked() {
    bounded(3, || {
        let model = Model::new(Barrier::Fences, Fault::None);
        let queued = Arc::new(Notify::new());
        let handed = Arc::new(Notify::new());
        let step = Arc::new(AtomicU32::new(0));
        let (m, q, h, s) = (model.clone(), queued.clone(), handed.clone(), step.clone());
        let locked = thread::spawn(move || {
            if !m.enters() {
                // Its goroutine is queued; whoever dequeues it hands its own P over.
                s.store(1, Release);
                q.notify();
                while s.load(Acquire) != 2 {
                    h.wait();
                }
            }
            m.touch();
            m.leaves();
            // Outside for good: the P may be taken for good.
            s.store(3, Release);
            q.notify();
        });
        if model.takes() {
            model.touch();
            while step.load(Acquire) & 1 == 0 {
                queued.wait();
            }
            model.touch();
            step.compare_exchange(1, 2, AcqRel, Acquire).ok();
            handed.notify();
        }
        locked.join().unwrap();
    });
}

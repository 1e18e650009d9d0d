//! The P where the entry of a timer goes: the caller's own, or any for a thread that has none.

use super::timers::{TimerHead, Timers};
#[cfg(not(loom))]
use super::{global, m};
#[cfg(not(loom))]
use crate::sys::errno;
#[cfg(not(loom))]
use std::ptr;

/// Adds an entry for a timer, which takes over a reference of the caller's. Answers the heap that has it now. Leaves errno alone,
/// though heaps may grow.
#[cfg(not(loom))]
pub fn arm_timer(when: i64, t: &'static TimerHead, number: u64) -> &'static Timers {
    errno::preserved(|| {
        let own = m::current().and_then(|m| m.p.get());
        let heap = own.unwrap_or_else(global::some_p).timers.arm_timer(when, t, number);
        if !own.is_some_and(|p| ptr::eq(&p.timers, heap)) {
            global::armed_elsewhere(heap);
        }
        heap
    })
}

/// What a model has for Ps: heaps alone, which are run when the model says so.
#[cfg(loom)]
mod model {
    use super::*;
    use std::cell::Cell;

    loom::lazy_static! {
        static ref HEAPS: [Timers; 2] = [Timers::new(), Timers::new()];
    }
    loom::thread_local!(static OWN: Cell<usize> = Cell::new(0));

    /// The heap of a P.
    pub fn heap(p: usize) -> &'static Timers {
        &HEAPS[p]
    }

    /// The calling thread has that P from now on; it begins with the first.
    pub fn take_p(p: usize) {
        OWN.with(|own| own.set(p));
    }

    pub fn arm_timer(when: i64, t: &'static TimerHead, number: u64) -> &'static Timers {
        heap(OWN.with(Cell::get)).arm_timer(when, t, number)
    }
}

#[cfg(loom)]
pub use model::{arm_timer, heap, take_p};

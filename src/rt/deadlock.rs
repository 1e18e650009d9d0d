//! Deadlock: everybody waits, and nobody is left who could wake them.
//!
//! The monitor asks when all has been idle for a while. It is certain only if, at one moment, nothing was queued or due,
//! all Ps were idle, and every thread of the process was the runtime's own or a plain thread that waits in a call without
//! a time limit; any other thread might act later, so then nothing is said. One look takes a while, and a thread
//! looked at first might have been woken by the one looked at last. So there are two looks: if each waiting thread is in the
//! same park in both, then between the two all were waiting at once, and nobody was left to end it.

use super::run;
use crate::observe::dump;
use crate::sched::{global, m, monitor};
use crate::sys::files;

/// Called by the monitor while all is idle.
pub fn check() {
    if !run::any() {
        return;
    }
    let Some(first) = look() else { return };
    // The kernel's own io workers show up among the threads of a process.
    if files::threads(b"iou-") != Some(first.waiting + monitor::threads()) || look() != Some(first) {
        return;
    }
    dump::deadlock();
    run::end_all_in_deadlock();
}

#[derive(PartialEq, Eq)]
struct Look {
    /// Plain threads that wait.
    waiting: usize,
    /// Changes if any of them has been in another park meanwhile.
    parks: u64,
}

/// What waits; None if something can still happen.
fn look() -> Option<Look> {
    if !global::is_quiet() {
        return None;
    }
    let mut look = Look { waiting: 0, parks: 0 };
    for m in m::all().filter(|m| m.is_plain()) {
        let g = m.thread_record()?;
        let token = g.word.waiting()?;
        if g.has_deadline() {
            return None;
        }
        look.waiting += 1;
        look.parks = look.parks.wrapping_mul(31).wrapping_add(token.bits());
    }
    Some(look)
}

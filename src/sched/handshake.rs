//! The way into the runtime and out of it. Every exported call that touches a P or a lock of the runtime goes
//! through here, once on each side; so does every callback into code of the program, but for `unlockf`, which runs inside.
//!
//! Outside, a thread runs code of the program and promises nothing. Inside, it may hold locks and owns its P's
//! queues. `in_rt` tells the monitor which; `attn` tells the thread that the monitor wants something. Both stand on
//! one line, so an entry costs a store, a load and a branch that is never taken.
//!
//! The entry stores `in_rt` and then loads `attn`, with nothing but a compiler fence between them. Flags that are
//! mere requests (PREEMPT) need no more: a request that is missed is seen at the next entry.

use super::m::{self, M, PREEMPT, RT, USER};
use super::{monitor, run};
use std::sync::atomic::{Ordering::*, compiler_fence};

/// Whether the entry that this stands for came from outside, and its exit goes there.
#[derive(Clone, Copy)]
#[must_use]
pub struct Outer(bool);

/// Enters the runtime. A call made from inside (from a user's `unlockf`, which runs on the scheduler's stack) is nested:
/// its exit leads back inside. Makes the M of a plain thread that has none.
#[inline(always)]
pub fn enter() -> (&'static M, Outer) {
    let Some(m) = m::current() else {
        return (m::attach(), Outer(true));
    };
    if m.in_rt.load(Relaxed) == RT {
        return (m, Outer(false));
    }
    m.in_rt.store(RT, Relaxed);
    compiler_fence(SeqCst);
    if m.attn.load(Relaxed) != 0 { (enter_slow(m), Outer(true)) } else { (m, Outer(true)) }
}

/// Enters for a call that the program makes with a lock of its own in hand (park, ready): the slice may be over, but the
/// goroutine does not give way here, where others might spin for that lock. The request stays up.
#[inline(always)]
pub fn enter_in_lock() -> (&'static M, Outer) {
    let Some(m) = m::current() else { return (m::attach(), Outer(true)) };
    if m.in_rt.load(Relaxed) == RT {
        return (m, Outer(false));
    }
    m.in_rt.store(RT, Relaxed);
    compiler_fence(SeqCst);
    (m, Outer(true))
}

/// Leaves the runtime, on whatever thread the call ended.
#[inline(always)]
pub fn leave(outer: Outer) {
    if outer.0 {
        leave_for_user();
    }
}

/// Into code of the program that this thread or goroutine was not in: its function, a hook. The counterpart is
/// [`enter`].
#[inline(always)]
pub fn leave_for_user() {
    // A thread inside the runtime has an M.
    if let Some(m) = m::current() {
        compiler_fence(SeqCst);
        m.in_rt.store(USER, Release);
    }
}

/// Somebody wants something. Answers the M that the goroutine is on afterwards.
#[cold]
#[inline(never)]
fn enter_slow(m: &'static M) -> &'static M {
    // The flag stays up until the scheduler clears it: with it up the goroutine leaves by way of the scheduler, which
    // also looks at the clock and puts `runnext` behind the others.
    if m.attn.load(Acquire) & PREEMPT != 0 && m.goroutine().is_some() && !monitor::is_cooperative() {
        run::give_way();
        let m = m::current().expect("a goroutine runs on a thread with an M");
        m.attn.fetch_and(!PREEMPT, Relaxed);
        return m;
    }
    m
}

//! The way into the runtime and out of it. Every exported call that touches a P or a lock of the runtime goes
//! through here, once on each side; so does every callback into code of the program, but for `unlockf`, which runs inside.
//!
//! Outside, a thread runs code of the program and promises nothing: its P may be taken (`attention.rs` has the protocol and
//! its proof). Inside, it may hold locks and owns its P's queues. An entry is a store, a load and a branch that is never
//! taken; the rest of this file is what happens when it is.
//!
//! A goroutine that finds its P gone takes an idle one. If there is none it queues itself and stops; it may come back on
//! another M, so callers read everything anew. In a call that the program makes with a lock of its own in hand (park, ready)
//! it must not stop, since others may spin for that lock: there it goes on without a P, whose place the global queue takes. So it
//! does in every call while its host does not let it go (`host.rs`).

use super::burners::Away;
use super::m::{self, M};
use super::{burners, global, host, locked, monitor, report, run};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Whether the entry that this stands for came from outside, and its exit goes there.
#[derive(Clone, Copy)]
#[must_use]
pub struct Outer(bool);

/// Enters the runtime. A call made from inside (from a user's `unlockf`, which runs on the scheduler's stack) is nested:
/// its exit leads back inside. Makes the M of a plain thread that has none, or ends the process. A goroutine has a P
/// afterwards, unless its host keeps it from waiting for one.
#[inline(always)]
pub fn enter() -> (&'static M, Outer) {
    match m::current() {
        Some(m) => enter_with(m),
        None => (m::attach(), Outer(true)),
    }
}

/// The same for a call that may say that no memory is left: None, and nothing has happened, if there is none for the M.
#[inline(always)]
pub fn try_enter() -> Option<(&'static M, Outer)> {
    Some(match m::current() {
        Some(m) => enter_with(m),
        None => (m::try_attach()?, Outer(true)),
    })
}

#[inline(always)]
fn enter_with(m: &'static M) -> (&'static M, Outer) {
    if m.attention.is_inside() {
        return (m, Outer(false));
    }
    if m.attention.enter() { (enter_slow(m), Outer(true)) } else { (m, Outer(true)) }
}

/// Enters for a call that the program makes with a lock of its own in hand (park, ready): the goroutine does not give way
/// here, where others might spin for that lock, and may be without a P. None if no memory is left for the M.
#[inline(always)]
pub fn try_enter_in_lock() -> Option<(&'static M, Outer)> {
    Some(match m::current() {
        Some(m) => enter_in_lock_with(m),
        None => (m::try_attach()?, Outer(true)),
    })
}

#[inline(always)]
fn enter_in_lock_with(m: &'static M) -> (&'static M, Outer) {
    if m.attention.is_inside() {
        return (m, Outer(false));
    }
    if m.attention.enter() { (enter_in_lock_slow(m), Outer(true)) } else { (m, Outer(true)) }
}

/// Threads that are inside without an M: no memory was left for one, and their calls need none.
static STRANGERS: AtomicUsize = AtomicUsize::new(0);

/// Runs the inner part of a call that needs no M, on a thread that has none, for want of memory.
#[cold]
#[inline(never)]
pub fn as_stranger<R>(f: impl FnOnce() -> R) -> R {
    STRANGERS.fetch_add(1, SeqCst);
    let r = f();
    STRANGERS.fetch_sub(1, SeqCst);
    r
}

/// Whether any such thread is inside.
pub fn any_stranger() -> bool {
    STRANGERS.load(SeqCst) != 0
}

/// In a forked child: they are the parent's.
pub fn forget_strangers() {
    STRANGERS.store(0, SeqCst);
}

/// Leaves the runtime, on whatever thread the call ended.
#[inline(always)]
pub fn leave(outer: Outer) {
    if outer.0 {
        leave_for_user();
    }
}

/// [`leave`] for a call that has not waited since it entered on `m`.
#[inline(always)]
pub fn leave_on(m: &M, outer: Outer) {
    if outer.0 {
        m.attention.leave();
    }
}

/// Into code of the program that this thread or goroutine was not in: its function, a hook. The counterpart is
/// [`enter`].
#[inline(always)]
pub fn leave_for_user() {
    // A thread inside the runtime has an M.
    if let Some(m) = m::current() {
        m.attention.leave();
    }
}

/// Enters and leaves again, on a goroutine, with the announcement that it will block outside.
pub fn announce() {
    let _ = enter();
    if let Some(m) = m::current() {
        m.attention.leave_announced();
    }
}

/// Runs `f`, which makes a system call that hardly ever blocks but may, outside, with the announcement: if it does block the P
/// is taken. On a plain thread, and where the thread stands for its goroutine, it just runs.
pub fn outside<R>(m: &'static M, f: impl FnOnce() -> R) -> R {
    if m.goroutine().is_none() {
        return f();
    }
    m.attention.leave_announced();
    let r = f();
    let _ = enter();
    r
}

/// Somebody wants something. Answers the M that the goroutine is on afterwards.
#[cold]
#[inline(never)]
fn enter_slow(m: &'static M) -> &'static M {
    let found = m.attention.settle();
    if found.hog {
        report::hog(m);
    }
    let Some(g) = m.goroutine() else { return m };
    if found.taken || found.slice_over {
        g.slice_begins();
    }
    let goes = !(found.taken || found.slice_over || found.look) || host::ask(g).is_ok();
    if found.taken && !goes {
        m.p.set(None);
        if let Some(p) = global::take_idle_p() {
            if burners::comes_back(m) == Away::Burned {
                burners::mark(g);
            }
            m.attention.accept();
            p.new_slice();
            locked::take(m, p);
            burners::is_back();
        }
        return m;
    }
    if found.taken {
        m.p.set(None);
        let away = burners::comes_back(m);
        if away == Away::Burned {
            burners::mark(g);
        }
        m.attention.accept();
        let Some(p) = global::take_idle_p() else {
            run::queue_up(g, away == Away::Starved, true);
            return m::current().expect("a goroutine runs on a thread with an M");
        };
        p.new_slice();
        locked::take(m, p);
        burners::is_back();
        return m;
    }
    // The flag stays up until the scheduler clears it: with it up the goroutine leaves by way of the scheduler, which
    // also looks at the clock and puts `runnext` behind the others.
    if !goes || monitor::is_cooperative() {
        return m;
    }
    if found.slice_over || (found.look && !g.may_go_on_soon()) {
        run::give_way();
        let m = m::current().expect("a goroutine runs on a thread with an M");
        let _ = m.attention.new_slice();
        return m;
    }
    if found.look {
        // What is due goes first. The goroutine has had no slice: it is not to queue behind all the others.
        run::queue_up(g, false, false);
        return m::current().expect("a goroutine runs on a thread with an M");
    }
    m
}

/// The loss is noted, and nothing else done about it: the flag stays up, so the next entry comes here again, or to
/// [`enter_slow`].
#[cold]
#[inline(never)]
fn enter_in_lock_slow(m: &'static M) -> &'static M {
    if monitor::is_cooperative() {
        // Only what was announced is taken, and outside of that a goroutine is alone on its P: nobody spins for its lock.
        return enter_slow(m);
    }
    let found = m.attention.settle();
    if found.hog {
        report::hog(m);
    }
    if found.taken {
        m.p.set(None);
    }
    m
}

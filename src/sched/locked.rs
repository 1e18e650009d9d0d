//! Goroutines locked to a thread (`rt_lock_os_thread`), after Go's lockedm and lockedg.
//!
//! The M of a locked goroutine runs nothing else. When that goroutine leaves, the M gives its P away and sleeps
//! ([`wait_for_own`]). When another M takes the goroutine off a queue, it hands its own P to that M and looks for
//! another for itself ([`hand_over`]). A goroutine that ends locked takes its thread with it.

use super::g::G;
use super::m::M;
use super::p::P;
use super::{burners, global, run, source};
use crate::sys::clock::NEVER;
use crate::sys::futex;
use std::ptr;
use std::sync::atomic::Ordering::*;

/// Locks the calling goroutine to its thread, once more.
pub fn lock(m: &'static M, g: &'static G) {
    g.locked.set(g.locked.get() + 1);
    // One with a home keeps its thread in any case, and has it for itself in none.
    if m.home.get().is_none() {
        g.locked_m.set(Some(m));
        m.set_locked_g(Some(g));
    }
}

/// Takes one lock back. False if there is none.
pub fn unlock(m: &'static M, g: &'static G) -> bool {
    match g.locked.get() {
        0 => return false,
        1 if m.home.get().is_none() => {
            g.locked_m.set(None);
            m.set_locked_g(None);
        }
        _ => {}
    }
    g.locked.set(g.locked.get() - 1);
    true
}

/// Gives the M's P to whoever needs it.
pub fn give_p_away(m: &'static M) {
    let Some(p) = m.p.take() else { return };
    // What is ready here must be where others can take it.
    if let Some(next) = p.take_next() {
        run::queue_last(Some(p), next);
    }
    if m.spinning.replace(false) {
        global::stop_spinning();
    }
    let deadlines = p.timers.earliest() != NEVER;
    global::put_idle_p(p);
    // A thread that comes for nothing but a deadline becomes the keeper of time; one that finds nothing at all, the poller.
    global::IDLE.before_recheck();
    if deadlines || source::is_unwatched() || global::has_work() {
        global::wake_one();
    }
}

/// The M's goroutine has left: sleeps until somebody hands over a P for it. Answers that goroutine.
pub fn wait_for_own(m: &'static M, g: &'static G) -> &'static G {
    give_p_away(m);
    burners::parked(m);
    while m.note.load(Acquire) == 0 {
        futex::wait(&m.note, 0, NEVER);
    }
    m.note.store(0, Relaxed);
    let p = m.next_p.take().expect("whoever wakes a locked thread hands over a P");
    take(m, p);
    g
}

/// `g`, taken off a queue, is locked to another thread: that gets the caller's P.
pub fn hand_over(m: &'static M, to: &'static M) {
    m.handoffs.store(m.handoffs.load(Relaxed) + 1, Relaxed);
    let p = m.p.take().expect("a worker has a P when it has taken a goroutine");
    // Nobody may take it for the caller's any more: see retake.rs.
    p.m.store(ptr::from_ref(to).cast_mut(), Relaxed);
    to.next_p.set(Some(p));
    to.note.store(1, Release);
    futex::wake(&to.note, 1);
}

/// The M has a P.
pub fn take(m: &'static M, p: &'static P) {
    debug_assert!(m.p.get().is_none() && !m.attention.is_taken(), "an M with a P, or with a loss unnoticed, takes one");
    p.m.store(ptr::from_ref(m).cast_mut(), Relaxed);
    m.p.set(Some(p));
}

//! Taking Ps from goroutines that hold them too long: the monitor's side of `attention.rs`.
//!
//! A P is *wanted* when something is ready or due and no P is idle. Then these are candidates, in this order:
//!
//! 1. its thread has announced that it blocks, in this round and the one before;
//! 2. its thread sleeps in the kernel: its CPU clock has stood still for [`STILL`], and the kernel says so;
//! 3. it has run for a slice, and did not heed the request to give way.
//!
//! A clock that stands still only nominates: with more threads than CPUs, runnable ones stand still as well. The kernel's
//! word is `/proc/self/task/TID/syscall`, which says "running" for those. Where it can't be read, a thread sleeps if its clock
//! stands still for [`LONG_STILL`].
//!
//! Only as many are taken as goroutines wait for, and as threads are at hand to go on with them. One barrier serves them all.
//! What a taken P does next is `burners.rs`' concern.

use super::attention::{ANNOUNCED, INSIDE};
use super::burners;
use super::global;
use super::m::M;
use super::p::P;
use crate::sys::barrier;
use crate::sys::clock::thread_cpu;
use crate::sys::thread;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// A time slice, ns.
pub const SLICE: i64 = 10_000_000;
/// When the goroutine is asked to give way: a round before its P is taken.
const ASK: i64 = 9_000_000;
/// How long a CPU clock must stand still, ns.
const STILL: i64 = 1_500_000;
/// How long if the kernel does not say what the thread does: no descriptor is left, or there is no such file.
const LONG_STILL: i64 = 50_000_000;
/// How many Ps are taken in one round.
pub const AT_ONCE: usize = 16;

/// What the monitor remembers of a P between rounds.
#[derive(Clone, Copy)]
pub struct Watch {
    m: *const M,
    tick: u32,
    /// When this slice was first seen.
    since: i64,
    asked: bool,
    announced: bool,
    /// The CPU clock of the thread when the slice was first seen.
    cpu_then: i64,
    /// The CPU clock of the thread, and since when it has shown that; -1 if nobody looked.
    cpu: i64,
    still_since: i64,
}

impl Watch {
    pub const NONE: Watch = Watch {
        m: ptr::null(),
        tick: 0,
        since: 0,
        asked: false,
        announced: false,
        cpu_then: -1,
        cpu: -1,
        still_since: 0,
    };
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Announced,
    Sleeps,
    Computes,
}

#[derive(Clone, Copy)]
struct Candidate {
    p: &'static P,
    m: &'static M,
    tick: u32,
    why: Why,
    since: i64,
    cpu: i64,
    cpu_then: i64,
}

/// What one round wants.
pub struct Want {
    /// How many Ps, at most.
    pub ps: usize,
    /// How many threads are there to go on with them.
    pub hands: usize,
    /// Goroutines wait behind others: slices end.
    pub slices: bool,
    pub cooperative: bool,
    pub hogs: bool,
}

/// Looks at every P that is held, asks for the ends of slices, and takes what is wanted. Each goes to `pass_on`. False if one
/// was left for want of a thread.
pub fn round(watches: &mut [Watch], want: &Want, now: i64, pass_on: fn(&'static P)) -> bool {
    let mut candidates: [Option<Candidate>; AT_ONCE] = [None; AT_ONCE];
    for (p, watch) in global::ever_ps().zip(watches) {
        // SAFETY: null or an M, and Ms are never freed.
        let Some(m) = (unsafe { p.m.load(Relaxed).as_ref() }) else {
            *watch = Watch::NONE;
            continue;
        };
        let tick = p.tick.load(Relaxed);
        if tick != watch.tick || !ptr::eq(m, watch.m) {
            // Where threads compete for CPUs, one that holds a P for long need not have burned.
            let cpu_then = thread_cpu(m.tid.load(Relaxed));
            *watch = Watch { m, tick, since: now, cpu_then, ..Watch::NONE };
        }
        if want.hogs && now - watch.since >= SLICE && m.hog_since.load(Relaxed) == 0 {
            let waited = thread::waited_for_cpu(m.tid.load(Relaxed));
            // To find that out takes a while, in which it may have gone to sleep.
            if p.tick.load(Relaxed) == tick && ptr::eq(p.m.load(Relaxed), m) {
                // From here on: what it did before may have been calls.
                m.hog_waited.store(waited, Relaxed);
                m.hog_since.store(now, Relaxed);
                m.attention.ask_for_report();
            }
        }
        if let Some(why) = look(p, m, watch, want, now) {
            let c = Candidate { p, m, tick, why, since: watch.since, cpu: watch.cpu, cpu_then: watch.cpu_then };
            insert(&mut candidates, c);
        }
    }
    let n = want.ps.min(want.hands).min(AT_ONCE);
    take(&candidates[..n], pass_on);
    want.ps == 0 || want.hands > 0 || candidates[0].is_none()
}

/// Whether the P may be taken, and why.
fn look(p: &P, m: &M, watch: &mut Watch, want: &Want, now: i64) -> Option<Why> {
    let announced = m.attention.place() == ANNOUNCED;
    if std::mem::replace(&mut watch.announced, announced) && announced && want.ps > 0 {
        return Some(Why::Announced);
    }
    if want.cooperative {
        return None;
    }
    let stood = now - watch.since;
    if p.timers.earliest() <= now {
        m.attention.ask_for_look();
    }
    if (want.slices || p.is_surplus()) && stood >= ASK {
        // One that has waited for a CPU itself has had no slice; its P may be taken all the same.
        if thread_cpu(m.tid.load(Relaxed)) - watch.cpu_then >= burners::BURN {
            m.attention.ask_for_end_of_slice();
        }
        if !watch.asked {
            watch.asked = true;
            return None;
        }
    }
    if want.ps == 0 && !p.is_surplus() {
        watch.cpu = -1;
        return None;
    }
    let cpu = thread_cpu(m.tid.load(Relaxed));
    if cpu != watch.cpu {
        (watch.cpu, watch.still_since) = (cpu, now);
    } else if sleeps(m, now - watch.still_since) {
        return Some(Why::Sleeps);
    }
    (watch.asked && stood >= SLICE).then_some(Why::Computes)
}

/// Whether a thread whose CPU clock has stood still for so long sleeps.
fn sleeps(m: &M, still: i64) -> bool {
    still >= STILL && thread::sleeps(m.tid.load(Relaxed)).unwrap_or(still >= LONG_STILL)
}

/// Keeps the best, the best first.
fn insert(candidates: &mut [Option<Candidate>], c: Candidate) {
    let mut c = Some(c);
    for slot in candidates {
        let better = match (&*slot, &c) {
            (Some(old), Some(new)) => (new.why, new.since) < (old.why, old.since),
            _ => true,
        };
        if better {
            std::mem::swap(slot, &mut c);
        }
    }
}

fn take(candidates: &[Option<Candidate>], pass_on: fn(&'static P)) {
    if candidates.first().is_none_or(Option::is_none) {
        return;
    }
    for c in candidates.iter().flatten() {
        c.m.attention.ask();
    }
    barrier::on_entries();
    let mut taken = 0;
    for c in candidates.iter().flatten() {
        if !may_take(c) {
            continue;
        }
        c.m.cpu_then.store(c.cpu_then, Relaxed);
        let (burns, was_at_cap) = (c.why == Why::Computes, burners::at_cap());
        burners::loses(c.m, burns);
        if !c.m.attention.take() {
            burners::keeps(c.m, burns);
            continue;
        }
        c.p.m.store(ptr::null_mut(), Relaxed);
        if !was_at_cap && burners::at_cap() {
            // What it was taken for may go, though this very burner fills the cap.
            burners::admit();
        }
        pass_on(c.p);
        taken += 1;
    }
    TAKEN.fetch_add(taken, Relaxed);
}

static TAKEN: AtomicU64 = AtomicU64::new(0);

/// How many Ps were ever taken.
pub fn total() -> u64 {
    TAKEN.load(Relaxed)
}

/// The look after the barrier. If it says no, nothing is asked any more but the end of the slice.
fn may_take(c: &Candidate) -> bool {
    let m = c.m;
    let place = m.attention.place();
    if place == INSIDE {
        // The slice may be another goroutine's by now.
        m.attention.withdraw(c.p.tick.load(Relaxed) == c.tick);
        return false;
    }
    if c.why == Why::Announced && place != ANNOUNCED {
        // That is over, and with it what allowed the taking.
        m.attention.withdraw(false);
        return false;
    }
    // The M that a P names has it: whoever lets go of a P writes that before it leaves the runtime.
    let same = ptr::eq(c.p.m.load(Relaxed), m) && c.p.tick.load(Relaxed) == c.tick;
    let slept_on = c.why != Why::Sleeps || thread_cpu(m.tid.load(Relaxed)) == c.cpu;
    if !same || !slept_on {
        m.attention.withdraw(false);
        return false;
    }
    true
}

/// Looks again at the threads that run without a P: a sleeper may have begun to compute, a burner to sleep.
pub fn judge_lost(m: &M, now: i64) {
    let Some(burns) = burners::lost(m) else {
        m.cpu_seen.set(-1);
        return;
    };
    let tid = m.tid.load(Relaxed);
    let cpu = thread_cpu(tid);
    let moved = cpu != m.cpu_seen.replace(cpu);
    if moved {
        m.still_since.set(now);
    }
    if burns && !moved && sleeps(m, now - m.still_since.get()) {
        burners::judge(m, false);
    } else if !burns && moved && m.cpu_lost.get() >= 0 && cpu - m.cpu_lost.get() > STILL {
        burners::judge(m, true);
    }
    if m.cpu_lost.get() < 0 || !moved {
        // Little by little, between sleeps, is no burning.
        m.cpu_lost.set(cpu);
    }
}

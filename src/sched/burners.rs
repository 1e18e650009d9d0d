//! Threads that run a goroutine without a P: how many, which of them burn CPU, and what that means for the rest.
//!
//! A P that is taken from code outside (`retake.rs`) goes to another thread, and the goroutine runs on where it is. If it
//! sleeps in the kernel it costs nothing. If it computes it is a *burner*: each one more is a thread more that wants a CPU,
//! and with a thousand goroutines that compute, taking without end would make a thousand threads. So:
//!
//! * Below the cap, max(4, 2 x Ps), anything may start on a taken P.
//! * At the cap goroutines that were *started* go on: those that lost their P and came back (others may wait for a lock they
//!   hold), or gave way; and *urgent* ones, which a timer has made ready, unless their last run was a burn. What is fresh or was made
//!   ready by another goroutine is *held*: it stays on its queues, and a P with nothing else is idle.
//! * The *valve*: while anything is held, one goroutine is let go after 10 ms (longer where burners crowd the CPUs), the next
//!   after twice as long, and so on up to sixteen times, so that burners that spin on what a held one must do come to an end.
//!   When a burner comes back the steps begin anew; by then a CPU is free for others anyway.
//!
//! A burner that enters the runtime lowers the count and wakes a thread for what was held. No wake-up is lost: whoever
//! queues work writes the queue, fences, and reads the count; whoever lowers the count writes it, fences, and reads the queues
//! (`global::wake_one`); and a thread that goes idle at the cap looks again after its fence (`global::has_work`).

use super::g::G;
use super::global;
use super::m::M;
use crate::sys::clock::thread_cpu;
use crate::sys::cpu;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

/// `M::lost`: it has what it had.
const KEPT: u8 = 0;
/// `M::lost`: it computes without a P.
const BURNER: u8 = 1;
/// `M::lost`: it sleeps in the kernel without a P.
const SLEEPER: u8 = 2;

/// CPU time that makes a burn, ns.
pub const BURN: i64 = 5_000_000;
/// The cap is never lower.
const LEAST: u32 = 4;

static LOST: AtomicU32 = AtomicU32::new(0);
static BURNERS: AtomicU32 = AtomicU32::new(0);
static FELL: AtomicBool = AtomicBool::new(false);
static ADMITTED: AtomicBool = AtomicBool::new(false);

/// Whether nothing fresh may start.
#[inline(always)]
pub fn at_cap() -> bool {
    let burners = BURNERS.load(Relaxed);
    burners >= LEAST && burners >= 2 * global::procs()
}

/// How many more may burn before that.
pub fn room() -> usize {
    let cap = (2 * global::procs()).max(LEAST);
    cap.saturating_sub(BURNERS.load(Relaxed)) as usize
}

/// How crowded the CPUs are with burners: 1 for up to three each. The more there are, the longer each takes to come back.
pub fn crowd() -> u32 {
    (BURNERS.load(Relaxed) / (2 * cpu::affinity()) as u32).max(1)
}

/// Whether any goroutine runs without a P.
pub fn any_lost() -> bool {
    LOST.load(SeqCst) != 0
}

/// Before the P of `m` is taken. Taken back by [`keeps`] if that fails.
pub fn loses(m: &M, burns: bool) {
    m.lost.store(if burns { BURNER } else { SLEEPER }, Release);
    LOST.fetch_add(1, SeqCst);
    if burns {
        BURNERS.fetch_add(1, SeqCst);
    }
}

/// Nothing was taken: what [`loses`] did is undone. The thread may have begun a blocking call meanwhile, which stays.
pub fn keeps(m: &M, burns: bool) {
    let _ = m.lost.compare_exchange(if burns { BURNER } else { SLEEPER }, KEPT, AcqRel, Relaxed);
    LOST.fetch_sub(1, SeqCst);
    if burns {
        BURNERS.fetch_sub(1, SeqCst);
        // Somebody may have gone idle because of it.
        global::wake_one();
    }
}

/// What a goroutine did while its P was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// It slept in the kernel, or ran a blocking call.
    Slept,
    /// It computed.
    Burned,
    /// It computed little: it had no CPU, and so no slice.
    Starved,
}

/// The goroutine is back in the runtime, by its own M.
/// Until [`is_back`] it counts as away, so that nobody thinks that nothing can happen any more.
pub fn comes_back(m: &M) -> Away {
    let held = at_cap();
    if m.lost.swap(KEPT, AcqRel) != BURNER {
        return Away::Slept;
    }
    BURNERS.fetch_sub(1, SeqCst);
    FELL.store(true, Relaxed);
    if held && !at_cap() {
        global::wake_one();
    }
    let cpu = thread_cpu(m.tid.load(Relaxed)) - m.cpu_then.load(Relaxed);
    if cpu >= BURN { Away::Burned } else { Away::Starved }
}

/// It has a P again, or is queued for one, or waits.
pub fn is_back() {
    LOST.fetch_sub(1, SeqCst);
}

/// The goroutine of `m` has left; if it has parked without the P that it lost (`enter_in_lock`), that is over.
pub fn parked(m: &M) {
    if m.attention.is_taken() {
        m.attention.accept();
        let _ = comes_back(m);
        is_back();
    }
}

/// A blocking call begins on `m`, which has given its P away: a sleeper, until the monitor sees it compute.
pub fn begins_to_block(m: &M) {
    loses(m, false);
}

/// Whether `m` is without a P, and if so, whether it burns.
pub fn lost(m: &M) -> Option<bool> {
    match m.lost.load(Acquire) {
        KEPT => None,
        what => Some(what == BURNER),
    }
}

/// The monitor has looked again at a thread without a P.
pub fn judge(m: &M, burns: bool) {
    let (was, is) = if burns { (SLEEPER, BURNER) } else { (BURNER, SLEEPER) };
    // Counted before it can be seen, so that whoever comes back meanwhile never takes off what is not there.
    if burns {
        BURNERS.fetch_add(1, SeqCst);
    }
    let changed = m.lost.compare_exchange(was, is, AcqRel, Relaxed).is_ok();
    if changed != burns {
        BURNERS.fetch_sub(1, SeqCst);
        global::wake_one();
    }
}

/// The goroutine's present run was a burn.
pub fn mark(g: &G) {
    g.burnt.set(g.word.sequence() + 1);
}

/// Whether the last run of a goroutine that was just made ready was a burn.
pub fn was_burn(g: &G) -> bool {
    g.word.sequence() == g.burnt.get()
}

/// Lets one held goroutine go.
pub fn admit() {
    ADMITTED.store(true, SeqCst);
}

/// Whether one may go that nobody has taken up yet.
pub fn is_admitting() -> bool {
    ADMITTED.load(Relaxed)
}

/// Takes up the admission, if there is one.
pub fn take_admission() -> bool {
    is_admitting() && ADMITTED.swap(false, AcqRel)
}

/// Whether burners have come back since this was asked last.
pub fn have_fallen() -> bool {
    FELL.swap(false, Relaxed)
}

/// No threads: the runtime has stopped, or this is a forked child.
pub fn reset() {
    LOST.store(0, SeqCst);
    BURNERS.store(0, SeqCst);
    ADMITTED.store(false, SeqCst);
}

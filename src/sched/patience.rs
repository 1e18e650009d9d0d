//! Goroutines that fight for a channel are left together.
//!
//! A channel that two threads use at every turn costs each of them several times what it costs one alone: the lock is
//! waited for, and its line and the values' go to and fro. So it is with goroutines that do little but talk to each other. A
//! thief that takes one of them away from the others slows all of them down; which it is cannot be seen in a queue. It shows
//! afterwards: both threads find the channel's lock taken, again and again.
//!
//! *The sign.* An M counts how often it found the lock of a channel or timer taken. If [`FIGHTS`] of them came in less time than
//! [`DENSE`] each, the last of them with a thread that has a P, its P gets *patience*: for a time that doubles if it fights again
//! soon after, up to a bound, it takes from others only what would wait long there. A thread that runs nothing but its own
//! goroutines (of a home, or locked to it) neither has patience nor causes it: they could not be left with others.
//!
//! *What waits long.* The patient thief looks at a victim's queue for some microseconds. The queue holds `n`, and `k` goroutines
//! were switched to meanwhile, so what is queued there is good for `n` times the time of the look, divided by `k` (by 1, if there
//! was no switch). From [`WORTH`] on it is robbed: goroutines that compute do not wait for those that talk. And so it is if nothing
//! has left the queue since it was spared the last time.
//!
//! *Nobody is woken in vain.* A thief that has seen a queue, and goes to sleep rather than robbing it, *spares* its P: what that
//! P's own goroutines displace from `runnext` wakes nobody, and is no work in the sleeper's second look (`idle.rs`). The
//! monitor ends that in its next round, which comes within a millisecond while a P is spared (5 if it has just been); so long
//! a goroutine may wait while another P is idle. All else that is queued wakes as always, where nobody spins already.
//! A P without a thread is never spared: its owner ends it, and who spares it in that moment is overruled by `has_loose`, which
//! both of them ask after their fences.

use super::global;
use super::m::M;
use super::p::P;
use crate::sys::clock;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};

/// So many fights are judged together.
const FIGHTS: u32 = 16;
/// They are too many if they came closer than this, ns. A fight costs one or two microseconds, and what the lock guards as much
/// again, since it comes from another cache: together so much of the time that a second thread brings nothing. (With 10 us
/// programs lose that do 1 us of work for each value; with 2.5 the four producers and four consumers of `buffered4` fight on.)
const DENSE: i64 = 4_000;
/// How long patience lasts, at first and at most, ns.
const FIRST: i64 = 2_000_000;
const MOST: i64 = 64_000_000;
/// What is going to wait so long, ns, is taken even by the patient.
const WORTH: i64 = 50_000;
/// How long a queue is looked at before it is judged, ns. The longest look is as long as what is worth it.
const LOOK: i64 = 2_000;

/// An M's fights. The M's own.
pub struct Fights {
    count: Cell<u32>,
    since: Cell<i64>,
}

impl Fights {
    pub const fn new() -> Fights {
        Fights { count: Cell::new(0), since: Cell::new(0) }
    }
}

/// A P's patience, as a thief and with its thieves.
pub struct Patience {
    /// Its owner's.
    until: Cell<i64>,
    length: Cell<i64>,
    /// Set by a thief, taken back by the monitor or by the owner who goes idle.
    spared: AtomicBool,
    /// How many had left the queue when it was spared the last time.
    left: AtomicU32,
}

impl Patience {
    pub const fn new() -> Patience {
        Patience {
            until: Cell::new(0),
            length: Cell::new(0),
            spared: AtomicBool::new(false),
            left: AtomicU32::new(u32::MAX),
        }
    }

    /// By the owner.
    pub fn lasts(&self, now: i64) -> bool {
        now < self.until.get()
    }

    /// Whether what this P's goroutines displace waits for the monitor.
    #[inline]
    pub fn is_spared(&self) -> bool {
        self.spared.load(Relaxed)
    }

    /// Ends that. True if it was so.
    pub fn end_sparing(&self) -> bool {
        self.is_spared() && self.spared.swap(false, Relaxed)
    }

    fn fought(&self, now: i64) {
        let length = self.length.get();
        // Who kept away for long, and fights as soon as it comes back, keeps away for longer.
        let again = now - self.until.get() < length;
        self.length.set(if again { (2 * length).min(MOST) } else { FIRST });
        self.until.set(now + self.length.get());
    }
}

/// The M has found a channel's lock taken by `other`.
#[cold]
#[inline(never)]
pub fn fought(me: &M, other: &M) {
    let fights = &me.fights;
    fights.count.set(fights.count.get() + 1);
    if fights.count.get() < FIGHTS {
        return;
    }
    fights.count.set(0);
    let now = clock::now();
    let dense = now - fights.since.replace(now) < FIGHTS as i64 * DENSE;
    // Threads of the program's own keep no goroutines that could be left alone.
    let has_p = || global::all_ps().any(|p| ptr::eq(p.m.load(Relaxed), other));
    let are_free = !me.is_bound() && !other.is_bound();
    if let Some(p) = me.p.get()
        && dense
        && are_free
        && !p.patience.lasts(now)
        && has_p()
    {
        p.patience.fought(now);
    }
}

/// A queue that a patient thief looks at.
pub struct Look {
    victim: &'static P,
    switches: u64,
    since: i64,
}

impl Look {
    pub fn at(victim: &'static P, now: i64) -> Look {
        Look { victim, switches: victim.switches.load(Relaxed), since: now }
    }

    pub fn is_at(&self, p: &P) -> bool {
        ptr::eq(self.victim, p)
    }

    /// Whether the victim is to be robbed.
    pub fn finds_worth(&self, now: i64) -> bool {
        let switches = self.victim.switches.load(Relaxed).wrapping_sub(self.switches);
        is_worth(now - self.since, self.victim.queued(), switches)
            || self.victim.left() == self.victim.patience.left.load(Relaxed)
            || self.victim.m.load(Relaxed).is_null()
    }

    pub fn is_over(&self, now: i64) -> bool {
        now - self.since >= WORTH
    }

    /// The thief is about to sleep. See the file's header.
    pub fn spare(&self) {
        self.victim.patience.left.store(self.victim.left(), Relaxed);
        self.victim.patience.spared.store(true, Relaxed);
    }
}

fn is_worth(looked: i64, queued: usize, switches: u64) -> bool {
    looked >= LOOK && looked * queued as i64 >= WORTH * switches.max(1) as i64
}

#[cfg(test)]
mod tests {
    use super::super::list::GList;
    use super::super::records;
    use super::*;

    #[test]
    fn patience_grows_with_fights_and_is_forgotten() {
        let patience = Patience::new();
        let mut now = 1_000_000_000;
        assert!(!patience.lasts(now));
        for length in [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 16 * FIRST, MOST, MOST] {
            patience.fought(now);
            assert!(patience.lasts(now + length - 1) && !patience.lasts(now + length), "{length}");
            now += length + 1000;
        }
        now += 2 * MOST;
        patience.fought(now);
        assert!(patience.lasts(now) && !patience.lasts(now + FIRST));
    }

    #[test]
    fn what_would_wait_long_is_worth_it() {
        // Four that talk, 300 ns each.
        assert!(!is_worth(3_000, 4, 10) && !is_worth(60_000, 4, 200));
        // One that computes while another is queued, and many that compute a little.
        assert!(!is_worth(10_000, 1, 0) && is_worth(WORTH, 1, 0));
        assert!(is_worth(LOOK, 30, 0) && is_worth(30_000, 30, 3));
        // Nothing there.
        assert!(!is_worth(10 * WORTH, 0, 0));
    }

    #[test]
    fn a_p_without_a_thread_is_not_spared() {
        let list = GList::new();
        assert!(records::allocate(&list, 1));
        let p = P::new(0);
        assert!(p.push(list.pop().unwrap()) && p.has_loose());
        p.patience.spared.store(true, Relaxed);
        assert!(p.has_loose(), "no thread runs it");
        p.m.store(ptr::dangling_mut(), Relaxed);
        assert!(!p.has_loose());
        assert!(p.patience.end_sparing() && p.has_loose());
    }

    #[test]
    fn sparing_ends_once() {
        let patience = Patience::new();
        assert!(!patience.is_spared() && !patience.end_sparing());
        patience.spared.store(true, Relaxed);
        assert!(patience.is_spared() && patience.end_sparing() && !patience.end_sparing());
    }
}

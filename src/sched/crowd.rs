//! Crowds of deadlines: where they come one close after the other, and leave the threads time to sleep between.
//!
//! To sleep and to wake costs as much as to run twenty goroutines or more, and each wake-up by the time calls for another thread
//! when it finds more than one goroutine due. With tens of thousands of sleepers all of the time would go there. So in a crowd
//!
//! * wake-ups for the time are [`APART`]: what is due in between waits for the next (`asleep.rs`);
//! * no other thread is woken for what is done before it would be awake, by how long goroutines have run of late that such a wake-up
//!   found ([`is_soon_done`]);
//! * nobody spins who is alone: what comes next comes with the time.
//!
//! It counts how many deadlines came, not how many there are: a ticker is on time however many others are far away. And it ends
//! by itself when no such wake-up tells of it any more. What is wrongly taken for soon done waits for the monitor's round, or for
//! the next wake-up.

use super::m::M;
use super::monitor::coarse_now;
use super::p::P;
use crate::sys::clock;
use std::sync::atomic::{AtomicI64, Ordering::*};

/// How far apart wake-ups for the time are, ns.
const APART: i64 = 100_000;
/// So many deadlines in that time are a crowd.
const MANY: u64 = 4;
/// How long one wake-up tells of a crowd: two rounds of the monitor, ns.
const LASTS: i64 = 10_000_000;
/// How long it takes to wake a thread, ns.
const WAKING: i64 = 50_000;

static UNTIL: AtomicI64 = AtomicI64::new(0);
/// How long a goroutine ran of late, ns: the mean of one stretch and of what was known before.
static EACH: AtomicI64 = AtomicI64::new(0);

/// Whether there is a crowd.
pub fn is_there() -> bool {
    coarse_now() < UNTIL.load(Relaxed)
}

/// Whether there is a crowd, and what is ready on a P is done before another thread is awake.
pub fn is_soon_done(p: &P) -> bool {
    is_there() && p.ready() as i64 * EACH.load(Relaxed) <= WAKING
}

/// From when on a thread that was woken has run goroutines, on which P, and how many had run there before.
#[derive(Clone, Copy)]
pub struct Stretch {
    since: i64,
    p: u32,
    switches: u64,
}

/// A thread was woken, and goes on with a P.
pub fn begins(m: &M, p: &P) {
    let stretch = || Stretch { since: clock::now(), p: p.index, switches: p.switches.load(Relaxed) };
    m.stretch.set(is_there().then(stretch));
}

/// It has no more goroutines of its own.
pub fn has_run_out(m: &M, p: &P) {
    if let Some(s) = m.stretch.take()
        && s.p == p.index
    {
        let n = p.switches.load(Relaxed).saturating_sub(s.switches);
        if n > 0 {
            EACH.store((EACH.load(Relaxed) + (clock::now() - s.since) / n as i64) / 2, Relaxed);
        }
    }
}

/// What is known of the latest wake-up for the time. Under the lock of `global.rs`.
pub struct Wakes {
    last: i64,
    /// How many deadlines had ever come by then.
    came: u64,
}

impl Wakes {
    pub const fn new() -> Wakes {
        Wakes { last: 0, came: 0 }
    }

    /// A thread wakes because of the time; so many deadlines had ever come before.
    pub fn add(&mut self, now: i64, came: u64) {
        UNTIL.store(if self.tells_of_crowd(now, came) { now + LASTS } else { 0 }, Relaxed);
        (self.last, self.came) = (now, came);
    }

    fn tells_of_crowd(&self, now: i64, came: u64) -> bool {
        let (came, gone) = (came.saturating_sub(self.came), now - self.last);
        came >= MANY && came as i128 * APART as i128 >= MANY as i128 * gone as i128
    }

    /// When to wake for a deadline.
    pub fn next(&self, deadline: i64) -> i64 {
        if is_there() { deadline.max(self.last + APART) } else { deadline }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_deadlines_in_a_short_time_are_a_crowd() {
        const START: i64 = 1_000_000_000;
        let wakes = Wakes { last: START, came: 1000 };
        assert!(wakes.tells_of_crowd(START + APART, 1000 + MANY));
        assert!(!wakes.tells_of_crowd(START + APART + 1, 1000 + MANY));
        assert!(!wakes.tells_of_crowd(START + APART, 1000 + MANY - 1));
        // Those that came in a long time, and a count that begins anew in a forked child.
        assert!(!wakes.tells_of_crowd(START + 1000 * APART, 1000 + MANY * 999));
        assert!(!wakes.tells_of_crowd(START + APART, 10));
        assert!(wakes.tells_of_crowd(START + 1000 * APART, 1000 + MANY * 1000));
        assert!(!wakes.tells_of_crowd(START, 1000 + MANY - 1));
    }

    #[test]
    fn a_crowd_is_waited_for_together_and_ends_by_itself() {
        let mut wakes = Wakes::new();
        wakes.add(0, 0);
        assert_eq!(wakes.next(5), 5, "few");
        wakes.add(APART, MANY);
        assert!(is_there());
        assert_eq!(wakes.next(APART + 5), 2 * APART);
        assert_eq!(wakes.next(3 * APART), 3 * APART);
        wakes.add(3 * APART, MANY + 1);
        assert!(!is_there());
        assert_eq!(wakes.next(3 * APART + 5), 3 * APART + 5);
        UNTIL.store(coarse_now(), Relaxed);
        assert!(!is_there(), "over");
    }
}

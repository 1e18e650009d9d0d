//! Giving idle memory back: the monitor's walks over stacks and records.
//!
//! A walk begins every half second while there is anything to find. What two walks in a row found unused goes back to the
//! system. A walk that leaves nothing free in memory is the last until somebody runs again: an idle process wakes for no more.

use super::records;
use crate::sys::clock::{self, NEVER};
use crate::sys::stack;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// From one walk to the next, ns.
const PERIOD: i64 = 500_000_000;
/// How long the monitor may be away from its other work, ns.
const BUDGET: i64 = 1_000_000;

static AT_EVERY_ROUND: AtomicBool = AtomicBool::new(false);

/// Whether a walk begins at every round of the monitor: for those who look for faults.
pub fn choose(at_every_round: bool) {
    AT_EVERY_ROUND.store(at_every_round, Relaxed);
}

fn period() -> i64 {
    if AT_EVERY_ROUND.load(Relaxed) { 0 } else { PERIOD }
}

/// See the file's header.
pub struct Sweeper {
    walk: Option<(stack::Sweep, records::Sweep)>,
    /// When the next walk begins; NEVER: there is nothing to find.
    next: i64,
}

impl Sweeper {
    pub const fn new() -> Sweeper {
        Sweeper { walk: None, next: NEVER }
    }

    /// Goroutines run, or ran: there may be something to find.
    pub fn disturbed(&mut self, now: i64) {
        if self.next == NEVER {
            self.next = now + period();
        }
    }

    /// Goes on with a walk, or begins one, if it is time. Answers when there is more to do.
    pub fn go_on(&mut self, now: i64) -> i64 {
        if self.walk.is_none() && now < self.next {
            return self.next;
        }
        let (stacks, records) = self.walk.get_or_insert((stack::Sweep::new(), records::Sweep::new()));
        let enough = || clock::now() - now >= BUDGET;
        if !stacks.go_on(enough) || !records.go_on(enough) {
            return now;
        }
        self.next = if stacks.has_left() || records.has_left() { now + period() } else { NEVER };
        self.walk = None;
        self.next
    }
}

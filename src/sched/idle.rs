//! The idle protocol: when a thread that has nothing to do may sleep, and when work wakes one.
//!
//! Two counts, after Go's scheduler: idle Ps, and *spinning* Ms (threads that have a P, found nothing, and look at
//! everybody's queues for a while before they give up).
//!
//! ```text
//! submitter                                sleeper
//! 1 push the goroutine                     1 put the P on the idle list: idle += 1
//! 2 fence                                  2 if it was spinning: spinning -= 1
//! 3 idle > 0 and spinning == 0?            3 fence
//!   then spinning 0 -> 1 by CAS, and       4 look at every queue again: work there?
//!   hand an idle P to a thread, which        then take an idle P back, and search on
//!   begins as a spinner                    5 sleep
//! ```
//!
//! *No work is lost.* Both have a full fence between their write and their read. If the submitter reads idle == 0 or
//! spinning > 0, it read one of them before a sleeper's write of it (1 or 2), so by the fences that sleeper's 4
//! comes after the submitter's 1 and sees the goroutine. If it reads neither, it wakes a thread. While a spinner
//! exists nobody wakes another; that is sound because the last spinner to stop, with work or without, looks at all
//! queues after its decrement ([`Idle::stop_spinning`] tells it that it was the last). Left out are the queues of busy Ps that
//! a thief has spared (`patience.rs`), or whose goroutines are soon done (`crowd.rs`): for them the monitor's next round wakes
//! somebody.
//!
//! *Waking is dear* (20 us and more on virtual machines), so a thread that finds work wakes another only if there is
//! visibly more. And `runnext` alone wakes nobody as a rule: its P will run it at its next switch. The exception
//! is what a program that forks one goroutine and computes on expects: a P has a small credit for waking a thread
//! over a lone `runnext`. A thief that could take one pays back more than it cost; a ping-pong pair spends the credit
//! in vain, and gets one more from each round of the monitor.

use crate::sys::atomic::{AtomicU32, Relaxed, SeqCst, full_fence};

/// The two counts.
pub struct Idle {
    ps: AtomicU32,
    spinning: AtomicU32,
}

impl Idle {
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Idle { ps: AtomicU32::new(0), spinning: AtomicU32::new(0) }
    }

    #[cfg(loom)]
    pub fn new() -> Self {
        Idle { ps: AtomicU32::new(0), spinning: AtomicU32::new(0) }
    }

    /// Submitter, after its push, unless `may_run` says after the fence that it is held back: true if the caller has to hand an idle P to a thread. It then owns one count
    /// of spinning, which it passes on or returns with [`stop_spinning`](Self::stop_spinning).
    #[inline]
    #[must_use]
    pub fn wake_wanted(&self, may_run: impl FnOnce() -> bool) -> bool {
        full_fence();
        self.ps.load(Relaxed) != 0 && self.spinning.load(Relaxed) == 0 && may_run() && self.begin_lone_spin()
    }

    #[cold]
    fn begin_lone_spin(&self) -> bool {
        self.spinning.compare_exchange(0, 1, SeqCst, Relaxed).is_ok()
    }

    /// A thread without work asks to spin. At most half as many spin as Ps are busy.
    #[must_use]
    pub fn start_spinning(&self, procs: u32) -> bool {
        let busy = procs.saturating_sub(self.ps.load(Relaxed));
        if 2 * self.spinning.load(Relaxed) >= busy.max(1) {
            return false;
        }
        self.spinning.fetch_add(1, SeqCst);
        true
    }

    /// A thread that comes from sleep with a P begins as a spinner, above the limit too.
    pub fn spin_anyway(&self) {
        self.spinning.fetch_add(1, SeqCst);
    }

    /// A spinner stops. True if it was the last: it has to look at all queues once more.
    #[must_use]
    pub fn stop_spinning(&self) -> bool {
        let last = self.spinning.fetch_sub(1, SeqCst) == 1;
        full_fence();
        last
    }

    /// Under the scheduler's lock: a P went to the idle list.
    pub fn p_idle(&self) {
        self.ps.fetch_add(1, SeqCst);
    }

    /// Under the scheduler's lock: a P left the idle list.
    pub fn p_busy(&self) {
        self.ps.fetch_sub(1, SeqCst);
    }

    /// No Ps, no threads: the runtime has stopped.
    pub fn reset(&self) {
        self.ps.store(0, SeqCst);
        self.spinning.store(0, SeqCst);
    }

    /// Sleeper, between 1 and 4, when it did not spin.
    pub fn before_recheck(&self) {
        full_fence();
    }

    /// Whether any P is idle and nobody looks for work. A hint.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.ps.load(Relaxed) != 0 && self.spinning.load(Relaxed) == 0
    }

    /// How many look for work. A hint.
    pub fn spinning(&self) -> u32 {
        self.spinning.load(Relaxed)
    }

    /// Whether anybody looks for work.
    pub fn is_spinning(&self) -> bool {
        self.spinning.load(SeqCst) != 0
    }

    /// How many Ps are idle. A hint.
    #[inline]
    pub fn idle_ps(&self) -> u32 {
        self.ps.load(Relaxed)
    }
}

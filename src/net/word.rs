//! The word of a descriptor and a direction: how a waiter and an event find each other.
//!
//! One 64-bit word, `tag << 32 | epoch << 1 | WAITERS`. Go's poller has one waiter a direction and keeps it, or "ready", in the
//! word. Here any number may wait, and readiness is no token that one of them could take away from the others: it is a count
//! of events, the *epoch*. Who wants to wait notes the word first, then tries, and waits only if the word is still the same.
//!
//! ```text
//! waiter                                       event
//! 1 look: note tag and epoch                   1 the kernel makes the descriptor ready
//! 2 try: the kernel says "not now"             2 ready: epoch += 1, WAITERS cleared, by compare-and-swap
//! 3 lock; begin_wait: WAITERS set, if tag      3 if WAITERS was set: lock, take every waiter off the queue and
//!   and epoch are those of 1; else again at 1    claim it; unlock; make them ready
//! 4 queue a node, park; the far side unlocks
//! ```
//! *No event is lost.* Both change one word, so one comes first. If 3 does, the event sees WAITERS, and its lock waits until
//! the node is queued and its owner parked. If the event does, 3 finds another epoch, and the waiter tries again. An event
//! before 1 whose epoch is noted there happened before the try of 2, which sees what it announced.
//!
//! *Everybody is woken*, and each tries again: what one of them leaves behind another still finds, since no one of them has used
//! up the readiness.
//!
//! *The tag* names the file that stands behind the number: it changes when that is closed, or was closed behind our back and
//! the number used again. Events carry the tag with which the descriptor was registered; those of an earlier file are
//! stale and wake nobody. Tags and epochs wrap: to be fooled, a waiter would have to sleep between 1 and 3 for exactly 2^31 events
//! or 2^32 files.

use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed};

const WAITERS: u64 = 1;
const EPOCH_ONE: u64 = 2;
const TAG_SHIFT: u32 = 32;
const LOW: u64 = (1 << TAG_SHIFT) - 1;

/// The word as a waiter has noted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen(u64);

impl Seen {
    pub fn tag(self) -> u32 {
        (self.0 >> TAG_SHIFT) as u32
    }

    /// To be kept and compared. Never u64::MAX.
    pub fn bits(self) -> u64 {
        self.0
    }
}

/// What whoever brings an event has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Event {
    /// It is of a file that is gone.
    Stale,
    /// Nobody waits.
    Noted,
    /// All who wait are to be woken.
    Wake,
}

/// See the file's header.
pub struct Word(AtomicU64);

impl Word {
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Word(AtomicU64::new(0))
    }

    #[cfg(loom)]
    pub fn new() -> Self {
        Word(AtomicU64::new(0))
    }

    /// Before a try.
    #[inline]
    pub fn look(&self) -> Seen {
        Seen(self.0.load(Acquire) & !WAITERS)
    }

    /// After a try in vain, under the lock. False: there was an event, and the caller tries again.
    #[must_use]
    pub fn begin_wait(&self, seen: Seen) -> bool {
        let mut now = self.0.load(Relaxed);
        while now & !WAITERS == seen.0 {
            match self.0.compare_exchange_weak(now, now | WAITERS, AcqRel, Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// An event of the file with that tag.
    pub fn ready(&self, tag: u32) -> Event {
        let mut now = self.0.load(Relaxed);
        loop {
            if Seen(now).tag() != tag {
                return Event::Stale;
            }
            match self.0.compare_exchange_weak(now, next_epoch(now), AcqRel, Relaxed) {
                Ok(_) if now & WAITERS != 0 => return Event::Wake,
                Ok(_) => return Event::Noted,
                Err(other) => now = other,
            }
        }
    }

    /// What waiters go by has changed: all are to look again. The caller holds the lock and wakes them.
    pub fn stir(&self) {
        let _ = self.0.fetch_update(AcqRel, Relaxed, |now| Some(next_epoch(now)));
    }

    /// Another file stands behind the number from here on, or none. The caller holds the lock, and wakes those who wait.
    pub fn renew(&self, tag: u32) {
        let _ = self.0.fetch_update(AcqRel, Relaxed, |now| Some((tag as u64) << TAG_SHIFT | (next_epoch(now) & LOW)));
    }
}

fn next_epoch(word: u64) -> u64 {
    word & !LOW | ((word & LOW) + EPOCH_ONE) & LOW & !WAITERS
}

/// Wrong on purpose: the models must find what each of these breaks.
#[cfg(loom)]
impl Word {
    /// One who finds the event takes it away from the others, as if it had not been.
    pub fn use_up(&self) {
        let _ = self.0.fetch_update(AcqRel, Relaxed, |now| Some(now - EPOCH_ONE));
    }

    /// Sets WAITERS whatever came between.
    pub fn begin_wait_blindly(&self) {
        self.0.fetch_or(WAITERS, AcqRel);
    }

    /// Takes any event for one of the present file.
    pub fn ready_whatever_tag(&self) -> Event {
        self.ready(self.look().tag())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_event_between_look_and_wait_is_seen() {
        let w = Word::new();
        let seen = w.look();
        assert_eq!(w.ready(0), Event::Noted);
        assert!(!w.begin_wait(seen));
        let seen = w.look();
        assert!(w.begin_wait(seen));
        assert!(w.begin_wait(seen), "a second waiter waits beside the first");
        assert_eq!(w.ready(0), Event::Wake);
        assert_eq!(w.ready(0), Event::Noted);
    }

    #[test]
    fn events_of_a_former_file_are_stale() {
        let w = Word::new();
        w.renew(7);
        let seen = w.look();
        assert_eq!(seen.tag(), 7);
        assert!(w.begin_wait(seen));
        assert_eq!(w.ready(6), Event::Stale);
        assert_eq!(w.ready(7), Event::Wake);
        w.renew(8);
        assert!(!w.begin_wait(w.look()) || w.look().tag() == 8);
        assert!(!w.begin_wait(seen));
    }

    #[test]
    fn the_epoch_wraps_within_its_bits() {
        let w = Word::new();
        w.renew(u32::MAX);
        w.0.store(!WAITERS, Relaxed);
        let seen = w.look();
        w.stir();
        assert_eq!(w.look().tag(), u32::MAX);
        assert!(!w.begin_wait(seen));
        assert!(w.begin_wait(w.look()));
    }
}

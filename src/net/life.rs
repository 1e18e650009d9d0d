//! Who is inside the kernel with a descriptor, and when its number may be given back (Go's fdMutex).
//!
//! One word: `CLOSING | FINAL | blocked calls << 32 | calls`, wide enough for as many calls as there can be goroutines. A call counts itself while it uses the number, not while it is parked.
//! Whoever closes says CLOSING, wakes those who wait, and counts itself out; the last call to leave a descriptor that is CLOSING
//! closes the number. So no call that began with one file ever touches the next that gets its number:
//!
//! ```text
//! call                                         close
//! 1 enter: calls += 1. CLOSING: undo, EBADF    1 enter; CLOSING set, by one closer
//! 2 use the number                             2 lock; new tag; wake everybody; unlock
//! 3 leave: calls -= 1; the last of a CLOSING   3 leave, as any call does
//!   one: FINAL set by compare-and-swap, and
//!   the winner closes the number; then both
//!   flags are cleared
//! ```
//! *Before a park* a call leaves with the record's lock in hand, having looked at CLOSING: either the closer's 2 comes after and
//! wakes it, or it finds CLOSING. (It is never the last then: a closer before 2 is inside.)
//! *After a park* a call enters again, and finds CLOSING, or another tag (2 comes before 3), or the same file as before.
//!
//! *FINAL.* Between the system's close and the clearing of the flags the number may already be another's, who must not be told that
//! it is closed; before it, a call that begins must not get hold of the old file, of which no news will come. Neither can be told from
//! the other, so who finds FINAL waits until it is gone. (Not for ever: a close may linger, long after the number is free.)

use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed};

const CALLS: u64 = 0xffff_ffff;
const BLOCKED_SHIFT: u32 = 32;
const BLOCKED_ONE: u64 = 1 << BLOCKED_SHIFT;
const FINAL: u64 = 1 << 62;
const CLOSING: u64 = 1 << 63;

/// See the file's header.
pub struct Life(AtomicU64);

/// The descriptor is being closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// EBADF. `last`: the caller was the last to leave and closes the number.
    Refused { last: bool },
    /// The number is given back in this moment: try again.
    Wait,
}

impl Life {
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Life(AtomicU64::new(0))
    }

    #[cfg(loom)]
    pub fn new() -> Self {
        Life(AtomicU64::new(0))
    }

    /// A call begins to use the number.
    #[inline]
    pub fn enter(&self) -> Result<(), Closing> {
        let was = self.0.fetch_add(1, AcqRel);
        if was & CLOSING == 0 {
            return Ok(());
        }
        let last = self.leave();
        if was & FINAL != 0 { Err(Closing::Wait) } else { Err(Closing::Refused { last }) }
    }

    /// A call begins whose number has been given back for so long that it must be free.
    pub fn enter_late(&self) {
        self.0.fetch_add(1, AcqRel);
    }

    /// A call no longer uses the number. True: it was the last of one that is being closed, closes the number, and says
    /// [`closed`](Self::closed).
    #[inline]
    #[must_use]
    pub fn leave(&self) -> bool {
        let was = self.0.fetch_sub(1, AcqRel);
        was == CLOSING | 1 && self.0.compare_exchange(CLOSING, CLOSING | FINAL, AcqRel, Relaxed).is_ok()
    }

    /// The number is closed.
    pub fn closed(&self) {
        self.0.fetch_and(!(CLOSING | FINAL), AcqRel);
    }

    /// By a call that has entered: from here on nobody else does. False: another closes it already.
    #[must_use]
    pub fn begin_close(&self) -> bool {
        self.0.fetch_or(CLOSING, AcqRel) & CLOSING == 0
    }

    /// Whether it is being closed, and the number not yet given back.
    pub fn is_closing(&self) -> bool {
        self.0.load(Acquire) & (CLOSING | FINAL) == CLOSING
    }

    /// The calling call may stay in the kernel for long.
    pub fn blocks(&self) {
        self.0.fetch_add(BLOCKED_ONE, AcqRel);
    }

    /// That is over.
    pub fn unblocks(&self) {
        self.0.fetch_sub(BLOCKED_ONE, AcqRel);
    }

    /// Whether others than the caller are inside who will be out soon.
    pub fn others_leave_soon(&self) -> bool {
        let now = self.0.load(Acquire) & !(CLOSING | FINAL);
        (now & CALLS).saturating_sub(1) > now >> BLOCKED_SHIFT
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_out_closes() {
        let life = Life::new();
        assert_eq!(life.enter(), Ok(()));
        assert_eq!(life.enter(), Ok(()));
        assert!(life.begin_close());
        assert!(!life.begin_close());
        assert_eq!(life.enter(), Err(Closing::Refused { last: false }));
        assert!(life.others_leave_soon());
        assert!(!life.leave());
        assert!(!life.others_leave_soon());
        assert!(life.leave());
        assert_eq!(life.enter(), Err(Closing::Wait));
        life.closed();
        assert_eq!(life.enter(), Ok(()));
        assert!(!life.leave());
    }

    #[test]
    fn blocked_calls_are_not_waited_for() {
        let life = Life::new();
        assert_eq!((life.enter(), life.enter()), (Ok(()), Ok(())));
        life.blocks();
        assert!(life.begin_close());
        assert!(!life.others_leave_soon());
        assert!(!life.leave());
        life.unblocks();
        assert!(life.leave());
    }

    #[test]
    fn many_calls_are_but_many() {
        const MANY: usize = 200_000;
        let life = Life::new();
        for _ in 0..MANY {
            assert_eq!(life.enter(), Ok(()));
            life.blocks();
        }
        assert!(!life.is_closing());
        assert_eq!(life.enter(), Ok(()));
        assert!(life.begin_close());
        assert!(!life.others_leave_soon());
        assert!(!life.leave());
        for i in 1..=MANY {
            life.unblocks();
            assert_eq!(life.leave(), i == MANY);
        }
    }
}

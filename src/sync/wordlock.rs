//! A lock that is one bit of a caller's object, for objects of a word or two in memory that is not ours.
//!
//! The bit guards the object's queue. It shares a word with the object's state so that the last thing a call does to
//! the object is one atomic write that both publishes the new state and lets go: after it the object may be gone.
//! Holders keep it for some dozen instructions. They can still lose their processor, so waiting for it spins a little, then
//! gives the processor away, and at last sleeps in steps: a real-time thread must not keep the holder from running.

use crate::sys::atomic::{Acquire, AtomicU64, Relaxed};
pub use crate::sys::lock::pause;

/// Sets `bit` when it is clear and `may(word)` holds. Answers the word before, or None if `may` refused.
pub fn lock(word: &AtomicU64, bit: u64, mut may: impl FnMut(u64) -> bool) -> Option<u64> {
    let mut tries = 0;
    loop {
        let seen = word.load(Relaxed);
        if !may(seen) {
            return None;
        }
        if seen & bit == 0 && word.compare_exchange_weak(seen, seen | bit, Acquire, Relaxed).is_ok() {
            return Some(seen);
        }
        pause(&mut tries);
    }
}

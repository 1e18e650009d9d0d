//! A one-time event inside the runtime that one thread or goroutine waits for: the end of an `rt_run`.

use super::g::G;
use super::park;
use super::state::Kind;
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use std::cell::Cell;

/// Shared by the waiter and whoever signals.
pub struct Note {
    lock: RawLock,
    /// What the event was; 0 before it.
    outcome: Cell<u8>,
    waiter: Cell<Option<&'static G>>,
    token: Cell<Option<super::state::Token>>,
}

// SAFETY: the cells are touched under the lock.
unsafe impl Sync for Note {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Note {}

impl Note {
    pub const fn new() -> Self {
        Note { lock: RawLock::new(Rank::Note), outcome: Cell::new(0), waiter: Cell::new(None), token: Cell::new(None) }
    }

    /// The event has come. The first outcome (above 0) counts.
    pub fn signal(&self, outcome: u8) {
        self.lock.lock();
        if self.outcome.get() == 0 {
            self.outcome.set(outcome);
        }
        let waiter = self.waiter.get().zip(self.token.get());
        self.lock.unlock();
        if let Some((g, token)) = waiter
            && g.word.claim(token)
        {
            park::ready(g);
        }
    }

    /// Waits for the event and answers its outcome.
    pub fn wait(&self) -> u8 {
        self.lock.lock();
        while self.outcome.get() == 0 {
            let wait = park::prepare(Kind::Note, NEVER).unwrap_or_else(|_| unreachable!("no deadline, no memory"));
            self.waiter.set(Some(wait.g));
            self.token.set(Some(wait.token));
            let _ = park::park(wait, c"rt_run", park::Commit::unlock(&self.lock));
            self.lock.lock();
        }
        let outcome = self.outcome.get();
        self.lock.unlock();
        outcome
    }
}

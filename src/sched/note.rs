//! A one-time event inside the runtime that one thread or goroutine waits for: the end of an `rt_run`.

use super::g::G;
use super::park;
use super::state::Kind;
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use std::cell::Cell;

/// Lives on the waiter's stack. `signal` touches it for the last time when it lets go of the lock, which the
/// waiter must take before it can see the event.
pub struct Note {
    lock: RawLock,
    done: Cell<bool>,
    waiter: Cell<Option<&'static G>>,
    token: Cell<Option<super::state::Token>>,
}

// SAFETY: the cells are touched under the lock.
unsafe impl Sync for Note {}

impl Note {
    pub const fn new() -> Self {
        Note { lock: RawLock::new(Rank::Note), done: Cell::new(false), waiter: Cell::new(None), token: Cell::new(None) }
    }

    /// The event has come. Called once.
    pub fn signal(&self) {
        self.lock.lock();
        self.done.set(true);
        let waiter = self.waiter.get().zip(self.token.get());
        self.lock.unlock();
        if let Some((g, token)) = waiter
            && g.word.claim(token)
        {
            park::ready(g);
        }
    }

    /// Waits for the event.
    pub fn wait(&self) {
        self.lock.lock();
        while !self.done.get() {
            let wait = park::prepare(Kind::Note, NEVER).unwrap_or_else(|_| unreachable!("no deadline, no memory"));
            self.waiter.set(Some(wait.g));
            self.token.set(Some(wait.token));
            let _ = park::park(wait, c"rt_run", park::Commit::unlock(&self.lock));
            self.lock.lock();
        }
        self.lock.unlock();
    }
}

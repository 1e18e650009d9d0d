//! Queues of waiters: intrusive, first in first out, one pointer large.
//!
//! A [`Waiter`] lives on its owner's stack. It is linked only while its owner waits, or is about to, or has timed out
//! and is about to unlink it; always under the lock of what it waits on, which guards every field. After a waker has
//! claimed a waiter it may use the node until it readies the goroutine, without the lock, and not a moment longer.

use crate::sched::g::G;
use crate::sched::park::Wait;
use crate::sched::state::Token;
use std::cell::Cell;
use std::ptr;

/// One goroutine or thread that waits.
pub struct Waiter {
    pub g: &'static G,
    token: Token,
    /// What is to be sent, or where the received value goes; may be null.
    pub elem: *mut u8,
    /// Set by the waker: the waiter got what it waited for (and not merely an end of waiting).
    pub granted: Cell<bool>,
    /// Set with the claim: of the nodes of a select this one was chosen.
    pub chosen: Cell<bool>,
    /// A node of a select: it stays counted on its channel until the select has let go of all of them.
    pub of_select: bool,
    linked: Cell<bool>,
    next: Cell<*const Waiter>,
    prev: Cell<*const Waiter>,
}

impl Waiter {
    pub fn new(wait: &Wait, elem: *mut u8) -> Self {
        Waiter {
            g: wait.g,
            token: wait.token,
            elem,
            granted: Cell::new(false),
            chosen: Cell::new(false),
            of_select: false,
            linked: Cell::new(false),
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
        }
    }
}

/// A ring of waiters: `head.prev` is the tail.
pub struct WaitQueue {
    head: Cell<*const Waiter>,
}

impl WaitQueue {
    pub const fn new() -> Self {
        WaitQueue { head: Cell::new(ptr::null()) }
    }

    pub fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// Adds a waiter behind all others.
    ///
    /// # Safety
    /// Under the lock. The waiter stays where it is until it is unlinked.
    pub unsafe fn push_back(&self, w: &Waiter) {
        w.linked.set(true);
        // SAFETY: linked waiters are alive: their owners unlink them before they go on.
        match unsafe { self.head.get().as_ref() } {
            None => {
                w.next.set(w);
                w.prev.set(w);
                self.head.set(w);
            }
            Some(head) => {
                w.next.set(head);
                w.prev.set(head.prev.get());
                // SAFETY: as above.
                unsafe { (*head.prev.get()).next.set(w) };
                head.prev.set(w);
            }
        }
    }

    /// Adds a waiter before all others.
    ///
    /// # Safety
    /// As [`push_back`](Self::push_back).
    pub unsafe fn push_front(&self, w: &Waiter) {
        // SAFETY: the caller's promise. In a ring the front is behind the back.
        unsafe { self.push_back(w) };
        self.head.set(w);
    }

    /// Unlinks a waiter if it is linked; false if somebody has done so. Under the lock.
    pub fn remove(&self, w: &Waiter) -> bool {
        if !w.linked.replace(false) {
            return false;
        }
        if ptr::eq(w.next.get(), w) {
            self.head.set(ptr::null());
            return true;
        }
        // SAFETY: linked waiters are alive.
        unsafe {
            (*w.prev.get()).next.set(w.next.get());
            (*w.next.get()).prev.set(w.prev.get());
        }
        if ptr::eq(self.head.get(), w) {
            self.head.set(w.next.get());
        }
        true
    }

    /// Unlinks the waiters at the head until one is claimed: the caller owns it until it readies it. Those whose time
    /// won are unlinked and skipped. `unlinked` is told of each.
    ///
    /// # Safety
    /// Under the lock. The answer is not used after the goroutine was readied.
    pub unsafe fn pop_claimed(&self, mut unlinked: impl FnMut()) -> Option<&Waiter> {
        loop {
            // SAFETY: linked waiters are alive.
            let w = unsafe { self.head.get().as_ref() }?;
            self.remove(w);
            unlinked();
            if w.g.word.claim(w.token) {
                w.chosen.set(true);
                return Some(w);
            }
        }
    }
}

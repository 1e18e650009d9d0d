//! The order of goroutines that share one thread (`home_thread.rs`): who may run, and when the thread is asleep.
//!
//! Whoever readies a goroutine of a home either puts it into the home's line, or, where nobody looks at the line, queues it as any
//! other goroutine; whoever takes it off there brings it to the thread with a P. So between a ready and a run there is always
//! somebody on the way: the **carrier**. Under the lock of the line:
//!
//! > `awake` if and only if there is one carrier: the home's thread, which runs one of the goroutines or is about to look at the
//! > line; or one goroutine that stands in an ordinary queue, or is being brought to the thread, on behalf of all.
//!
//! ```text
//! waker                                     carrier, with nothing to run
//! 1 lock                                    1 lock
//! 2 awake? into the line, and that is all   2 the line has a goroutine? take it, and run it
//!   else awake = true                       3 else awake = false
//! 3 unlock                                  4 unlock; the thread gives its P away and sleeps
//! 4 it was not awake: queue it elsewhere
//! ```
//! *No goroutine is forgotten*: one that goes into the line at 2 does so while a carrier is there, which has its own 2 yet to
//! come. *Never do two run at once*: only the carrier takes goroutines off, and a second one is made only after the first has said at
//! 3 that it is none any more. To look at the line without the lock and then fall asleep breaks the first; the model shows it.
//!
//! The carrier may become another goroutine without telling anybody: the thread takes the next one off the line and queues
//! that elsewhere, `awake` as before, to let others have its P.

use super::g::G;
use super::list::GList;
use crate::sys::atomic::{AtomicUsize, Relaxed};
use crate::sys::lock::{Rank, RawLock};
use std::cell::Cell;

/// See the file's header.
pub struct Line {
    lock: RawLock,
    list: GList,
    /// The length of the list, for those who only look.
    len: AtomicUsize,
    awake: Cell<bool>,
}

// SAFETY: the list and the flag are touched under the lock.
unsafe impl Sync for Line {}

impl Line {
    pub fn new() -> Line {
        Line { lock: RawLock::new(Rank::Home), list: GList::new(), len: AtomicUsize::new(0), awake: Cell::new(false) }
    }

    /// Runs `f`, which is told whether there is a carrier, under the lock.
    pub fn locked<R>(&self, f: impl FnOnce(bool) -> R) -> R {
        self.lock.lock();
        let r = f(self.awake.get());
        self.lock.unlock();
        r
    }

    /// A goroutine may run. Some: it is the carrier from here on, and the caller sees to it that it gets to the thread; the answer
    /// is that of `first`, which is called under the lock then.
    #[must_use]
    pub fn ready<R>(&self, g: &'static G, first: impl FnOnce() -> R) -> Option<R> {
        self.lock.lock();
        let r = if self.awake.replace(true) {
            self.put(g);
            None
        } else {
            Some(first())
        };
        self.lock.unlock();
        r
    }

    fn put(&self, g: &'static G) {
        self.list.push_back(g);
        self.len.store(self.list.len(), Relaxed);
    }

    fn pop(&self) -> Option<&'static G> {
        let g = self.list.pop();
        self.len.store(self.list.len(), Relaxed);
        g
    }

    /// Whether nobody stands in it. A hint, but for what the carrier itself has put there.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len.load(Relaxed) == 0
    }

    /// By the carrier: a goroutine that gives way goes behind the others.
    pub fn put_back(&self, g: &'static G) {
        self.locked(|_| self.put(g));
    }

    /// By the carrier, which stays it: the next one, if there is any.
    #[inline]
    pub fn next(&self) -> Option<&'static G> {
        if self.is_empty() {
            return None;
        }
        self.locked(|_| self.pop())
    }

    /// By the carrier: the next one; or else it is the carrier no more, and `asleep` is called under the lock.
    pub fn next_or<R>(&self, asleep: impl FnOnce() -> R) -> Result<&'static G, R> {
        self.locked(|_| {
            self.pop().ok_or_else(|| {
                self.awake.set(false);
                asleep()
            })
        })
    }

    /// For a fork: nobody else may be at it.
    #[cfg(not(loom))]
    pub fn lock(&self) {
        self.lock.lock();
    }

    #[cfg(not(loom))]
    pub fn unlock(&self) {
        self.lock.unlock();
    }

    /// In a forked child: whom it knew are the parent's.
    #[cfg(not(loom))]
    pub fn forget(&self) {
        while self.list.pop().is_some() {}
        self.len.store(0, Relaxed);
        self.awake.set(false);
    }
}

/// Wrong on purpose: the model must find what this breaks.
#[cfg(loom)]
impl Line {
    /// Looks without the lock, and falls asleep on what it saw.
    pub fn next_or_looking_first(&self) -> Option<&'static G> {
        if self.len.load(Relaxed) == 0 {
            self.locked(|_| self.awake.set(false));
            return None;
        }
        self.locked(|_| self.pop())
    }
}

//! What a model has for a barrier on every running thread.

use super::atomic::{Acquire, AtomicU32, Relaxed, Release, SeqCst, fence};
use loom::thread;

/// The barrier as the kernel does it: a full fence in the thread, at a moment that nobody chooses.
#[derive(Default)]
pub struct Injected {
    asked: AtomicU32,
    done: AtomicU32,
}

impl Injected {
    pub fn point(&self) {
        if self.asked.load(Relaxed) == 1 && self.done.load(Relaxed) == 0 {
            fence(SeqCst);
            self.done.store(1, Release);
        }
    }

    /// The thread stops: the switch in the kernel is a full fence.
    pub fn stops(&self) {
        fence(SeqCst);
        self.done.store(1, Release);
    }

    pub fn everywhere(&self) {
        fence(SeqCst);
        self.asked.store(1, Release);
        while self.done.load(Acquire) == 0 {
            thread::yield_now();
        }
        fence(SeqCst);
    }
}

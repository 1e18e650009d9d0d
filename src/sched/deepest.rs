//! The deepest use of a stack by any goroutine that has ended: for those who choose `stack_size`.

use super::g::G;
use crate::sys::lock::{Rank, RawLock};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How deep a goroutine went.
#[derive(Clone, Copy)]
pub struct Depth {
    /// Bytes that it used, rounded up to pages, of so many.
    pub bytes: usize,
    pub of: usize,
    /// Its function.
    pub entry: usize,
}

struct Deepest {
    lock: RawLock,
    bytes: AtomicUsize,
    depth: UnsafeCell<Option<Depth>>,
}

// SAFETY: `depth` is touched under the lock.
unsafe impl Sync for Deepest {}

static DEEPEST: Deepest =
    Deepest { lock: RawLock::new(Rank::Deepest), bytes: AtomicUsize::new(0), depth: UnsafeCell::new(None) };

/// A goroutine that ends has used so much of its stack.
#[inline]
pub fn note(g: &G, bytes: usize) {
    if bytes > DEEPEST.bytes.load(Relaxed) {
        deeper(g, bytes);
    }
}

#[cold]
fn deeper(g: &G, bytes: usize) {
    DEEPEST.lock.lock();
    if bytes > DEEPEST.bytes.load(Relaxed) {
        DEEPEST.bytes.store(bytes, Relaxed);
        let entry = g.entry.get().map_or(0, |f| f as usize);
        // SAFETY: the lock is held.
        unsafe { *DEEPEST.depth.get() = Some(Depth { bytes, of: g.class.get().size(), entry }) };
    }
    DEEPEST.lock.unlock();
}

/// The deepest of all so far.
pub fn so_far() -> Option<Depth> {
    DEEPEST.lock.lock();
    // SAFETY: the lock is held.
    let depth = unsafe { *DEEPEST.depth.get() };
    DEEPEST.lock.unlock();
    depth
}

/// For a fork: nobody else may be at it.
pub fn lock() {
    DEEPEST.lock.lock();
}

pub fn unlock() {
    DEEPEST.lock.unlock();
}

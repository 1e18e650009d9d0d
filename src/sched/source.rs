//! News from outside: what the scheduler needs of a poller, which stands above it (`net/poll.rs`).
//!
//! As with deadlines the source only says which goroutines have become ready; queueing them is the scheduler's affair. It is told
//! of here when it is first needed. Without one nothing below costs more than a look at a word.
//!
//! *Who asks it.* A thread that finds nothing else to do asks without waiting, one thread at a time. Of the threads that sleep one,
//! the *poller*, sleeps in the source (`asleep.rs`). And behind these the monitor asks when nobody has for [`STALE`].

use super::list::GList;
use crate::sys::clock;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering::*};

/// What a source offers.
pub struct Source {
    /// Moves to the list whom its news concern, each claimed. Waits for news until a time: 0 is not at all, NEVER without end.
    pub poll: fn(i64, &GList),
    /// Lets a thread that waits in `poll`, or is about to, return without news.
    pub interrupt: fn(),
    /// Whether anybody waits for news.
    pub is_wanted: fn() -> bool,
}

/// When nobody has asked for so long, somebody must, ns.
const STALE: i64 = 4_000_000;

static SOURCE: AtomicPtr<Source> = AtomicPtr::new(ptr::null_mut());
/// A thread sleeps in it. Written under the scheduler's lock.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// A thread asks without waiting.
static ASKED: AtomicBool = AtomicBool::new(false);
/// When somebody asked last.
static LAST: AtomicI64 = AtomicI64::new(0);

fn source() -> Option<&'static Source> {
    // SAFETY: null, or what `install` was given, which stays for good.
    unsafe { SOURCE.load(Acquire).as_ref() }
}

/// There is a source from here on. The caller then sees to it that a thread sleeps in it.
pub fn install(source: &'static Source) {
    SOURCE.store(ptr::from_ref(source).cast_mut(), SeqCst);
}

/// Whether there is a source that no thread sleeps in.
#[inline]
pub fn is_unwatched() -> bool {
    !SOURCE.load(Relaxed).is_null() && !WATCHED.load(Relaxed)
}

/// A thread begins or ends to sleep in the source. Under the scheduler's lock.
pub fn set_watched(watched: bool) {
    WATCHED.store(watched, Relaxed);
}

/// Whether anybody waits for news.
pub fn is_wanted() -> bool {
    source().is_some_and(|s| (s.is_wanted)())
}

/// Waits for news until a time.
pub fn wait(until: i64, woken: &GList) {
    if let Some(s) = source() {
        (s.poll)(until, woken);
        LAST.store(clock::now(), Relaxed);
    }
}

/// Lets the thread that sleeps in the source return.
pub fn interrupt() {
    if let Some(s) = source() {
        (s.interrupt)();
    }
}

/// Asks for news without waiting, unless somebody sleeps in the source or asks already.
#[inline]
pub fn ask(woken: &GList) {
    if is_unwatched() {
        ask_now(woken);
    }
}

#[inline(never)]
fn ask_now(woken: &GList) {
    if ASKED.swap(true, Acquire) {
        return;
    }
    if let Some(s) = source() {
        (s.poll)(0, woken);
        LAST.store(clock::now(), Relaxed);
    }
    ASKED.store(false, Release);
}

/// Whether nobody sleeps in the source, nor has asked it for long.
pub fn is_stale(now: i64) -> bool {
    is_unwatched() && now - LAST.load(Relaxed) >= STALE
}

/// In a forked child: the source was the parent's.
pub fn forget() {
    SOURCE.store(ptr::null_mut(), SeqCst);
    WATCHED.store(false, Relaxed);
    ASKED.store(false, Relaxed);
}

//! Who held a P for long: told to whoever asked for it (`RT_DEBUG=hogs`), by the goroutine itself when it is back in the
//! runtime, since only there its stack can be read.

use super::g::G;
use super::m::M;
use super::retake::SLICE;
use crate::sys::{clock, thread};
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering::*};

/// Told of the goroutine that runs, and for how long it held its thread, ns.
pub type Hook = fn(&'static G, i64);

static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// The longest so far: only what is longer is news.
static LONGEST: AtomicI64 = AtomicI64::new(0);

/// Who is to be told; None: nobody.
pub fn set_hook(hook: Option<Hook>) {
    HOOK.store(hook.map_or(ptr::null_mut(), |f| f as *mut ()), Release);
    LONGEST.store(0, Relaxed);
}

/// Whether anybody is told.
pub fn is_wanted() -> bool {
    !HOOK.load(Relaxed).is_null()
}

/// The monitor has asked the goroutine of `m`, which has just entered.
#[cold]
pub fn hog(m: &'static M) {
    // While the thread waited for a CPU it was others who computed.
    let waited = thread::waited_for_cpu(m.tid.load(Relaxed)) - m.hog_waited.load(Relaxed);
    let held = clock::now() - m.hog_since.swap(0, Relaxed) - waited.max(0);
    let hook = HOOK.load(Acquire);
    let Some(g) = m.curg.get() else { return };
    if hook.is_null() || held < SLICE || LONGEST.fetch_max(held, Relaxed) >= held {
        return;
    }
    // SAFETY: only `set_hook` stores there.
    unsafe { std::mem::transmute::<*mut (), Hook>(hook)(g, held) };
}

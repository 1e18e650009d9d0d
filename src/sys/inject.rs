//! Faults on purpose: the Nth mapping, guard, thread or allocation of the library fails, as if the system had refused it.
//!
//! For tests, by the cargo feature `fault-injection`. Without it [`fails`] is a constant, and nothing of this is in the
//! library. With it the library's allocator counts what Rust allocates here, of which std's own share is a part; what the C
//! library allocates for itself is not counted. Counts are of the whole process, whichever thread it is, and begin with its
//! first call; in a forked child they begin anew.
//!
//! The rules are `GORT_FAIL` in the environment, read at the first event, or what the program says ([`set`]): rules with
//! commas between, each `KIND:WHEN`. KIND is `alloc`, `map`, `guard` or `thread`. WHEN is
//!
//! * `17`: the 17th and no other;
//! * `17+`: the 17th and all that follow, until there are other rules;
//! * `17*`: each 17th.

/// What can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "fault-injection"), allow(dead_code, reason = "nothing fails without the feature"))]
pub enum Kind {
    /// An allocation of the library's.
    Alloc,
    /// A mapping of memory or of a file.
    Map,
    /// Making a range inaccessible.
    Guard,
    /// Making a thread.
    Thread,
}

/// Whether this one, which is about to be tried, is to fail.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub fn fails(_: Kind) -> bool {
    false
}

/// In a forked child: counts begin anew.
#[cfg(not(feature = "fault-injection"))]
pub fn forked() {}

#[cfg(feature = "fault-injection")]
pub use on::{failed, fails, forked, live, set};

#[cfg(feature = "fault-injection")]
mod on {
    use super::Kind;
    use crate::sys::text::Lossy;
    use crate::sys::throw::print_line;
    use crate::sys::{env, errno};
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::*};

    /// Fails those from `first` to `last` whose number is a multiple of `step`.
    struct Rule {
        first: AtomicU64,
        last: AtomicU64,
        step: AtomicU64,
        seen: AtomicU64,
    }

    impl Rule {
        const fn new() -> Rule {
            Rule { first: AtomicU64::new(1), last: AtomicU64::new(0), step: AtomicU64::new(1), seen: AtomicU64::new(0) }
        }

        fn set(&self, first: u64, last: u64, step: u64) {
            self.last.store(0, SeqCst);
            self.seen.store(0, SeqCst);
            self.first.store(first, SeqCst);
            self.step.store(step, SeqCst);
            self.last.store(last, SeqCst);
        }

        fn hits(&self) -> bool {
            let n = self.seen.fetch_add(1, SeqCst) + 1;
            n <= self.last.load(SeqCst) && n >= self.first.load(SeqCst) && n.is_multiple_of(self.step.load(SeqCst))
        }
    }

    const KINDS: [&str; 4] = ["alloc", "map", "guard", "thread"];

    static RULES: [Rule; KINDS.len()] = [const { Rule::new() }; KINDS.len()];
    static FAILED: AtomicU64 = AtomicU64::new(0);
    static ASKED: AtomicBool = AtomicBool::new(false);

    pub fn fails(kind: Kind) -> bool {
        if !ASKED.swap(true, SeqCst) {
            env::with(c"GORT_FAIL", |rules| {
                if let Some(rules) = rules.filter(|r| !set(r)) {
                    print_line(format_args!("gort: warning: GORT_FAIL={} ignored", Lossy(rules)));
                }
            });
        }
        let hit = RULES[kind as usize].hits();
        if hit {
            FAILED.fetch_add(1, SeqCst);
            // SAFETY: the calling thread's own errno.
            unsafe { *errno::location() = libc::ENOMEM };
        }
        hit
    }

    /// Takes these rules in place of those there are, and counts anew. Bad ones: false, and nothing fails from here on.
    pub fn set(rules: &[u8]) -> bool {
        ASKED.store(true, SeqCst);
        RULES.iter().for_each(|r| r.set(1, 0, 1));
        let ok = rules.split(|&b| b == b',').filter(|r| !r.is_empty()).all(|r| add(r).is_some());
        if !ok {
            RULES.iter().for_each(|r| r.set(1, 0, 1));
        }
        ok
    }

    fn add(rule: &[u8]) -> Option<()> {
        let (kind, when) = std::str::from_utf8(rule).ok()?.split_once(':')?;
        let rule = &RULES[KINDS.iter().position(|&k| k == kind)?];
        let number = |s: &str| s.parse().ok().filter(|&n: &u64| n > 0);
        if let Some(n) = when.strip_suffix('+') {
            rule.set(number(n)?, u64::MAX, 1);
        } else if let Some(n) = when.strip_suffix('*') {
            rule.set(1, u64::MAX, number(n)?);
        } else {
            let n = number(when)?;
            rule.set(n, n, 1);
        }
        Some(())
    }

    /// How many have failed so, in all.
    pub fn failed() -> u64 {
        FAILED.load(SeqCst)
    }

    pub fn forked() {
        RULES.iter().for_each(|r| r.seen.store(0, SeqCst));
    }

    static LIVE: AtomicI64 = AtomicI64::new(0);

    /// Blocks that the library has allocated and not freed, without the records of threads and Ps, which stay for good: those
    /// are the only ones that want an alignment of 128.
    pub fn live() -> i64 {
        LIVE.load(SeqCst)
    }

    fn count(layout: Layout, n: i64) {
        if layout.align() < 128 {
            LIVE.fetch_add(n, SeqCst);
        }
    }

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    // SAFETY: the system's allocator, which now and then answers that there is no memory. It neither unwinds nor allocates
    // by itself.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            made(layout, || unsafe { System.alloc(layout) })
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            made(layout, || unsafe { System.alloc_zeroed(layout) })
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if fails(Kind::Alloc) {
                return std::ptr::null_mut();
            }
            // SAFETY: as the caller promises.
            unsafe { System.realloc(at, layout, size) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            count(layout, -1);
            // SAFETY: as the caller promises.
            unsafe { System.dealloc(at, layout) }
        }
    }

    fn made(layout: Layout, make: impl FnOnce() -> *mut u8) -> *mut u8 {
        if fails(Kind::Alloc) {
            return std::ptr::null_mut();
        }
        let at = make();
        if !at.is_null() {
            count(layout, 1);
        }
        at
    }
}

//! The processor's own counter, as a clock for points that lie ahead: half the price of the kernel's.
//!
//! A timer that is set over and over pays mostly for reading the clock. What it needs is a time that is not before now, and not
//! much later: [`now_or_later`] is at most 3 us late, and never early. The counter is compared with CLOCK_MONOTONIC
//! every 16 us in which it is asked ([`compare`]), and what has gone by since is taken to be an eighth longer than it seems: the
//! kernel may slew its clock by a tenth. So two such times that lie a comparison apart may be out of order by 2 us.
//!
//! Only where the counter runs evenly and on all processors alike, by the processor's word and the kernel's, which then uses it
//! as its own clock source. Elsewhere the kernel's clock is asked.
//!
//! *The last comparison* stands in a few words with a count before them that is odd while they change (a seqlock). Who finds it
//! odd, or changed, asks the kernel.

use super::{clock, files};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::*, fence};

/// How long a comparison is good for, ns.
const GOOD: u64 = 16_000;
/// A rate comes from two comparisons so far apart, ns: far enough to be exact, near enough that the system has not slept between.
const APART: std::ops::RangeInclusive<i64> = 10_000_000..=1_000_000_000;
/// A rate that differs from the one before by more than one part in so many is none.
const STEADY: u64 = 1000;
/// A reading of the clock that took so many ticks does not tell which of them it was at: 1 to 4 us.
const LONG: u64 = 4096;

static USABLE: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU32 = AtomicU32::new(0);
/// The last comparison.
static TICKS: AtomicU64 = AtomicU64::new(0);
static NS: AtomicI64 = AtomicI64::new(0);
/// Nanoseconds a tick, times 2^32; 0: not known.
static RATE: AtomicU64 = AtomicU64::new(0);
/// The comparison that the next rate begins at. Written while the count is odd, and read only by who has made it so.
static FROM_TICKS: AtomicU64 = AtomicU64::new(0);
static FROM_NS: AtomicI64 = AtomicI64::new(0);

#[cfg(target_arch = "x86_64")]
fn counter() -> u64 {
    // SAFETY: every x86-64 has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn is_even() -> bool {
    use core::arch::x86_64::__cpuid;
    const POWER: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    __cpuid(0x8000_0000).eax >= POWER && __cpuid(POWER).edx & INVARIANT != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    0
}

/// On aarch64 the kernel's clock costs what its counter does.
#[cfg(not(target_arch = "x86_64"))]
fn is_even() -> bool {
    false
}

/// Looks whether the counter is any good. Again after a fork does no harm.
pub fn set_up() {
    let is_source = || {
        let source = c"/sys/devices/system/clocksource/clocksource0/current_clocksource";
        files::parse(source, |text| Some(text.trim() == "tsc")) == Some(true)
    };
    USABLE.store(is_even() && is_source(), Relaxed);
}

/// In a forked child: whoever was at it is not here.
pub fn forked() {
    COUNT.store(0, Relaxed);
    RATE.store(0, Relaxed);
}

/// A time on CLOCK_MONOTONIC: now, or up to 3 us later.
#[inline]
pub fn now_or_later() -> i64 {
    let now = counter();
    let count = COUNT.load(Acquire);
    let (ticks, ns, rate) = (TICKS.load(Relaxed), NS.load(Relaxed), RATE.load(Relaxed));
    fence(Acquire);
    let gone = (now.wrapping_sub(ticks) as u128 * rate as u128) >> 32;
    // Without a rate nothing seems to have gone by. An odd count is one that is about to change.
    if rate == 0 || count & 1 != 0 || gone >= GOOD as u128 || COUNT.load(Relaxed) != count {
        return compare();
    }
    let gone = gone as i64;
    ns + gone + (gone >> 3) + 1
}

#[cold]
#[inline(never)]
fn compare() -> i64 {
    if !USABLE.load(Relaxed) {
        return clock::now();
    }
    // The counter first: if the thread loses its processor between the two, times come out later and not earlier.
    let ticks = counter();
    let ns = clock::now();
    let count = COUNT.load(Relaxed);
    let took = counter().wrapping_sub(ticks);
    if count & 1 != 0 || COUNT.compare_exchange(count, count.wrapping_add(1), Acquire, Relaxed).is_err() {
        return ns;
    }
    fence(Release);
    let rate = RATE.load(Relaxed);
    if took < LONG && (took as u128 * rate as u128) >> 32 < 1000 {
        let (from_ticks, from_ns) = (FROM_TICKS.load(Relaxed), FROM_NS.load(Relaxed));
        let apart = ns - from_ns;
        if APART.contains(&apart) {
            RATE.store(steady(rate, ((apart as u64) << 32) / ticks.wrapping_sub(from_ticks).max(1)), Relaxed);
        }
        if apart >= *APART.start() {
            FROM_TICKS.store(ticks, Relaxed);
            FROM_NS.store(ns, Relaxed);
        }
        TICKS.store(ticks, Relaxed);
        NS.store(ns, Relaxed);
    }
    COUNT.store(count.wrapping_add(2), Release);
    ns
}

/// The rate, if it goes on as the one before, or that was not known.
fn steady(before: u64, rate: u64) -> u64 {
    if before == 0 || rate.abs_diff(before) <= before / STEADY { rate } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_early_and_hardly_late() {
        set_up();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    let (mut worst, mut tries) = (i64::MAX, 0);
                    let end = clock::now() + 100_000_000;
                    while clock::now() < end {
                        let before = clock::now();
                        let at = now_or_later();
                        let after = clock::now();
                        assert!(at >= before, "{} ns early", before - at);
                        // Between the two readings the thread may lose its processor; then it says nothing.
                        if after - before < 1000 {
                            assert!(at <= after + 3000, "{} ns late", at - after);
                            worst = worst.min(at - before);
                            tries += 1;
                        }
                    }
                    assert!(tries > 0 && worst < 3000);
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }

    #[test]
    fn a_rate_that_jumps_is_none() {
        assert_eq!(steady(0, 17), 17);
        assert_eq!(steady(1_000_000, 1_000_999), 1_000_999);
        assert_eq!(steady(1_000_000, 500_000), 0);
    }
}

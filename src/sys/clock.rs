//! CLOCK_MONOTONIC in nanoseconds, and points in time that cannot overflow.

/// The time that never comes.
pub const NEVER: i64 = i64::MAX;

/// Nanoseconds on CLOCK_MONOTONIC. About 22 ns: read it once per round.
#[inline]
pub fn now() -> i64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: ts is a valid out pointer; the clock exists on every Linux, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec * 1_000_000_000 + ts.tv_nsec
}

/// The point `ns` from now, or up to 3 us later; what would overflow is [`NEVER`].
#[inline]
pub fn after(ns: i64) -> i64 {
    #[cfg(not(loom))]
    let now = super::ticks::now_or_later();
    #[cfg(loom)]
    let now = now();
    now.saturating_add(ns)
}

/// The CPU time of a thread of this process, ns; -1 if there is no such thread.
pub fn thread_cpu(tid: i32) -> i64 {
    // How the kernel names the clock of a thread: the bits for "thread" and "scheduler" below the inverted number.
    let clock = (!tid << 3) | 6;
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: ts is a valid out pointer; an unknown clock is an error.
    match unsafe { libc::clock_gettime(clock, &mut ts) } {
        0 => ts.tv_sec * 1_000_000_000 + ts.tv_nsec,
        _ => -1,
    }
}

/// `when` as the kernel wants it.
pub fn timespec(when: i64) -> libc::timespec {
    libc::timespec { tv_sec: when / 1_000_000_000, tv_nsec: when % 1_000_000_000 }
}

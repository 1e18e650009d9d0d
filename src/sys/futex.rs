//! Waiting for a 32-bit word to change, and waking those who wait.

#[cfg(not(loom))]
mod imp {
    use crate::sys::atomic::{AtomicU32, AtomicU64};
    use crate::sys::{clock, errno};
    use std::ptr;

    fn wait_at(addr: *const u32, expected: u32, when: i64) -> bool {
        let ts = clock::timespec(when);
        let timeout: *const libc::timespec = if when == clock::NEVER { ptr::null() } else { &raw const ts };
        errno::preserved(|| {
            // SAFETY: addr points at a live word (the callers below pass references) and the timeout, if any, at
            // a timespec on this stack. FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time.
            let r = unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    addr,
                    libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                    expected,
                    timeout,
                    ptr::null::<u32>(),
                    libc::FUTEX_BITSET_MATCH_ANY,
                )
            };
            r == 0 || errno_is_not(libc::ETIMEDOUT)
        })
    }

    fn errno_is_not(code: i32) -> bool {
        // SAFETY: the calling thread's own errno.
        unsafe { *errno::location() != code }
    }

    fn wake_at(addr: *const u32, n: i32) {
        errno::preserved(|| {
            // SAFETY: the kernel only compares the address; a word that has been freed meanwhile makes this
            // a wake-up of nobody, or a spurious one, which every waiter tolerates.
            unsafe { libc::syscall(libc::SYS_futex, addr, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, n) };
        });
    }

    /// Waits while `*word == expected`, at most until `when`. False if time is over. May return early.
    pub fn wait(word: &AtomicU32, expected: u32, when: i64) -> bool {
        wait_at(word.as_ptr(), expected, when)
    }

    /// Wakes up to `n` of those who wait at the word.
    pub fn wake(word: *const AtomicU32, n: i32) {
        wake_at(word.cast(), n);
    }

    /// Sleeps for so many nanoseconds: no cancellation point, and errno stays.
    pub fn nap(ns: i64) {
        let nobody = AtomicU32::new(0);
        wait(&nobody, 0, clock::after(ns));
    }

    /// The half of a 64-bit word that the kernel looks at: the low one.
    fn low_half(word: *const AtomicU64) -> *const u32 {
        word.cast::<u32>().wrapping_add(cfg!(target_endian = "big") as usize)
    }

    /// As [`wait`], on the low half of a 64-bit word.
    pub fn wait64(word: &AtomicU64, expected: u64, when: i64) -> bool {
        wait_at(low_half(word), expected as u32, when)
    }

    /// As [`wake`], for those in [`wait64`].
    pub fn wake64(word: &AtomicU64, n: i32) {
        wake_at(low_half(word), n);
    }
}

/// In a model a waiting thread just looks again: whoever would wake it changes the word first. A wait with a
/// deadline looks once, so that time may win at any moment.
#[cfg(loom)]
mod imp {
    use crate::sys::atomic::{AtomicU64, Relaxed};

    pub fn wait64(word: &AtomicU64, expected: u64, when: i64) -> bool {
        if word.load(Relaxed) == expected {
            loom::thread::yield_now();
        }
        when == i64::MAX || word.load(Relaxed) != expected
    }

    pub fn wake64(_: &AtomicU64, _: i32) {}
}

pub use imp::*;

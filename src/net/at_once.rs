//! Calls that io_uring answers at once: accept on a blocking socket, which waits nowhere else (Linux 6.10).
//!
//! They have a ring of their own, which is not in the poller's set: its answers are there when the submission is over, and who has
//! submitted takes them himself, under the same lock. In the set each answer would wake the poller for nothing. Nobody parks here.

use super::kernel;
use super::ring;
use crate::sys::lock::{Rank, RawLock};
use crate::sys::uring::{self, Entry, Ring};
use crate::sys::{errno, mem};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// Who has it has at most one answer to come.
static LOCK: RawLock = RawLock::new(Rank::Ring);
static RING: AtomicPtr<Ring> = AtomicPtr::new(ptr::null_mut());

/// Room for so many answers.
const ANSWERS: u32 = 4;

/// The ring, made if need be. Under the lock.
fn get() -> Option<&'static Ring> {
    // SAFETY: null, or a ring that was leaked.
    if let Some(ring) = unsafe { RING.load(Relaxed).as_ref() } {
        return Some(ring);
    }
    let ring = ring::open(ANSWERS)?;
    let fd = ring.fd();
    let kept = errno::preserved(|| mem::leak(ring));
    match kept {
        Some(kept) => RING.store(ptr::from_ref(kept).cast_mut(), Relaxed),
        None => uring::close(fd),
    }
    kept
}

/// Has the kernel carry out an entry that waits for nothing. None: it does not take it at present.
///
/// # Safety
/// What the entry points at is good for what the kernel does with it, until this returns.
pub unsafe fn run(entry: Entry) -> Option<kernel::Answer> {
    LOCK.lock();
    let answer = get().and_then(|ring| {
        // SAFETY: as the caller promises; under the lock, which is held until the answer is there.
        unsafe {
            ring.submit(entry, 0).ok()?;
            let mut answer = None;
            loop {
                ring.take(|_, result| answer = Some(result));
                match answer {
                    Some(result) => break Some(if result < 0 { Err(-result) } else { Ok(result as usize) }),
                    None => ring.wait(),
                }
            }
        }
    });
    LOCK.unlock();
    answer
}

/// Around a fork.
pub fn lock() {
    LOCK.lock();
}

pub fn unlock() {
    LOCK.unlock();
}

/// In a forked child: the ring is the parent's, and its memory is not here.
pub fn forget() {
    // SAFETY: null, or a ring that was leaked; the record itself is ordinary memory.
    if let Some(ring) = unsafe { RING.swap(ptr::null_mut(), Relaxed).as_ref() } {
        uring::close(ring.fd());
    }
}

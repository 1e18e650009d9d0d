//! The records of descriptors, by number: chunks that are made when a number in them is first used, and stay.
//!
//! A record never moves and is never freed, so a waker that comes late reads a tag and not freed memory.

use super::desc::Desc;
use crate::error::{Error, Result};
use crate::sys::{errno, mem};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

const CHUNK: usize = 512;
/// More than any system gives by default; higher numbers are refused.
const CHUNKS: usize = 8192;

static TABLE: [AtomicPtr<Desc>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

/// The record of a number, if there is one already.
#[inline]
pub fn get(fd: i32) -> Option<&'static Desc> {
    let fd = usize::try_from(fd).ok()?;
    let chunk = TABLE.get(fd / CHUNK)?.load(Acquire);
    if chunk.is_null() {
        return None;
    }
    // SAFETY: a chunk has CHUNK records, all made before it was published, and is never unmapped.
    Some(unsafe { &*chunk.add(fd % CHUNK) })
}

/// The record of a number.
#[inline]
pub fn of(fd: i32) -> Result<&'static Desc> {
    match get(fd) {
        Some(desc) => Ok(desc),
        None => make(fd),
    }
}

#[cold]
#[inline(never)]
fn make(fd: i32) -> Result<&'static Desc> {
    let number = usize::try_from(fd).map_err(|_| Error::Os(libc::EBADF))?;
    let slot = TABLE.get(number / CHUNK).ok_or(Error::Os(libc::EBADF))?;
    let bytes = CHUNK * size_of::<Desc>();
    let chunk = errno::preserved(|| mem::map(bytes)).ok_or(Error::NoMemory)?.cast::<Desc>();
    for i in 0..CHUNK {
        // SAFETY: room for so many, and nobody else knows it.
        unsafe { chunk.add(i).write(Desc::new()) };
    }
    if slot.compare_exchange(ptr::null_mut(), chunk, AcqRel, Acquire).is_err() {
        // SAFETY: somebody was faster, and nobody has seen this one.
        unsafe { mem::unmap(chunk.cast(), bytes) };
    }
    get(fd).ok_or(Error::Os(libc::EBADF))
}

/// Every record there is.
pub fn all() -> impl Iterator<Item = &'static Desc> {
    TABLE
        .iter()
        .filter_map(|chunk| {
            let chunk = chunk.load(Acquire);
            // SAFETY: as in `get`.
            (!chunk.is_null()).then(|| unsafe { std::slice::from_raw_parts(chunk, CHUNK) })
        })
        .flatten()
}

/// In a forked child: the records were the parent's, and its threads may have been at any of them.
pub fn forget() {
    for chunk in &TABLE {
        chunk.store(ptr::null_mut(), Relaxed);
    }
}

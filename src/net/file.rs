//! Files: opened on a blocking thread, synchronised by the ring, or there. Reading and writing is `io.rs`.

use super::call::{Use, may_block, uninterrupted};
use super::desc::Dirs;
use super::ring::{self, Waits};
use super::{kernel, socket};
use crate::error::{Error, Result};
use crate::sched::blocking;
use crate::sys::clock::NEVER;
use crate::sys::uring::Entry;
use std::ffi::{CStr, c_int};

/// open.
pub fn open(path: &CStr, flags: c_int, mode: u32) -> Result<i32> {
    let m = may_block()?;
    // SAFETY: a string that outlives the call.
    let call = || unsafe { kernel::open(path.as_ptr(), flags, mode) };
    let fd = blocking::run(m, || uninterrupted(call)).map_err(Error::Os)? as i32;
    socket::is_new(fd);
    Ok(fd)
}

/// fsync.
pub fn sync(fd: i32) -> Result {
    let u = Use::enter(fd)?;
    if ring::is_for_goroutines() {
        // SAFETY: the entry points at nothing.
        while let Some(answer) = unsafe { u.by_ring(|| Entry::fsync(fd), Waits::InThread, Dirs::NONE, NEVER) } {
            match answer? {
                Err(libc::EINTR) => {}
                answer => return answer.map(|_| ()).map_err(Error::Os),
            }
        }
    }
    u.blocking(|| uninterrupted(|| kernel::fsync(fd)))?.map(|_| ()).map_err(Error::Os)
}

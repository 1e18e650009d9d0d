//! Files: opened, read at an offset, written and synchronised on blocking threads, but for what is in the page cache.

use super::call::{Use, may_block, uninterrupted};
use super::{kernel, socket};
use crate::error::{Error, Result};
use crate::sched::blocking;
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
    u.blocking(|| uninterrupted(|| kernel::fsync(fd)))?.map(|_| ()).map_err(Error::Os)
}

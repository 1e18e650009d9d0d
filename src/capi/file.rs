//! Files: a goroutine waits, its thread's processor does not.

use super::base::RT_EINVAL;
use super::{answer, code, waiting};
use crate::net::file;
use crate::net::io::{self, Way};
use libc::{iovec, ssize_t};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

/**
 * open(2), with the caller's flags alone.
 *
 * @param path   the file
 * @param flags  those of open
 * @param mode   permissions of a file that it makes
 * Returns the descriptor.
 * Errors: what open answers, such as -ENOENT; RT_EINVAL: path is NULL; RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    if path.is_null() {
        return RT_EINVAL;
    }
    // SAFETY: the caller's string.
    let path = unsafe { CStr::from_ptr(path) };
    answer(waiting(|_| file::open(path, flags, mode)).map(|fd| fd as usize)) as c_int
}

/**
 * pread(2): bytes of a file, from an offset on.
 *
 * @param fd      the file
 * @param buf     where they go
 * @param len     room there, bytes
 * @param offset  from the file's beginning, bytes
 * Returns how many there were; fewer than len at the end of the file.
 * Errors: what pread answers, such as -ESPIPE; RT_EINVAL: buf is NULL and len is not 0, a negative offset; RT_EPERM: it would
 * block in an unlockf; RT_ECANCELED: it was closed or forgotten while it waited for the system.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_pread(fd: c_int, buf: *mut c_void, len: usize, offset: i64) -> ssize_t {
    if buf.is_null() && len != 0 {
        return RT_EINVAL as ssize_t;
    }
    let buf = iovec { iov_base: buf, iov_len: len };
    // SAFETY: the caller's buffer.
    answer(waiting(|_| unsafe { io::transfer_at(fd, Way::Read, buf, offset) }))
}

/**
 * pwrite(2): bytes to a file, from an offset on.
 *
 * @param fd      the file
 * @param buf     the bytes
 * @param len     how many
 * @param offset  from the file's beginning, bytes
 * Returns how many were written.
 * Errors: what pwrite answers, such as -ENOSPC; and as rt_pread.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_pwrite(fd: c_int, buf: *const c_void, len: usize, offset: i64) -> ssize_t {
    if buf.is_null() && len != 0 {
        return RT_EINVAL as ssize_t;
    }
    let buf = iovec { iov_base: buf.cast_mut(), iov_len: len };
    // SAFETY: the caller's buffer, which is only read.
    answer(waiting(|_| unsafe { io::transfer_at(fd, Way::Write, buf, offset) }))
}

/**
 * fsync(2): waits until what was written to a file is on its device.
 *
 * @param fd  the file
 * Returns RT_OK.
 * Errors: what fsync answers, such as -EIO; RT_EPERM: in an unlockf; RT_ECANCELED: it was closed or forgotten while it waited for
 * the system.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_fsync(fd: c_int) -> c_int {
    code(waiting(|_| file::sync(fd)))
}

//! Descriptors: reading, writing, readiness, deadlines, close.

use super::base::{RT_EINVAL, RT_OK};
use super::{answer, code, slice, waiting};
use crate::error::Error;
use crate::net::desc::Dirs;
use crate::net::io::{self, Way};
use crate::net::ready;
use crate::time::timeout::Timeout;
use libc::{iovec, pollfd, ssize_t};
use std::ffi::{c_int, c_void};

/// Reading: something to read, a connection to accept, the end, an error.
pub const RT_POLL_READ: c_int = 1;
/// Writing: room to write, a connection made, an error.
pub const RT_POLL_WRITE: c_int = 2;

/// The directions of a caller's events.
fn dirs(events: c_int) -> Option<Dirs> {
    let known = events != 0 && events & !(RT_POLL_READ | RT_POLL_WRITE) == 0;
    known.then_some(Dirs(events as u8))
}

/// # Safety
/// The buffers are the caller's, until this returns.
unsafe fn transfer(fd: c_int, way: Way, iov: &[iovec]) -> ssize_t {
    let mut done = 0;
    // SAFETY: as the caller promises.
    answer(waiting(|_| unsafe { io::transfer(fd, way, iov, &mut done) }))
}

/**
 * read(2): bytes from any descriptor. Where there are none yet, waits for them; the descriptor's flags stay as they are,
 * blocking or not.
 *
 * @param fd   the descriptor
 * @param buf  where they go
 * @param len  room there, bytes
 * Returns how many there were, at least one; 0 at the end, or if len is 0.
 * Errors: what read answers, such as -EBADF or -ECONNRESET; RT_ETIMEDOUT: its deadline is over; RT_ECANCELED: it was closed or
 * forgotten meanwhile; RT_EINVAL: buf is NULL and len is not 0; RT_EPERM: it would block in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_read(fd: c_int, buf: *mut c_void, len: usize) -> ssize_t {
    if buf.is_null() && len != 0 {
        return RT_EINVAL as ssize_t;
    }
    // SAFETY: the caller's buffer.
    unsafe { transfer(fd, Way::Read, &[iovec { iov_base: buf, iov_len: len }]) }
}

/**
 * write(2): bytes to any descriptor. Where there is no room yet, waits for it; on a blocking descriptor until all are written,
 * on a non-blocking one until some are. There is never a SIGPIPE.
 *
 * @param fd   the descriptor
 * @param buf  the bytes
 * @param len  how many
 * Returns how many were written; fewer than len also if something failed after those.
 * Errors: what write answers, such as -EBADF or -EPIPE (RT_ECLOSED); and as rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_write(fd: c_int, buf: *const c_void, len: usize) -> ssize_t {
    if buf.is_null() && len != 0 {
        return RT_EINVAL as ssize_t;
    }
    // SAFETY: the caller's buffer, which is only read.
    unsafe { transfer(fd, Way::Write, &[iovec { iov_base: buf.cast_mut(), iov_len: len }]) }
}

/**
 * readv(2): rt_read into several buffers, which are filled one after the other.
 *
 * @param fd      the descriptor
 * @param iov     the buffers
 * @param iovcnt  how many, from 0 to 1,024
 * Returns as rt_read.
 * Errors: as rt_read; RT_EINVAL: also a count that is out of range.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_readv(fd: c_int, iov: *const iovec, iovcnt: c_int) -> ssize_t {
    // SAFETY: the caller's list of buffers.
    match unsafe { slice(iov, iovcnt) } {
        // SAFETY: the caller's buffers.
        Some(iov) => unsafe { transfer(fd, Way::Read, iov) },
        None => RT_EINVAL as ssize_t,
    }
}

/**
 * writev(2): rt_write from several buffers, one after the other.
 *
 * @param fd      the descriptor
 * @param iov     the buffers
 * @param iovcnt  how many, from 0 to 1,024
 * Returns as rt_write.
 * Errors: as rt_write; RT_EINVAL: also a count that is out of range.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_writev(fd: c_int, iov: *const iovec, iovcnt: c_int) -> ssize_t {
    // SAFETY: the caller's list of buffers.
    match unsafe { slice(iov, iovcnt) } {
        // SAFETY: the caller's buffers.
        Some(iov) => unsafe { transfer(fd, Way::Write, iov) },
        None => RT_EINVAL as ssize_t,
    }
}

/// Moves all bytes, in as many steps as it takes; tells in `done` how many went.
///
/// # Safety
/// The buffer is the caller's; `done` is NULL or may be written.
unsafe fn move_all(fd: c_int, way: Way, buf: *mut c_void, len: usize, done: *mut usize) -> c_int {
    let mut n = 0;
    let r = loop {
        if n == len {
            break Ok(());
        }
        let mut moved = 0;
        let rest = [iovec { iov_base: buf.wrapping_byte_add(n), iov_len: len - n }];
        // SAFETY: inside the caller's buffer.
        match waiting(|_| unsafe { io::transfer(fd, way, &rest, &mut moved) }) {
            Ok(0) => break Err(Error::Closed),
            Ok(more) => n += more,
            Err(e) => break Err(e),
        }
    };
    // SAFETY: as the caller promises.
    if let Some(done) = unsafe { done.as_mut() } {
        *done = n;
    }
    code(r)
}

/**
 * Writes all bytes, waiting as often as need be.
 *
 * @param fd    the descriptor
 * @param buf   the bytes
 * @param len   how many
 * @param done  out, also with an error: how many were written; or NULL
 * Returns RT_OK.
 * Errors: as rt_write.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_write_all(fd: c_int, buf: *const c_void, len: usize, done: *mut usize) -> c_int {
    if buf.is_null() && len != 0 {
        return RT_EINVAL;
    }
    // SAFETY: the caller's buffer, which is only read.
    unsafe { move_all(fd, Way::Write, buf.cast_mut(), len, done) }
}

/**
 * Reads until the buffer is full, waiting as often as need be.
 *
 * @param fd    the descriptor
 * @param buf   where the bytes go
 * @param len   how many
 * @param done  out, also with an error: how many were read; or NULL
 * Returns RT_OK.
 * Errors: RT_ECLOSED: the end came first; and as rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_read_full(fd: c_int, buf: *mut c_void, len: usize, done: *mut usize) -> c_int {
    if buf.is_null() && len != 0 {
        return RT_EINVAL;
    }
    // SAFETY: the caller's buffer.
    unsafe { move_all(fd, Way::Read, buf, len, done) }
}

/**
 * Waits until a descriptor is ready. It asks the system, so what was ready before counts; an error or a hang-up is readiness.
 * Any number of goroutines and threads may wait for one descriptor; readiness wakes them all.
 *
 * @param fd          the descriptor
 * @param events      RT_POLL_READ, RT_POLL_WRITE, or both
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT
 * Returns those of the events that are ready, above 0.
 * Errors: RT_ETIMEDOUT, also for its deadline; RT_EAGAIN: not ready, with RT_NOWAIT; RT_ECANCELED: it was closed or forgotten
 * meanwhile; -EBADF; RT_EINVAL: other events, or none; RT_EPERM: it would block in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_fd_wait(fd: c_int, events: c_int, timeout_ns: i64) -> c_int {
    let Some(dirs) = dirs(events) else { return RT_EINVAL };
    answer(waiting(|_| ready::wait(fd, dirs, Timeout(timeout_ns))).map(|ready| ready.0 as usize)) as c_int
}

/**
 * Sets the time at which calls that read, or write, end with RT_ETIMEDOUT: those that wait, and those to come. It holds until
 * it is set anew or the descriptor is closed. rt_poll has none.
 *
 * @param fd           the descriptor
 * @param events       for RT_POLL_READ (also accept), RT_POLL_WRITE (also connect), or both
 * @param deadline_ns  a time as rt_now tells it, nanoseconds; 0: none; one that is over ends calls at once
 * Returns RT_OK.
 * Errors: -EOPNOTSUPP: a regular file; -EBADF; RT_EINVAL: other events, or none; RT_ENOMEM.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_fd_set_deadline(fd: c_int, events: c_int, deadline_ns: i64) -> c_int {
    let Some(dirs) = dirs(events) else { return RT_EINVAL };
    code(waiting(|_| ready::set_deadline(fd, dirs, deadline_ns)))
}

/**
 * Makes the library forget a descriptor, which stays open: who waits for it gets RT_ECANCELED, and it has no deadlines any
 * more. For handing it to code that will close it.
 *
 * @param fd  the descriptor
 * Returns RT_OK.
 * Errors: -EBADF: it is not open.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_fd_forget(fd: c_int) -> c_int {
    code(waiting(|_| ready::forget(fd)))
}

/**
 * close(2): who waits for the descriptor gets RT_ECANCELED, and calls from here on -EBADF. The number is free when it returns,
 * or, if a call blocks inside the system with it (a blocking connect, a terminal), when that has come out.
 *
 * @param fd  the descriptor
 * Returns RT_OK.
 * Errors: -EBADF: it is not open, or is being closed; what close answers, such as -EIO: it is closed then, too.
 * Call from: any thread. Blocks: as close does. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_close(fd: c_int) -> c_int {
    code(waiting(|_| ready::close(fd)))
}

/**
 * poll(2): waits until one of several descriptors has one of its events. Only the unit of the timeout differs.
 *
 * @param fds         in: descriptors (negative ones are left out) and events; out: revents
 * @param nfds        how many
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT
 * Returns how many have events; 0 when time is over.
 * Errors: RT_ECANCELED: one of them was closed or forgotten meanwhile; RT_EINVAL: fds is NULL and nfds is not 0, or more
 * than the process may have open; RT_EPERM: it would block in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_poll(fds: *mut pollfd, nfds: usize, timeout_ns: i64) -> c_int {
    if fds.is_null() && nfds != 0 {
        return RT_EINVAL;
    }
    // SAFETY: the caller's list.
    answer(waiting(|_| unsafe { ready::poll(fds, nfds, Timeout(timeout_ns)) })) as c_int
}

const _: () = assert!(RT_OK == 0 && RT_POLL_READ == Dirs::READ.0 as c_int && RT_POLL_WRITE == Dirs::WRITE.0 as c_int);

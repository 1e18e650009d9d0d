//! Reading and writing whatever stands behind a number, without ever changing its flags.
//!
//! In this order, each found out by trying, so that nothing need be known of a number beforehand:
//!
//! 1. A socket: `MSG_DONTWAIT`, and `MSG_NOSIGNAL` for writes.
//! 2. What knows `RWF_NOWAIT`: pipes, eventfds, files in the page cache. With `RWF_NOSIGNAL`, or SIGPIPE blocked around the call.
//! 3. What is non-blocking by its own flags: as it is.
//! 4. What is left (terminals, old kernels' pipes): asked first whether it is ready, and then used outside, where it does not
//!    matter if somebody else was faster; terminals by the ring, where a close or a deadline ends that.
//! 5. Regular files that have to be fetched: by the ring at an offset, and on a blocking thread where there is none, and at
//!    the file's own position, which only the system's own calls lock. Before that the ring has the page cache filled, by a read to
//!    a buffer of our own, and a second try of 2 finds it there.
//!
//! What was found out is kept as hints, which only save the tries that will fail: a number that has become another file finds its
//! way from any of them.
//!
//! *Amounts.* As POSIX has it: a read answers what there is, a write on a blocking descriptor waits until all is written, and one
//! on a non-blocking descriptor answers what went. What has been moved is never lost: an error after it waits for the next call.
//! What a try that waits for nothing has moved may be but a part ([`Try::Part`]) of what one plain call would have; then it goes on. What a
//! plain call or the ring has moved is the system's last word.
//!
//! *The position of a file on disk* is moved by one call at a time, as the kernel has it for one system call: reads and writes here may be
//! made of several, and between those another would take what comes next. [`Position`] is held over all of them. A file on
//! disk never has to be waited for until it is ready, so nothing but the file holds up who holds it; pipes and the like, on which
//! many may wait, are not held at all. Two hints say which it is. One that is of the past is noticed before it does harm in one
//! direction (the file turns out to have readiness), and in the other with the first part that is moved of a file on disk.
//! Two numbers of one open file (dup) have a record each, and do not know of each other.

use super::call::{IO_WAIT, Position, Try, Use, uninterrupted};
use super::desc::Dirs;
use super::kernel::{self, Answer, RWF_NOSIGNAL, RWF_NOWAIT};
use super::ring::{self, Waits};
use crate::error::{Error, Result};
use crate::sys::clock::NEVER;
use crate::sys::errno;
use crate::sys::uring::Entry;
use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, iovec, msghdr};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Hints: not a socket; no RWF_NOWAIT for reads; none for writes; found on disk; found elsewhere.
const NO_SOCKET: u8 = 1;
const PLAIN_READS: u8 = 2;
const PLAIN_WRITES: u8 = 4;
const ON_DISK: u8 = 8;
const NOT_ON_DISK: u8 = 16;
/// A connection of TCP, where a read that brings less than it has room for has taken all there is; something else.
const TCP: u8 = 32;
const NOT_TCP: u8 = 64;

/// More buffers than this are refused, as by the kernel.
const MOST_BUFFERS: usize = 1024;

/// Reads or writes: the same words for both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Read,
    Write,
}

impl Way {
    pub fn dirs(self) -> Dirs {
        match self {
            Way::Read => Dirs::READ,
            Way::Write => Dirs::WRITE,
        }
    }

    fn plain_hint(self) -> u8 {
        match self {
            Way::Read => PLAIN_READS,
            Way::Write => PLAIN_WRITES,
        }
    }

    /// The plain call, which blocks if the file does.
    ///
    /// # Safety
    /// As the call.
    unsafe fn plain(self, fd: i32, iov: &[iovec]) -> Answer {
        let call = || match self {
            // SAFETY: as the caller promises.
            Way::Read => unsafe { kernel::readv(fd, iov) },
            // SAFETY: as the caller promises.
            Way::Write => unsafe { kernel::writev(fd, iov) },
        };
        match self {
            Way::Read => uninterrupted(call),
            Way::Write => kernel::without_sigpipe(|| uninterrupted(call)),
        }
    }

    fn entry(self, fd: i32, iov: &[iovec], offset: u64) -> Entry {
        match self {
            Way::Read => Entry::read(fd, iov, offset),
            Way::Write => Entry::write(fd, iov, offset),
        }
    }

    /// # Safety
    /// As the call.
    unsafe fn socket(self, fd: i32, iov: &[iovec]) -> Answer {
        let (none, flags) = (ptr::null_mut(), MSG_DONTWAIT | if self == Way::Write { MSG_NOSIGNAL } else { 0 });
        // SAFETY: as the caller promises. All zeroes is a message without address and control data.
        unsafe {
            match (self, iov) {
                (Way::Read, [one]) => {
                    kernel::recvfrom(fd, one.iov_base.cast(), one.iov_len, flags, none, ptr::null_mut())
                }
                (Way::Write, [one]) => kernel::sendto(fd, one.iov_base.cast(), one.iov_len, flags, none, 0),
                _ => {
                    let mut msg: msghdr = std::mem::zeroed();
                    msg.msg_iov = iov.as_ptr().cast_mut();
                    msg.msg_iovlen = iov.len() as _;
                    if self == Way::Read {
                        kernel::recvmsg(fd, &mut msg, flags)
                    } else {
                        kernel::sendmsg(fd, &msg, flags)
                    }
                }
            }
        }
    }

    /// # Safety
    /// As the call.
    unsafe fn nowait(self, fd: i32, iov: &[iovec], offset: i64) -> Answer {
        static NO_NOSIGNAL: AtomicBool = AtomicBool::new(false);
        if self == Way::Read {
            // SAFETY: as the caller promises.
            return unsafe { kernel::preadv2(fd, iov, offset, RWF_NOWAIT) };
        }
        if !NO_NOSIGNAL.load(Relaxed) {
            // SAFETY: as above.
            match unsafe { kernel::pwritev2(fd, iov, offset, RWF_NOWAIT | RWF_NOSIGNAL) } {
                // Either flag may be the unknown one.
                Err(libc::EOPNOTSUPP | libc::EINVAL) => {}
                r => return r,
            }
        }
        // SAFETY: as above.
        let r = kernel::without_sigpipe(|| unsafe { kernel::pwritev2(fd, iov, offset, RWF_NOWAIT) });
        if r.is_ok() {
            NO_NOSIGNAL.store(true, Relaxed);
        }
        r
    }
}

/// Whether a file of this type is always ready, by poll's word, and yet may block.
fn is_on_disk(file_type: u32) -> bool {
    matches!(file_type, libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK)
}

/// Holds the position of a file on disk, as far as hints go, which are made here.
fn hold_position(u: &Use, hints: u8, position: &mut Position) -> Result {
    let kind = match hints & (ON_DISK | NOT_ON_DISK) {
        0 => {
            let on_disk = kernel::file_type(u.fd).map(is_on_disk).map_err(Error::Os)?;
            let kind = if on_disk { ON_DISK } else { NOT_ON_DISK };
            u.desc.hints.fetch_or(kind, Relaxed);
            kind
        }
        kind => kind,
    };
    if kind & ON_DISK != 0 { position.hold(u) } else { Ok(()) }
}

/// Whether the file is on disk, which the hints say from here on.
fn correct_kind(u: &Use) -> Result<bool> {
    let on_disk = kernel::file_type(u.fd).map(is_on_disk).map_err(Error::Os)?;
    let wrong = if on_disk { NOT_ON_DISK } else { ON_DISK };
    if u.desc.hints.load(Relaxed) & wrong != 0 {
        u.desc.hints.store(0, Relaxed);
    }
    Ok(on_disk)
}

/// One try to move bytes.
///
/// # Safety
/// The buffers are good for what the kernel does with them.
unsafe fn attempt(u: &Use, way: Way, iov: &[iovec], position: &mut Position) -> Try<usize> {
    let fd = u.fd;
    loop {
        let hints = u.desc.hints.load(Relaxed);
        if hints & NO_SOCKET == 0 {
            // SAFETY: as the caller promises.
            match unsafe { way.socket(fd, iov) } {
                Err(libc::ENOTSOCK) => {
                    u.desc.hints.fetch_or(NO_SOCKET, Relaxed);
                }
                answer => match Try::part(answer) {
                    Some(t) => return t,
                    None => continue,
                },
            }
        }
        if let Err(why) = hold_position(u, hints, position) {
            return Try::Refused(why);
        }
        if hints & way.plain_hint() == 0 {
            // SAFETY: as above.
            match unsafe { way.nowait(fd, iov, -1) } {
                Err(libc::EOPNOTSUPP | libc::ENOSYS) => {
                    u.desc.hints.fetch_or(way.plain_hint(), Relaxed);
                }
                answer => match Try::part(answer) {
                    Some(t) => return t,
                    None => continue,
                },
            }
        }
        // SAFETY: as above.
        return match unsafe { plain(u, way, iov) } {
            // Another file has the number by now.
            Try::Failed(libc::ENOTTY) => {
                u.desc.hints.store(0, Relaxed);
                continue;
            }
            t => t,
        };
    }
}

/// A try with the plain call, which must not block a P.
///
/// # Safety
/// As [`attempt`].
unsafe fn plain(u: &Use, way: Way, iov: &[iovec]) -> Try<usize> {
    let fd = u.fd;
    match kernel::is_blocking(fd) {
        Err(e) => return Try::Failed(e),
        // SAFETY: as the caller promises.
        Ok(false) => return Try::from(unsafe { way.plain(fd, iov) }).unwrap_or(Try::NotNow),
        Ok(true) => {}
    }
    let file_type = match kernel::file_type(fd) {
        Err(e) => return Try::Failed(e),
        // SAFETY: as the caller promises.
        Ok(t) if is_on_disk(t) => return unsafe { blocking(u, way, iov, -1) },
        // The tries that the hints have saved are the right ones.
        Ok(libc::S_IFSOCK) => return Try::Failed(libc::ENOTTY),
        Ok(t) => t,
    };
    let events = if way == Way::Read { libc::POLLIN } else { libc::POLLOUT };
    match kernel::poll_one(fd, events) {
        Err(e) => Try::Failed(e),
        Ok(0) => Try::NotNow,
        // SAFETY: as the caller promises.
        Ok(_) if file_type == libc::S_IFCHR && kernel::is_free_terminal(fd) => unsafe { terminal(u, way, iov) },
        // SAFETY: as the caller promises.
        Ok(_) => match u.outside(|| unsafe { way.plain(fd, iov) }) {
            Err(e) => Try::Refused(e),
            Ok(answer) => Try::from(answer).unwrap_or(Try::NotNow),
        },
    }
}

/// Reads or writes a terminal that was ready, whether others are faster or not.
///
/// # Safety
/// As [`attempt`].
unsafe fn terminal(u: &Use, way: Way, iov: &[iovec]) -> Try<usize> {
    /// Its own position, of which it has none.
    const NO_OFFSET: u64 = u64::MAX;
    // SAFETY: as the caller promises.
    let by_ring = unsafe { u.by_ring(|| way.entry(u.fd, iov, NO_OFFSET), Waits::InThread, way.dirs(), NEVER) };
    // SAFETY: as the caller promises.
    match by_ring.unwrap_or_else(|| u.outside(|| unsafe { way.plain(u.fd, iov) })) {
        Err(e) => Try::Refused(e),
        Ok(answer) => Try::from(answer).unwrap_or(Try::NotNow),
    }
}

/// Moves bytes of a file, by the ring. None: the plain call has to be made.
///
/// # Safety
/// As [`attempt`].
unsafe fn file_by_ring(u: &Use, way: Way, iov: &[iovec], offset: u64) -> Option<Try<usize>> {
    loop {
        // SAFETY: as the caller promises.
        match unsafe { u.by_ring(|| way.entry(u.fd, iov, offset), Waits::InThread, Dirs::NONE, NEVER) }? {
            Err(e) => return Some(Try::Refused(e)),
            Ok(Err(libc::EINTR)) => {}
            // The plain call raises SIGXFSZ too, as it should.
            Ok(Err(libc::EFBIG)) => return None,
            Ok(Err(e)) => return Some(Try::Failed(e)),
            Ok(Ok(n)) => return Some(Try::Done(n)),
        }
    }
}

/// How much is fetched at once.
const FETCHED: usize = 64 << 10;

/// Moves bytes of a file whose position is the file's own: has the page cache filled, and takes what is there then. None: it is not.
/// Only for what knows RWF_NOWAIT: of other files a read more is more than a look.
///
/// # Safety
/// As [`attempt`].
unsafe fn fetched(u: &Use, iov: &[iovec]) -> Option<Try<usize>> {
    let at = kernel::position(u.fd).ok()?;
    let wanted = iov.iter().fold(0usize, |sum, v| sum.saturating_add(v.iov_len)).min(FETCHED);
    // Not the caller's: of that nothing is touched but what the answer counts.
    let mut buf: Vec<u8> = Vec::new();
    errno::preserved(|| buf.try_reserve_exact(wanted)).ok()?;
    let own = [iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: wanted }];
    // SAFETY: as the caller promises; there is room for so much, and nobody looks at it.
    unsafe {
        match file_by_ring(u, Way::Read, &own, at)? {
            Try::Done(_) => Way::Read.nowait(u.fd, iov, -1).ok().map(Try::Part),
            Try::Refused(e) => Some(Try::Refused(e)),
            _ => None,
        }
    }
}

/// Moves bytes where that takes as long as it takes: by the ring, or on a blocking thread.
///
/// # Safety
/// As [`attempt`].
unsafe fn blocking(u: &Use, way: Way, iov: &[iovec], offset: i64) -> Try<usize> {
    let fd = u.fd;
    let at = u64::try_from(offset).ok();
    let is_file = || matches!(kernel::file_type(fd), Ok(libc::S_IFREG | libc::S_IFBLK));
    let can_fetch = way == Way::Read && u.desc.hints.load(Relaxed) & PLAIN_READS == 0;
    if (at.is_some() || can_fetch) && ring::is_for_goroutines() && is_file() {
        // SAFETY: as the caller promises.
        let moved = unsafe {
            match at {
                Some(at) => file_by_ring(u, way, iov, at),
                None => fetched(u, iov),
            }
        };
        if let Some(moved) = moved {
            return moved;
        }
    }
    let moved = u.blocking(|| {
        // SAFETY: as the caller promises.
        uninterrupted(|| unsafe {
            match way {
                _ if offset < 0 => way.plain(fd, iov),
                Way::Read => kernel::preadv(fd, iov, offset),
                Way::Write => kernel::pwritev(fd, iov, offset),
            }
        })
    });
    match moved {
        Err(e) => Try::Refused(e),
        Ok(Ok(n)) => Try::Done(n),
        Ok(Err(e)) => Try::Failed(e),
    }
}

/// The buffers that are left after the first `done` bytes, in `rest`.
fn rest_of(iov: &[iovec], mut done: usize, rest: &mut Vec<iovec>) -> Result {
    rest.clear();
    errno::preserved(|| rest.try_reserve_exact(iov.len())).map_err(|_| Error::NoMemory)?;
    for v in iov {
        let skip = done.min(v.iov_len);
        done -= skip;
        if v.iov_len > skip {
            rest.push(iovec { iov_base: v.iov_base.wrapping_byte_add(skip), iov_len: v.iov_len - skip });
        }
    }
    Ok(())
}

/// read, readv, write, writev. `done` is what has been moved, 0 at the beginning: a call that answers `NotUp` is made again with it.
///
/// # Safety
/// The buffers are good for what the kernel does with them, until this returns.
pub unsafe fn transfer(fd: i32, way: Way, iov: &[iovec], done: &mut usize) -> Result<usize> {
    if iov.len() > MOST_BUFFERS {
        return Err(Error::Invalid);
    }
    let wanted = iov.iter().fold(0usize, |sum, v| sum.saturating_add(v.iov_len));
    let mut u = Use::enter(fd)?;
    if wanted == 0 && way == Way::Read {
        // Reads nothing, and takes no message off a socket; it says whether the number can be read.
        // SAFETY: nothing is written.
        return unsafe { kernel::readv(fd, iov) }.map_err(Error::Os);
    }
    u.check_deadline(way.dirs())?;
    // SAFETY: as the caller promises.
    match unsafe { move_all(&mut u, way, iov, wanted, done) } {
        Err(Error::NotUp) => Err(Error::NotUp),
        // What was moved counts; the error comes again.
        Err(e) if *done == 0 => Err(e),
        _ => Ok(*done),
    }
}

/// # Safety
/// As [`transfer`].
unsafe fn move_all(u: &mut Use, way: Way, iov: &[iovec], wanted: usize, done: &mut usize) -> Result {
    let mut rest = Vec::new();
    let mut position = Position::new(u);
    loop {
        let left = if *done == 0 {
            iov
        } else {
            rest_of(iov, *done, &mut rest)?;
            &rest[..]
        };
        let seen = u.look();
        let is_read = way == Way::Read && u.desc.hints.load(Relaxed) & (NO_SOCKET | TCP) == TCP;
        let tried = if is_read && *done == 0 && u.is_drained(seen) {
            Try::NotNow
        } else {
            // SAFETY: as the caller promises; `rest` points into the same buffers.
            unsafe { attempt(u, way, left, &mut position) }
        };
        let tried = match tried {
            Try::NotNow => {
                if !position.is_held() && u.wait(way.dirs(), seen, NEVER, IO_WAIT)? {
                    continue;
                }
                if correct_kind(u)? != position.is_held() {
                    // Another file has the number by now.
                    position.let_go();
                    continue;
                }
                // SAFETY: as above.
                unsafe { blocking(u, way, left, -1) }
            }
            tried => tried,
        };
        match tried {
            Try::Done(n) => {
                *done += n;
                return Ok(());
            }
            Try::Part(n) => {
                if way == Way::Read && n != 0 && n < wanted - *done && is_tcp(u) {
                    u.drained(seen);
                }
                *done += n;
                if n == 0 || *done >= wanted || !goes_on(u, way) {
                    return Ok(());
                }
            }
            Try::Failed(e) => return Err(Error::Os(e)),
            Try::Refused(e) => return Err(e),
            Try::NotNow => {}
        }
    }
}

/// Whether it is a connection of TCP.
pub fn is_tcp(u: &Use) -> bool {
    let hints = u.desc.hints.load(Relaxed);
    if hints & (TCP | NOT_TCP | NO_SOCKET) == 0 {
        let is = kernel::option(u.fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) == Ok(libc::IPPROTO_TCP);
        u.desc.hints.fetch_or(if is { TCP } else { NOT_TCP }, Relaxed);
        return is;
    }
    hints & (TCP | NO_SOCKET) == TCP
}

/// Whether a call that has moved something, but not all, goes on: a write on a blocking descriptor, and anything on a file.
fn goes_on(u: &Use, way: Way) -> bool {
    let hints = u.desc.hints.load(Relaxed);
    match way {
        Way::Write => kernel::is_blocking(u.fd) == Ok(true),
        // Of a file in the page cache there may be but a part.
        Way::Read => hints & NO_SOCKET != 0 && correct_kind(u) == Ok(true),
    }
}

/// pread, pwrite.
///
/// # Safety
/// As [`transfer`].
pub unsafe fn transfer_at(fd: i32, way: Way, buf: iovec, offset: i64) -> Result<usize> {
    if offset < 0 {
        return Err(Error::Invalid);
    }
    let u = Use::enter(fd)?;
    let mut done = 0;
    loop {
        let left = [iovec { iov_base: buf.iov_base.wrapping_byte_add(done), iov_len: buf.iov_len - done }];
        let at = offset.checked_add(done as i64).ok_or(Error::Invalid)?;
        // SAFETY: as the caller promises.
        let moved = match unsafe { way.nowait(fd, &left, at) } {
            // Not in memory, or no file that can say so.
            // SAFETY: as above.
            Err(libc::EAGAIN | libc::EOPNOTSUPP | libc::ENOSYS) => unsafe { blocking(&u, way, &left, at) },
            Err(libc::EINTR) => continue,
            Err(e) => Try::Failed(e),
            Ok(n) => Try::Part(n),
        };
        match moved {
            Try::Done(n) => return Ok(done + n),
            Try::Part(n) => {
                done += n;
                if n == 0 || done >= buf.iov_len {
                    return Ok(done);
                }
            }
            Try::Failed(e) if done == 0 => return Err(Error::Os(e)),
            Try::Refused(e) if done == 0 => return Err(e),
            Try::Failed(_) | Try::Refused(_) | Try::NotNow => return Ok(done),
        }
    }
}

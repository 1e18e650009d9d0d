//! Calls that only sockets know: messages, accept, connect. As `io.rs` they never change a descriptor's flags.
//!
//! * Messages go with `MSG_DONTWAIT`. A caller who says that himself gets the kernel's "not now".
//! * accept on a blocking socket: by the ring, which does not wait there. Without one: asked first whether somebody is there, and
//!   then called outside, where it does not matter if another process was faster.
//! * connect on a blocking socket: by the ring, where a deadline or a close ends it; without one, or where the socket has a time for
//!   it (`SO_SNDTIMEO`), on a blocking thread, to its end.

use super::call::{IO_WAIT, Try, Use, run, uninterrupted};
use super::desc::Dirs;
use super::ring::Waits;
use super::{at_once, io, kernel, table};
use crate::error::{Error, Result};
use crate::sys::clock::{self, NEVER};
use crate::sys::errno;
use crate::sys::uring::Entry;
use libc::{
    MSG_DONTWAIT, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_WAITALL, c_int, iovec, msghdr, sockaddr, socklen_t,
};

/// Where a message comes from or goes to.
pub enum Message {
    /// One buffer, and an address that may be null.
    Receive {
        buf: *mut u8,
        len: usize,
        addr: *mut sockaddr,
        addrlen: *mut socklen_t,
    },
    Send {
        buf: *const u8,
        len: usize,
        addr: *const sockaddr,
        addrlen: socklen_t,
    },
    ReceiveMsg(*mut msghdr),
    SendMsg(*const msghdr),
}

impl Message {
    fn is_send(&self) -> bool {
        matches!(self, Message::Send { .. } | Message::SendMsg(_))
    }

    fn dirs(&self) -> Dirs {
        if self.is_send() { Dirs::WRITE } else { Dirs::READ }
    }

    /// How many bytes it has room for, or brings.
    ///
    /// # Safety
    /// A message header, if it is one, may be read.
    unsafe fn len(&self) -> usize {
        // SAFETY: as the caller promises.
        unsafe {
            match *self {
                Message::Receive { len, .. } | Message::Send { len, .. } => len,
                Message::ReceiveMsg(m) => len_of(m),
                Message::SendMsg(m) => len_of(m),
            }
        }
    }

    /// One try, of what is left after `done` bytes.
    ///
    /// # Safety
    /// As the call.
    unsafe fn attempt(&self, fd: i32, flags: c_int, done: usize) -> kernel::Answer {
        // SAFETY: as the caller promises; what is left lies in the same buffers.
        unsafe {
            match *self {
                Message::Receive { buf, len, addr, addrlen } => {
                    kernel::recvfrom(fd, buf.wrapping_add(done), len - done, flags, addr, addrlen)
                }
                Message::Send { buf, len, addr, addrlen } => {
                    kernel::sendto(fd, buf.wrapping_add(done), len - done, flags, addr, addrlen)
                }
                Message::ReceiveMsg(m) if done == 0 => kernel::recvmsg(fd, m, flags),
                Message::SendMsg(m) if done == 0 => kernel::sendmsg(fd, m, flags),
                Message::ReceiveMsg(m) => with_rest(m, done, |rest| kernel::recvmsg(fd, rest, flags)),
                Message::SendMsg(m) => with_rest(m, done, |rest| kernel::sendmsg(fd, rest, flags)),
            }
        }
    }
}

/// # Safety
/// The header and its buffers' list may be read.
unsafe fn buffers<'a>(m: *const msghdr) -> &'a [iovec] {
    // SAFETY: as the caller promises.
    unsafe {
        match (*m).msg_iovlen {
            0 => &[],
            n if n > 1024 || (*m).msg_iov.is_null() => &[],
            n => std::slice::from_raw_parts((*m).msg_iov, n),
        }
    }
}

/// # Safety
/// As [`buffers`].
unsafe fn len_of(m: *const msghdr) -> usize {
    // SAFETY: as the caller promises.
    unsafe { buffers(m) }.iter().fold(0usize, |sum, v| sum.saturating_add(v.iov_len))
}

/// The message without its first `done` bytes and without control data, which went with those.
///
/// # Safety
/// As [`buffers`].
unsafe fn with_rest(
    m: *const msghdr,
    mut done: usize,
    f: impl FnOnce(*mut msghdr) -> kernel::Answer,
) -> kernel::Answer {
    let mut rest = Vec::new();
    // SAFETY: as the caller promises.
    let iov = unsafe { buffers(m) };
    if errno::preserved(|| rest.try_reserve_exact(iov.len())).is_err() {
        return Err(libc::ENOMEM);
    }
    for v in iov {
        let skip = done.min(v.iov_len);
        done -= skip;
        rest.push(iovec { iov_base: v.iov_base.wrapping_byte_add(skip), iov_len: v.iov_len - skip });
    }
    // SAFETY: as the caller promises; plain data.
    let mut header = unsafe { m.read() };
    header.msg_iov = rest.as_mut_ptr();
    header.msg_control = std::ptr::null_mut();
    header.msg_controllen = 0;
    f(&mut header)
}

/// recv, send, recvfrom, sendto, recvmsg, sendmsg. `done` is what has been moved, as in `io::transfer`.
///
/// # Safety
/// What the message points at is good for what the kernel does with it, until this returns.
pub unsafe fn transfer(fd: i32, message: &Message, flags: c_int, done: &mut usize) -> Result<usize> {
    let send = message.is_send();
    // What the kernel never waits for.
    let no_wait = flags & (MSG_DONTWAIT | MSG_ERRQUEUE) != 0 || (!send && flags & MSG_OOB != 0);
    let all = !send && flags & MSG_WAITALL != 0;
    let peek = !send && flags & MSG_PEEK != 0;
    let now = flags | MSG_DONTWAIT | if send { MSG_NOSIGNAL } else { 0 };
    // SAFETY: as the caller promises.
    let wanted = unsafe { message.len() };
    let moved = run(fd, message.dirs(), |u, seen| {
        if flags == 0 && !send && io::is_tcp(u) && u.is_drained(seen) {
            return Try::NotNow;
        }
        if all && peek && !no_wait && kernel::is_blocking(fd) == Ok(true) {
            // What is there stays there, so readiness says nothing of more.
            // SAFETY: as the caller promises.
            return match u.blocking(|| uninterrupted(|| unsafe { message.attempt(fd, flags, 0) })) {
                Err(e) => Try::Refused(e),
                Ok(answer) => Try::from(answer).unwrap_or(Try::NotNow),
            };
        }
        loop {
            // SAFETY: as the caller promises.
            match uninterrupted(|| unsafe { message.attempt(fd, now, *done) }) {
                Ok(n) => {
                    if flags == 0 && !send && n > 0 && n < wanted && io::is_tcp(u) {
                        u.drained(seen);
                    }
                    *done += n;
                    let short = n > 0 && *done < wanted && !no_wait && !peek;
                    if short && (send || all) && is_stream(fd) && (all || kernel::is_blocking(fd) == Ok(true)) {
                        continue;
                    }
                    return Try::Done(*done);
                }
                Err(libc::EAGAIN) if !no_wait => return Try::NotNow,
                Err(e) => return Try::Failed(e),
            }
        }
    });
    match moved {
        Err(Error::NotUp) => Err(Error::NotUp),
        // What was moved counts; the error comes again.
        Err(_) if *done > 0 => Ok(*done),
        r => r,
    }
}

fn is_stream(fd: i32) -> bool {
    kernel::option(fd, libc::SOL_SOCKET, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
}

fn is_unix(fd: i32) -> bool {
    kernel::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN) == Ok(libc::AF_UNIX)
}

/// Flags of an accept. What others there are the kernel refuses at once, whoever has come.
const KNOWN_FLAGS: c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

/// accept4.
///
/// # Safety
/// As accept4(2).
pub unsafe fn accept(fd: i32, addr: *mut sockaddr, addrlen: *mut socklen_t, flags: c_int) -> Result<i32> {
    let mut u = Use::enter(fd)?;
    u.check_deadline(Dirs::READ)?;
    loop {
        let seen = u.look();
        // SAFETY: as the caller promises.
        let call = || unsafe { kernel::accept4(fd, addr, addrlen, flags) };
        let answer = if !kernel::is_blocking(fd).map_err(Error::Os)? || flags & !KNOWN_FLAGS != 0 {
            call()
        // SAFETY: as the caller promises.
        } else if let Some(answer) = unsafe { accept_by_ring(fd, addr, addrlen, flags) } {
            answer
        } else if kernel::poll_one(fd, libc::POLLIN).map_err(Error::Os)? == 0 {
            // Not before it is known to be a listening socket: others are never ready.
            match kernel::option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN).map_err(Error::Os)? {
                0 => Err(libc::EINVAL),
                _ => Err(libc::EAGAIN),
            }
        } else {
            u.outside(|| uninterrupted(call))?
        };
        match answer {
            Ok(new) => {
                is_new(new as i32);
                return Ok(new as i32);
            }
            Err(libc::EAGAIN) => {
                u.wait(Dirs::READ, seen, NEVER, IO_WAIT)?;
            }
            // One who came has gone again.
            Err(libc::ECONNABORTED | libc::EINTR) => {}
            Err(e) => return Err(Error::Os(e)),
        }
    }
}

/// One try that does not wait. None where that cannot be had: kernels before 6.10 do not know it, and say EINVAL.
///
/// # Safety
/// As accept4(2).
unsafe fn accept_by_ring(
    fd: i32,
    addr: *mut sockaddr,
    addrlen: *mut socklen_t,
    flags: c_int,
) -> Option<kernel::Answer> {
    // SAFETY: as the caller promises.
    let answer = unsafe { at_once::run(Entry::accept_now(fd, addr, addrlen, flags)) }?;
    (answer != Err(libc::EINVAL)).then_some(answer)
}

/// The library has got this number from the kernel: whatever was known of it is of the past.
pub fn is_new(fd: i32) {
    if let Some(desc) = table::get(fd) {
        desc.is_fresh();
    }
}

/// How long a wait for room in the queue of a listening unix socket lasts, of which there is no news, ns.
const UNIX_QUEUE: i64 = 1_000_000;

/// connect, until a time at most.
///
/// # Safety
/// As connect(2).
pub unsafe fn connect(fd: i32, addr: *const sockaddr, addrlen: socklen_t, until: i64) -> Result {
    let mut u = Use::enter(fd)?;
    u.check_deadline(Dirs::WRITE)?;
    // SAFETY: as the caller promises.
    let call = || unsafe { kernel::connect(fd, addr, addrlen) };
    while kernel::is_blocking(fd).map_err(Error::Os)? {
        // Readiness says nothing of the queue of a unix socket that listens.
        let waits = if is_unix(fd) { Waits::InThread } else { Waits::Polled };
        let by_ring = match kernel::has_send_timeout(fd) {
            true => None,
            // SAFETY: as the caller promises.
            false => unsafe { u.by_ring(|| Entry::connect(fd, addr, addrlen), waits, Dirs::WRITE, until) },
        };
        return match by_ring.unwrap_or_else(|| u.blocking(call))? {
            Ok(_) => Ok(()),
            // By the end of the thread that had submitted it, say. It had waited for room in a queue, and has begun nothing.
            Err(libc::EINTR) if is_unix(fd) => {
                u.again()?;
                u.check_deadline(Dirs::WRITE)?;
                continue;
            }
            // Goes on by itself.
            Err(libc::EINTR) => wait_connected(&mut u, until),
            Err(e) => Err(Error::Os(e)),
        };
    }
    loop {
        let seen = u.look();
        match call() {
            Ok(_) => return Ok(()),
            Err(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => return wait_connected(&mut u, until),
            Err(libc::EAGAIN) => {
                // A unix socket whose queue is full. (In other families no port is left, which takes as long to change.)
                if !is_unix(fd) {
                    return Err(Error::Os(libc::EAGAIN));
                }
                let soon = clock::after(UNIX_QUEUE);
                match u.wait(Dirs::WRITE, seen, soon.min(until), IO_WAIT) {
                    Err(Error::TimedOut) if soon < until.min(u.desc.deadline(Dirs::WRITE)) => u.again()?,
                    Err(e) => return Err(e),
                    Ok(_) => crate::sys::atomic::thread_yield(),
                }
            }
            Err(e) => return Err(Error::Os(e)),
        }
    }
}

/// Waits for the end of a connect that is under way.
fn wait_connected(u: &mut Use, until: i64) -> Result {
    loop {
        let seen = u.look();
        if kernel::poll_one(u.fd, libc::POLLOUT).map_err(Error::Os)? != 0 {
            match kernel::option(u.fd, libc::SOL_SOCKET, libc::SO_ERROR).map_err(Error::Os)? {
                0 if kernel::has_peer(u.fd) => return Ok(()),
                // Neither an error nor a peer: it is not over.
                0 => {}
                e => return Err(Error::Os(e)),
            }
        }
        u.wait(Dirs::WRITE, seen, until, IO_WAIT)?;
    }
}

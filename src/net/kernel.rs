//! The system calls on descriptors, as Rust sees them: numbers in, a number or an errno value out. None here decides anything.

use crate::sys::syscall::{Errno, call, call3};
use libc::{c_int, iovec, msghdr, pollfd, sockaddr, socklen_t};
use std::ffi::c_char;

pub type Answer = Result<usize, Errno>;

/// Do not raise SIGPIPE (Linux 6.18).
pub const RWF_NOSIGNAL: c_int = 0x100;
pub use libc::RWF_NOWAIT;

/// # Safety
/// The vector, and what it points at, are the caller's, to be read or written by the kernel.
pub unsafe fn readv(fd: i32, iov: &[iovec]) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call3(libc::SYS_readv, fd as usize, iov.as_ptr() as usize, iov.len()) }
}

/// # Safety
/// As [`readv`].
pub unsafe fn writev(fd: i32, iov: &[iovec]) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call3(libc::SYS_writev, fd as usize, iov.as_ptr() as usize, iov.len()) }
}

/// # Safety
/// As [`readv`].
pub unsafe fn preadv(fd: i32, iov: &[iovec], offset: i64) -> Answer {
    // SAFETY: as the caller promises. The offset is one word, and a high one that is not looked at.
    unsafe { call(libc::SYS_preadv, [fd as usize, iov.as_ptr() as usize, iov.len(), offset as usize, 0, 0]) }
}

/// # Safety
/// As [`readv`].
pub unsafe fn pwritev(fd: i32, iov: &[iovec], offset: i64) -> Answer {
    // SAFETY: as above.
    unsafe { call(libc::SYS_pwritev, [fd as usize, iov.as_ptr() as usize, iov.len(), offset as usize, 0, 0]) }
}

/// An offset of -1 is the file's own.
///
/// # Safety
/// As [`readv`].
pub unsafe fn preadv2(fd: i32, iov: &[iovec], offset: i64, flags: c_int) -> Answer {
    // SAFETY: as the caller promises. The offset is one word, and a high one that is not looked at.
    unsafe {
        call(libc::SYS_preadv2, [fd as usize, iov.as_ptr() as usize, iov.len(), offset as usize, 0, flags as usize])
    }
}

/// An offset of -1 is the file's own.
///
/// # Safety
/// As [`readv`].
pub unsafe fn pwritev2(fd: i32, iov: &[iovec], offset: i64, flags: c_int) -> Answer {
    // SAFETY: as above.
    unsafe {
        call(libc::SYS_pwritev2, [fd as usize, iov.as_ptr() as usize, iov.len(), offset as usize, 0, flags as usize])
    }
}

/// # Safety
/// As recvfrom(2).
#[inline]
pub unsafe fn recvfrom(
    fd: i32,
    buf: *mut u8,
    len: usize,
    flags: c_int,
    addr: *mut sockaddr,
    addrlen: *mut socklen_t,
) -> Answer {
    // SAFETY: as the caller promises.
    unsafe {
        call(libc::SYS_recvfrom, [fd as usize, buf as usize, len, flags as usize, addr as usize, addrlen as usize])
    }
}

/// # Safety
/// As sendto(2).
#[inline]
pub unsafe fn sendto(
    fd: i32,
    buf: *const u8,
    len: usize,
    flags: c_int,
    addr: *const sockaddr,
    addrlen: socklen_t,
) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call(libc::SYS_sendto, [fd as usize, buf as usize, len, flags as usize, addr as usize, addrlen as usize]) }
}

/// # Safety
/// As recvmsg(2).
pub unsafe fn recvmsg(fd: i32, msg: *mut msghdr, flags: c_int) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call3(libc::SYS_recvmsg, fd as usize, msg as usize, flags as usize) }
}

/// # Safety
/// As sendmsg(2).
pub unsafe fn sendmsg(fd: i32, msg: *const msghdr, flags: c_int) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call3(libc::SYS_sendmsg, fd as usize, msg as usize, flags as usize) }
}

/// # Safety
/// As accept4(2).
pub unsafe fn accept4(fd: i32, addr: *mut sockaddr, addrlen: *mut socklen_t, flags: c_int) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call(libc::SYS_accept4, [fd as usize, addr as usize, addrlen as usize, flags as usize, 0, 0]) }
}

/// # Safety
/// As connect(2).
pub unsafe fn connect(fd: i32, addr: *const sockaddr, addrlen: socklen_t) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call3(libc::SYS_connect, fd as usize, addr as usize, addrlen as usize) }
}

/// # Safety
/// As bind(2).
pub unsafe fn bind(fd: i32, addr: *const sockaddr, addrlen: socklen_t) -> Answer {
    // SAFETY: as the caller promises.
    unsafe { call3(libc::SYS_bind, fd as usize, addr as usize, addrlen as usize) }
}

/// # Safety
/// As open(2).
pub unsafe fn open(path: *const c_char, flags: c_int, mode: u32) -> Answer {
    // SAFETY: as the caller promises. What openat gets is what open gets.
    unsafe { call(libc::SYS_openat, [libc::AT_FDCWD as usize, path as usize, flags as usize, mode as usize, 0, 0]) }
}

pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Answer {
    // SAFETY: touches no memory.
    unsafe { call3(libc::SYS_socket, domain as usize, kind as usize, protocol as usize) }
}

pub fn listen(fd: i32, backlog: c_int) -> Answer {
    // SAFETY: touches no memory.
    unsafe { call3(libc::SYS_listen, fd as usize, backlog as usize, 0) }
}

pub fn close(fd: i32) -> Answer {
    // SAFETY: touches no memory.
    unsafe { call3(libc::SYS_close, fd as usize, 0, 0) }
}

pub fn fsync(fd: i32) -> Answer {
    // SAFETY: touches no memory.
    unsafe { call3(libc::SYS_fsync, fd as usize, 0, 0) }
}

/// Whether reads and writes of the open file block.
pub fn is_blocking(fd: i32) -> Result<bool, Errno> {
    // SAFETY: touches no memory.
    let flags = unsafe { call3(libc::SYS_fcntl, fd as usize, libc::F_GETFL as usize, 0) }?;
    Ok(flags as c_int & libc::O_NONBLOCK == 0)
}

/// Where in the file the next read or write begins.
pub fn position(fd: i32) -> Result<u64, Errno> {
    // SAFETY: touches no memory.
    unsafe { call3(libc::SYS_lseek, fd as usize, 0, libc::SEEK_CUR as usize) }.map(|at| at as u64)
}

/// Whether it is a terminal, and one whose use stops nobody for being in the background: it does not control this session, or we
/// are in its foreground.
pub fn is_free_terminal(fd: i32) -> bool {
    let (mut session, mut group): (libc::pid_t, libc::pid_t) = (0, 0);
    // SAFETY: room for what is asked; all zeroes are attributes. The other calls touch no memory.
    unsafe {
        let mut attributes: libc::termios = std::mem::zeroed();
        let ask = |what: libc::Ioctl, at: usize| call3(libc::SYS_ioctl, fd as usize, what as usize, at);
        if ask(libc::TCGETS, &raw mut attributes as usize).is_err() {
            return false;
        }
        if ask(libc::TIOCGSID, &raw mut session as usize).is_err()
            || call3(libc::SYS_getsid, 0, 0, 0) != Ok(session as usize)
        {
            return true;
        }
        ask(libc::TIOCGPGRP, &raw mut group as usize).is_ok() && call3(libc::SYS_getpgid, 0, 0, 0) == Ok(group as usize)
    }
}

/// The type in the mode of a file.
pub fn file_type(fd: i32) -> Result<u32, Errno> {
    // SAFETY: an out argument, whose every pattern of bits is a value.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        call3(libc::SYS_fstat, fd as usize, &raw mut stat as usize, 0)?;
        Ok(stat.st_mode & libc::S_IFMT)
    }
}

/// An option of a socket that is a number.
pub fn option(fd: i32, level: c_int, name: c_int) -> Result<c_int, Errno> {
    let (mut value, mut len): (c_int, socklen_t) = (0, size_of::<c_int>() as socklen_t);
    let (value_at, len_at) = (&raw mut value as usize, &raw mut len as usize);
    // SAFETY: room for a number, and its size.
    unsafe { call(libc::SYS_getsockopt, [fd as usize, level as usize, name as usize, value_at, len_at, 0]) }?;
    Ok(value)
}

/// Whether what blocks on a socket for sending, or connecting, ends by itself after a time.
pub fn has_send_timeout(fd: i32) -> bool {
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = size_of::<libc::timeval>() as socklen_t;
    let (level, name) = (libc::SOL_SOCKET as usize, libc::SO_SNDTIMEO as usize);
    let (at, len_at) = (&raw mut time as usize, &raw mut len as usize);
    // SAFETY: room for a time, and its size.
    let asked = unsafe { call(libc::SYS_getsockopt, [fd as usize, level, name, at, len_at, 0]) };
    asked.is_ok() && (time.tv_sec, time.tv_usec) != (0, 0)
}

/// The number that the kernel gives to each socket, never twice; 0: it is none, or the kernel gives none.
pub fn cookie(fd: i32) -> u64 {
    let (mut cookie, mut len) = (0u64, size_of::<u64>() as socklen_t);
    let (cookie_at, len_at) = (&raw mut cookie as usize, &raw mut len as usize);
    let (level, name) = (libc::SOL_SOCKET as usize, libc::SO_COOKIE as usize);
    // SAFETY: room for a number, and its size.
    let r = unsafe { call(libc::SYS_getsockopt, [fd as usize, level, name, cookie_at, len_at, 0]) };
    if r.is_ok() { cookie } else { 0 }
}

pub fn set_option(fd: i32, level: c_int, name: c_int, value: c_int) -> Result<(), Errno> {
    let at = &raw const value as usize;
    // SAFETY: the kernel reads a number.
    unsafe { call(libc::SYS_setsockopt, [fd as usize, level as usize, name as usize, at, size_of::<c_int>(), 0]) }?;
    Ok(())
}

/// Whether the socket has a peer: it is connected.
pub fn has_peer(fd: i32) -> bool {
    // SAFETY: all zeroes is a value; the kernel writes at most as much as there is room for.
    unsafe {
        let mut addr: libc::sockaddr_storage = std::mem::zeroed();
        let mut len = size_of::<libc::sockaddr_storage>() as socklen_t;
        call3(libc::SYS_getpeername, fd as usize, &raw mut addr as usize, &raw mut len as usize).is_ok()
    }
}

/// What is ready, without waiting. Answers how many are.
///
/// # Safety
/// `n` of them may be read and written.
pub unsafe fn poll(fds: *mut pollfd, n: usize) -> Answer {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as the caller promises; the time stands here. The kernel may write it.
    unsafe { call(libc::SYS_ppoll, [fds as usize, n, &raw const now as usize, 0, 0, 0]) }
}

/// The events of these that one descriptor has, without waiting.
pub fn poll_one(fd: i32, events: i16) -> Result<i16, Errno> {
    let mut one = pollfd { fd, events, revents: 0 };
    // SAFETY: one descriptor.
    unsafe { poll(&mut one, 1) }?;
    Ok(one.revents)
}

/// Runs a call that may raise SIGPIPE, which then never reaches anybody: it is for the calling thread, which blocks it, takes it
/// off again and restores its mask. Where one was pending before, that stays.
pub fn without_sigpipe(f: impl FnOnce() -> Answer) -> Answer {
    const SIGPIPE: u64 = 1 << (libc::SIGPIPE - 1);
    const SIZE: usize = 8;
    let (pipe, mut before, mut pending) = (SIGPIPE, 0u64, 0u64);
    let no_time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: sets of 64 signals, as the kernel has them, and a time, in this frame; `f` vouches for what it does.
    unsafe {
        let _ = call3(libc::SYS_rt_sigpending, &raw mut pending as usize, SIZE, 0);
        let (set, old) = (&raw const pipe as usize, &raw mut before as usize);
        call(libc::SYS_rt_sigprocmask, [libc::SIG_BLOCK as usize, set, old, SIZE, 0, 0])?;
        let r = f();
        if r == Err(libc::EPIPE) && pending & SIGPIPE == 0 {
            let _ = call(libc::SYS_rt_sigtimedwait, [set, 0, &raw const no_time as usize, SIZE, 0, 0]);
        }
        let _ = call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, old, 0, SIZE, 0, 0]);
        r
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigpipe_stays_away() {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors; a disposition that is put back; the buffer is read during the call.
        unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
            assert_eq!(close(ends[0]), Ok(0));
            // By default it would end the process.
            let before = libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            let iov = [iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 }];
            assert_eq!(without_sigpipe(|| writev(ends[1], &iov)), Err(libc::EPIPE));
            // It is not merely pending.
            let mut pending = 0u64;
            assert!(call3(libc::SYS_rt_sigpending, &raw mut pending as usize, 8, 0).is_ok());
            assert_eq!(pending & 1 << (libc::SIGPIPE - 1), 0);
            libc::signal(libc::SIGPIPE, before);
        }
        assert_eq!(close(ends[1]), Ok(0));
    }
}

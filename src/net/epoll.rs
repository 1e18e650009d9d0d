//! The backend on Linux: epoll, edge-triggered. What it offers, and what each function owes, is listed in `poll.rs`.

use crate::sys::checkers;
use crate::sys::clock::{self, NEVER};
use crate::sys::syscall::{Errno, call, call3};
use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, c_int, epoll_event};
use std::ffi::c_long;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What wakes those who wait to read, and to write.
const READS: u32 = (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR) as u32;
const WRITES: u32 = (EPOLLOUT | EPOLLHUP | EPOLLERR) as u32;
/// What is more than bytes.
const ENDS: u32 = (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR) as u32;
const ALL: u32 = READS | WRITES | EPOLLET as u32;
/// The data of the eventfd that interrupts a wait: no number is so high.
const INTERRUPT: u64 = u64::MAX;
/// The number that is handed on for the descriptor that is watched.
pub const WATCHED: i32 = -2;
/// How many events are taken at once.
const BATCH: usize = 128;

/// The set, and what interrupts a wait on it.
#[derive(Clone, Copy)]
pub struct Set {
    epoll: i32,
    eventfd: i32,
}

/// A set, closed on exec.
pub fn open() -> Result<Set, Errno> {
    // Valgrind does not know that call, and says so.
    NO_PWAIT2.store(checkers::on(), Relaxed);
    // SAFETY: these calls touch no memory but the event, which is here.
    unsafe {
        let epoll = call3(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC as usize, 0, 0)? as i32;
        let eventfd = match call3(libc::SYS_eventfd2, 0, (libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) as usize, 0) {
            Ok(fd) => fd as i32,
            Err(e) => {
                let _ = call3(libc::SYS_close, epoll as usize, 0, 0);
                return Err(e);
            }
        };
        let set = Set { epoll, eventfd };
        // Level-triggered: who only looks by must not take the interruption from whom it is meant for.
        match control(set, libc::EPOLL_CTL_ADD, eventfd, EPOLLIN as u32, INTERRUPT) {
            Ok(()) => Ok(set),
            Err(e) => {
                close(set);
                Err(e)
            }
        }
    }
}

/// Closes the descriptors of a set. What is registered stays so for other processes that share the set.
pub fn close(set: Set) {
    for fd in [set.eventfd, set.epoll] {
        // SAFETY: a descriptor of our own.
        let _ = unsafe { call3(libc::SYS_close, fd as usize, 0, 0) };
    }
}

fn control(set: Set, op: c_int, fd: i32, events: u32, data: u64) -> Result<(), Errno> {
    let event = epoll_event { events, u64: data };
    // SAFETY: the kernel reads the event.
    unsafe {
        let at = &raw const event as usize;
        call(libc::SYS_epoll_ctl, [set.epoll as usize, op as usize, fd as usize, at, 0, 0]).map(|_| ())
    }
}

/// Adds a number, with this tag in its events. EEXIST: its file stands there already; EPERM: it has no events.
pub fn add(set: Set, fd: i32, tag: u32) -> Result<(), Errno> {
    control(set, libc::EPOLL_CTL_ADD, fd, ALL, data(fd, tag))
}

/// Gives a number that stands there this tag, and looks afresh whether it is ready. ENOENT: its file does not stand there.
pub fn modify(set: Set, fd: i32, tag: u32) -> Result<(), Errno> {
    control(set, libc::EPOLL_CTL_MOD, fd, ALL, data(fd, tag))
}

/// Adds a descriptor of the library's own, reported under a number of its own whenever it is readable.
pub fn watch(set: Set, fd: i32) -> Result<(), Errno> {
    control(set, libc::EPOLL_CTL_ADD, fd, EPOLLIN as u32, data(WATCHED, 0))
}

/// Takes a number off.
pub fn remove(set: Set, fd: i32) {
    let _ = control(set, libc::EPOLL_CTL_DEL, fd, 0, 0);
}

fn data(fd: i32, tag: u32) -> u64 {
    (tag as u64) << 32 | fd as u32 as u64
}

/// Waits until a time for events (0: only looks) and hands each on: number, tag, ready to read, ready to write, more than that. A wait, of
/// which there is but one at a time, also returns when interrupted.
pub fn wait(set: Set, until: i64, mut each: impl FnMut(i32, u32, bool, bool, bool)) {
    let mut events = [epoll_event { events: 0, u64: 0 }; BATCH];
    let n = wait_until(set, &mut events, until).unwrap_or(0);
    for event in &events[..n] {
        let (bits, data) = (event.events, event.u64);
        if data != INTERRUPT {
            each(data as u32 as i32, (data >> 32) as u32, bits & READS != 0, bits & WRITES != 0, bits & ENDS != 0);
        } else if until != 0 {
            let mut count = 0u64;
            // SAFETY: room for eight bytes. Who waits is the only one who reads.
            let _ = unsafe { call3(libc::SYS_read, set.eventfd as usize, &raw mut count as usize, 8) };
        }
    }
}

/// The kernel has no `epoll_pwait2`.
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);

fn wait_until(set: Set, events: &mut [epoll_event; BATCH], until: i64) -> Result<usize, Errno> {
    const EPOLL_PWAIT2: c_long = 441;
    let (at, room) = (events.as_mut_ptr() as usize, events.len());
    let set = set.epoll as usize;
    // SAFETY: room for so many events.
    let now = |at| unsafe { call(libc::SYS_epoll_pwait, [set, at, room, 0, 0, 0]) };
    if until <= 0 {
        return now(at);
    }
    if until == NEVER {
        // SAFETY: as above.
        return unsafe { call(libc::SYS_epoll_pwait, [set, at, room, -1isize as usize, 0, 0]) };
    }
    let left = clock::timespec((until - clock::now()).max(0));
    let left = &raw const left as usize;
    if !NO_PWAIT2.load(Relaxed) {
        // SAFETY: as above, and a time that stands in this frame.
        match unsafe { call(EPOLL_PWAIT2, [set, at, room, left, 0, 0]) } {
            Err(libc::ENOSYS) => NO_PWAIT2.store(true, Relaxed),
            r => return r,
        }
    }
    // A set is ready to read when it has events; this wait is exact too, where epoll's own counts milliseconds.
    let mut one = libc::pollfd { fd: set as i32, events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor and a time, in this frame.
    match unsafe { call(libc::SYS_ppoll, [&raw mut one as usize, 1, left, 0, 0, 0]) }? {
        0 => Ok(0),
        _ => now(at),
    }
}

/// Lets a wait return, also one that is about to begin.
pub fn interrupt(set: Set) {
    let one = 1u64;
    // SAFETY: the kernel reads eight bytes.
    let _ = unsafe { call3(libc::SYS_write, set.eventfd as usize, &raw const one as usize, 8) };
}

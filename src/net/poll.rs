//! The poller: one set of descriptors for the whole process, made when somebody first waits for one.
//!
//! A backend (`epoll.rs`; kqueue or io_uring could be others) offers these functions and nothing more:
//!
//! | function | what it owes |
//! |---|---|
//! | `open`, `close` | a set, close-on-exec; closing it takes nothing off for a process that shares it |
//! | `add(set, fd, tag)` | from now on an event whenever the file becomes ready to read or write, at once if it is |
//! | `modify(set, fd, tag)` | the same for a number that stands there, with another tag; says if its file does not |
//! | `watch(set, fd)` | a descriptor of ours: an event with the number `WATCHED` as long as it is readable |
//! | `remove(set, fd)` | takes it off; events that are under way still come |
//! | `wait(set, until, each)` | hands on events, waiting for the first until a time, 0: not at all. One thread at a time waits |
//! | `interrupt(set)` | lets the thread that waits, or is about to, return; those that only look leave that alone |
//!
//! Events are hints, and carry the tag of their registration: too many are harmless, none may be missing.
//!
//! *Who waits in it*: one of the scheduler's idle threads; see `sched/source.rs`. *Life*: the set stays until the process ends,
//! also over a stop of the runtime, for the next start. A forked child closes it without touching what the parent has
//! registered, and makes its own when it needs one.

use super::desc::{Dirs, Registered, Registry};
use super::{at_once, epoll as backend, ring, table};
use crate::error::{Error, Result};
use crate::sched::global;
use crate::sched::list::GList;
use crate::sched::source::{self, Source};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

static SET: AtomicPtr<backend::Set> = AtomicPtr::new(ptr::null_mut());

static SOURCE: Source = Source { poll, interrupt, is_wanted };

fn set() -> Option<backend::Set> {
    // SAFETY: null, or a set that was leaked.
    unsafe { SET.load(Acquire).as_ref() }.copied()
}

/// The set, made if need be.
fn set_or_make() -> Result<backend::Set> {
    match set() {
        Some(set) => Ok(set),
        None => make(),
    }
}

#[cold]
#[inline(never)]
fn make() -> Result<backend::Set> {
    let made = backend::open().map_err(Error::Os)?;
    let Some(kept) = crate::sys::mem::leak(made) else {
        backend::close(made);
        return Err(Error::NoMemory);
    };
    let at = ptr::from_ref(kept).cast_mut();
    match SET.compare_exchange(ptr::null_mut(), at, AcqRel, Acquire) {
        Ok(_) => {
            source::install(&SOURCE);
            // Threads that sleep already know of no source.
            global::appoint_poller();
            Ok(made)
        }
        Err(other) => {
            backend::close(made);
            // SAFETY: leaked just now, as a box of this layout, and nobody else has seen it; the other is a set that stays.
            unsafe {
                std::alloc::dealloc(at.cast(), std::alloc::Layout::new::<backend::Set>());
                Ok(*other)
            }
        }
    }
}

/// Makes the set, if there is none yet.
pub fn prepare() -> Result {
    set_or_make().map(|_| ())
}

/// Has the ring's answers reported.
pub fn watch(fd: i32) -> Result {
    backend::watch(set_or_make()?, fd).map_err(Error::Os)
}

/// The poller as records see it.
pub struct Poller;

impl Registry for Poller {
    fn register(&self, fd: i32, tag: u32, known: bool) -> Result<Registered> {
        let set = set_or_make()?;
        let r = if known { backend::modify(set, fd, tag) } else { backend::add(set, fd, tag) };
        match r {
            Ok(()) => Ok(Registered::Yes),
            Err(libc::ENOENT) if known => Ok(Registered::Gone),
            // Left from a time when this file had this number already.
            Err(libc::EEXIST) => {
                backend::modify(set, fd, tag).map_err(Error::Os)?;
                Ok(Registered::Yes)
            }
            Err(libc::EPERM) => Ok(if known { Registered::Gone } else { Registered::Never }),
            Err(e) => Err(Error::Os(e)),
        }
    }

    fn remove(&self, fd: i32) {
        if let Some(set) = set() {
            backend::remove(set, fd);
        }
    }
}

fn poll(until: i64, woken: &GList) {
    let Some(set) = set() else { return };
    backend::wait(set, until, |fd, tag, reads, writes, ends| {
        if fd == backend::WATCHED {
            ring::take(woken);
        } else if let Some(desc) = table::get(fd) {
            desc.deliver(tag, Dirs(reads as u8 | (writes as u8) << 1), ends, woken);
        }
    });
}

fn interrupt() {
    if let Some(set) = set() {
        backend::interrupt(set);
    }
}

fn is_wanted() -> bool {
    ring::in_flight() > 0 || table::all().any(|d| d.waited_on() > 0)
}

/// How many descriptors are waited on.
pub fn waited_on() -> usize {
    if set().is_none() {
        return 0;
    }
    table::all().filter(|d| d.waited_on() > 0).count()
}

/// In a forked child: the set and the records are the parent's.
pub fn forget() {
    // SAFETY: as in `set`.
    if let Some(set) = unsafe { SET.swap(ptr::null_mut(), AcqRel).as_ref() } {
        backend::close(*set);
    }
    ring::forget();
    at_once::forget();
    table::forget();
}

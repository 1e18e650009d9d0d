//! The waist: everything that blocks is `prepare`, `park`; everything that wakes is a claim and `ready`.
//!
//! ```text
//! waiter                                       waker
//! 1 lock what is waited on                     1 lock it, take the waiter off its queue
//! 2 prepare: the token of the coming park      2 claim the token: one winner
//!   (and the deadline; its heap stays locked)  3 write results into the waiter
//! 3 queue a node with goroutine and token      4 unlock
//! 4 park: switch away; on the far side         5 ready
//!   store WAITING, unlock the heap, commit:
//!   unlock 1
//! ```
//! A plain thread does the same and sleeps on its state word instead of switching. A claimed thread must not go on
//! before step 5, so it waits for SIGNALLED.

use super::g::G;
use super::state::{Kind, Token};
use crate::error::Error;
use crate::sys::clock::NEVER;
use crate::sys::futex;
use crate::sys::lock::RawLock;
use std::ffi::CStr;
use std::ptr;

#[cfg(not(loom))]
use super::m::M;
#[cfg(not(loom))]
use super::{crowd, global, home_thread, host, m, run, timers::Timers};
#[cfg(not(loom))]
use crate::sys::errno;
#[cfg(not(loom))]
use std::sync::atomic::Ordering::Relaxed;

/// What lets go of the waiter's locks once it waits. It cannot fail, readies nobody, and touches nothing after it
/// has let go of the last one.
#[derive(Clone, Copy)]
pub struct Commit {
    f: unsafe fn(*const ()),
    arg: *const (),
}

impl Commit {
    /// # Safety
    /// `f(arg)` is sound to call once, on any stack of the calling thread, with the waiter suspended.
    pub unsafe fn new(f: unsafe fn(*const ()), arg: *const ()) -> Self {
        Commit { f, arg }
    }

    pub fn none() -> Self {
        fn nothing(_: *const ()) {}
        Commit { f: nothing, arg: ptr::null() }
    }

    pub fn unlock(lock: &RawLock) -> Self {
        unsafe fn unlock(lock: *const ()) {
            // SAFETY: the waiter holds the lock, so its owner is alive until it is let go.
            unsafe { (*lock.cast::<RawLock>()).unlock() }
        }
        Commit { f: unlock, arg: ptr::from_ref(lock).cast() }
    }

    pub(super) fn run(self) {
        // SAFETY: the constructors' promise; each commit runs once.
        unsafe { (self.f)(self.arg) }
    }
}

/// Why a wait cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No memory for the deadline, or for the record of the thread.
    NoMemory,
    /// In a user's `unlockf`, where nothing may block.
    InCommit,
    /// A plain thread, and the runtime is down.
    NotUp,
    /// The goroutine's host does not let it wait: an errno value, above zero.
    Host(i32),
}

impl From<Refused> for Error {
    fn from(r: Refused) -> Error {
        match r {
            Refused::NoMemory => Error::NoMemory,
            Refused::InCommit => Error::NotPermitted,
            Refused::NotUp => Error::NotUp,
            Refused::Host(errno) => Error::Os(errno),
        }
    }
}

/// A park that is about to begin: nothing may fail between this and [`park`].
pub struct Wait {
    pub g: &'static G,
    pub token: Token,
    pub(super) when: i64,
    #[cfg(not(loom))]
    pub(super) timers: Option<&'static Timers>,
}

/// How a park ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Woken {
    Ready,
    TimedOut,
}

/// Names the caller's next park and arms its deadline, if its host lets it wait.
///
/// In line, so that what it answers stays in registers: through memory, written in pieces and read as a whole, it costs 10 ns.
#[cfg(not(loom))]
#[inline(always)]
pub fn prepare(kind: Kind, when: i64) -> Result<Wait, Refused> {
    prepare_if(kind, when, true)
}

/// Whether the caller's host lets it wait: for a call that has to know before it begins, and whose waits are those of
/// [`prepare_again`].
#[cfg(not(loom))]
pub fn ask() -> Result<(), Refused> {
    m::current().and_then(|m| m.curg.get()).map_or(Ok(()), host::ask)
}

/// [`prepare`] for a wait of a call that has waited, or has asked: it cannot be refused any more.
#[cfg(not(loom))]
#[cold]
pub fn prepare_again(kind: Kind, when: i64) -> Result<Wait, Refused> {
    prepare_if(kind, when, false)
}

#[cfg(not(loom))]
#[inline(always)]
fn prepare_if(kind: Kind, when: i64, asks: bool) -> Result<Wait, Refused> {
    // Without one for want of memory: see `handshake::as_stranger`.
    let m = m::current().ok_or(Refused::NoMemory)?;
    if m.in_commit.get() {
        return Err(Refused::InCommit);
    }
    let g = m.curg.get().expect("a caller that may block has a record");
    if g.on_thread.get() && global::procs() == 0 {
        return Err(Refused::NotUp);
    }
    if asks {
        host::ask(g)?;
    }
    let token = g.word.next_wait(kind);
    g.timed_out.set(false);
    let mut timers = None;
    if when != NEVER && !g.on_thread.get() {
        timers = Some(arm(m, when, g, token)?);
    }
    Ok(Wait { g, token, when, timers })
}

#[cfg(not(loom))]
#[inline(never)]
fn arm(m: &M, when: i64, g: &'static G, token: Token) -> Result<&'static Timers, Refused> {
    let t = &m.p.get().unwrap_or_else(global::some_p).timers;
    errno::preserved(|| t.arm(when, g, token)).map_err(|_| Refused::NoMemory)?;
    Ok(t)
}

/// Waits until somebody claims and readies the caller, or time does. `commit` runs when that can happen.
#[cfg(not(loom))]
pub fn park(wait: Wait, reason: &'static CStr, commit: Commit) -> Woken {
    let g = wait.g;
    g.begins_to_wait(reason.as_ptr());
    if g.on_thread.get() {
        return park_thread(&wait, commit);
    }
    run::switch_out(g, run::What::Park { token: wait.token, commit, timers: wait.timers });
    if g.timed_out.get() {
        return Woken::TimedOut;
    }
    if let Some(t) = wait.timers {
        t.one_died();
    }
    Woken::Ready
}

/// The same for the record of a plain thread: the thread sleeps on the state word.
fn park_thread(wait: &Wait, commit: Commit) -> Woken {
    wait.g.word.wait(wait.token);
    commit.run();
    sleep_until_signalled(wait)
}

pub(super) fn sleep_until_signalled(wait: &Wait) -> Woken {
    let word = &wait.g.word;
    #[cfg(not(loom))]
    wait.g.timed.store(wait.when != NEVER, Relaxed);
    #[cfg(not(loom))]
    if wait.when == NEVER {
        super::monitor::wake_if_deep();
    }
    let mut woken = Woken::Ready;
    while let Some(seen) = word.unsignalled() {
        if seen != wait.token.bits() {
            // Claimed; the claimer is about to signal.
            futex::wait64(word.raw(), seen, NEVER);
        } else if !futex::wait64(word.raw(), seen, wait.when) && word.claim(wait.token) {
            woken = Woken::TimedOut;
            break;
        }
    }
    word.run();
    woken
}

/// Makes a goroutine runnable that the caller has claimed: as the next one of the calling P, or on the global queue
/// where there is none. A plain thread is woken.
#[cfg(not(loom))]
pub fn ready(g: &'static G) {
    if (g.on_thread.get() || g.is_homed.load(Relaxed)) && !is_for_queues(g) {
        return;
    }
    let Some(m) = m::current() else { return run::queue_next(None, g) };
    g.expect_run();
    if m.urgent.get() { run::queue_urgent(g) } else { run::queue_next(m.p.get(), g) }
}

/// Readies what no queue is for: a plain thread, a goroutine whose home is awake. False for one that is to be queued.
#[cfg(not(loom))]
#[cold]
fn is_for_queues(g: &'static G) -> bool {
    if g.on_thread.get() {
        wake_thread(g);
        return false;
    }
    home_thread::ready(g)
}

fn wake_thread(g: &'static G) {
    g.word.signal();
    futex::wake64(g.word.raw(), 1);
}

/// Readies what time or the poller has claimed, on the calling worker's P. The first goes next; the others keep their order.
/// Plain threads are woken.
#[cfg(not(loom))]
pub fn ready_all(woken: &super::list::GList) {
    let m = m::current();
    let p = m.and_then(|m| m.p.get());
    let urgent = m.is_some_and(|m| m.urgent.get());
    let mut n = 0;
    while let Some(g) = woken.pop() {
        if (g.on_thread.get() || g.is_homed.load(Relaxed)) && !is_for_queues(g) {
            continue;
        }
        if urgent {
            run::queue_urgent(g);
        } else {
            n += 1;
            g.expect_run();
            if n == 1 { run::queue_next(p, g) } else { run::queue_last(p, g) }
        }
    }
    if n > 1 && !p.is_some_and(crowd::is_soon_done) {
        global::wake_one();
    }
}

/// The model's side of the waist: every loom thread is a plain thread.
#[cfg(loom)]
mod model {
    use super::*;
    use std::cell::Cell;

    loom::thread_local!(static ME: Cell<Option<&'static G>> = Cell::new(None));

    pub fn prepare(kind: Kind, when: i64) -> Result<Wait, Refused> {
        let g = ME.with(|me| {
            me.get().unwrap_or_else(|| {
                let g: &'static G = Box::leak(Box::new(G::model()));
                g.word.spawn();
                g.word.run();
                me.set(Some(g));
                g
            })
        });
        Ok(Wait { g, token: g.word.next_wait(kind), when })
    }

    pub fn prepare_again(kind: Kind, when: i64) -> Result<Wait, Refused> {
        prepare(kind, when)
    }

    pub fn park(wait: Wait, _: &'static CStr, commit: Commit) -> Woken {
        park_thread(&wait, commit)
    }

    pub fn ready(g: &'static G) {
        wake_thread(g);
    }
}

#[cfg(loom)]
pub use model::{park, prepare, prepare_again, ready};

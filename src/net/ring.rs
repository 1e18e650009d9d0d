//! Calls that would block, handed to io_uring: the goroutine parks, no thread of ours waits, and a deadline or a close can end them.
//!
//! Which calls, and which not:
//!
//! * reads and writes of files at an offset, and fsync. Not those at a file's own position: the kernel's io workers do not lock it,
//!   and two readers would get the same bytes. There the ring fetches what a read will find in the page cache (`io.rs`).
//! * connect on a blocking socket, and terminals in whose foreground we are (in the background a worker, whose signals are
//!   blocked, would get EIO where a thread is stopped).
//! * accept on a blocking socket, which never waits there (Linux 6.10).
//! * Not open: one of a FIFO waits for its other end, in a worker that files need.
//!
//! Where the system allows no ring (old kernels, seccomp, `RT_DEBUG=nouring`) calls go as they did, on threads.
//!
//! *One ring for the process*, made at the first need, under one lock. Its descriptor stands in the poller's set: who waits there,
//! or looks, takes the answers ([`take`]) and readies whom they concern. The ring stays, as the set does.
//!
//! *A call* is an [`Op`] in the frame of who makes it; its address is the name of the entry. Everything of it is touched under the
//! lock, and it stands until its owner has seen, under the lock, that the answer is there: until then the kernel may write
//! to the caller's buffers, so there is no other way out of [`run`].
//!
//! ```text
//! caller                                       who takes answers        who closes, or sets a deadline
//! 1 lock; closing, or over: leave              1 lock                   1 says CLOSING, or the deadline
//! 2 submit; link                               2 result; unlink         2 lock; claims who is linked for it
//! 3 result: unlock, leave                      3 claim the caller         (stir)
//! 4 closing, or over: cancel, again and again  4 unlock; ready          3 unlock; ready
//! 5 park, letting go of the lock; lock; 3
//! ```
//! Either 1 of the caller comes after 1 of the closer and sees it, or its link is there at the closer's 2.
//!
//! *A thread that ends takes its entries with it*: the kernel cancels what it has submitted. A call that nobody has stopped is
//! submitted again then.

use super::call::{IO_WAIT, Use};
use super::desc::{Desc, Dirs};
use super::{kernel, poll};
use crate::error::{Error, Result};
use crate::sched::g::G;
use crate::sched::list::GList;
use crate::sched::park::{self, Commit, Refused};
use crate::sched::state::{Kind, Token};
use crate::sched::{global, m};
use crate::sys::atomic::thread_yield;
use crate::sys::clock::{self, NEVER};
use crate::sys::lock::{Rank, RawLock};
use crate::sys::uring::{self, Entry, Ring};
use crate::sys::{checkers, errno, mem};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};

static LOCK: RawLock = RawLock::new(Rank::Ring);
static RING: AtomicPtr<Ring> = AtomicPtr::new(ptr::null_mut());
/// There is none to be had.
static REFUSED: AtomicBool = AtomicBool::new(false);
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);
/// The calls that a close or a deadline may end. Under the lock.
static STOPPABLE: Ops = Ops(Cell::new(ptr::null()));

/// How long until a cancel is tried again, ns.
const AGAIN: i64 = 1_000_000;

/// From here on there is no ring.
pub fn do_without() {
    REFUSED.store(true, Relaxed);
}

/// The ring; None where there is none, for a caller that may not wait, and before the runtime is up.
pub fn get() -> Option<&'static Ring> {
    // SAFETY: null, or a ring that was leaked.
    match unsafe { RING.load(Acquire).as_ref() } {
        Some(ring) => Some(ring),
        None if REFUSED.load(Relaxed) || global::procs() == 0 => None,
        None => make(),
    }
}

#[cold]
#[inline(never)]
fn make() -> Option<&'static Ring> {
    // Valgrind would have to know what the kernel writes when.
    let made = if checkers::is_valgrind() { Err(libc::ENOSYS) } else { Ring::open() };
    let Ok(ring) = made else {
        // A lack of memory or descriptors may be over soon; all else stays.
        REFUSED.store(!matches!(made, Err(libc::ENOMEM | libc::EMFILE | libc::ENFILE)), Relaxed);
        return None;
    };
    let fd = ring.fd();
    let Some(kept) = errno::preserved(|| mem::leak(ring)) else {
        uring::close(fd);
        return None;
    };
    if poll::watch(fd).is_err() {
        uring::close(fd);
        return None;
    }
    let at = ptr::from_ref(kept).cast_mut();
    match RING.compare_exchange(ptr::null_mut(), at, AcqRel, Acquire) {
        Ok(_) => Some(kept),
        Err(other) => {
            // Somebody was faster. What is left of this one is a few pages.
            uring::close(fd);
            // SAFETY: a ring that was leaked.
            unsafe { other.as_ref() }
        }
    }
}

/// A call in flight.
struct Op {
    /// What may end it.
    desc: *const Desc,
    /// Who waits for it, while somebody does.
    waiter: Cell<Option<(&'static G, Token)>>,
    result: Cell<Option<i32>>,
    next: Cell<*const Op>,
    prev: Cell<*const Op>,
}

impl Op {
    /// Wakes the owner, if he waits.
    fn wake(&self, woken: &GList) {
        if let Some((g, token)) = self.waiter.take()
            && g.word.claim(token)
        {
            woken.push_back(g);
        }
    }
}

/// Calls, linked through themselves.
struct Ops(Cell<*const Op>);

// SAFETY: touched under the lock.
unsafe impl Sync for Ops {}

impl Ops {
    /// # Safety
    /// Under the lock. The call stays where it is until it is taken off.
    unsafe fn add(&self, op: &Op) {
        op.next.set(self.0.replace(op));
        op.prev.set(ptr::null());
        // SAFETY: what is linked stands.
        if let Some(next) = unsafe { op.next.get().as_ref() } {
            next.prev.set(op);
        }
    }

    /// # Safety
    /// Under the lock. It is linked.
    unsafe fn remove(&self, op: &Op) {
        // SAFETY: what is linked stands.
        unsafe {
            match op.prev.get().as_ref() {
                Some(prev) => prev.next.set(op.next.get()),
                None => self.0.set(op.next.get()),
            }
            if let Some(next) = op.next.get().as_ref() {
                next.prev.set(op.prev.get());
            }
        }
    }

    /// # Safety
    /// Under the lock.
    unsafe fn for_each(&self, mut f: impl FnMut(&Op)) {
        let mut at = self.0.get();
        // SAFETY: what is linked stands.
        while let Some(op) = unsafe { at.as_ref() } {
            at = op.next.get();
            f(op);
        }
    }
}

/// What may end a call before its time: the close of its descriptor, a deadline.
#[derive(Clone, Copy)]
pub struct Stop<'a> {
    pub of: &'a Use,
    pub dirs: Dirs,
    pub until: i64,
}

impl Stop<'_> {
    fn until(&self) -> i64 {
        self.until.min(self.of.desc.deadline(self.dirs))
    }

    fn reason(&self) -> Option<Error> {
        if !self.of.is_same() {
            return Some(Error::Canceled);
        }
        let until = self.until();
        (until != NEVER && until <= clock::now()).then_some(Error::TimedOut)
    }
}

/// Has the kernel carry out an entry, and waits for its answer. None: it does not take it at present.
///
/// # Safety
/// What the entry points at is good for what the kernel does with it, until this returns.
pub unsafe fn run(ring: &'static Ring, entry: Entry, stop: Option<Stop>) -> Option<Result<kernel::Answer>> {
    let desc = stop.map_or(ptr::null(), |s| ptr::from_ref(s.of.desc));
    let op = Op {
        desc,
        waiter: Cell::new(None),
        result: Cell::new(None),
        next: Cell::new(ptr::null()),
        prev: Cell::new(ptr::null()),
    };
    let mut stopped = None;
    // Once the kernel has the entry there is no way back.
    if let Err(why) = park::ask() {
        return Some(Err(why.into()));
    }
    LOCK.lock();
    if let Some(why) = stop.and_then(|s| s.reason()) {
        LOCK.unlock();
        return Some(Err(why));
    }
    let result = loop {
        // SAFETY: as the caller promises; under the lock. `op` stands until its answer is there: that ends the loop below.
        if unsafe { ring.submit(entry, name_of(&op)) }.is_err() {
            LOCK.unlock();
            return None;
        }
        IN_FLIGHT.fetch_add(1, Relaxed);
        if !desc.is_null() {
            // SAFETY: under the lock; whoever brings the answer takes it off.
            unsafe { STOPPABLE.add(&op) };
        }
        let result = wait(ring, &op, stop, &mut stopped);
        // By the end of the thread that has submitted it.
        if result != -libc::ECANCELED || stopped.is_some() {
            break result;
        }
        op.result.set(None);
    };
    LOCK.unlock();
    Some(match stopped {
        Some(why) if matches!(-result, libc::ECANCELED | libc::EINTR) => Err(why),
        _ => Ok(if result < 0 { Err(-result) } else { Ok(result as usize) }),
    })
}

fn name_of(op: &Op) -> u64 {
    ptr::from_ref(op).expose_provenance() as u64
}

/// Waits until the answer is there. Under the lock, which it lets go of meanwhile.
fn wait(ring: &'static Ring, op: &Op, stop: Option<Stop>, stopped: &mut Option<Error>) -> i32 {
    loop {
        let woken = GList::new();
        // SAFETY: under the lock.
        unsafe { take_answers(ring, &woken) };
        if let Some(result) = op.result.get() {
            // Others' answers are others' news.
            if !woken.is_empty() {
                LOCK.unlock();
                ready(&woken);
                LOCK.lock();
            }
            return result;
        }
        if !woken.is_empty() {
            LOCK.unlock();
            ready(&woken);
            LOCK.lock();
            continue;
        }
        let mut until = NEVER;
        if let Some(stop) = stop {
            *stopped = stopped.or_else(|| stop.reason());
            until = stop.until();
        }
        if stopped.is_some() {
            // One cancel may be in vain: in the moment in which the kernel takes the entry up again it does not find it.
            // SAFETY: under the lock; the entry points at nothing.
            let _ = unsafe { ring.submit(Entry::cancel(name_of(op)), 0) };
            until = clock::after(AGAIN);
        }
        let wait = match park::prepare_again(Kind::Io, until) {
            Ok(wait) => wait,
            Err(Refused::NoMemory) => {
                *stopped = stopped.or(Some(Error::NoMemory));
                LOCK.unlock();
                thread_yield();
                LOCK.lock();
                continue;
            }
            Err(why) => crate::throw!("a call that may wait may not: {why:?}"),
        };
        op.waiter.set(Some((wait.g, wait.token)));
        let _ = park::park(wait, IO_WAIT, Commit::unlock(&LOCK));
        LOCK.lock();
        op.waiter.set(None);
    }
}

/// # Safety
/// Under the lock.
unsafe fn take_answers(ring: &Ring, woken: &GList) {
    // SAFETY: under the lock. A name other than 0 is the address of a call whose answer was not there yet, so it stands.
    unsafe {
        ring.take(|name, result| {
            let Some(op) = ptr::with_exposed_provenance::<Op>(name as usize).as_ref() else { return };
            op.result.set(Some(result));
            if !op.desc.is_null() {
                STOPPABLE.remove(op);
            }
            IN_FLIGHT.fetch_sub(1, Relaxed);
            op.wake(woken);
        });
    }
}

fn ready(woken: &GList) {
    while let Some(g) = woken.pop() {
        park::ready(g);
    }
}

/// Moves whom the answers concern that are there to `woken`, claimed.
pub fn take(woken: &GList) {
    if let Some(ring) = get() {
        LOCK.lock();
        // SAFETY: under the lock.
        unsafe { take_answers(ring, woken) };
        LOCK.unlock();
    }
}

/// A descriptor is being closed, or has another deadline: its calls look what to do.
pub fn stir(desc: &Desc) {
    if RING.load(Acquire).is_null() {
        return;
    }
    let woken = GList::new();
    LOCK.lock();
    // SAFETY: under the lock.
    unsafe {
        STOPPABLE.for_each(|op| {
            if ptr::eq(op.desc, desc) {
                op.wake(&woken);
            }
        });
    }
    LOCK.unlock();
    ready(&woken);
}

/// How many calls the kernel has.
pub fn in_flight() -> usize {
    IN_FLIGHT.load(Relaxed)
}

/// Whether a call of this thread or goroutine may go to the ring: a goroutine's, or one that has to be ended.
pub fn is_for_goroutines() -> bool {
    m::current().is_some_and(|m| m.goroutine().is_some())
}

/// Around a fork.
pub fn lock() {
    LOCK.lock();
}

pub fn unlock() {
    LOCK.unlock();
}

/// In a forked child: the ring is the parent's, and its memory is not here.
pub fn forget() {
    // SAFETY: null, or a ring that was leaked; the record itself is ordinary memory.
    if let Some(ring) = unsafe { RING.swap(ptr::null_mut(), AcqRel).as_ref() } {
        uring::close(ring.fd());
    }
    IN_FLIGHT.store(0, Relaxed);
    STOPPABLE.0.set(ptr::null());
}

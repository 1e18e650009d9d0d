//! Calls that would block, handed to io_uring: the goroutine parks, no thread of ours waits, and a deadline or a close can end them.
//!
//! Which calls, and which not:
//!
//! * reads and writes of files at an offset, and fsync. Not those at a file's own position: the kernel's io workers do not lock it,
//!   and two readers would get the same bytes. There the ring fetches what a read will find in the page cache (`io.rs`).
//! * connect on a blocking socket, and terminals that do not control this session or in whose foreground we are (in the background
//!   a worker, whose signals are blocked, would get EIO where a thread is stopped).
//! * Not open: one of a FIFO waits for its other end, in a worker that files need.
//!
//! Where the system allows no ring (old kernels, seccomp, `RT_DEBUG=nouring`), gives it no thread, or has [`MOST`] calls already that
//! hold one, they go to threads of ours, where nothing ends them before their time. (More would wait in the kernel behind those that
//! wait for what never comes, a file server that does not answer. Connects are only polled there; of them there may be any number.)
//!
//! *One ring for these*, made at the first need, under one lock. Its descriptor stands in the poller's set: who waits there,
//! or looks, takes the answers ([`take`]) and readies whom they concern. The ring stays, as the set does. What is answered at once has
//! another (`at_once.rs`).
//!
//! *A call* is an [`Op`] in the frame of who makes it; its address is the name of the entry. Everything of it is touched under the
//! lock, and it stands until its owner has seen, under the lock, that the answer is there: until then the kernel may write
//! to the caller's buffers, so there is no other way out of [`run`].
//!
//! ```text
//! caller                                       who takes answers        who closes, forgets, or sets a deadline
//! 1 lock; link to the record; fence            1 lock                   1 says CLOSING, the tag, or the deadline; fence
//! 2 closing, or over: unlink, leave            2 result; unlink         2 none linked to the record: done (stir)
//! 3 submit                                     3 claim the caller       3 lock; claims who is linked
//! 4 result: unlock, leave                      4 unlock; ready          4 unlock; ready
//! 5 closing, or over: cancel, again and again
//! 6 park, letting go of the lock; lock; 4
//! ```
//! Each of caller and closer writes, has a full fence, and reads what the other writes: either the caller's 2 sees what the closer has
//! said, or the closer's 2 sees the link, and so waits for the lock, in whose order the caller's 5 comes later, or its park is there to
//! be claimed. So who closes a descriptor that has no call here takes no lock and walks nothing (`net/models.rs` has the model).
//!
//! *A thread that ends takes its entries with it*: the kernel cancels what it has submitted. A call that nobody has stopped is
//! submitted again then. So it is where the kernel has no thread for it, which looks the same but for the thread that submitted being
//! there; after [`TRIES`] of these the call goes elsewhere.
//!
//! *An answer passes through the thread that submitted*, as a rule: the kernel has it run a task, and interrupts what it does for that. So a
//! system call of the program's own there may answer EINTR where the kernel does not restart it, and an answer is late as long as that
//! thread is in a sleep that nothing interrupts.
//!
//! *Which file.* The kernel looks the number of a write up when it is submitted, and that of all else when one of its threads begins.
//! Until then the number is not given back by a close of ours, which waits for the call. But one that is given back or replaced
//! by other code meanwhile is another file: a read reads that. After a forget (`ready.rs`) calls are canceled, though
//! it does not wait until they are; and none is submitted again then.

use super::call::{IO_WAIT, Use};
use super::desc::{Desc, Dirs};
use super::{kernel, poll};
use crate::error::{Error, Result};
use crate::sched::g::G;
use crate::sched::global;
use crate::sched::list::GList;
use crate::sched::m::{self, M};
use crate::sched::park::{self, Commit, Refused};
use crate::sched::state::{Kind, Token};
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
/// How many calls the kernel has, and those that hold a thread there. Written under the lock.
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);
static HOLDING: AtomicUsize = AtomicUsize::new(0);

/// How many calls the ring takes that hold a thread of the kernel's: as many as it has.
const MOST: usize = 1024;
/// Room for so many answers without further ado: those of such calls, and of cancels that were in vain.
const ANSWERS: u32 = 4 * MOST as u32;
/// How often a call is submitted again for which the kernel had no thread.
const TRIES: u32 = 2;
/// How long until a cancel is tried again, ns.
const AGAIN: i64 = 1_000_000;

/// From here on there is no ring.
pub fn do_without() {
    REFUSED.store(true, Relaxed);
}

/// A ring with room for so many answers; None where there is none to be had, and before the runtime is up.
pub fn open(answers: u32) -> Option<Ring> {
    if REFUSED.load(Relaxed) || global::procs() == 0 {
        return None;
    }
    // Valgrind would have to know what the kernel writes when.
    let made = if checkers::is_valgrind() { Err(libc::ENOSYS) } else { Ring::open(answers) };
    made.inspect_err(|e| {
        // A lack of memory or descriptors may be over soon; all else stays.
        REFUSED.store(!matches!(*e, libc::ENOMEM | libc::EMFILE | libc::ENFILE), Relaxed);
    })
    .ok()
}

/// The ring that there is.
fn made() -> Option<&'static Ring> {
    // SAFETY: null, or a ring that was leaked.
    unsafe { RING.load(Acquire).as_ref() }
}

/// The ring, made if need be.
pub fn get() -> Option<&'static Ring> {
    match made() {
        Some(ring) => Some(ring),
        None if REFUSED.load(Relaxed) => None,
        None => make(),
    }
}

#[cold]
#[inline(never)]
fn make() -> Option<&'static Ring> {
    // First: where there is no set for want of descriptors a ring would be in vain, each time.
    poll::prepare().ok()?;
    LOCK.lock();
    let ring = made().or_else(|| {
        let ring = open(ANSWERS)?;
        let fd = ring.fd();
        if poll::watch(fd).is_ok()
            && let Some(kept) = errno::preserved(|| mem::leak(ring))
        {
            RING.store(ptr::from_ref(kept).cast_mut(), Release);
            return Some(kept);
        }
        uring::close(fd);
        None
    });
    LOCK.unlock();
    ring
}

/// A call in flight.
struct Op {
    /// 1 if it holds a thread of the kernel's.
    holds: usize,
    /// What it is linked to.
    desc: &'static Desc,
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

/// The first of a descriptor's calls, which are linked through themselves.
fn first_of(desc: &Desc) -> *const Op {
    desc.calls.first().cast::<Op>()
}

impl Op {
    /// # Safety
    /// Under the lock. The call stays where it is until it is taken off.
    unsafe fn link(&self) {
        let first = first_of(self.desc);
        self.next.set(first);
        self.prev.set(ptr::null());
        // SAFETY: what is linked stands.
        if let Some(next) = unsafe { first.as_ref() } {
            next.prev.set(self);
        }
        self.desc.calls.link(ptr::from_ref(self).cast());
    }

    /// # Safety
    /// Under the lock. It is linked.
    unsafe fn unlink(&self) {
        // SAFETY: what is linked stands.
        unsafe {
            match self.prev.get().as_ref() {
                Some(prev) => prev.next.set(self.next.get()),
                None => self.desc.calls.unlink(self.next.get().cast()),
            }
            if let Some(next) = self.next.get().as_ref() {
                next.prev.set(self.prev.get());
            }
        }
    }
}

/// What may end a call before its time: the close of its descriptor, a deadline of these directions, a time.
#[derive(Clone, Copy)]
pub struct Stop<'a> {
    pub of: &'a Use,
    pub dirs: Dirs,
    pub until: i64,
}

/// What the kernel does with a call that would wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// It polls the file.
    Polled,
    /// It has a thread wait.
    InThread,
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
pub unsafe fn run(ring: &'static Ring, entry: Entry, waits: Waits, stop: Stop) -> Option<Result<kernel::Answer>> {
    let op = Op {
        holds: (waits == Waits::InThread) as usize,
        desc: stop.of.desc,
        waiter: Cell::new(None),
        result: Cell::new(None),
        next: Cell::new(ptr::null()),
        prev: Cell::new(ptr::null()),
    };
    let mut stopped = None;
    let mut in_vain = 0;
    // Once the kernel has the entry there is no way back.
    if let Err(why) = park::ask() {
        return Some(Err(why.into()));
    }
    LOCK.lock();
    let result = loop {
        if in_vain > TRIES || op.holds > 0 && HOLDING.load(Relaxed) >= MOST {
            LOCK.unlock();
            return None;
        }
        // SAFETY: under the lock; whoever brings the answer takes it off.
        unsafe { op.link() };
        let by = Submitter::new();
        let taken = match stop.reason() {
            Some(why) => Some(Err(why)),
            // SAFETY: as the caller promises; under the lock. `op` stands until its answer is there: that ends the loop below.
            None => unsafe { ring.submit(entry, name_of(&op)) }.is_err().then_some(Ok(())),
        };
        if let Some(not) = taken {
            // SAFETY: under the lock; linked just now.
            unsafe { op.unlink() };
            LOCK.unlock();
            return not.err().map(Err);
        }
        IN_FLIGHT.fetch_add(1, Relaxed);
        HOLDING.fetch_add(op.holds, Relaxed);
        let result = wait(ring, &op, stop, &mut stopped);
        if result != -libc::ECANCELED || stopped.is_some() {
            break result;
        }
        in_vain += by.is_there() as u32;
        op.result.set(None);
    };
    LOCK.unlock();
    Some(match stopped {
        Some(why) if matches!(-result, libc::ECANCELED | libc::EINTR) => Err(why),
        _ => Ok(if result < 0 { Err(-result) } else { Ok(result as usize) }),
    })
}

/// The thread that submits an entry.
struct Submitter(Option<(&'static M, u32)>);

impl Submitter {
    fn new() -> Self {
        Submitter(m::current().map(|m| (m, m.ended.load(Acquire))))
    }

    /// Whether it has not ended. A thread gives its record back before the kernel cancels its entries.
    fn is_there(&self) -> bool {
        self.0.is_none_or(|(m, ended)| m.ended.load(Acquire) == ended)
    }
}

fn name_of(op: &Op) -> u64 {
    ptr::from_ref(op).expose_provenance() as u64
}

/// Waits until the answer is there. Under the lock, which it lets go of meanwhile.
fn wait(ring: &'static Ring, op: &Op, stop: Stop, stopped: &mut Option<Error>) -> i32 {
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
        *stopped = stopped.or_else(|| stop.reason());
        let mut until = stop.until();
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
            op.unlink();
            IN_FLIGHT.fetch_sub(1, Relaxed);
            HOLDING.fetch_sub(op.holds, Relaxed);
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
    if let Some(ring) = made() {
        LOCK.lock();
        // SAFETY: under the lock.
        unsafe { take_answers(ring, woken) };
        LOCK.unlock();
    }
}

/// A descriptor is being closed, is forgotten, or has another deadline: its calls look what to do.
pub fn stir(desc: &Desc) {
    if desc.calls.is_none() {
        return;
    }
    let woken = GList::new();
    LOCK.lock();
    let mut at = first_of(desc);
    // SAFETY: under the lock; what is linked stands.
    unsafe {
        while let Some(op) = at.as_ref() {
            op.wake(&woken);
            at = op.next.get();
        }
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
    HOLDING.store(0, Relaxed);
}

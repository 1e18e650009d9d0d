//! What the library knows of a descriptor, and waiting on one or several of them.
//!
//! A record stands for a number, for good (`table.rs`). Under its lock: the queues of waiters, and what the poller has been told.
//! `word.rs` says how waiters and events find each other, `life.rs` how a number is given back.
//!
//! *Registering.* A descriptor is told to the poller when somebody first waits, and stays there, edge-triggered. The number may
//! be closed by other code and come back as another file, of which the poller then knows nothing. So each wait renews the
//! registration; where the poller answers that it has none, another file stands behind the number: the record gets a new tag, and
//! what the old file had is gone, deadlines too. Who still waited for it is cancelled. A wait that is likely to be short is *quick*: it
//! takes the registration that it knows for granted, and renews it only when nothing has come for a while (`call.rs`).
//!
//! *Waiting on several* takes all locks, in the order of their addresses, as a select does, and lets go of them when the goroutine
//! waits. Whoever wakes one of the nodes claims the park, and with it all of them. The waiter then takes the others off.
//!
//! *A deadline* is a time beside the queue; who waits there waits no longer than that. A new deadline stirs the word and
//! wakes everybody, who wait again with the new time.
//!
//! *Calls that the kernel has* (`ring.rs`) are linked to the record, under a lock of their own. Who closes it or sets a deadline looks
//! whether there are any ([`Calls`]).
//!
//! *A wake-up is no promise*: whoever is woken asks the kernel again. So waking too many is never wrong.

use super::life::Life;
use super::word::{Event, Seen, Word};
use crate::error::{Error, Result};
use crate::sched::list::GList;
use crate::sched::park::{self, Commit, Woken};
use crate::sched::state::Kind;
use crate::sync::mutex::Mutex;
use crate::sync::waitq::{WaitQueue, Waiter};
use crate::sys::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU64, Relaxed, full_fence};
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use std::cell::Cell;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr;

/// Directions, as a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dirs(pub u8);

impl Dirs {
    pub const READ: Dirs = Dirs(1);
    pub const WRITE: Dirs = Dirs(2);
    pub const BOTH: Dirs = Dirs(3);
    pub const NONE: Dirs = Dirs(0);

    /// The numbers of the sides.
    fn sides(self) -> impl Iterator<Item = usize> {
        (0..2).filter(move |side| self.0 >> side & 1 != 0)
    }

    pub fn has(self, other: Dirs) -> bool {
        self.0 & other.0 != 0
    }
}

/// What the poller answers to a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// It stands.
    Yes,
    /// There was none of this file, though there should be: the number is another's by now.
    Gone,
    /// A file of which there are no events: it is always ready, or blocks.
    Never,
}

/// What a record needs of a poller; see `poll.rs`.
pub trait Registry {
    /// Has the poller report events of the number with this tag. `known`: it stands there already.
    fn register(&self, fd: i32, tag: u32, known: bool) -> Result<Registered>;
    /// Takes it off.
    fn remove(&self, fd: i32);
}

struct Side {
    word: Word,
    waiters: WaitQueue,
    /// When calls end, or 0.
    deadline: AtomicI64,
}

impl Side {
    fn new() -> Side {
        Side { word: Word::new(), waiters: WaitQueue::new(), deadline: AtomicI64::new(0) }
    }

    /// Takes off all who wait, claimed, with the news that it is time to look again, or that there is nothing to wait for any more.
    fn wake_all(&self, look_again: bool, woken: &GList) {
        // SAFETY: under the record's lock, as all callers are. The waiter is not used after it was readied, which comes later.
        while let Some(w) = unsafe { self.waiters.pop_claimed(|| ()) } {
            w.granted.set(look_again);
            woken.push_back(w.g);
        }
    }
}

/// The calls of a descriptor that the kernel has, by the first of them.
pub struct Calls(AtomicPtr<()>);

impl Calls {
    fn new() -> Calls {
        Calls(AtomicPtr::new(ptr::null_mut()))
    }

    /// Under the lock of the ring, as all but one of these.
    #[cfg(not(loom))]
    pub fn first(&self) -> *const () {
        self.0.load(Relaxed)
    }

    /// A call is linked, as the first; from here on it looks whether it may go on.
    pub fn link(&self, first: *const ()) {
        self.link_unfenced(first);
        full_fence();
    }

    /// What `link` is but for the order. For a model that must fail.
    pub fn link_unfenced(&self, first: *const ()) {
        self.0.store(first.cast_mut(), Relaxed);
    }

    /// The first is taken off.
    #[cfg(not(loom))]
    pub fn unlink(&self, first: *const ()) {
        self.0.store(first.cast_mut(), Relaxed);
    }

    /// Whether there are none of whom what was said before would have to be heard. Without a lock.
    pub fn is_none(&self) -> bool {
        full_fence();
        self.is_none_unfenced()
    }

    /// What `is_none` is but for the order. For a model that must fail.
    pub fn is_none_unfenced(&self) -> bool {
        self.0.load(Relaxed).is_null()
    }
}

/// See the file's header.
pub struct Desc {
    pub life: Life,
    pub calls: Calls,
    /// Held by who moves the position of a file on disk (`io.rs`).
    pub position: Mutex,
    lock: RawLock,
    /// The poller has been told. Under the lock.
    registered: Cell<bool>,
    /// The kernel's number of the socket that was registered last, or 0. Under the lock.
    cookie: Cell<u64>,
    /// What kind of file it is, as far as calls have found out (`io.rs`). A hint.
    pub hints: AtomicU8,
    /// What the word for reading was before a read that took all there was; see `call.rs`. A hint.
    pub drained: AtomicU64,
    /// An event has told of an end, an error or urgent data: these may have come together with bytes, and no event tells of them
    /// again.
    pub ends: AtomicBool,
    sides: [Side; 2],
}

// SAFETY: the cells are touched under the lock.
unsafe impl Sync for Desc {}

impl Desc {
    pub fn new() -> Desc {
        Desc {
            life: Life::new(),
            calls: Calls::new(),
            position: Mutex::new(),
            lock: RawLock::new(Rank::Descriptor),
            registered: Cell::new(false),
            hints: AtomicU8::new(0),
            drained: AtomicU64::new(u64::MAX),
            ends: AtomicBool::new(false),
            cookie: Cell::new(0),
            sides: [Side::new(), Side::new()],
        }
    }

    /// What a call notes before it tries. Both directions have the same tag, but for a moment in which it changes.
    #[inline]
    pub fn look(&self) -> [Seen; 2] {
        [self.sides[0].word.look(), self.sides[1].word.look()]
    }

    /// The tag of the file that stands behind the number.
    pub fn tag(&self) -> u32 {
        self.sides[0].word.look().tag()
    }

    /// The deadline of these directions, or NEVER.
    #[inline]
    pub fn deadline(&self, dirs: Dirs) -> i64 {
        let of = |side: usize| match self.sides[side].deadline.load(Relaxed) {
            0 => NEVER,
            at => at,
        };
        dirs.sides().map(of).min().unwrap_or(NEVER)
    }

    /// Sets the deadlines of these directions, 0 for none. Who waits there waits anew. The number is registered, so that another
    /// file behind it will be noticed.
    pub fn set_deadline(&self, fd: i32, dirs: Dirs, at: i64, registry: &impl Registry) -> Result {
        let woken = GList::new();
        self.lock.lock();
        let r = self.register(fd, registry, &woken);
        if r.is_ok() {
            for side in dirs.sides().map(|side| &self.sides[side]) {
                side.deadline.store(at, Relaxed);
                side.word.stir();
                side.wake_all(true, &woken);
            }
        }
        self.lock.unlock();
        ready(&woken);
        r.map(|_| ())
    }

    /// Notices whether another file stands behind the number.
    pub fn check(&self, fd: i32, registry: &impl Registry) -> Result {
        let woken = GList::new();
        self.lock.lock();
        let r = if self.registered.get() { self.register(fd, registry, &woken).map(|_| ()) } else { Ok(()) };
        self.lock.unlock();
        ready(&woken);
        r
    }

    /// Registers the number for the file that stands behind it, under the lock. False: it has no events.
    fn register(&self, fd: i32, registry: &impl Registry, woken: &GList) -> Result<bool> {
        let mut answer = registry.register(fd, self.tag(), self.registered.get())?;
        if answer == Registered::Gone {
            self.renew(woken);
            answer = registry.register(fd, self.tag(), false)?;
        }
        self.registered.set(answer == Registered::Yes);
        Ok(answer != Registered::Never)
    }

    /// Another file, or none, stands behind the number: all that was known is forgotten, and who waits is told. Under the lock.
    fn renew(&self, woken: &GList) {
        let tag = self.tag().wrapping_add(1);
        for side in &self.sides {
            side.word.renew(tag);
            side.deadline.store(0, Relaxed);
            side.wake_all(false, woken);
        }
        self.registered.set(false);
        self.hints.store(0, Relaxed);
        self.ends.store(false, Relaxed);
        self.cookie.set(0);
    }

    /// The number is about to be closed, or handed to other code: wakes everybody, and takes it off the poller.
    pub fn forget(&self, fd: i32, registry: &impl Registry) {
        let woken = GList::new();
        self.lock.lock();
        if self.registered.get() {
            registry.remove(fd);
        }
        self.renew(&woken);
        self.lock.unlock();
        ready(&woken);
    }

    /// The library has just got this number for a new file: what is still known of it is of the past.
    pub fn is_fresh(&self) {
        let idle = |side: &Side| side.deadline.load(Relaxed) == 0;
        let woken = GList::new();
        self.lock.lock();
        if self.registered.get() || self.hints.load(Relaxed) != 0 || !self.sides.iter().all(idle) {
            self.renew(&woken);
        }
        self.lock.unlock();
        ready(&woken);
    }

    /// An event has come: moves who waits for it to `woken`. `ends`: there is more to it than bytes.
    pub fn deliver(&self, tag: u32, dirs: Dirs, ends: bool, woken: &GList) {
        if ends && tag == self.tag() {
            // Before who reads can know of the event.
            self.ends.store(true, Relaxed);
        }
        for side in dirs.sides().map(|side| &self.sides[side]) {
            if side.word.ready(tag) == Event::Wake {
                self.lock.lock();
                side.wake_all(true, woken);
                self.lock.unlock();
            }
        }
    }

    /// How many of its directions are waited on.
    pub fn waited_on(&self) -> usize {
        self.lock.lock();
        let n = self.sides.iter().filter(|side| !side.waiters.is_empty()).count();
        self.lock.unlock();
        n
    }

    /// Closes it to new calls and wakes everybody. By a call that has entered; false: another closes it already.
    pub fn begin_close(&self, fd: i32, registry: &impl Registry) -> bool {
        let first = self.life.begin_close();
        if first {
            self.forget(fd, registry);
        }
        first
    }
}

/// Makes ready what was claimed, with no lock held.
fn ready(woken: &GList) {
    while let Some(g) = woken.pop() {
        park::ready(g);
    }
}

/// A descriptor that is waited on, among others maybe.
pub struct Wanted {
    pub desc: &'static Desc,
    pub fd: i32,
    pub dirs: Dirs,
    /// Noted before the try.
    pub seen: [Seen; 2],
    /// The kernel's number of the socket. If it is that of the last registration, this need not be renewed. 0: it is.
    pub cookie: u64,
    nodes: [MaybeUninit<Waiter>; 2],
}

impl Wanted {
    pub fn new(desc: &'static Desc, fd: i32, dirs: Dirs, seen: [Seen; 2]) -> Wanted {
        Wanted { desc, fd, dirs, seen, cookie: 0, nodes: [const { MaybeUninit::uninit() }; 2] }
    }

    fn begin_wait(&self) -> bool {
        self.dirs.sides().all(|side| self.desc.sides[side].word.begin_wait(self.seen[side]))
    }
}

/// Why a wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Something has happened: try again. The tag may be another.
    Again,
    /// The caller found that another file stands behind the number, whose tag counts from here on: try again.
    Renewed,
    /// Its file has no events.
    NoEvents,
}

/// Waits until something happens to one of the descriptors, at most until `when`. In a call on one descriptor (`alone`) its deadline
/// counts too, and a file without events is no reason to wait; among others it just brings none. `leaves` is
/// called under the locks when the caller is certain to park: a call on one descriptor is inside until then.
pub fn wait(
    wanted: &mut [Wanted],
    when: i64,
    alone: bool,
    registry: &impl Registry,
    reason: &'static CStr,
    leaves: impl FnOnce(),
) -> Result<Ended> {
    if wanted.len() > 1 {
        wanted.sort_unstable_by_key(|w| ptr::from_ref(w.desc).addr());
    }
    let all = All { first: wanted.as_ptr(), len: wanted.len() };
    let woken = GList::new();
    all.lock();
    let mut until = when;
    let begun = begin(wanted, &mut until, alone, registry, &woken);
    let wait = match begun.and_then(|ended| match ended {
        Some(ended) => Ok(Err(ended)),
        None => Ok(Ok(park::prepare(Kind::Io, until)?)),
    }) {
        Ok(Ok(wait)) => wait,
        refused => {
            all.unlock();
            ready(&woken);
            return refused.map(|r| match r {
                Err(ended) => ended,
                Ok(_) => unreachable!("a wait that is prepared begins"),
            });
        }
    };
    debug_assert!(woken.is_empty(), "whoever finds another file does not wait");
    for w in wanted.iter_mut() {
        for side in w.dirs.sides() {
            let node = &*w.nodes[side].write(Waiter::new(&wait, ptr::null_mut()));
            // SAFETY: the lock is held; the node stays where it is until it is taken off below.
            unsafe { w.desc.sides[side].waiters.push_back(node) };
        }
    }
    leaves();
    let how = park::park(wait, reason, all.commit());
    if let ([w], Woken::Ready) = (&*wanted, how)
        && w.dirs != Dirs::BOTH
    {
        let side = (w.dirs == Dirs::WRITE) as usize;
        // SAFETY: written above; whoever woke us has taken it off, and has written all it had to before.
        let node = unsafe { w.nodes[side].assume_init_ref() };
        return if node.granted.get() { Ok(Ended::Again) } else { Err(Error::Canceled) };
    }
    let mut canceled = false;
    all.lock();
    for w in wanted.iter() {
        for side in w.dirs.sides() {
            // SAFETY: written above.
            let node = unsafe { w.nodes[side].assume_init_ref() };
            w.desc.sides[side].waiters.remove(node);
            canceled |= node.chosen.get() && !node.granted.get();
        }
    }
    all.unlock();
    match how {
        Woken::TimedOut => Err(Error::TimedOut),
        Woken::Ready if canceled => Err(Error::Canceled),
        Woken::Ready => Ok(Ended::Again),
    }
}

/// Under all locks: whether the wait may begin, and until when.
fn begin(
    wanted: &[Wanted],
    until: &mut i64,
    alone: bool,
    registry: &impl Registry,
    woken: &GList,
) -> Result<Option<Ended>> {
    for w in wanted {
        if w.desc.life.is_closing() {
            return Err(Error::Canceled);
        }
        // First, so that nothing is registered for a number that is closed by now.
        if !w.begin_wait() {
            return Ok(Some(Ended::Again));
        }
        if w.cookie == 0 || w.cookie != w.desc.cookie.get() || !w.desc.registered.get() {
            let tag = w.desc.tag();
            if !w.desc.register(w.fd, registry, woken)? && alone {
                return Ok(Some(Ended::NoEvents));
            }
            if w.cookie != 0 {
                w.desc.cookie.set(w.cookie);
            }
            if w.desc.tag() != tag {
                return Ok(Some(Ended::Renewed));
            }
        }
        if alone {
            *until = (*until).min(w.desc.deadline(w.dirs));
        }
    }
    #[cfg(not(loom))]
    if *until != NEVER && *until <= crate::sys::clock::now() {
        return Err(Error::TimedOut);
    }
    Ok(None)
}

/// The locks of several records, in the order of their addresses; one that is wanted twice counts once.
#[derive(Clone, Copy)]
struct All {
    first: *const Wanted,
    len: usize,
}

impl All {
    fn desc(&self, i: usize) -> &'static Desc {
        // SAFETY: the list outlives every use of this value: the commit runs before the wait goes on.
        unsafe { (*self.first.add(i)).desc }
    }

    fn is_first(&self, i: usize) -> bool {
        i == 0 || !ptr::eq(self.desc(i), self.desc(i - 1))
    }

    fn lock(&self) {
        for i in (0..self.len).filter(|&i| self.is_first(i)) {
            self.desc(i).lock.lock();
        }
    }

    fn unlock(&self) {
        // From the end: the list is read before the last unlock, never after it.
        for i in (0..self.len).rev().filter(|&i| self.is_first(i)) {
            self.desc(i).lock.unlock();
        }
    }

    /// Unlocks them all when the goroutine waits. It must lock them again before it does anything else, so the list stays until
    /// the last one is unlocked.
    fn commit(&self) -> Commit {
        if self.len == 1 {
            return Commit::unlock(&self.desc(0).lock);
        }
        unsafe fn unlock(all: *const ()) {
            // SAFETY: it stands in the frame of `wait`; copied before anything is unlocked.
            unsafe { *all.cast::<All>() }.unlock();
        }
        // SAFETY: unlocks what the waiter has locked; reads nothing of its stack after the last unlock.
        unsafe { Commit::new(unlock, ptr::from_ref(self).cast()) }
    }
}

//! Contexts: trees, along which a cancellation travels down.
//!
//! A context is LIVE, then CANCELED or TIMED_OUT and so for ever. Whoever ends it (a call, its own deadline, the end of what
//! is above it) ends all that is below it in the same moment: each gets the same state and cause, closes its channel,
//! and gives its hooks the start (`hook.rs`). State before channel: who finds the channel closed finds the reason. Above
//! before below: who finds one ended finds all above it ended that have to be.
//!
//! *One lock for each tree*, in its root. It guards every link, entry and hook of the tree; what callers read without it
//! (state, cause) is atomic, and deadline, channel and parent never change. Rejected: a lock in each context, as Go has it.
//! A cancellation holds the lock of the uppermost all the way down there as well, and going up (a child that leaves its parent)
//! needs a second lock against the order of the first.
//!
//! *Two counts.* `users` is who may still ask for something or be told something: the callers' references, the children,
//! the hooks. With the last one a context leaves the tree, drops its deadline and its channel. `holds` is who
//! may still touch the memory: one for all users together; one for its entry in a heap of deadlines, which stays there, dead,
//! until it is swept; and in a root one for each context of the tree, since the lock stands there. With the last one the
//! memory goes. A child holds its parent as a user. Nobody holds a child for being a child: what stands on a ring of children
//! is alive because it takes itself off, under the lock, before its `users` are done.
//!
//! *A deadline* is one entry in the heap of a P, made under the lock and never moved. Only a context whose deadline comes before
//! those above it has one: otherwise the parent's end is in time.
//!
//! Races, all of them decided by the lock:
//! * *A child is made while its parent ends.* Making looks at the parent's state and puts the child on the parent's ring under
//!   one locking. Before the end: the walk down finds the child. After it: the child is born ended, and belongs to no tree.
//! * *Time against a call.* The first ends the context, and takes the entry off (`live_entry` is 0), or finds it so.
//! * *The last user against time, or against a walk from above.* Until the last user has the lock, the context is on the ring
//!   and is ended like any other; nobody is left to see it. After it, an entry that comes up is dead: its hold keeps
//!   the memory, and by that the root's, in which it finds the lock.
//!
//! *The runtime stops*: `lost` ends every context that has an entry; no hook of it starts (`Start::Never`).
//! *In a forked child* the entries there are belong to the parent's heaps, and do not come. A lock that another thread held
//! stays taken, as that of any object.

use super::hook::Hook;
use super::ring::{Linked, Links, Ring};
use crate::error::{Error, Result};
use crate::sched::arm;
use crate::sched::timers::{TimerHead, Timers};
use crate::sync::block::{alloc, dealloc};
use crate::sync::chan::Chan;
use crate::sys::atomic::{AcqRel, Acquire, AtomicI32, AtomicU8, AtomicUsize, Relaxed, Release};
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use std::alloc::Layout;
use std::ptr::{self, NonNull};

/// Under loom every access to a cell is checked: it must come after those of other threads, by way of the lock.
#[cfg(loom)]
use loom::cell::Cell;
#[cfg(not(loom))]
use std::cell::Cell;

const LIVE: u8 = 0;
const CANCELED: u8 = 1;
const TIMED_OUT: u8 = 2;

/// How a context ends: its state from then on, and the cause that was given, 0 for none.
#[derive(Clone, Copy)]
struct Why {
    state: u8,
    cause: i32,
}

const IN_TIME: Why = Why { state: TIMED_OUT, cause: 0 };

/// Whether the functions of hooks are started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The runtime is up.
    Now,
    /// It is not, or not for long.
    Never,
}

/// The number that its entry in a heap has while it counts.
const ENTRY: u64 = 1;

/// See the file's header.
#[repr(C)]
pub struct Ctx {
    head: TimerHead,
    users: AtomicUsize,
    holds: AtomicUsize,
    lock: RawLock,
    /// The root of its tree; none: it is the root.
    root: Option<&'static Ctx>,
    parent: Option<&'static Ctx>,
    /// Its own, or one above that comes before; NEVER without any.
    deadline: i64,
    /// Closed at its end.
    done: NonNull<Chan>,
    state: AtomicU8,
    cause: AtomicI32,
    /// The heap that has the entry that counts.
    entry: Cell<Option<&'static Timers>>,
    children: Ring<Ctx>,
    siblings: Links<Ctx>,
    hooks: Ring<Hook>,
    /// In a root: how many hooks there are in the tree.
    hooks_of_tree: Cell<usize>,
}

// SAFETY: cells, rings and links are touched under the tree's lock.
unsafe impl Sync for Ctx {}

impl Linked for Ctx {
    fn links(&self) -> &Links<Ctx> {
        &self.siblings
    }
}

impl Ctx {
    /// A context below `parent`, or a root, with one user. `deadline` may be NEVER; `now` is the time. `up` sees to it that the
    /// runtime is up, and is asked only if a deadline has to be armed. None without memory or runtime.
    pub fn make(
        parent: Option<&'static Ctx>,
        deadline: i64,
        now: i64,
        up: impl FnOnce() -> Result,
    ) -> Option<&'static Ctx> {
        let above = parent.map_or(NEVER, |p| p.deadline);
        let is_nearer = deadline < above;
        let is_over = is_nearer && deadline <= now;
        let arms = is_nearer && !is_over;
        if arms && parent.is_none_or(Ctx::is_live) {
            up().ok()?;
        }
        let place = Place::new()?;
        let deadline = deadline.min(above);
        let Some(parent) = parent else {
            let ctx = place.fill(deadline, None);
            return Some(ctx.begin(arms, is_over.then_some(IN_TIME)));
        };
        let root = parent.root();
        root.lock.lock();
        if let Some(why) = parent.why().or(is_over.then_some(IN_TIME)) {
            root.lock.unlock();
            return Some(place.fill(deadline, None).begin(false, Some(why)));
        }
        let ctx = place.fill(deadline, Some(parent));
        parent.users.fetch_add(1, Relaxed);
        root.holds.fetch_add(1, Relaxed);
        parent.children.push_back(ctx);
        if arms {
            ctx.arm();
        }
        root.lock.unlock();
        Some(ctx)
    }

    /// The first step of a root, which nobody else knows yet, but for time.
    fn begin(&'static self, arms: bool, why: Option<Why>) -> &'static Ctx {
        self.lock.lock();
        if arms {
            self.arm();
        }
        if let Some(why) = why {
            self.end_one(why);
        }
        self.lock.unlock();
        self
    }

    pub(super) fn root(&'static self) -> &'static Ctx {
        self.root.unwrap_or(self)
    }

    /// Runs `f` under the tree's lock.
    pub(super) fn locked<R>(&'static self, f: impl FnOnce() -> R) -> R {
        let root = self.root();
        root.lock.lock();
        let r = f();
        root.lock.unlock();
        r
    }

    fn why(&self) -> Option<Why> {
        let state = self.state.load(Acquire);
        (state != LIVE).then(|| Why { state, cause: self.cause.load(Relaxed) })
    }

    pub(super) fn is_live(&self) -> bool {
        self.state.load(Acquire) == LIVE
    }

    /// Whether it is over, and how: `Canceled` or `TimedOut`.
    pub fn err(&self) -> Result {
        match self.state.load(Acquire) {
            LIVE => Ok(()),
            CANCELED => Err(Error::Canceled),
            _ => Err(Error::TimedOut),
        }
    }

    /// The cause that was given for its end; none before, or if none was given.
    pub fn cause(&self) -> Option<i32> {
        self.why().map(|why| why.cause).filter(|&cause| cause != 0)
    }

    /// When it ends by itself, or NEVER.
    pub fn deadline(&self) -> i64 {
        self.deadline
    }

    /// The channel that is closed at its end. A user keeps it.
    pub fn done(&self) -> NonNull<Chan> {
        self.done
    }

    /// One more user. The caller is one.
    pub fn add_ref(&self) {
        self.users.fetch_add(1, Relaxed);
    }

    /// One user less; the last one takes the context off the tree.
    pub fn unref(&'static self) {
        let mut next = Some(self);
        while let Some(ctx) = next {
            next = ctx.one_user_less();
        }
    }

    /// Answers the parent, of which the context was a user, if it is one no more.
    fn one_user_less(&'static self) -> Option<&'static Ctx> {
        if self.users.fetch_sub(1, AcqRel) != 1 {
            return None;
        }
        let (parent, done) = (self.parent, self.done);
        self.locked(|| {
            self.drop_entry();
            if let Some(parent) = parent {
                parent.children.remove(self);
            }
        });
        // SAFETY: the context's own reference; it is on no ring and has no entry, so nobody closes it any more.
        unsafe { Chan::unref(done) };
        self.one_hold_less();
        parent
    }

    /// The last one frees the memory. It may be an entry that is swept, under the lock of a heap.
    fn one_hold_less(&self) {
        if self.holds.fetch_sub(1, AcqRel) != 1 {
            return;
        }
        let root = self.root;
        let at = ptr::from_ref(self).cast_mut();
        // SAFETY: nobody holds it; made with this layout.
        unsafe {
            ptr::drop_in_place(at);
            dealloc(at.cast(), Layout::new::<Ctx>());
        }
        if let Some(root) = root {
            root.one_hold_less();
        }
    }

    /// Puts the entry of its deadline into a heap. Under the lock.
    fn arm(&'static self) {
        self.holds.fetch_add(1, Relaxed);
        // Before the entry is in the heap, where a sweep may compare the two at once.
        self.head.live_entry.store(ENTRY, Relaxed);
        self.head.armed.store(true, Relaxed);
        self.entry.set(Some(arm::arm_timer(self.deadline, &self.head, ENTRY)));
    }

    /// The entry counts no more. Under the lock.
    fn drop_entry(&self) {
        self.head.armed.store(false, Relaxed);
        self.head.live_entry.store(0, Relaxed);
        if let Some(heap) = self.entry.take() {
            heap.one_died();
            if !heap.is_alive() {
                // Of the process that this one was forked from: nobody will sweep it. The users' hold is still there.
                self.one_hold_less();
            }
        }
    }

    /// Ends it and all below, with a cause, or 0, unless it is over. `up` sees to it that the runtime is up, and is asked only
    /// if there are hooks. An error of `up` is answered if a hook was not started for it; the end has come all the same.
    pub fn cancel(&'static self, cause: i32, up: impl FnOnce() -> Result) -> Result {
        let root = self.root();
        let mut ready = Ok(());
        root.lock.lock();
        if root.hooks_of_tree.get() > 0 && self.is_live() {
            root.lock.unlock();
            ready = up();
            root.lock.lock();
        }
        let start = if ready.is_ok() { Start::Now } else { Start::Never };
        let left_out = match self.is_live() {
            true => self.end_all(Why { state: CANCELED, cause }, start),
            false => 0,
        };
        root.lock.unlock();
        if left_out > 0 { ready } else { Ok(()) }
    }

    /// Ends it and all below. Answers how many hooks were not started. Under the lock; it is live.
    fn end_all(&'static self, why: Why, start: Start) -> usize {
        if let Some(parent) = self.parent {
            parent.children.remove(self);
        }
        let (root, rest) = (self.root(), Ring::new());
        let mut left_out = 0;
        rest.push_back(self);
        while let Some(ctx) = rest.pop_front() {
            ctx.end_one(why);
            while let Some(hook) = ctx.hooks.pop_front() {
                root.hooks_of_tree.set(root.hooks_of_tree.get() - 1);
                match start {
                    Start::Now => hook.start(),
                    Start::Never => left_out += 1,
                }
            }
            rest.append(&ctx.children);
        }
        left_out
    }

    /// Under the lock.
    fn end_one(&self, why: Why) {
        self.drop_entry();
        self.cause.store(why.cause, Relaxed);
        self.state.store(why.state, Release);
        // SAFETY: on a ring or fresh, so its reference to the channel is there. Closed once: the state was LIVE.
        let _ = unsafe { self.done.as_ref() }.close();
    }

    /// Puts a hook on a context that is live; false if it is over. `first` is called before the hook can start.
    pub(super) fn put_on(&'static self, hook: &'static Hook, first: impl FnOnce()) -> bool {
        self.locked(|| {
            let live = self.is_live();
            if live {
                first();
                self.hooks.push_back(hook);
                let root = self.root();
                root.hooks_of_tree.set(root.hooks_of_tree.get() + 1);
            }
            live
        })
    }

    /// Takes a hook off, if it is still on.
    pub(super) fn take_off(&'static self, hook: &Hook) {
        self.locked(|| {
            if self.hooks.remove(hook) {
                let root = self.root();
                root.hooks_of_tree.set(root.hooks_of_tree.get() - 1);
            }
        });
    }

    /// Its entry has come up, or is lost. It owns the entry's hold.
    fn entry_is_over(&'static self, number: u64, why: Why, start: Start) {
        self.locked(|| {
            if self.head.live_entry.load(Relaxed) == number {
                // It is off the heap, so it has not died there.
                self.entry.set(None);
                self.end_all(why, start);
            }
        });
        self.one_hold_less();
    }
}

/// Memory for a context, and its channel.
struct Place {
    at: NonNull<Ctx>,
    done: NonNull<Chan>,
}

impl Place {
    fn new() -> Option<Place> {
        let done = Chan::make_fed(0, 0)?;
        // SAFETY: the layout is not empty.
        let Some(at) = NonNull::new(unsafe { alloc(Layout::new::<Ctx>()) }) else {
            // SAFETY: the only reference.
            unsafe { Chan::unref(done) };
            return None;
        };
        Some(Place { at: at.cast(), done })
    }

    fn fill(self, deadline: i64, parent: Option<&'static Ctx>) -> &'static Ctx {
        let ctx = Ctx {
            head: TimerHead::new(fire, forget, lost),
            users: AtomicUsize::new(1),
            holds: AtomicUsize::new(1),
            lock: RawLock::new(Rank::Context),
            root: parent.map(Ctx::root),
            parent,
            deadline,
            done: self.done,
            state: AtomicU8::new(LIVE),
            cause: AtomicI32::new(0),
            entry: Cell::new(None),
            children: Ring::new(),
            siblings: Links::new(),
            hooks: Ring::new(),
            hooks_of_tree: Cell::new(0),
        };
        // SAFETY: fresh memory of the right layout; alive until the last hold goes.
        unsafe {
            self.at.write(ctx);
            self.at.as_ref()
        }
    }
}

/// What is freed is out of use: loom checks that all that was done to the cells came before, and since this changes the
/// atomics as well, it tries every use of them on both sides of the end.
#[cfg(loom)]
impl Drop for Ctx {
    fn drop(&mut self) {
        // First, since the lock would order what the counts have to order.
        self.entry.set(None);
        self.hooks_of_tree.set(0);
        assert!(self.siblings.are_free(), "freed on a ring");
        self.head.live_entry.store(0, Relaxed);
        assert!(self.lock.try_lock(), "freed under its lock");
    }
}

/// The context whose entry this is.
///
/// # Safety
/// The entry's hold is the caller's.
unsafe fn of(head: &'static TimerHead) -> &'static Ctx {
    // SAFETY: the head stands at the start of a Ctx, which the hold keeps alive.
    unsafe { &*ptr::from_ref(head).cast::<Ctx>() }
}

unsafe fn fire(head: &'static TimerHead, number: u64, _now: i64) {
    // SAFETY: as `of` wants it: an entry that was due.
    unsafe { of(head) }.entry_is_over(number, IN_TIME, Start::Now);
}

unsafe fn forget(head: &'static TimerHead) {
    // SAFETY: as `of` wants it: an entry that was swept.
    unsafe { of(head) }.one_hold_less();
}

unsafe fn lost(head: &'static TimerHead) {
    // SAFETY: as `of` wants it: an entry that the end of the runtime took off.
    unsafe { of(head) }.entry_is_over(ENTRY, Why { state: CANCELED, cause: 0 }, Start::Never);
}

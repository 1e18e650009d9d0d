//! Timers: channels that get the time, tickers, and functions that run in goroutines of their own.
//!
//! What a timer *wants* (`armed`, `when`, `period`) stands in it, under its lock. What a heap knows of it is an entry with a time
//! and a number; only the entry whose number is `live_entry` counts. The two are allowed to differ:
//!
//! * stop just clears `armed`. The entry stays and finds nothing to do when its time comes.
//! * reset to a later time leaves the entry where it is; when that comes up early it is put back with the right time.
//! * reset to an earlier time, or without an entry, makes a new one; the former is dead.
//!
//! So stopping and resetting over and over touches no heap (Go's lazy timers, with the entry as the unit).
//!
//! *Firing* takes the timer's lock, so it comes entirely before or after a stop or reset. Before: what it put into the
//! channel is drained by the stop, which answers that a value was pending. After: it finds `armed` false or a later time.
//! No stale value can be received once stop or reset has returned (Go 1.23).
//!
//! *References*: the owner's (`rt_timer_free` or `_detach` drops it; for `rt_after` it is the channel's), one for each entry in a heap,
//! one for a function that runs. The last one frees the memory.

use crate::error::Result;
use crate::sched::arm;
use crate::sched::bias::BiasedLock;
use crate::sched::g::{EndHook, GoFn};
use crate::sched::list::GList;
use crate::sched::park;
use crate::sched::spawn::{self, Options};
use crate::sched::state::Kind;
use crate::sched::timers::{TimerHead, Timers};
use crate::sync::block::{alloc, dealloc};
use crate::sync::chan::{Chan, Owner, Step};
use crate::sync::waitq::{WaitQueue, Waiter};
use crate::sys::atomic::{AcqRel, AtomicUsize, Relaxed};
use crate::sys::clock::NEVER;
use crate::sys::lock::Rank;
use std::alloc::Layout;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

#[cfg(not(loom))]
use crate::sys::clock;
#[cfg(not(loom))]
use std::cell::Cell;

#[cfg(loom)]
use super::clock_model as clock;
/// Under loom every access to a cell is checked: it must come after those of other threads, by way of the lock.
#[cfg(loom)]
use loom::cell::Cell;

/// What happens when the time comes.
#[derive(Clone, Copy)]
enum Job {
    /// The time goes into the channel.
    Feed(NonNull<Chan>),
    /// The function runs in a goroutine of its own.
    Run(GoFn, *mut c_void),
}

/// See the file's header.
#[repr(C)]
pub struct Timer {
    head: TimerHead,
    refs: AtomicUsize,
    lock: BiasedLock,
    when: Cell<i64>,
    /// 0: fires once.
    period: Cell<i64>,
    /// The time of the live entry, and the heap it is in.
    entry: Cell<Option<(i64, &'static Timers)>>,
    job: Job,
    /// Its function was started, once at least.
    ran: Cell<bool>,
    /// Functions of this timer that run, and who waits for them.
    running: Cell<usize>,
    waiters: WaitQueue,
}

// SAFETY: the cells are touched under the timer's lock.
unsafe impl Sync for Timer {}

/// How long a timer whose function found no memory waits before it tries again, ns.
const TRY_AGAIN: i64 = 1_000_000;

impl Timer {
    fn make(job: Job, period: i64) -> Option<&'static Timer> {
        // SAFETY: the layout is not empty.
        let at = NonNull::new(unsafe { alloc(Layout::new::<Timer>()) })?.cast::<Timer>();
        let timer = Timer {
            head: TimerHead::new(fire, forget, lost),
            refs: AtomicUsize::new(1),
            lock: BiasedLock::new(Rank::Timer),
            when: Cell::new(0),
            period: Cell::new(period),
            entry: Cell::new(None),
            job,
            ran: Cell::new(false),
            running: Cell::new(0),
            waiters: WaitQueue::new(),
        };
        // SAFETY: fresh memory of the right layout; alive until the last reference goes.
        unsafe {
            at.write(timer);
            Some(at.as_ref())
        }
    }

    /// A timer with a channel that gets the time `ns` from now, and every `period` after that if it is not 0.
    pub fn feeding(ns: i64, period: i64) -> Option<&'static Timer> {
        let chan = Chan::make_fed(size_of::<i64>(), 1)?;
        let Some(t) = Timer::make(Job::Feed(chan), period) else {
            // SAFETY: the only reference.
            unsafe { Chan::unref(chan) };
            return None;
        };
        Some(t.start(ns))
    }

    /// A timer that runs `f(arg)` in a goroutine of its own `ns` from now.
    pub fn running(ns: i64, f: GoFn, arg: *mut c_void) -> Option<&'static Timer> {
        Some(Timer::make(Job::Run(f, arg), 0)?.start(ns))
    }

    /// A timer that runs `f(arg)` in a goroutine of its own when it is told to, by [`go_off`](Self::go_off), not by time.
    pub fn on_call(f: GoFn, arg: *mut c_void) -> Option<&'static Timer> {
        Timer::make(Job::Run(f, arg), 0)
    }

    /// Runs its function now; while there is no memory for the goroutine, it tries again. The runtime is up.
    pub fn go_off(&'static self) {
        self.lock.lock();
        match self.job {
            Job::Run(f, arg) => {
                self.head.armed.store(true, Relaxed);
                self.run(f, arg, clock::now());
            }
            Job::Feed(_) => self.lock.unlock(),
        }
    }

    fn start(&'static self, ns: i64) -> &'static Timer {
        self.lock.lock();
        self.arm(clock::after(ns.max(0)));
        self.lock.unlock();
        self
    }

    /// The channel; none for a function.
    pub fn chan(&self) -> Option<NonNull<Chan>> {
        match self.job {
            Job::Feed(chan) => Some(chan),
            Job::Run(..) => None,
        }
    }

    /// Hands the timer to its channel, which goes with its last reference and takes the timer along.
    pub fn give_to_chan(&'static self) -> NonNull<Chan> {
        unsafe fn drop_timer(t: *const ()) {
            // SAFETY: the reference that `give_to_chan` handed over.
            let t = unsafe { &*t.cast::<Timer>() };
            t.lock.lock();
            t.head.armed.store(false, Relaxed);
            t.drop_entry();
            t.lock.unlock();
            t.unref();
        }
        let chan = self.chan().expect("made with a channel");
        // SAFETY: the timer's reference keeps it alive.
        unsafe { chan.as_ref() }.set_owner(Owner { drop: drop_timer, arg: ptr::from_ref(self).cast() });
        chan
    }

    /// Wants to fire at `when`. Under the lock.
    #[inline(always)]
    fn arm(&'static self, when: i64) {
        // An entry that comes up first is then put right.
        if !self.entry.get().is_some_and(|(entry, heap)| entry <= when && heap.is_alive()) {
            self.put_anew(when);
        }
        self.when.set(when);
        self.head.armed.store(true, Relaxed);
    }

    /// Makes an entry for `when` the live one, in place of what there is. Under the lock.
    #[inline(never)]
    fn put_anew(&'static self, when: i64) {
        self.drop_entry();
        self.put(when);
    }

    /// The entry, if there is one, counts no more: the next sweep takes it. Under the lock.
    fn drop_entry(&self) {
        if let Some((_, heap)) = self.entry.replace(None) {
            self.head.live_entry.store(self.head.live_entry.load(Relaxed) + 1, Relaxed);
            heap.one_died();
        }
    }

    /// Makes a new entry the live one, unless the time never comes. Under the lock.
    fn put(&'static self, when: i64) {
        if when == NEVER {
            return;
        }
        let number = self.head.live_entry.load(Relaxed) + 1;
        self.refs.fetch_add(1, Relaxed);
        // Before the entry is in the heap, where a sweep may compare the two at once.
        self.head.live_entry.store(number, Relaxed);
        self.entry.set(Some((when, arm::arm_timer(when, &self.head, number))));
    }

    /// What a stop or reset takes back: true if a value could still have been received, or the function started. Under
    /// the lock.
    #[inline(always)]
    fn take_back(&self) -> bool {
        // Not by one exchange, which would cost as much as the lock.
        let armed = self.head.armed.load(Relaxed);
        self.head.armed.store(false, Relaxed);
        match self.job {
            // SAFETY: the owner of the timer keeps its channel alive.
            Job::Feed(chan) => unsafe { chan.as_ref() }.drain() || armed,
            Job::Run(..) => armed,
        }
    }

    /// Stops it; true if it was pending.
    pub fn stop(&self) -> bool {
        self.lock.lock();
        let pending = self.take_back();
        self.lock.unlock();
        pending
    }

    /// Fires `ns` from now instead; a ticker also takes `ns` for its period. True if it was pending.
    pub fn reset(&'static self, ns: i64) -> bool {
        self.lock.lock();
        if self.period.get() != 0 {
            if ns <= 0 {
                self.lock.unlock();
                return false;
            }
            self.period.set(ns);
        }
        let pending = self.take_back();
        self.arm(clock::after(ns.max(0)));
        self.lock.unlock();
        pending
    }

    /// Stops it, and waits for its function if that runs. False if it was not pending, or called from the function.
    pub fn stop_wait(&self) -> Result<bool> {
        if spawn::own_end().is_some_and(|hook| ptr::eq(hook.arg, ptr::from_ref(self).cast())) {
            return Ok(false);
        }
        self.lock.lock();
        let pending = self.take_back();
        while self.running.get() > 0 {
            let wait = match park::prepare(Kind::Sync, NEVER) {
                Ok(wait) => wait,
                Err(e) => {
                    self.lock.unlock();
                    return Err(e.into());
                }
            };
            let waiter = Waiter::new(&wait, ptr::null_mut());
            // SAFETY: the lock is held; without a deadline only a claim ends the wait, and that unlinks it.
            unsafe { self.waiters.push_back(&waiter) };
            let _ = park::park(wait, c"timer function", self.lock.commit());
            self.lock.lock();
        }
        self.lock.unlock();
        Ok(pending)
    }

    /// Stops it and gives the owner's reference back. True if its function was never started.
    pub fn free(&self) -> bool {
        self.lock.lock();
        self.take_back();
        let ran = self.ran.get();
        // It may have been meant for a time far away: what is freed must not stay until then.
        self.drop_entry();
        self.lock.unlock();
        self.unref_with_chan();
        !ran
    }

    /// Lets an after-function run and free itself; a channel timer is freed.
    pub fn detach(&self) {
        match self.job {
            Job::Feed(_) => _ = self.free(),
            Job::Run(..) => self.unref(),
        }
    }

    fn unref_with_chan(&self) {
        if let Job::Feed(chan) = self.job {
            // SAFETY: the timer's own reference; a firing sees `armed` false and does not touch it again.
            unsafe { Chan::unref(chan) };
        }
        self.unref();
    }

    fn unref(&self) {
        if self.refs.fetch_sub(1, AcqRel) == 1 {
            let at = ptr::from_ref(self).cast_mut();
            // SAFETY: the last reference; made with this layout.
            unsafe {
                ptr::drop_in_place(at);
                dealloc(at.cast(), Layout::new::<Timer>());
            }
        }
    }

    /// An entry was due. Owns its reference.
    fn due(&'static self, number: u64, now: i64) {
        self.lock.lock();
        if self.head.live_entry.load(Relaxed) != number {
            self.lock.unlock();
            return self.unref();
        }
        self.entry.set(None);
        if !self.head.armed.load(Relaxed) {
            self.lock.unlock();
            return self.unref();
        }
        if self.when.get() > now {
            // A reset has moved it; this was the old time.
            self.put(self.when.get());
            self.lock.unlock();
            return self.unref();
        }
        match self.job {
            Job::Feed(chan) => self.feed(chan, now),
            Job::Run(f, arg) => self.run(f, arg, now),
        }
        self.unref();
    }

    /// Under the lock, which it lets go.
    fn feed(&'static self, chan: NonNull<Chan>, now: i64) {
        match self.period.get() {
            0 => self.head.armed.store(false, Relaxed),
            period => {
                // No drift: the next tick stands on the grid of the first; those that were missed are dropped.
                let late = (now - self.when.get()).max(0);
                let next = self.when.get().saturating_add(period.saturating_mul(1 + late / period));
                self.when.set(next);
                self.put(next);
            }
        }
        // SAFETY: while it was armed its owner had not freed it, and `free` and `drop_timer` wait for the lock.
        let to = unsafe { chan.as_ref() };
        to.lock().lock();
        if to.is_dying() {
            // That of an `rt_after`: whoever frees it waits for the timer's lock, and for nothing after that.
            to.lock().unlock();
            self.lock.unlock();
            return;
        }
        let at = clock::now();
        // SAFETY: the channel is locked, and its elements are times. A full one means a slow receiver: dropped.
        let step = unsafe { to.send_now((&raw const at).cast()) };
        self.lock.unlock();
        // The receiver just served may have been the last that knew the channel of an `rt_after`. Its end takes the lock of
        // the timer, so that goes first; a stop that gets it waits for the channel's.
        // SAFETY: the channel is locked, and not touched again.
        unsafe { Chan::unlock_and_free_if_unused(chan) };
        if let Step::Done(_, Some(g)) = step {
            park::ready(g);
        }
    }

    /// Under the lock, which it lets go.
    fn run(&'static self, f: GoFn, arg: *mut c_void, now: i64) {
        unsafe fn ended(t: *const ()) {
            // SAFETY: the reference taken for the function that ran.
            unsafe { &*t.cast::<Timer>() }.function_ended();
        }
        self.refs.fetch_add(1, Relaxed);
        let options =
            Options { on_end: Some(EndHook { f: ended, arg: ptr::from_ref(self).cast() }), ..Options::default() };
        // It may begin, and even end, at once on another thread: its end waits for the lock.
        if spawn::spawn(f, arg, options).is_ok() {
            self.head.armed.store(false, Relaxed);
            self.ran.set(true);
            self.running.set(self.running.get() + 1);
        } else {
            self.refs.fetch_sub(1, Relaxed);
            self.when.set(now + TRY_AGAIN);
            self.put(now + TRY_AGAIN);
        }
        self.lock.unlock();
    }

    fn function_ended(&self) {
        let woken = GList::new();
        self.lock.lock();
        self.running.set(self.running.get() - 1);
        if self.running.get() == 0 {
            // SAFETY: the lock is held; the waiters are not used after they were readied.
            while let Some(w) = unsafe { self.waiters.pop_claimed(|| ()) } {
                woken.push_back(w.g);
            }
        }
        self.lock.unlock();
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
        self.unref();
    }
}

/// What is freed is out of use: loom checks that all that was done to the cells came before, and since this changes the
/// atomics as well, it tries every use of them on both sides of the end.
#[cfg(loom)]
impl Drop for Timer {
    fn drop(&mut self) {
        // First, since the lock would order what the count of references has to order.
        self.when.set(0);
        self.period.set(0);
        self.entry.set(None);
        self.running.set(0);
        self.ran.set(false);
        self.head.live_entry.store(0, Relaxed);
        self.head.armed.store(false, Relaxed);
        assert!(self.lock.try_lock(), "freed under its lock");
    }
}

unsafe fn fire(head: &'static TimerHead, number: u64, now: i64) {
    // SAFETY: the head stands at the start of a Timer; the entry's reference keeps it alive.
    unsafe { &*ptr::from_ref(head).cast::<Timer>() }.due(number, now);
}

unsafe fn forget(head: &'static TimerHead) {
    // SAFETY: as in `fire`.
    unsafe { &*ptr::from_ref(head).cast::<Timer>() }.unref();
}

unsafe fn lost(head: &'static TimerHead) {
    // SAFETY: as in `fire`.
    let timer = unsafe { &*ptr::from_ref(head).cast::<Timer>() };
    timer.lock.lock();
    timer.head.armed.store(false, Relaxed);
    timer.entry.set(None);
    timer.lock.unlock();
    timer.unref();
}

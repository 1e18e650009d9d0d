//! What all Ms share: the list of Ps, the global queue, and under one lock the idle Ps, the idle Ms and the keeper
//! of time.
//!
//! *The keeper.* One sleeping M, without a P, sleeps only until the earliest deadline of all Ps; the others sleep
//! until they are woken. An M that goes idle and knows an earlier deadline becomes the keeper, and the former one,
//! still asleep, is an idle M like any other: no thread is woken only to sleep again. Deadlines of busy Ps need no
//! keeper: their own M looks, and behind it the monitor.

use super::g::G;
use super::idle::Idle;
use super::m::M;
use super::monitor;
use super::p::{P, Queued};
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use crate::sys::stack::Class;
use crate::sys::{clock, futex, stack};
use crossbeam_deque::{Injector, Steal};
use once_cell::sync::OnceCell;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

/// More Ps than this can't be had.
pub const MAX_PROCS: usize = 1024;

struct Lists {
    idle_ps: Option<&'static P>,
    idle_ms: Option<&'static M>,
    keeper: Option<&'static M>,
    /// When the keeper wakes by itself; NEVER without a keeper.
    keeper_until: i64,
    /// Ps that wait for a thread to be made, each with a count of spinning.
    starts: Option<&'static P>,
}

struct Shared {
    lock: RawLock,
    lists: UnsafeCell<Lists>,
}

// SAFETY: the lists are touched under the lock.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    lock: RawLock::new(Rank::Sched),
    lists: UnsafeCell::new(Lists { idle_ps: None, idle_ms: None, keeper: None, keeper_until: NEVER, starts: None }),
};

/// The counts of the idle protocol.
pub static IDLE: Idle = Idle::new();

static ALL_PS: [AtomicPtr<P>; MAX_PROCS] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_PROCS];
static PROCS: AtomicU32 = AtomicU32::new(0);
static INJECTOR: OnceCell<Injector<Queued>> = OnceCell::new();
static STACK_SIZE: AtomicUsize = AtomicUsize::new(stack::DEFAULT_SIZE);
static DEFAULT_CLASS: OnceCell<Class> = OnceCell::new();

pub fn lock() {
    SHARED.lock.lock();
}

pub fn unlock() {
    SHARED.lock.unlock();
}

fn with<R>(f: impl FnOnce(&mut Lists) -> R) -> R {
    lock();
    // SAFETY: the lock is held, and `f` does not come back here.
    let r = f(unsafe { &mut *SHARED.lists.get() });
    unlock();
    r
}

/// The number of Ps.
#[inline]
pub fn procs() -> u32 {
    PROCS.load(Relaxed)
}

/// The P of an index below [`procs`].
#[inline]
pub fn p(index: u32) -> &'static P {
    // SAFETY: `set_up` filled the slot before it raised the count, and Ps are never freed.
    unsafe { &*ALL_PS[index as usize].load(Acquire) }
}

/// Any P, for the timer of a thread that has none.
pub fn some_p() -> &'static P {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    p(NEXT.fetch_add(1, Relaxed) % procs())
}

pub fn all_ps() -> impl Iterator<Item = &'static P> {
    (0..procs()).map(p)
}

/// The stack class of goroutines that ask for none.
#[inline]
pub fn default_class() -> Class {
    *DEFAULT_CLASS.get_or_init(|| Class::of(STACK_SIZE.load(Relaxed)).expect("the size was checked"))
}

/// Promises the stacks that the caches of so many Ps may hold. False when no memory is left.
pub fn reserve(procs: u32, stack_size: usize) -> bool {
    STACK_SIZE.store(stack_size, Relaxed);
    let class = Class::of(stack_size).expect("the size was checked");
    stack::promise(class, P::stack_cache() * procs as usize)
}

/// Takes the promises of [`reserve`] back: the start has failed.
pub fn unreserve(procs: u32, stack_size: usize) {
    if let Some(class) = Class::of(stack_size) {
        stack::unpromise(class, P::stack_cache() * procs as usize);
    }
}

/// Makes the Ps, all idle. Once, after [`reserve`] and before any worker.
pub fn set_up(procs: u32) {
    let _ = INJECTOR.set(Injector::new());
    with(|lists| {
        for i in (0..procs).rev() {
            let p: &'static P = Box::leak(Box::new(P::new()));
            ALL_PS[i as usize].store(ptr::from_ref(p).cast_mut(), Release);
            p.idle_link.set(lists.idle_ps.replace(p));
            IDLE.p_idle();
        }
        PROCS.store(procs, Release);
    });
}

#[inline]
fn injector() -> &'static Injector<Queued> {
    // SAFETY: `set_up` has run before anything could be queued.
    unsafe { INJECTOR.get_unchecked() }
}

/// Puts a goroutine on the global queue. Wakes nobody.
#[inline(never)]
pub fn push(g: &'static G) {
    injector().push(Queued(g));
}

/// Whether the global queue holds anything.
#[inline]
pub fn has_global() -> bool {
    !injector().is_empty()
}

/// Takes one goroutine off the global queue.
#[inline(never)]
pub fn take_one() -> Option<&'static G> {
    loop {
        match injector().steal() {
            Steal::Success(q) => return Some(q.0),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// Takes one goroutine off the global queue, and a batch of others into the queue of `p`, which the caller owns.
#[inline(never)]
pub fn take_batch(p: &P) -> Option<&'static G> {
    loop {
        match injector().steal_batch_and_pop(p.worker()) {
            Steal::Success(q) => return Some(q.0),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// Whether any queue holds a goroutine, `runnext` aside.
pub fn has_work() -> bool {
    has_global() || all_ps().any(P::has_queued)
}

/// The earliest deadline of all Ps, or NEVER.
pub fn earliest() -> i64 {
    all_ps().map(|p| p.timers.earliest()).min().unwrap_or(NEVER)
}

/// The submitter's half of the idle protocol: called after a goroutine was queued where others can take it.
#[inline]
pub fn wake_one() {
    if IDLE.wake_wanted() {
        hand_p_over();
    }
}

/// Gives a count of spinning back. Whoever held the last one looks at the queues once more: work may have come that
/// woke nobody because of it.
pub fn stop_spinning() {
    if IDLE.stop_spinning() && IDLE.idle_ps() != 0 && has_work() {
        wake_one();
    }
}

/// Hands an idle P to a thread, with the count of spinning that the caller owns.
#[cold]
#[inline(never)]
pub fn hand_p_over() {
    enum Then {
        Nothing,
        Wake(&'static M),
        Make,
    }
    let (then, first) = with(|lists| {
        let all_idle = IDLE.idle_ps() == procs();
        let Some(p) = lists.pop_p() else {
            return (Then::Nothing, false);
        };
        match lists.idle_ms {
            Some(m) => {
                lists.idle_ms = m.idle_link.take();
                m.next_p.set(Some(p));
                m.note.store(1, Release);
                (Then::Wake(m), all_idle)
            }
            None => {
                p.idle_link.set(lists.starts.replace(p));
                (Then::Make, all_idle)
            }
        }
    });
    match then {
        // All Ps are busy. What was queued is found by the next one that goes idle: it looks after its fence.
        Then::Nothing => stop_spinning(),
        Then::Wake(m) => futex::wake(&m.note, 1),
        Then::Make => monitor::wake(),
    }
    if first {
        monitor::wake_if_deep();
    }
}

impl Lists {
    fn pop_p(&mut self) -> Option<&'static P> {
        let p = self.idle_ps?;
        self.idle_ps = p.idle_link.take();
        IDLE.p_busy();
        Some(p)
    }
}

/// Takes an idle P for the calling M.
pub fn take_idle_p() -> Option<&'static P> {
    let (p, first) = with(|lists| {
        let all_idle = IDLE.idle_ps() == procs();
        let p = lists.pop_p();
        (p, all_idle && p.is_some())
    });
    if first {
        monitor::wake_if_deep();
    }
    p
}

/// Puts the calling M's P on the idle list.
pub fn put_idle_p(p: &'static P) {
    p.m.store(ptr::null_mut(), Relaxed);
    with(|lists| {
        p.idle_link.set(lists.idle_ps.replace(p));
        IDLE.p_idle();
    });
}

/// Takes the next P that waits for a thread.
pub fn take_start() -> Option<&'static P> {
    with(|lists| {
        let p = lists.starts?;
        lists.starts = p.idle_link.take();
        Some(p)
    })
}

/// Puts a P back that no thread could be made for.
pub fn put_start(p: &'static P) {
    with(|lists| p.idle_link.set(lists.starts.replace(p)));
}

/// Whether an M sleeps until a deadline.
pub fn has_keeper() -> bool {
    with(|lists| lists.keeper.is_some())
}

/// Sleeps without a P until somebody hands one over, or, as the keeper, until a deadline comes and a P is idle.
/// The caller spins when it returns, and has its P.
pub fn sleep(m: &'static M) -> &'static P {
    let mut until = with(|lists| {
        let earliest = earliest();
        if earliest < lists.keeper_until {
            if let Some(former) = lists.keeper.replace(m) {
                former.idle_link.set(lists.idle_ms.replace(former));
            }
            lists.keeper_until = earliest;
            return earliest;
        }
        m.idle_link.set(lists.idle_ms.replace(m));
        NEVER
    });
    loop {
        if m.note.load(Acquire) == 0 {
            futex::wait(&m.note, 0, until);
        }
        let (p, first) = with(|lists| {
            if m.note.load(Acquire) == 1 {
                m.note.store(0, Relaxed);
                return (m.next_p.take(), false);
            }
            if !lists.keeper.is_some_and(|k| ptr::eq(k, m)) {
                // The time of a keeper that another has replaced.
                until = NEVER;
                return (None, false);
            }
            if clock::now() < until {
                return (None, false);
            }
            (lists.keeper, lists.keeper_until, until) = (None, NEVER, NEVER);
            let all_idle = IDLE.idle_ps() == procs();
            let p = lists.pop_p();
            match p {
                Some(_) => IDLE.spin_anyway(),
                // All Ps are busy: their own Ms look at the clock.
                None => m.idle_link.set(lists.idle_ms.replace(m)),
            }
            (p, all_idle && p.is_some())
        });
        if first {
            monitor::wake_if_deep();
        }
        if let Some(p) = p {
            return p;
        }
    }
}

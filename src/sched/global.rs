//! What all Ms share: the list of Ps, the global queue, and under one lock the idle Ps and the Ms that sleep (`asleep.rs`).

use super::asleep::{self, Asleep, Sleep, Sleeper};
use super::burners;
use super::home_thread;
use super::idle::Idle;
use super::list::GList;
use super::m::M;
use super::monitor;
use super::p::P;
use super::queue;
use super::run;
use super::source;
use super::timers::Timers;
use crate::sys::atomic::full_fence;
use crate::sys::clock::NEVER;
use crate::sys::lock::{Rank, RawLock};
use crate::sys::stack::Class;
use crate::sys::{clock, futex, mem, stack};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering::*};

/// More Ps than this can't be had.
pub const MAX_PROCS: usize = 1024;

struct Lists {
    idle_ps: Option<&'static P>,
    asleep: Asleep,
    /// Ps that wait for a thread to be made, each with a count of spinning.
    starts: Option<&'static P>,
    /// The runtime stops: threads end instead of sleeping.
    ending: bool,
}

struct Shared {
    lock: RawLock,
    lists: UnsafeCell<Lists>,
}

// SAFETY: the lists are touched under the lock.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared { lock: RawLock::new(Rank::Sched), lists: UnsafeCell::new(Lists::new()) };

/// The counts of the idle protocol.
pub static IDLE: Idle = Idle::new();

static ALL_PS: [AtomicPtr<P>; MAX_PROCS] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_PROCS];
static PROCS: AtomicU32 = AtomicU32::new(0);

static DEFAULT_CLASS: AtomicU8 = AtomicU8::new(0);

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
    PROCS.load(Acquire)
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

/// Every P there ever was, also those that are surplus.
pub fn ever_ps() -> impl Iterator<Item = &'static P> {
    // SAFETY: null or a P, and Ps are never freed. They are made in the order of their indices.
    ALL_PS.iter().map_while(|p| unsafe { p.load(Acquire).as_ref() })
}

pub fn all_ps() -> impl Iterator<Item = &'static P> {
    (0..procs()).map(p)
}

/// The stack class of goroutines that ask for none.
#[inline]
pub fn default_class() -> Class {
    Class::from_number(DEFAULT_CLASS.load(Relaxed))
}

/// Promises the stacks that the caches of so many Ps may hold. False when no memory is left.
pub fn reserve(procs: u32, class: Class) -> bool {
    stack::reserve(class, P::stack_cache() * procs as usize)
}

/// Sets the class of stacks that goroutines get unless they ask for another. Before any goroutine.
pub fn set_default_class(class: Class) {
    DEFAULT_CLASS.store(class.number(), Relaxed);
}

/// Makes the number of Ps `n`: new ones are idle, surplus ones are given up by whoever has them at the next look round. The
/// caller has promised the stacks, and is alone. False, and no change, when no memory is left.
#[must_use]
pub fn set_procs(n: u32) -> bool {
    for i in procs()..n {
        if ALL_PS[i as usize].load(Relaxed).is_null() {
            let Some(p) = mem::leak(P::new(i)) else { return false };
            ALL_PS[i as usize].store(ptr::from_ref(p).cast_mut(), Release);
        }
    }
    let before = procs();
    let mut surplus = None;
    with(|lists| {
        PROCS.store(n, SeqCst);
        for p in (before..n).rev().map(p) {
            // One that is still held was surplus for a moment, and nobody has noticed.
            if !p.held.get() {
                p.idle_link.set(lists.idle_ps.replace(p));
                IDLE.p_idle();
            }
        }
        let mut rest = lists.idle_ps.take();
        while let Some(p) = rest {
            rest = p.idle_link.take();
            let list = if p.is_surplus() {
                IDLE.p_busy();
                &mut surplus
            } else {
                &mut lists.idle_ps
            };
            p.idle_link.set(list.replace(p));
        }
    });
    while let Some(p) = surplus {
        surplus = p.idle_link.take();
        empty(p);
    }
    for p in (n..before).map(p) {
        // SAFETY: null or an M, and Ms are never freed.
        if let Some(m) = unsafe { p.m.load(Relaxed).as_ref() } {
            m.attention.ask_for_end_of_slice();
        }
    }
    if has_work() || earliest() != NEVER {
        wake_one();
    }
    true
}

/// How many Ps that are surplus somebody still has.
pub fn surplus_held() -> usize {
    ever_ps().filter(|p| p.is_surplus() && !p.m.load(Relaxed).is_null()).count()
}

/// Somebody without a P has put a deadline into the heap of one, which may have become surplus and been emptied meanwhile: either
/// we see that it is surplus, or whoever empties it sees the deadline.
pub fn armed_elsewhere(heap: &'static Timers) {
    full_fence();
    if let Some(p) = ever_ps().find(|p| ptr::eq(&p.timers, heap) && p.is_surplus()) {
        move_deadlines(p);
    }
    // Nobody who schedules on that P need be awake.
    wake_one();
}

/// Moves what a P that nobody runs any more has to where others find it.
fn empty(p: &'static P) {
    while let Some(g) = p.take_next().or_else(|| p.pop()) {
        queue::push(g);
    }
    move_deadlines(p);
}

/// Moves the deadlines of a P that is surplus to one that is not. Where there is no memory for that they stay, and are looked
/// at where they are.
fn move_deadlines(from: &'static P) {
    if from.timers.earliest() != NEVER && !p(0).timers.take_over(&from.timers) {
        STRANDED.fetch_max(from.index + 1, SeqCst);
    }
}

/// Above this index no P that is surplus has deadlines.
static STRANDED: AtomicU32 = AtomicU32::new(0);

/// The Ps that are surplus and may have deadlines that could not be moved: as a rule none.
pub fn stranded_ps() -> impl Iterator<Item = &'static P> {
    (procs()..STRANDED.load(Relaxed)).map(p)
}

/// Whether any queue holds a goroutine that may run, `runnext` aside.
pub fn has_work() -> bool {
    queue::has_first() || (!is_holding() && (queue::has_global() || all_ps().any(P::has_loose)))
}

/// Whether anything waits that is held back.
pub fn holds_any() -> bool {
    burners::at_cap() && (queue::has_global() || all_ps().any(P::has_ready))
}

/// Whether what is fresh is held back.
fn is_holding() -> bool {
    burners::at_cap() && !burners::is_admitting()
}

/// The earliest deadline of all Ps, or NEVER.
pub fn earliest() -> i64 {
    all_ps().chain(stranded_ps()).map(|p| p.timers.earliest()).min().unwrap_or(NEVER)
}

/// How many deadlines have come, on all Ps there ever were.
fn deadlines_ended() -> u64 {
    ever_ps().map(|p| p.timers.ended()).sum()
}

/// The submitter's half of the idle protocol: called after a goroutine was queued where others can take it.
#[inline]
pub fn wake_one() {
    let may_run = || {
        let may = !is_holding() || queue::has_first();
        if !may {
            // The valve is the monitor's.
            monitor::wake_if_deep();
        }
        may
    };
    if IDLE.wake_wanted(may_run) {
        hand_p_over();
    }
}

/// Gives a count of spinning back. Whoever held the last one looks at the queues once more: work may have come that
/// woke nobody because of it. (What a spared P has, or one that is soon done, is the monitor's to wake for.)
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
        Wake(Sleeper),
        Make,
    }
    let (then, first) = with(|lists| {
        let all_idle = IDLE.idle_ps() == procs();
        let Some(p) = lists.pop_p() else {
            return (Then::Nothing, false);
        };
        match lists.asleep.pop() {
            Some(sleeper) => {
                sleeper.hand(Some(p));
                (Then::Wake(sleeper), all_idle)
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
        Then::Wake(sleeper) => sleeper.rouse(),
        Then::Make => monitor::wake(),
    }
    if first {
        monitor::wake_if_deep();
    }
}

impl Lists {
    const fn new() -> Self {
        Lists { idle_ps: None, asleep: Asleep::new(), starts: None, ending: false }
    }

    /// The M goes to sleep, or does not, for there is something to do: then its note says so.
    fn lie_down(&mut self, m: &'static M) -> Sleep {
        if self.ending {
            return asleep::goes_on(m, None);
        }
        if let Some(p) = self.starts {
            // It waits for a thread to be made, with a count of spinning. Here is one.
            self.starts = p.idle_link.take();
            return asleep::goes_on(m, Some(p));
        }
        self.asleep.lie_down(m, earliest())
    }

    fn pop_p(&mut self) -> Option<&'static P> {
        let p = self.idle_ps?;
        self.idle_ps = p.idle_link.take();
        p.held.set(true);
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

/// Puts the calling M's P on the idle list; one that is surplus just goes.
pub fn put_idle_p(p: &'static P) {
    if p.is_surplus() {
        empty(p);
    }
    let gone = with(|lists| {
        p.m.store(ptr::null_mut(), Relaxed);
        p.patience.end_sparing();
        p.held.set(false);
        if p.is_surplus() {
            return true;
        }
        p.idle_link.set(lists.idle_ps.replace(p));
        IDLE.p_idle();
        false
    });
    if gone {
        // It may have become surplus after the first look; and what it had is for others.
        empty(p);
        wake_one();
    }
}

/// Takes the next P that waits for a thread.
pub fn take_start() -> Option<&'static P> {
    with(|lists| {
        let p = lists.starts?;
        lists.starts = p.idle_link.take();
        Some(p)
    })
}

/// No thread could be made for the P: a thread that has gone to sleep meanwhile takes it, or the next one that goes idle,
/// or the next round tries again.
pub fn put_start(p: &'static P) {
    let sleeper = with(|lists| {
        let sleeper = lists.asleep.pop();
        match &sleeper {
            Some(sleeper) => sleeper.hand(Some(p)),
            None => p.idle_link.set(lists.starts.replace(p)),
        }
        sleeper
    });
    if let Some(sleeper) = sleeper {
        sleeper.rouse();
    }
}

/// No more threads may be made: the P is idle again, and its count of spinning given back. Whoever goes idle or comes back from
/// outside takes it; nobody is woken for it, for there is nobody.
pub fn give_start_up(p: &'static P) {
    put_idle_p(p);
    let _ = IDLE.stop_spinning();
}

/// Hands a P, with a count of spinning, to a thread that sleeps. False if none does.
pub fn hand_to_sleeper(p: &'static P) -> bool {
    let sleeper = with(|lists| lists.asleep.pop().inspect(|sleeper| sleeper.hand(Some(p))));
    match sleeper {
        Some(sleeper) => sleeper.rouse(),
        None => return false,
    }
    true
}

/// How many threads sleep, as far as `most`.
pub fn sleepers(most: usize) -> usize {
    with(|lists| lists.asleep.count(most))
}

/// Whether an M sleeps until a deadline.
pub fn has_keeper() -> bool {
    with(|lists| lists.asleep.has_keeper())
}

/// There is a source that nobody sleeps in: a thread that sleeps otherwise does so from here on.
pub fn appoint_poller() {
    let m = with(|lists| if source::is_unwatched() { lists.asleep.pop_for_source() } else { None });
    if let Some(m) = m {
        futex::wake(&m.note, 1);
    }
}

/// Sleeps without a P until somebody hands one over, or, with an office, until a deadline or news come and a P is idle. The
/// caller spins when it returns with its P, and readies on it whom the news concern. None: the thread is to end.
pub fn sleep(m: &'static M, woken: &GList) -> Option<&'static P> {
    enum Then {
        Go(Option<&'static P>, bool),
        SleepOn,
        /// Nobody has room for whom the news concern.
        Queue,
    }
    let mut sleep = with(|lists| lists.lie_down(m));
    loop {
        if m.note.load(Acquire) == 0 {
            if sleep.polls {
                source::wait(sleep.until, woken);
            } else {
                futex::wait(&m.note, 0, sleep.until);
            }
        }
        let then = with(|lists| {
            match m.note.load(Acquire) {
                0 => {}
                note => {
                    m.note.store(0, Relaxed);
                    sleep.leave_source();
                    if note == asleep::GO {
                        return Then::Go(m.next_p.take(), false);
                    }
                    sleep = lists.lie_down(m);
                    return Then::SleepOn;
                }
            }
            let keeps = lists.asleep.is_keeper(m);
            if !keeps {
                // The time of a keeper that another has replaced.
                sleep.until = NEVER;
            }
            let now = clock::now();
            let for_time = keeps && now >= sleep.until;
            if woken.is_empty() && !for_time {
                return Then::SleepOn;
            }
            if for_time {
                lists.asleep.wakes.add(now, deadlines_ended());
            }
            lists.asleep.leave_offices(m);
            sleep.leave_source();
            let all_idle = IDLE.idle_ps() == procs();
            if let Some(p) = lists.pop_p() {
                IDLE.spin_anyway();
                return Then::Go(Some(p), all_idle);
            }
            // All Ps are busy: their own Ms look at the clock, and ask for news. One more thread would only disturb them.
            sleep = lists.asleep.lie_idle(m);
            if woken.is_empty() { Then::SleepOn } else { Then::Queue }
        });
        match then {
            Then::Go(p, first) => {
                if first {
                    monitor::wake_if_deep();
                }
                return p;
            }
            Then::SleepOn => {}
            Then::Queue => {
                while let Some(g) = woken.pop() {
                    run::queue_elsewhere(g);
                }
            }
        }
    }
}

/// Lets every thread end that sleeps, or is about to. The caller has seen to it that there are no goroutines.
pub fn end_threads() {
    loop {
        let sleeper = with(|lists| {
            lists.ending = true;
            lists.asleep.pop().inspect(|sleeper| sleeper.hand(None))
        });
        match sleeper {
            Some(sleeper) => sleeper.rouse(),
            None => break,
        }
    }
    // Those of homes become workers again, and find that they are to end.
    home_thread::dismiss_all();
}

/// After all threads have ended: no P is left, and nothing of the runtime but its records.
pub fn tear_down() {
    for p in ever_ps() {
        p.timers.clear();
        p.cache.drop_promises();
        p.drop_stacks();
        p.held.set(false);
        p.m.store(ptr::null_mut(), Relaxed);
    }
    with(|lists| {
        *lists = Lists::new();
        source::set_watched(false);
        PROCS.store(0, SeqCst);
        STRANDED.store(0, SeqCst);
        IDLE.reset();
    });
    burners::reset();
}

/// Whether nothing is queued, due, being looked for or waited for from outside, and all Ps are idle.
pub fn is_quiet() -> bool {
    let quiet = with(|lists| {
        IDLE.idle_ps() == procs()
            && lists.starts.is_none()
            && !IDLE.is_spinning()
            && !queue::has_global()
            && !queue::has_first()
            && !burners::any_lost()
            && !ever_ps().any(|p| p.is_surplus() && p.held.get())
            && !all_ps().any(P::has_ready)
    });
    quiet && !all_ps().chain(stranded_ps()).any(|p| p.timers.is_pending()) && !source::is_wanted()
}

/// In a forked child: Ps and threads are the parent's. Ps may hold what must not be used here, so new ones are made.
pub fn forget() {
    for slot in &ALL_PS {
        slot.store(ptr::null_mut(), Relaxed);
    }
    queue::forget();
    burners::reset();
    source::forget();
    with(|lists| {
        *lists = Lists::new();
        PROCS.store(0, SeqCst);
        STRANDED.store(0, SeqCst);
        IDLE.reset();
    });
    monitor::forget();
}

//! Homes: goroutines that always run on one and the same thread, which runs nothing else (`rt_home_new`). What a language host
//! wants that may be entered by one thread at a time, and whatever else belongs to a thread.
//!
//! *Which thread.* The first worker that takes a goroutine of the home off a queue stays its thread ([`serve`]). So a thread is
//! made where any other is: by the monitor, when a P finds none. When the home is freed, or the runtime stops, the thread goes back
//! to being a worker.
//!
//! *Who is next.* `home.rs` has the protocol: the line, and the carrier. A goroutine that leaves switches straight to the
//! next one of the line ([`next_local`]). The thread needs a P as any other. It keeps the P while the line has goroutines and
//! nobody else needs that P; else it gives it up after a [`TURN`], and at once for what goes before all else: the next of the line
//! is queued behind what the P has, as the carrier, and the thread sleeps. Whoever takes the carrier off its queue hands over its own P
//! ([`bring`]), as with a goroutine locked to a thread (`locked.rs`). A waker that finds an idle P hands that over itself.
//!
//! *Without a P.* A goroutine of a home that computes loses its P as any other, and the thread runs on without. What is made ready
//! meanwhile goes into the line; the goroutine's next call takes an idle P, or queues it as the carrier.
//!
//! *Who may touch what.* `thread` and `leaves` are under the lock of the line. A home is there while its owner has it, and
//! while it has a thread: `refs`.

use super::g::G;
use super::home::Line;
use super::m::M;
use super::p::P;
use super::{burners, find, global, host, locked, queue, run, source};
use crate::sys::clock::{self, NEVER};
use crate::sys::futex;
use crate::sys::lock::{Rank, RawLock};
use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// How long the thread keeps a P that others wait for, ns: a few times what it costs to hand it over twice.
const TURN: i64 = 250_000;

/// See the file's header.
pub struct Home {
    line: Line,
    thread: Cell<Option<&'static M>>,
    /// The thread leaves when the line is empty.
    leaves: Cell<bool>,
    /// Its goroutines: spawned and not yet ended.
    live: AtomicUsize,
    refs: AtomicUsize,
    /// When the thread got its P, or last asked for news. The thread's own.
    turn: Cell<i64>,
    /// The table of all homes, under its lock.
    next: Cell<*const Home>,
}

// SAFETY: the header says who touches the cells.
unsafe impl Sync for Home {}

struct Table {
    lock: RawLock,
    first: Cell<*const Home>,
}

// SAFETY: the list is touched under the lock.
unsafe impl Sync for Table {}

static HOMES: Table = Table { lock: RawLock::new(Rank::Homes), first: Cell::new(ptr::null()) };

/// Calls `f` for each home that has an owner. The table is locked.
fn for_each(mut f: impl FnMut(&'static Home)) {
    // SAFETY: a home on the list is there; its owner takes it off, under the lock, before it gives it up.
    let mut next = unsafe { HOMES.first.get().as_ref() };
    while let Some(home) = next {
        f(home);
        // SAFETY: as above.
        next = unsafe { home.next.get().as_ref() };
    }
}

/// A home without goroutines and without a thread. None: no memory is left.
pub fn make() -> Option<&'static Home> {
    // SAFETY: the layout is not empty.
    let at = NonNull::new(unsafe { std::alloc::alloc(Layout::new::<Home>()).cast::<Home>() })?;
    let home = Home {
        line: Line::new(),
        thread: Cell::new(None),
        leaves: Cell::new(false),
        live: AtomicUsize::new(0),
        refs: AtomicUsize::new(1),
        turn: Cell::new(0),
        next: Cell::new(ptr::null()),
    };
    HOMES.lock.lock();
    home.next.set(HOMES.first.get());
    // SAFETY: fresh memory of the right layout; alive while `refs` counts.
    let home = unsafe {
        at.write(home);
        at.as_ref()
    };
    HOMES.first.set(home);
    HOMES.lock.unlock();
    Some(home)
}

impl Home {
    /// Its owner gives it up. False, and nothing, while it has goroutines.
    pub fn free(&'static self) -> bool {
        if self.live.load(Acquire) != 0 {
            return false;
        }
        HOMES.lock.lock();
        let mut link = &HOMES.first;
        while !ptr::eq(link.get(), self) {
            // SAFETY: this home is on the list, so whatever stands before it is a home that is there.
            link = unsafe { &(*link.get()).next };
        }
        link.set(self.next.get());
        HOMES.lock.unlock();
        self.dismiss();
        self.unref();
        true
    }

    /// The thread leaves: at once if it sleeps, else when the last of the goroutines is off it.
    fn dismiss(&self) {
        let sleeper = self.line.locked(|awake| match self.thread.get() {
            m @ Some(_) if !awake => {
                self.thread.set(None);
                m
            }
            m => {
                self.leaves.set(m.is_some());
                None
            }
        });
        if let Some(m) = sleeper {
            wake(m);
        }
    }

    fn unref(&self) {
        if self.refs.fetch_sub(1, AcqRel) == 1 {
            // SAFETY: the last reference; made by `make` with this layout, and nothing in it has a destructor.
            unsafe { std::alloc::dealloc(ptr::from_ref(self).cast_mut().cast(), Layout::new::<Home>()) };
        }
    }

    /// A goroutine of it is about to be queued for the first time.
    pub fn begins(&self) {
        self.live.fetch_add(1, Relaxed);
    }

    /// A goroutine of it has ended, on its thread.
    pub fn ended(&self) {
        self.live.fetch_sub(1, Release);
    }
}

fn wake(m: &'static M) {
    m.note.store(1, Release);
    futex::wake(&m.note, 1);
}

/// A goroutine with a home was claimed, or is new. True: the caller queues it as any other.
#[cold]
#[inline(never)]
#[must_use]
pub fn ready(g: &'static G) -> bool {
    let Some(home) = host::home_of(g) else { return true };
    let Some(thread) = home.line.ready(g, || home.thread.get()) else { return false };
    // It is the carrier. The thread sleeps, or is about to.
    if let Some(m) = thread
        && global::IDLE.idle_ps() != 0
        && !burners::at_cap()
        && let Some(p) = global::take_idle_p()
    {
        hand(m, p, g);
        return false;
    }
    true
}

fn hand(to: &'static M, p: &'static P, g: &'static G) {
    // Nobody may take it for another's any more: see retake.rs.
    p.m.store(ptr::from_ref(to).cast_mut(), Relaxed);
    to.handoff.set(Some(g));
    to.next_p.set(Some(p));
    wake(to);
}

/// Gives way: behind the others of the home. On the far side, by the home's thread. False if the goroutine has no home.
#[cold]
#[inline(never)]
pub fn put_back(g: &'static G) -> bool {
    let Some(home) = host::home_of(g) else { return false };
    home.line.put_back(g);
    true
}

/// Whether the goroutine, which may be the next on `m`, has to go to another thread.
#[cold]
#[inline(never)]
pub fn is_elsewhere(m: &M, g: &G) -> bool {
    m.home.get().is_none() && host::home_of(g).is_some()
}

/// Whether a goroutine of a home has nobody to yield to. Every 16th yield counts as none of its own: then others have their turn,
/// if that is over.
pub fn is_alone(p: &P, home: &Home) -> bool {
    home.line.is_empty() && !p.is_surplus() && !(p.count_switch() && (is_wanted(p) || p.timers.earliest() != NEVER))
}

/// Whether others need the P.
fn is_wanted(p: &P) -> bool {
    queue::has_first() || p.has_ready() || queue::has_global()
}

/// The next of the home, to switch to without the scheduler, as `run::next_local`.
#[inline(never)]
pub fn next_local(m: &M) -> Option<&'static G> {
    let home = m.home.get()?;
    let p = m.p();
    let looks = p.count_switch() && (p.timers.earliest() != NEVER || is_wanted(p));
    if looks || m.attention.is_wanted() || queue::has_first() {
        return None;
    }
    let next = home.line.next()?;
    offer(p);
    p.new_slice();
    Some(next)
}

/// What a goroutine of a home has made ready is not for its thread: others may take it.
#[inline]
fn offer(p: &'static P) {
    if !p.peek_next().is_null()
        && let Some(next) = p.take_next()
    {
        run::queue_last(Some(p), next);
        global::wake_one();
    }
}

/// Takes a goroutine of a home to the thread of the home, with the caller's P; or stays that thread. False: the caller's thread is
/// to end, or has no P any more, and goes on as any worker.
pub fn bring(m: &'static M, home: &'static Home, g: &'static G) {
    let thread = home.line.locked(|_| {
        let thread = home.thread.get();
        if thread.is_none() {
            home.thread.set(Some(m));
            home.refs.fetch_add(1, Relaxed);
        }
        thread
    });
    match thread {
        Some(to) => {
            to.handoff.set(Some(g));
            locked::hand_over(m, to);
        }
        None => serve(m, home, g),
    }
}

/// The caller is the home's thread, until that is given up. It has no P then.
fn serve(m: &'static M, home: &'static Home, g: &'static G) {
    m.set_home(Some(home));
    home.turn.set(clock::now());
    let mut next = Some(g);
    while let Some(g) = next {
        run::execute(m, g);
        next = next_of(m, home);
    }
    m.set_home(None);
    home.unref();
}

/// What the thread has found out about the line.
enum Found {
    Next(&'static G),
    /// It sleeps until somebody brings the carrier.
    Asleep,
    Leaves,
}

impl Home {
    /// By the carrier: the next one, or the thread is the carrier no more.
    fn next_or_sleep(&self) -> Found {
        let next = self.line.next_or(|| {
            if !self.leaves.replace(false) {
                return Found::Asleep;
            }
            self.thread.set(None);
            Found::Leaves
        });
        next.map_or_else(|asleep| asleep, Found::Next)
    }
}

/// The thread, on its own stack: what runs next. None: it is the home's no more, and has no P.
fn next_of(m: &'static M, home: &'static Home) -> Option<&'static G> {
    loop {
        let found = if m.carried.replace(false) {
            // What has just left is the carrier.
            locked::give_p_away(m);
            burners::parked(m);
            Found::Asleep
        } else {
            match m.p.get() {
                Some(p) => with_p(m, home, p),
                None => without_p(m, home),
            }
        };
        match found {
            Found::Next(g) => return Some(g),
            Found::Asleep => {
                let p = sleep(m)?;
                home.turn.set(clock::now());
                if let Some(next) = p.take_next() {
                    run::queue_last(Some(p), next);
                }
                // Whoever brought the carrier has come without what else the P has.
                if p.has_queued() {
                    global::wake_one();
                }
            }
            Found::Leaves => return None,
        }
    }
}

fn with_p(m: &'static M, home: &'static Home, p: &'static P) -> Found {
    if let Some(g) = m.handoff.take() {
        return Found::Next(g);
    }
    let wanted = find::attend(m);
    let mut now = 0;
    if p.timers.earliest() != NEVER {
        now = clock::now();
        run::run_timers(p, now, true);
    }
    for stranded in global::stranded_ps() {
        run::run_timers(stranded, clock::now(), false);
    }
    offer(p);
    let mut gives = p.is_surplus();
    if is_wanted(p) && global::IDLE.idle_ps() == 0 {
        if now == 0 {
            now = clock::now();
        }
        gives |= wanted.slice_over || wanted.look || queue::has_first() || now - home.turn.get() >= TURN;
    }
    if source::is_unwatched() && clock::now() - home.turn.get() >= TURN {
        run::poll();
        home.turn.set(clock::now());
    }
    let found = if gives {
        match home.line.next() {
            Some(g) => {
                run::queue_last(Some(p), g);
                Found::Asleep
            }
            None => home.next_or_sleep(),
        }
    } else {
        home.next_or_sleep()
    };
    match found {
        Found::Next(_) => p.new_slice(),
        _ => locked::give_p_away(m),
    }
    found
}

/// The P was taken, and what ran without one has parked or ended.
fn without_p(m: &'static M, home: &'static Home) -> Found {
    let found = home.next_or_sleep();
    let Found::Next(g) = found else {
        burners::parked(m);
        return found;
    };
    if let Some(p) = global::take_idle_p() {
        burners::parked(m);
        locked::take(m, p);
        p.new_slice();
        home.turn.set(clock::now());
        return Found::Next(g);
    }
    queue::push_started(g);
    // Not before: somebody always sees that something can happen.
    burners::parked(m);
    global::wake_one();
    Found::Asleep
}

/// Sleeps until somebody brings the carrier, and a P for it. None: the home has no thread any more.
fn sleep(m: &'static M) -> Option<&'static P> {
    while m.note.load(Acquire) == 0 {
        futex::wait(&m.note, 0, NEVER);
    }
    m.note.store(0, Relaxed);
    let p = m.next_p.take()?;
    locked::take(m, p);
    Some(p)
}

/// The runtime stops, and there are no goroutines: the threads of all homes become workers again, which end.
pub fn dismiss_all() {
    HOMES.lock.lock();
    for_each(Home::dismiss);
    HOMES.lock.unlock();
}

/// For a fork: nobody else may be at a home.
pub fn lock_all() {
    HOMES.lock.lock();
    for_each(|home| home.line.lock());
}

pub fn unlock_all() {
    for_each(|home| home.line.unlock());
    HOMES.lock.unlock();
}

/// In a forked child: threads and goroutines are the parent's.
pub fn forget() {
    HOMES.lock.lock();
    for_each(|home| {
        home.line.forget();
        home.thread.set(None);
        home.leaves.set(false);
        home.live.store(0, Relaxed);
        home.refs.store(1, Relaxed);
    });
    HOMES.lock.unlock();
}

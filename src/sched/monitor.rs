//! The monitor: one thread that runs no goroutines. It makes the other threads, on demand, with the signal mask and
//! affinity of the thread that started the runtime; and while a P is busy it looks after what its M may not:
//!
//! * a goroutine that ran for a slice while others are queued behind it is asked to give way (at its next call);
//! * goroutines queued, or deadlines due, on busy Ps while another P is idle and nobody looks: it wakes a thread;
//! * every P's credit for waking a thread over a lone `runnext` rises (see `idle.rs`).
//!
//! A round is 1 ms while somebody is served badly, else up to 10 ms. When all is idle for a few rounds it sleeps for
//! good, and the first M that leaves idle wakes it: an idle process has no wake-ups at all.

use super::global::{self, IDLE};
use super::m::{self, M, PREEMPT};
use super::p::P;
use super::run;
use crate::sys::atomic::full_fence;
use crate::sys::clock::NEVER;
use crate::sys::thread::{self, Thread};
use crate::sys::throw::print_line;
use crate::sys::{clock, futex};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering::*};

/// A time slice, ns.
const SLICE: i64 = 10_000_000;
const SHORT: i64 = 1_000_000;
const LONG: i64 = 10_000_000;
/// Idle rounds before the deep sleep.
const PATIENCE: u32 = 5;
/// The stack of a thread: room for the scheduler, a user's `unlockf`, and signal handlers of the program.
const THREAD_STACK: usize = 256 << 10;

/// Raised by those who want the monitor; it sleeps on this word.
static CALLS: AtomicU32 = AtomicU32::new(0);
static DEEP: AtomicBool = AtomicBool::new(false);

/// How many more threads may be made.
static ROOM: AtomicUsize = AtomicUsize::new(0);
static COOPERATIVE: AtomicBool = AtomicBool::new(false);

/// Starts the monitor, which counts as one of the threads. Once, by the thread that starts the runtime.
pub fn start(max_threads: usize, cooperative: bool, when_idle: fn()) -> std::io::Result<()> {
    ENDING.store(false, Relaxed);
    THREADS.store(0, Relaxed);
    ROOM.store(max_threads - 1, Relaxed);
    COOPERATIVE.store(cooperative, Relaxed);
    unsafe fn begin(when_idle: *const ()) {
        // SAFETY: the function that `start` passes.
        watch(unsafe { std::mem::transmute::<*const (), fn()>(when_idle) });
    }
    // SAFETY: `begin` may run on any thread.
    let thread = unsafe { thread::spawn(c"gort-monitor", THREAD_STACK, begin, when_idle as *const ()) }?;
    // SAFETY: only the starter and the stopper touch it, under the lock of the runtime's life.
    unsafe { *MONITOR.0.get() = Some(thread) };
    Ok(())
}

struct Monitor(UnsafeCell<Option<Thread>>);

// SAFETY: touched by the starter and the stopper only, under the lock of the runtime's life.
unsafe impl Sync for Monitor {}

static MONITOR: Monitor = Monitor(UnsafeCell::new(None));
static ENDING: AtomicBool = AtomicBool::new(false);
/// Workers whose threads live.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Ends the monitor, and with it the making of threads.
pub fn stop() {
    ENDING.store(true, SeqCst);
    wake();
    // SAFETY: as above.
    if let Some(thread) = unsafe { (*MONITOR.0.get()).take() } {
        thread.join();
    }
}

/// In a forked child: there is no monitor.
pub fn forget() {
    // SAFETY: nobody else is there. The thread can be neither joined nor detached here: the handle is lost.
    unsafe { *MONITOR.0.get() = None };
    DEEP.store(false, Relaxed);
}

/// Whether time slices never end by force.
pub fn is_cooperative() -> bool {
    COOPERATIVE.load(Relaxed)
}

static COARSE_NOW: AtomicI64 = AtomicI64::new(0);

/// The time of the monitor's latest round.
#[inline]
pub fn coarse_now() -> i64 {
    COARSE_NOW.load(Relaxed)
}

/// How many threads the runtime has.
pub fn threads() -> usize {
    THREADS.load(SeqCst) + 1
}

/// Makes the first worker, so that there is a thread which runs goroutines whatever the system refuses later.
pub fn start_first_worker() {
    if let Some(p) = global::take_idle_p() {
        IDLE.spin_anyway();
        if make_thread(p).is_err() {
            global::put_start(p);
            wake();
        }
    }
}

/// Wants a round at once: a P waits for a thread to be made.
pub fn wake() {
    CALLS.fetch_add(1, SeqCst);
    futex::wake(&CALLS, 1);
}

/// The first M leaves idle.
pub fn wake_if_deep() {
    full_fence();
    if DEEP.load(Relaxed) {
        wake();
    }
}

/// What the monitor remembers of a P between rounds.
#[derive(Clone, Copy, Default)]
struct Slice {
    tick: u32,
    since: i64,
}

fn watch(when_idle: fn()) {
    m::exact_wakeups();
    let mut slices = [Slice::default(); global::MAX_PROCS];
    let mut idle_rounds = 0;
    loop {
        let calls = CALLS.load(SeqCst);
        if ENDING.load(SeqCst) {
            return;
        }
        let all_made = make_threads();
        let now = clock::now();
        COARSE_NOW.store(now, Relaxed);
        let mut next = look(&mut slices, now);
        if !all_made {
            next = SHORT;
        }
        if IDLE.idle_ps() == global::procs() {
            idle_rounds += 1;
        } else {
            idle_rounds = 0;
        }
        if idle_rounds > 1 {
            when_idle();
        }
        if idle_rounds < PATIENCE || !all_made {
            futex::wait(&CALLS, calls, now + next);
            continue;
        }
        // Either an M that leaves idle sees DEEP, or we see that it has left: its count falls before it looks.
        DEEP.store(true, SeqCst);
        full_fence();
        if IDLE.idle_ps() == global::procs() {
            futex::wait(&CALLS, calls, NEVER);
        }
        DEEP.store(false, SeqCst);
        idle_rounds = 0;
    }
}

/// One look at every P. Answers how long until the next.
fn look(slices: &mut [Slice], now: i64) -> i64 {
    let mut waiting = false;
    let mut earliest = NEVER;
    for (p, slice) in global::all_ps().zip(slices) {
        let credit = p.lone_credit.load(Relaxed);
        p.lone_credit.store(credit.max((credit + 1).min(4)), Relaxed);
        earliest = earliest.min(p.timers.earliest());
        // SAFETY: null or an M, and Ms are never freed. One that has just left the P gets a request for nothing.
        let Some(m) = (unsafe { p.m.load(Relaxed).as_ref() }) else {
            continue;
        };
        let tick = p.tick.load(Relaxed);
        if tick != slice.tick {
            *slice = Slice { tick, since: now };
        }
        // A deadline that is due needs the scheduler's look at once, goroutines that wait their turn after a slice.
        let due = p.timers.earliest() <= now;
        let queued = p.has_ready() || global::has_global();
        waiting |= queued || due;
        if due || (queued && now - slice.since >= SLICE) {
            m.attn.fetch_or(PREEMPT, AcqRel);
            slice.since = now;
        }
    }
    if IDLE.has_room() && ((waiting && (global::has_work() || lone())) || earliest <= now) {
        global::wake_one();
    }
    match earliest.saturating_sub(now) {
        _ if waiting => SHORT,
        until if until < LONG && !global::has_keeper() => until.max(SHORT),
        _ => LONG,
    }
}

/// Whether a goroutine waits in `runnext` of a P whose M is busy with another.
fn lone() -> bool {
    global::all_ps().any(P::has_ready)
}

/// Makes the threads that Ps wait for. False if the system refused one: the next round tries again, and nothing
/// is lost meanwhile, since the goroutines are on queues that others look at.
fn make_threads() -> bool {
    while let Some(p) = global::take_start() {
        if ROOM.load(Relaxed) == 0 {
            print_once(format_args!(
                "gort: the limit of threads (max_threads) is reached; work waits for one to be free"
            ));
            global::give_start_up(p);
            continue;
        }
        if let Err(e) = make_thread(p) {
            print_once(format_args!("gort: no thread could be made ({e}); trying again"));
            global::put_start(p);
            return false;
        }
    }
    true
}

/// Makes a worker that begins with the P and the caller's count of spinning.
fn make_thread(p: &'static P) -> std::io::Result<()> {
    let m = m::allocate().ok_or(std::io::ErrorKind::OutOfMemory)?;
    THREADS.fetch_add(1, SeqCst);
    // The M's former thread, if it had one, has ended or is about to.
    m.join();
    m.next_p.set(Some(p));
    // SAFETY: the M is nobody else's, and never freed.
    let made = unsafe { thread::spawn(c"gort", THREAD_STACK, work, ptr::from_ref(m).cast()) };
    match made {
        Ok(thread) => {
            // SAFETY: this M's maker alone writes it; it is read when nobody makes threads any more.
            unsafe { *m.thread.get() = Some(thread) };
            ROOM.fetch_sub(1, Relaxed);
            Ok(())
        }
        Err(e) => {
            THREADS.fetch_sub(1, SeqCst);
            m::free(m);
            Err(e)
        }
    }
}

/// Says so once in the life of the process, not each millisecond.
fn print_once(line: std::fmt::Arguments<'_>) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Relaxed) {
        print_line(line);
    }
}

/// A worker's thread begins, with a P and a count of spinning.
unsafe fn work(m: *const ()) {
    // SAFETY: the M that `make_thread` passes.
    let m: &'static M = unsafe { &*m.cast::<M>() };
    let p = m.next_p.take().expect("a worker begins with a P");
    m.bind_worker();
    p.m.store(ptr::from_ref(m).cast_mut(), Relaxed);
    m.p.set(Some(p));
    m.spinning.set(true);
    run::schedule(m);
    THREADS.fetch_sub(1, SeqCst);
    ROOM.fetch_add(1, Relaxed);
    m.unbind_worker();
}

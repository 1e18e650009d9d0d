//! The monitor: one thread that runs no goroutines. It makes the other threads, on demand, with the signal mask and
//! affinity of the thread that started the runtime; and while a P is busy it looks after what its M may not:
//!
//! * a goroutine that ran for a slice while others are queued behind it is asked to give way at its next call; if it makes
//!   none, or sleeps in the kernel, its P is taken (`retake.rs`);
//! * deadlines due on Ps whose Ms do not look are run here, and what they wake goes before all else; so it is with news from
//!   outside that nobody asks for (`source.rs`);
//! * goroutines queued, or deadlines due, on busy Ps while another P is idle and nobody looks: it wakes a thread;
//! * what is held back because too many threads burn CPU is let go little by little (`burners.rs`);
//! * every P's credit for waking a thread over a lone `runnext` rises (see `idle.rs`).
//!
//! A round is 1 ms while somebody is served badly, else up to 5 ms. When all is idle for a few rounds it sleeps until the
//! first M that leaves idle wakes it, but for a few rounds that give idle memory back (`sweep.rs`): after them an idle process
//! has no wake-ups at all.

use super::global::{self, IDLE};
use super::m::{self, M};
use super::p::P;
use super::retake::{self, Want, Watch};
use super::sweep::Sweeper;
use super::{burners, queue, report, run, source};
use crate::sys::atomic::full_fence;
use crate::sys::clock::NEVER;
use crate::sys::text::SystemError;
use crate::sys::thread::{self, Thread};
use crate::sys::throw::print_line;
use crate::sys::{clock, futex};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering::*};

const SHORT: i64 = 1_000_000;
/// Go's is twice as long. A P is taken at the second look after a slice, which with this comes within 20 ms.
const LONG: i64 = 5_000_000;
/// How long what is held waits before the valve opens for the first time, ns.
const VALVE: i64 = 10_000_000;
/// Idle rounds before the deep sleep.
const PATIENCE: u32 = 5;
/// The stack of a thread, which `rt_blocking` lends to the program: what threads usually have. It costs address space only.
const THREAD_STACK: usize = 8 << 20;

/// Raised by those who want the monitor; it sleeps on this word.
static CALLS: AtomicU32 = AtomicU32::new(0);
static DEEP: AtomicBool = AtomicBool::new(false);

/// How many more threads may be made.
static ROOM: AtomicUsize = AtomicUsize::new(0);
static COOPERATIVE: AtomicBool = AtomicBool::new(false);

/// Starts the monitor, which counts as one of the threads. Once, by the thread that starts the runtime.
pub fn start(max_threads: usize, cooperative: bool, when_idle: fn()) -> Result<(), SystemError> {
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

fn watch(when_idle: fn()) {
    thread::short_slices(500_000);
    // It runs timers, whose functions are spawned and whose channels are served as from any M. While there is no memory for
    // one, others run them later.
    let mut m: Option<&'static M> = None;
    let mut rounds = Rounds { watches: [Watch::NONE; global::MAX_PROCS], valve_since: 0, valve: VALVE, has_m: false };
    let mut idle_rounds = 0;
    let mut sweeper = Sweeper::new();
    loop {
        let calls = CALLS.load(SeqCst);
        if ENDING.load(SeqCst) {
            if let Some(m) = m {
                m.urgent.set(false);
                m.unbind_worker();
            }
            return;
        }
        if m.is_none() {
            m = m::allocate().inspect(|m| {
                m.bind_worker();
                m.urgent.set(true);
            });
            rounds.has_m = m.is_some();
        }
        let all_made = make_threads();
        let now = clock::now();
        COARSE_NOW.store(now, Relaxed);
        let mut next = rounds.look(now);
        if !all_made {
            next = SHORT;
        }
        if all_is_idle() {
            idle_rounds += 1;
        } else {
            idle_rounds = 0;
            sweeper.disturbed(now);
        }
        if idle_rounds > 1 {
            when_idle();
        }
        let sweep = sweeper.go_on(now);
        if idle_rounds < PATIENCE || !all_made {
            futex::wait(&CALLS, calls, sweep.min(now + next));
            continue;
        }
        // Either an M that leaves idle sees DEEP, or we see that it has left: its count falls before it looks. So it is with a
        // thread that begins to wait for ever, and may be the last one: `when_idle` sees it.
        DEEP.store(true, SeqCst);
        full_fence();
        if all_is_idle() {
            when_idle();
            futex::wait(&CALLS, calls, sweep);
        }
        DEEP.store(false, SeqCst);
        if CALLS.load(SeqCst) != calls {
            idle_rounds = 0;
            sweeper.disturbed(now);
        }
    }
}

/// Whether nothing is for the monitor to do.
fn all_is_idle() -> bool {
    // At the cap nobody is woken to keep the time.
    let keeps_time = burners::at_cap() && global::earliest() != NEVER;
    IDLE.idle_ps() == global::procs() && global::surplus_held() == 0 && !global::holds_any() && !keeps_time
}

/// What the monitor remembers between rounds.
struct Rounds {
    watches: [Watch; global::MAX_PROCS],
    /// Since when something has been held without anybody let go; 0: nothing is.
    valve_since: i64,
    valve: i64,
    has_m: bool,
}

impl Rounds {
    /// One look at every P. Answers how long until the next.
    fn look(&mut self, now: i64) -> i64 {
        let mut earliest = NEVER;
        let mut local = 0;
        let mut spared = false;
        for p in global::all_ps() {
            spared |= p.patience.end_sparing();
            let credit = p.lone_credit.load(Relaxed);
            p.lone_credit.store(credit.max((credit + 1).min(4)), Relaxed);
            earliest = earliest.min(p.timers.earliest());
            local += p.ready();
        }
        earliest = global::stranded_ps().map(|p| p.timers.earliest()).fold(earliest, i64::min);
        let due = earliest <= now;
        // Those whose Ms have had a round's time to look, and did not. What they wake then goes first on whatever is taken.
        let hands = global::sleepers(retake::AT_ONCE) + ROOM.load(Relaxed);
        if due && (IDLE.idle_ps() == 0 || burners::at_cap() || hands == 0) {
            self.run_late_timers(now - SHORT);
        }
        if source::is_stale(now) {
            self.poll();
        }
        let (first, queued) = queue::queued();
        let waiting = first + queued + local > 0 || due;
        if waiting && burners::any_lost() {
            m::all().for_each(|m| retake::judge_lost(m, now));
        }
        let admitted = self.valve(queued + local > 0, now);
        if IDLE.has_room() && waiting && hands > 0 {
            global::wake_one();
        }
        // Those that were passed on and have not found their goroutines yet: each spins until it has.
        let on_their_way = IDLE.spinning() as usize;
        let open = (queued + local).min(burners::room().max(admitted as usize));
        let want = Want {
            ps: global::surplus_held()
                + if IDLE.idle_ps() == 0 { (first + open + due as usize).saturating_sub(on_their_way) } else { 0 },
            hands,
            slices: first + queued + local > 0,
            cooperative: is_cooperative(),
            hogs: report::is_wanted(),
        };
        if !retake::round(&mut self.watches, &want, now, pass_on) {
            say_limit();
        }
        match earliest.saturating_sub(now) {
            _ if waiting || spared => SHORT,
            until if until < LONG && !global::has_keeper() => until.max(SHORT),
            _ => LONG,
        }
    }

    /// Runs what was due before `late` on Ps that are held: their Ms compute or sleep outside.
    fn run_late_timers(&self, late: i64) {
        if !self.has_m {
            return;
        }
        for p in global::all_ps().chain(global::stranded_ps()).filter(|p| p.timers.earliest() <= late) {
            run::run_timers(p, clock::now(), false);
        }
    }

    /// Nobody has asked for news from outside for long: asks, and has a thread that sleeps do so from here on.
    fn poll(&self) {
        if self.has_m {
            run::poll();
        }
        global::appoint_poller();
    }

    /// Lets one of those go that are held, after a time that doubles. True if one is to go in this round.
    fn valve(&mut self, any_held: bool, now: i64) -> bool {
        if !burners::at_cap() || !any_held || burners::have_fallen() {
            (self.valve_since, self.valve) = (now, VALVE * burners::crowd() as i64);
        } else if now - self.valve_since >= self.valve {
            let most = 16 * VALVE * burners::crowd() as i64;
            (self.valve_since, self.valve) = (now, (self.valve * 2).min(most));
            burners::admit();
        }
        burners::is_admitting()
    }
}

/// A P was taken: a thread that sleeps goes on with it, or a new one.
fn pass_on(p: &'static P) {
    if p.is_surplus() {
        return global::put_idle_p(p);
    }
    IDLE.spin_anyway();
    if global::hand_to_sleeper(p) {
        return;
    }
    if ROOM.load(Relaxed) == 0 {
        say_limit();
        return global::give_start_up(p);
    }
    if let Err(e) = make_thread(p) {
        print_once(format_args!("gort: no thread could be made ({e}); trying again"));
        global::give_start_up(p);
    }
}

fn say_limit() {
    print_once(format_args!("gort: the limit of threads (max_threads) is reached; work waits for one to be free"));
}

/// Makes the threads that Ps wait for. False if the system refused one: the next round tries again, and nothing
/// is lost meanwhile, since the goroutines are on queues that others look at.
fn make_threads() -> bool {
    while let Some(p) = global::take_start() {
        if ROOM.load(Relaxed) == 0 {
            say_limit();
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
fn make_thread(p: &'static P) -> Result<(), SystemError> {
    let m = m::allocate().ok_or(SystemError(libc::ENOMEM))?;
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

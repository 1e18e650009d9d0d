//! Birth and death of the runtime: configuration from the caller, else from the environment, else the defaults; stop,
//! fork, and what is done when everybody sleeps for ever.
//!
//! The runtime is DOWN, UP or STOPPING. What needs a scheduler calls [`ensure_up`], inside the handshake of an entry; a
//! stop first says STOPPING, then makes every running thread see it (a barrier), and then waits until nobody is inside.

mod deadlock;
mod fork;
mod run;
mod stop;

pub use run::run;
pub use stop::stop;

use crate::error::{Error, Result};
use crate::net::ring;
use crate::observe::dump;
use crate::sched::{find, global, monitor, report, run as sched_run, sweep};
use crate::sys::lock::{Rank, RawLock};
use crate::sys::stack::{self, Class};
use crate::sys::text::Lossy;
use crate::sys::throw::{install_panic_hook, print_line};
use crate::sys::{barrier, checkers, clock, cpu, env, errno, fault, futex, guard, ticks};
use std::ffi::CStr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::*};

/// What a program may choose. Zero is the default everywhere.
#[derive(Clone, Copy, Default)]
pub struct Config {
    /// Address space of a goroutine's stack, bytes.
    pub stack_size: usize,
    /// Never take a P from code outside the runtime, nor end its time slice.
    pub cooperative: bool,
    /// Stacks that can have no guard go without.
    pub unguarded: bool,
    pub maxprocs: usize,
    /// The most threads the runtime makes.
    pub max_threads: usize,
}

const MAX_THREADS: usize = 10_000;

const DOWN: u8 = 0;
const UP: u8 = 1;
const STOPPING: u8 = 2;

/// Held by whoever starts, stops, or changes the number of Ps.
static LOCK: RawLock = RawLock::new(Rank::Lifecycle);
static STATE: AtomicU8 = AtomicU8::new(DOWN);
/// For how many Ps the caches' stacks are promised.
static RESERVED: AtomicU32 = AtomicU32::new(0);

/// Starts the runtime with defaults unless it is up. `Canceled` while it stops.
#[inline]
pub fn ensure_up() -> Result {
    match STATE.load(Acquire) {
        UP => Ok(()),
        STOPPING => Err(Error::Canceled),
        _ => start_with_defaults(),
    }
}

#[cold]
fn start_with_defaults() -> Result {
    match start(Config::default(), OnBad::Warn) {
        // Somebody was faster.
        Err(Error::Busy) => Ok(()),
        r => r,
    }
}

/// Starts the runtime as the program chose. `Busy` if it is up.
pub fn init(config: Config) -> Result {
    start(config, OnBad::Refuse)
}

/// What a bad value in the environment means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnBad {
    Refuse,
    Warn,
    Ignore,
}

fn start(config: Config, on_bad: OnBad) -> Result {
    errno::preserved(|| {
        LOCK.lock();
        let r = if STATE.load(Relaxed) == DOWN { start_locked(config, on_bad) } else { Err(Error::Busy) };
        LOCK.unlock();
        r
    })
}

fn start_locked(config: Config, on_bad: OnBad) -> Result {
    let stack_size = or_env(config.stack_size, c"RT_STACK_SIZE", stack::MIN_SIZE..=stack::MAX_SIZE, on_bad)?
        .unwrap_or(stack::DEFAULT_SIZE);
    let procs = procs(config.maxprocs, on_bad)? as u32;
    let max_threads = if config.max_threads == 0 { MAX_THREADS } else { config.max_threads };
    let debug = debug_words(on_bad)?;
    // One thread watches, and one at least must run goroutines.
    if stack_size < stack::MIN_SIZE || max_threads < 2 {
        return Err(Error::Invalid);
    }
    let class = Class::of(stack_size).ok_or(Error::Invalid)?;
    install_panic_hook();
    checkers::set_up();
    ticks::set_up();
    fork::install();
    barrier::register();
    guard::choose(config.unguarded, debug.noguardinstall);
    if debug.nomembarrier {
        barrier::do_without();
    }
    if debug.nouring {
        ring::do_without();
    }
    if !debug.nosegv {
        fault::install(dump::fault);
    }
    sweep::choose(debug.sweep);
    report::set_hook(debug.hogs.then_some(dump::hog));
    find::set_up();
    sched_run::set_up();
    global::set_default_class(class);
    let made_procs = || {
        let ok = global::set_procs(procs);
        if !ok {
            monitor::stop();
        }
        ok
    };
    let ok = global::reserve(procs, class)
        && monitor::start(max_threads, config.cooperative, deadlock::check).is_ok()
        && made_procs();
    if !ok {
        // SAFETY: there are no goroutines, and no cache has been filled.
        unsafe { stack::release_all() };
        return Err(Error::NoMemory);
    }
    RESERVED.store(procs, Relaxed);
    monitor::start_first_worker();
    STATE.store(UP, Release);
    Ok(())
}

/// The number of Ps: that of the runtime, or the one it would be started with.
pub fn maxprocs() -> usize {
    if STATE.load(Acquire) != DOWN {
        return global::procs() as usize;
    }
    errno::preserved(|| procs(0, OnBad::Ignore)).unwrap_or_else(|_| cpu::affinity())
}

/// Makes the number of Ps `n`, at most 1024, and answers the former one.
pub fn set_maxprocs(n: usize) -> Result<usize> {
    ensure_up()?;
    let n = n.min(global::MAX_PROCS) as u32;
    LOCK.lock();
    let before = global::procs();
    let more = n.saturating_sub(RESERVED.load(Relaxed));
    let mut ok = more == 0 || global::reserve(more, global::default_class());
    if ok && STATE.load(Relaxed) == UP {
        RESERVED.fetch_add(more, Relaxed);
        ok = global::set_procs(n);
    }
    LOCK.unlock();
    if n < before {
        wait_for_surplus();
    }
    if ok { Ok(before as usize) } else { Err(Error::NoMemory) }
}

/// Waits until no surplus P is run any more, so that the number is exact when the call returns. Whoever computes without end
/// on one is not waited for.
fn wait_for_surplus() {
    let until = clock::now() + 20_000_000;
    while global::surplus_held() > 0 && clock::now() < until {
        // The caller's own may be among them.
        sched_run::gosched();
        futex::nap(20_000);
    }
}

fn procs(chosen: usize, on_bad: OnBad) -> Result<usize> {
    let n = match or_env(chosen, c"RT_MAXPROCS", 1..=usize::MAX, on_bad)? {
        Some(n) => n,
        None => cpu::default_procs().ok_or(Error::NoMemory)?,
    };
    Ok(n.min(global::MAX_PROCS))
}

/// The program's choice, else the environment's.
fn or_env(value: usize, name: &CStr, good: RangeInclusive<usize>, on_bad: OnBad) -> Result<Option<usize>> {
    if value != 0 {
        return Ok(Some(value));
    }
    env::with(name, |text| {
        let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(None) };
        match str::from_utf8(text).ok().and_then(|t| t.trim().parse().ok()).filter(|n| good.contains(n)) {
            Some(n) => Ok(Some(n)),
            None if on_bad == OnBad::Refuse => Err(Error::Invalid),
            None if on_bad == OnBad::Ignore => Ok(None),
            None => {
                let (name, text, least) = (Lossy(name.to_bytes()), Lossy(text), good.start());
                print_line(format_args!("gort: warning: {name}={text} ignored: a number from {least} on is wanted"));
                Ok(None)
            }
        }
    })
}

/// What the words of `RT_DEBUG`, with commas between, ask for.
#[derive(Default)]
struct Debug {
    /// Tell who holds a P for long.
    hogs: bool,
    /// Do as if the kernel had no MADV_GUARD_INSTALL.
    noguardinstall: bool,
    /// Do as if the kernel had no membarrier.
    nomembarrier: bool,
    /// Do as if the kernel had no io_uring.
    nouring: bool,
    /// Give idle memory back at every round of the monitor.
    sweep: bool,
    /// Leave SIGSEGV and SIGBUS alone.
    nosegv: bool,
}

fn debug_words(on_bad: OnBad) -> Result<Debug> {
    let mut debug = Debug::default();
    env::with(c"RT_DEBUG", |text| {
        let words = text.unwrap_or_default().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        for word in words.filter(|w| !w.is_empty()) {
            match word {
                b"hogs" => debug.hogs = true,
                b"noguardinstall" => debug.noguardinstall = true,
                b"nomembarrier" => debug.nomembarrier = true,
                b"nouring" => debug.nouring = true,
                b"sweep" => debug.sweep = true,
                b"nosegv" => debug.nosegv = true,
                _ if on_bad == OnBad::Refuse => return Err(Error::Invalid),
                _ => print_line(format_args!("gort: warning: RT_DEBUG: unknown word {}", Lossy(word))),
            }
        }
        Ok(debug)
    })
}

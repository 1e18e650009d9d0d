//! Birth of the runtime: configuration from the caller, else from the environment, else the defaults.

use crate::error::{Error, Result};
use crate::sched::{find, global, monitor};
use crate::sys::lock::{Rank, RawLock};
use crate::sys::stack::{self, Class};
use crate::sys::throw::{install_panic_hook, print_line};
use crate::sys::{cpu, errno};
use std::sync::atomic::{AtomicBool, Ordering::*};

/// What a program may choose. Zero is the default everywhere.
#[derive(Clone, Copy, Default)]
pub struct Config {
    /// Address space of a goroutine's stack, bytes.
    pub stack_size: usize,
    /// Never take a P from code outside the runtime, nor end its time slice.
    pub cooperative: bool,
    pub maxprocs: usize,
    /// The most threads the runtime makes.
    pub max_threads: usize,
}

const MAX_THREADS: usize = 10_000;

static LOCK: RawLock = RawLock::new(Rank::Lifecycle);
static UP: AtomicBool = AtomicBool::new(false);

/// Whether the runtime has been started.
#[inline]
pub fn is_up() -> bool {
    UP.load(Acquire)
}

/// Starts the runtime with defaults unless it is up.
#[inline]
pub fn ensure_up() -> Result {
    if is_up() { Ok(()) } else { start_with_defaults() }
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
        let r = if is_up() { Err(Error::Busy) } else { start_locked(config, on_bad) };
        LOCK.unlock();
        r
    })
}

fn start_locked(config: Config, on_bad: OnBad) -> Result {
    let chosen = Config {
        stack_size: or_env(config.stack_size, "RT_STACK_SIZE", stack::MIN_SIZE, on_bad)?.unwrap_or(stack::DEFAULT_SIZE),
        maxprocs: procs(config.maxprocs, on_bad)?,
        max_threads: if config.max_threads == 0 { MAX_THREADS } else { config.max_threads },
        cooperative: config.cooperative,
    };
    check_debug_list(on_bad)?;
    // One thread watches, and one at least must run goroutines.
    if chosen.stack_size < stack::MIN_SIZE || chosen.max_threads < 2 || Class::of(chosen.stack_size).is_none() {
        return Err(Error::Invalid);
    }
    install_panic_hook();
    let procs = chosen.maxprocs as u32;
    if !global::reserve(procs, chosen.stack_size) {
        return Err(Error::NoMemory);
    }
    if monitor::start(chosen.max_threads, chosen.cooperative).is_err() {
        global::unreserve(procs, chosen.stack_size);
        return Err(Error::NoMemory);
    }
    find::set_up();
    global::set_up(procs);
    monitor::start_first_worker();
    UP.store(true, Release);
    Ok(())
}

/// The number of Ps: that of the runtime, or the one it would be started with.
pub fn maxprocs() -> usize {
    if is_up() {
        return global::procs() as usize;
    }
    errno::preserved(|| procs(0, OnBad::Ignore)).unwrap_or(1)
}

fn procs(chosen: usize, on_bad: OnBad) -> Result<usize> {
    let n = or_env(chosen, "RT_MAXPROCS", 1, on_bad)?;
    Ok(n.unwrap_or_else(cpu::default_procs).min(global::MAX_PROCS))
}

/// The program's choice, else the environment's.
fn or_env(value: usize, name: &str, least: usize, on_bad: OnBad) -> Result<Option<usize>> {
    if value != 0 {
        return Ok(Some(value));
    }
    let Some(text) = std::env::var_os(name).filter(|t| !t.is_empty()) else {
        return Ok(None);
    };
    match text.to_str().and_then(|t| t.trim().parse().ok()).filter(|&n| n >= least) {
        Some(n) => Ok(Some(n)),
        None if on_bad == OnBad::Refuse => Err(Error::Invalid),
        None if on_bad == OnBad::Ignore => Ok(None),
        None => {
            print_line(format_args!(
                "gort: warning: {name}={} ignored: a number from {least} on is wanted",
                text.display()
            ));
            Ok(None)
        }
    }
}

/// `RT_DEBUG` is a comma list of words; none has a meaning in this version.
fn check_debug_list(on_bad: OnBad) -> Result {
    let Some(text) = std::env::var_os("RT_DEBUG") else {
        return Ok(());
    };
    for word in text.to_string_lossy().split(',').map(str::trim).filter(|w| !w.is_empty()) {
        if on_bad == OnBad::Refuse {
            return Err(Error::Invalid);
        }
        print_line(format_args!("gort: warning: RT_DEBUG: unknown word {word}"));
    }
    Ok(())
}

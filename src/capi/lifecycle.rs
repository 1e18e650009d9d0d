//! Starting the runtime, running a main goroutine, asking for its size.

use super::base::{RT_EINVAL, rt_fn};
use super::{code, code_of, entry_if, giving, known_size};
use crate::error::Error;
use crate::rt::{self, Config};
use crate::sched::spawn;
use crate::time::timeout::Timeout;
use std::ffi::{c_int, c_void};

/// Configuration flag: never take a P from code outside the runtime, and never end its time slice.
pub const RT_COOPERATIVE: u64 = 0x1;

/// Configuration flag: a stack that can have no guard goes without. Only where the kernel has no MADV_GUARD_INSTALL (before
/// Linux 6.13): there guards end at a quarter of vm.max_map_count, and without this flag so do stacks, with RT_ENOMEM.
pub const RT_UNGUARDED: u64 = 0x2;

/// What rt_init takes. Zero everything, set struct_size, then what is to differ from the default.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_config {
    /// sizeof(rt_config)
    pub struct_size: usize,
    /// Address space of one goroutine stack, bytes; 0: RT_STACK_SIZE of the environment, else 256 KiB. At least 16 KiB.
    pub stack_size: usize,
    /// RT_COOPERATIVE, RT_UNGUARDED, both, or 0.
    pub flags: u64,
    /// How many goroutines run at once; 0: RT_MAXPROCS, else the CPUs this process may use. At most 1024 are used.
    pub maxprocs: u32,
    /// Upper limit of the threads the runtime makes; 0: 10,000. At least 2.
    pub max_threads: u32,
}

/**
 * Starts the runtime with a configuration of the caller's. Without it, the first call that needs the runtime starts
 * it with defaults.
 *
 * @param cfg  the configuration; read during the call only
 * Returns RT_OK.
 * Errors: RT_EINVAL: cfg is NULL, struct_size is too small or what lies behind the known members is not zero, an unknown
 * flag, a stack below 16 KiB, a bad value in the environment; RT_EBUSY: the runtime is up; RT_ENOMEM.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_init(cfg: *const rt_config) -> c_int {
    // SAFETY: the caller passes NULL or a struct that begins with its size.
    let cfg = match unsafe { cfg.as_ref().filter(|c| known_size(*c).is_some()) } {
        Some(c) if c.flags & !(RT_COOPERATIVE | RT_UNGUARDED) == 0 => c,
        _ => return RT_EINVAL,
    };
    let config = Config {
        stack_size: cfg.stack_size,
        cooperative: cfg.flags & RT_COOPERATIVE != 0,
        unguarded: cfg.flags & RT_UNGUARDED != 0,
        maxprocs: cfg.maxprocs as usize,
        max_threads: cfg.max_threads as usize,
    };
    code(entry_if(|_| rt::init(config)))
}

/**
 * Runs a function as a goroutine and waits until it ends. Other goroutines go on after that. Several threads may be
 * in it at once.
 *
 * @param fn   the function
 * @param arg  handed to it as it is
 * Returns RT_OK when the goroutine has ended.
 * Errors: RT_EINVAL: fn is NULL; RT_EPERM: called on a goroutine; RT_ENOMEM; RT_ECANCELED: the runtime stops; RT_EDEADLK:
 * nothing can ever happen again (every goroutine is parked, no timer is pending, no other thread is there that could act); a
 * dump has been printed, and the goroutines stay as they are.
 * Call from: any thread that is not a goroutine's. Blocks: the thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_run(r#fn: rt_fn, arg: *mut c_void) -> c_int {
    let Some(f) = r#fn else { return RT_EINVAL };
    code(entry_if(|m| {
        if m.any_goroutine().is_some() || m.in_commit.get() {
            return Err(Error::NotPermitted);
        }
        rt::run(f, arg)
    }))
}

/**
 * How many goroutines may run at once; changes it, up or down, while they run.
 *
 * @param n  below 1: only asks; else the new number, at most 1024
 * Returns the former number; asked before the runtime is up, the default that it would start with.
 * Errors: RT_ENOMEM; RT_ECANCELED: the runtime stops; RT_EPERM: in an unlockf, if it is to change.
 * Call from: any thread. Blocks: nothing. Starts the runtime if it changes the number. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_maxprocs(n: c_int) -> c_int {
    if n < 1 {
        return rt::maxprocs() as c_int;
    }
    let before = entry_if(|m| match m.in_commit.get() {
        true => Err(Error::NotPermitted),
        false => rt::set_maxprocs(n as usize),
    });
    before.map_or_else(code_of, |n| n as c_int)
}

/**
 * Stops the runtime: refuses new goroutines (RT_ECANCELED), waits until all there are have ended and other threads have left
 * these calls, then stops the timers, cancels contexts that have a deadline to come, ends every thread the runtime made and
 * frees every stack. Channels, timers, contexts and the like survive; what next needs the runtime starts a fresh one.
 *
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT
 * Returns RT_OK, also when there is no runtime.
 * Errors: RT_ETIMEDOUT, and RT_EAGAIN for RT_NOWAIT: the runtime is whole and open again; RT_EPERM: called on a
 * goroutine or in an unlockf; RT_EBUSY: another thread is stopping it; RT_ENOMEM: nothing has happened.
 * Call from: any thread that is not a goroutine's. Blocks: the thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_stop(timeout_ns: i64) -> c_int {
    code(entry_if(|m| {
        if m.any_goroutine().is_some() || m.in_commit.get() {
            return Err(Error::NotPermitted);
        }
        rt::stop(m, Timeout(timeout_ns))
    }))
}

/**
 * How many goroutines there are: spawned and not yet ended, whatever they wait for.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_num_goroutine() -> i64 {
    giving(|| spawn::count().max(0))
}

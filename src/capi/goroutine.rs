//! Goroutines: making them, naming them, giving way.

use super::base::{RT_EINVAL, RT_OK, rt_fn, rt_g};
use super::home::{self, rt_home};
use super::{code, code_of, entry, entry_if, grown};
use crate::error::Error;
use crate::rt;
use crate::sched::g::Name;
use crate::sched::host::{Hooks, Host};
use crate::sched::spawn::{self, Options};
use crate::sched::{exit, handshake, locked, m, run};
use crate::sys::errno;
use crate::sys::stack::{Class, MIN_SIZE};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

/// What rt_go_with takes. Zero everything, set struct_size, then what is to differ from the default. A struct that ends after
/// stack_size, as the first version did, is as good.
///
/// The hooks are for hosts of other languages, which keep a "current state" of their own for each thread, or a lock with which
/// nobody may wait. All run on the goroutine's own stack, on the thread that it is on. on_park and on_resume have to be quick:
/// they may call rt_now, rt_goid, rt_self, and what of POSIX does not wait. No exception, longjmp or rt_goexit may leave them.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct rt_go_opts {
    /// sizeof(rt_go_opts)
    pub struct_size: usize,
    /// A name for dumps, or NULL: copied, 63 bytes at most.
    pub name: *const c_char,
    /// Address space of its stack, bytes, rounded up; 0: the default. At least 16 KiB.
    pub stack_size: usize,
    /// Asked whether the goroutine may be switched away, or NULL. 0 agrees, a negative code refuses (a code that is no
    /// negative errno value counts as RT_EPERM). It is asked before a call waits: if it refuses, that call answers the code, and
    /// nothing has happened, and rt_gosched does nothing. It is asked where the goroutine would give way because its time is up
    /// or its processor was taken: if it refuses, the goroutine goes on, beside others if need be, with RT_COOPERATIVE too. After
    /// it has agreed a switch need not follow. In rt_blocking it is asked before a call would block the thread.
    pub on_park: Option<unsafe extern "C" fn(hook_arg: *mut c_void) -> c_int>,
    /// Told that the goroutine begins, or goes on after it may have been switched away, before anything else of it runs; or NULL.
    pub on_resume: rt_fn,
    /// Told that the goroutine ends, or NULL: once, after its function, what it has put off and the destructors of its keys, also
    /// after rt_goexit. It may do what a goroutine may, and take its time. No hook is called once it has returned.
    pub on_exit: rt_fn,
    /// Handed to the three as it is.
    pub hook_arg: *mut c_void,
    /// The thread that it runs on, with the others of the same home; NULL: any.
    pub home: *mut rt_home,
}

impl rt_go_opts {
    /// What the first version had.
    const FIRST: usize = std::mem::offset_of!(rt_go_opts, on_park);

    fn hooks(&self) -> Option<Hooks> {
        let &rt_go_opts { on_park, on_resume, on_exit, hook_arg: arg, .. } = self;
        Some(Hooks { on_park, on_resume, on_exit, arg }).filter(|hooks| !hooks.is_empty())
    }
}

/**
 * Starts a goroutine: it is queued as the next one to run on the caller's processor.
 *
 * @param fn   what it runs
 * @param arg  handed to fn as it is
 * Returns its id: positive, higher than that of any goroutine this caller started before, never used again.
 * Errors: RT_EINVAL: fn is NULL; RT_ENOMEM: no memory is left; fn will not run then.
 * Call from: any thread; not from the unlockf of a park. Blocks: nothing. Starts the runtime. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_go(r#fn: rt_fn, arg: *mut c_void) -> i64 {
    spawn_with(r#fn, arg, Options::default())
}

/**
 * rt_go with options.
 *
 * @param opts  the options; read during the call only
 * @param fn    what it runs
 * @param arg   handed to fn as it is
 * Returns as rt_go.
 * Errors: as rt_go; RT_EINVAL also: opts is NULL, struct_size is too small or what lies behind the known members is not
 * zero, a stack below 16 KiB.
 * Call from: as rt_go. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_go_with(opts: *const rt_go_opts, r#fn: rt_fn, arg: *mut c_void) -> i64 {
    // SAFETY: the caller passes NULL or a struct that begins with its size.
    let Some(opts) = (unsafe { opts.as_ref().and_then(|o| grown(o, rt_go_opts::FIRST)) }) else {
        return RT_EINVAL.into();
    };
    let class = match opts.stack_size {
        0 => None,
        small if small < MIN_SIZE => return RT_EINVAL.into(),
        size => match Class::of(size) {
            Some(class) => Some(class),
            None => return code_of(Error::NoMemory).into(),
        },
    };
    let name = if opts.name.is_null() {
        None
    } else {
        // SAFETY: not NULL, so the caller passes a string.
        let name = unsafe { CStr::from_ptr(opts.name) };
        match errno::preserved(|| copy_name(name)) {
            Some(name) => Some(name),
            None => return code_of(Error::NoMemory).into(),
        }
    };
    // SAFETY: the caller passes NULL or a home that is not freed.
    let host = match (opts.hooks(), unsafe { home::of(opts.home) }) {
        (None, None) => None,
        (hooks, home) => match errno::preserved(|| Host::new(hooks, home)) {
            None => return code_of(Error::NoMemory).into(),
            host => host,
        },
    };
    spawn_with(r#fn, arg, Options { class, name, host, on_end: None })
}

/// The first 63 bytes of a name, cut at the last whole UTF-8 character. None when no memory is left.
fn copy_name(from: &CStr) -> Option<Box<Name>> {
    let bytes = from.to_bytes();
    let mut len = bytes.len().min(63);
    while len > 0 && len < bytes.len() && bytes[len] & 0xc0 == 0x80 {
        len -= 1;
    }
    // SAFETY: the layout is not empty, and zeroed bytes are a valid name; a Box gives it back with the same layout.
    let mut name = unsafe {
        let at = std::alloc::alloc_zeroed(std::alloc::Layout::new::<Name>()).cast::<Name>();
        Box::from_raw(ptr::NonNull::new(at)?.as_ptr())
    };
    name.0[..len].copy_from_slice(&bytes[..len]);
    Some(name)
}

pub(super) fn spawn_with(f: rt_fn, arg: *mut c_void, options: Options) -> i64 {
    let Some(f) = f else { return RT_EINVAL.into() };
    let id = entry_if(|m| {
        if m.in_commit.get() {
            return Err(Error::NotPermitted);
        }
        errno::preserved(|| {
            rt::ensure_up()?;
            spawn::spawn(f, arg, options).map_err(|_| Error::NoMemory)
        })
    });
    id.unwrap_or_else(|e| code_of(e).into())
}

/**
 * The calling goroutine. On a plain thread what it answers stands for that thread, until the thread ends.
 *
 * Returns it, never NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_self() -> *mut rt_g {
    attached().curg.get().map_or(ptr::null_mut(), |g| ptr::from_ref(g).cast_mut().cast())
}

/// The caller's M, without an entry into the runtime; that of a plain thread is made if need be.
pub(super) fn attached() -> &'static m::M {
    m::current().unwrap_or_else(leave_attached)
}

#[cold]
fn leave_attached() -> &'static m::M {
    entry(|m| m)
}

/**
 * The id of the calling goroutine; 0 on a plain thread.
 *
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_goid() -> i64 {
    let g = m::current().and_then(|m| m.curg.get());
    g.map_or(0, |g| g.id.load(std::sync::atomic::Ordering::Relaxed))
}

/**
 * Gives way: the goroutine goes behind everything that is runnable on its processor. On a plain thread it is
 * sched_yield. In the unlockf of a park it does nothing. A goroutine with a home goes behind the others of that; those of others
 * have their turn within a fraction of a millisecond.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_gosched() {
    if m::current().is_none() {
        return errno::preserved(std::thread::yield_now);
    }
    entry(|m| match m.goroutine() {
        Some(_) if m.in_commit.get() => {}
        Some(_) => run::gosched(),
        None => errno::preserved(std::thread::yield_now),
    });
}

/**
 * Puts a function off to the end of the calling goroutine. What was put off last runs first.
 *
 * @param fn   the function; it may do what a goroutine may
 * @param arg  handed to it as it is
 * Returns RT_OK.
 * Errors: RT_EINVAL: fn is NULL; RT_EPERM: not on a goroutine, or in an unlockf; RT_ENOMEM.
 * Call from: a goroutine. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_defer(r#fn: rt_fn, arg: *mut c_void) -> c_int {
    let Some(f) = r#fn else { return RT_EINVAL };
    code(entry_if(|m| match m.any_goroutine() {
        Some(g) if !m.in_commit.get() => {
            if errno::preserved(|| exit::defer(g, f, arg)) {
                Ok(())
            } else {
                Err(Error::NoMemory)
            }
        }
        _ => Err(Error::NotPermitted),
    }))
}

/**
 * Ends the calling goroutine: what it has put off runs, then it is gone. C++ destructors do not run; gort.hpp has a
 * way that runs them. On a plain thread, or in an unlockf, it ends the process with one line.
 *
 * Call from: a goroutine. Does not return. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_goexit() -> ! {
    let (m, _) = handshake::enter();
    match m.goroutine() {
        Some(g) if !m.in_commit.get() => exit::goexit(g),
        _ => crate::throw!("rt_goexit where there is no goroutine to end"),
    }
}

/**
 * Locks the calling goroutine to its thread: it keeps the thread across every park, and nothing else runs there. Nests.
 * A goroutine that ends locked ends the thread. On a plain thread it does nothing. A goroutine with a home keeps its thread
 * in any case: there it only counts, and the others of the home go on.
 *
 * Returns RT_OK.
 * Errors: RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_lock_os_thread() -> c_int {
    if m::current().is_none() {
        return RT_OK;
    }
    entry(|m| match m.any_goroutine() {
        None => RT_OK,
        Some(_) if m.in_commit.get() => code_of(Error::NotPermitted),
        Some(g) => {
            locked::lock(m, g);
            RT_OK
        }
    })
}

/**
 * Takes one rt_lock_os_thread back. On a plain thread it does nothing.
 *
 * Returns RT_OK.
 * Errors: RT_EPERM: the goroutine is not locked, or in an unlockf.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_unlock_os_thread() -> c_int {
    if m::current().is_none() {
        return RT_OK;
    }
    entry(|m| match m.any_goroutine() {
        None => RT_OK,
        Some(g) if !m.in_commit.get() && locked::unlock(m, g) => RT_OK,
        Some(_) => code_of(Error::NotPermitted),
    })
}

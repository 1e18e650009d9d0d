//! The state of C++ exceptions, which belongs to a thread and has to belong to a goroutine: which are being handled and how
//! many are in flight (`__cxa_eh_globals` of the Itanium C++ ABI, two words).
//!
//! The C++ runtime is looked up among what the process has loaded, without linking it. A copy of it that is hidden in
//! another library (linked statically, symbols not exported) can't be found: catch blocks in code of such a library must
//! not park.
//!
//! Each new thread looks until there is one, if anything has been loaded since the last look: a name that is not found costs the
//! C library memory of the thread. The loader changes its tables meanwhile, and a child forked in the middle of that
//! would fail at its own next look: so a fork waits for those who look ([`keep_away`]).

use super::futex;
use super::lock::{Rank, RawLock};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::*};

/// `__cxa_eh_globals`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Globals {
    caught: *mut (),
    uncaught: u32,
}

impl Globals {
    /// No exception at all: how a goroutine begins.
    pub const NONE: Globals = Globals { caught: ptr::null_mut(), uncaught: 0 };
}

type Getter = unsafe extern "C" fn() -> *mut Globals;

/// Written under the lock; once found, for ever.
static GETTER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The calling thread's globals; null if there is no C++ runtime in the process.
pub fn globals() -> *mut Globals {
    let mut getter = GETTER.load(Relaxed);
    if getter.is_null() {
        LOOKING.lock();
        let loads = loads();
        if LOADS.swap(loads, Relaxed) != loads && GETTER.load(Relaxed).is_null() {
            GETTER.store(find(), Relaxed);
        }
        // Who waited for the lock finds here what was found meanwhile.
        getter = GETTER.load(Relaxed);
        LOOKING.unlock();
    }
    if getter.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: what `find` answers is the function of that name and type in the C++ ABI.
    unsafe { std::mem::transmute::<*mut (), Getter>(getter)() }
}

static LOOKING: RawLock = RawLock::new(Rank::Loader);
static KEPT_AWAY: AtomicBool = AtomicBool::new(false);

/// Before a fork: nobody looks, until [`go_on`]. Not for ever, since the forking thread may be in the loader itself, by a
/// constructor of a library, and then who looks waits for it.
pub fn keep_away() {
    const TRIES: u32 = 1000;
    let kept = (0..TRIES).any(|_| {
        let ok = LOOKING.try_lock();
        if !ok {
            futex::nap(100_000);
        }
        ok
    });
    KEPT_AWAY.store(kept, Relaxed);
}

/// After it, on both sides.
pub fn go_on() {
    if KEPT_AWAY.swap(false, Relaxed) {
        LOOKING.unlock();
    }
}

/// How many objects had ever been loaded when somebody looked last. Under the lock.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// How many objects have ever been loaded.
fn loads() -> u64 {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, n: *mut c_void) -> c_int {
        // SAFETY: the C library's description of an object, and the number below. To answer 1 ends the walk.
        unsafe { *n.cast::<u64>() = (*info).dlpi_adds };
        1
    }
    let mut n = 0u64;
    // SAFETY: the function above, and room for what it writes.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut n).cast()) };
    n
}

fn find() -> *mut () {
    const NAME: &CStr = c"__cxa_get_globals";
    // SAFETY: looks a name up; RTLD_NOLOAD loads nothing. A library found so stays loaded while it is used: the handle is
    // kept.
    unsafe {
        let mut f = libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr());
        for library in [c"libstdc++.so.6", c"libc++abi.so.1"] {
            if f.is_null() {
                let handle = libc::dlopen(library.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY);
                if !handle.is_null() {
                    f = libc::dlsym(handle, NAME.as_ptr());
                }
            }
        }
        f.cast()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// However many look at once, all find it.
    #[test]
    fn found_by_all_who_look() {
        // SAFETY: loads a library that this program does not use otherwise, and keeps it.
        let library = unsafe { libc::dlopen(c"libstdc++.so.6".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        assert!(!library.is_null(), "no libstdc++.so.6 here");
        const THREADS: usize = 4;
        let start = Barrier::new(THREADS);
        let in_vain = AtomicU64::new(0);
        std::thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    for _ in 0..2_000 {
                        if start.wait().is_leader() {
                            // Other tests may look meanwhile.
                            LOOKING.lock();
                            GETTER.store(ptr::null_mut(), Relaxed);
                            LOADS.store(0, Relaxed);
                            LOOKING.unlock();
                        }
                        start.wait();
                        in_vain.fetch_add(u64::from(globals().is_null()), Relaxed);
                    }
                });
            }
        });
        assert_eq!(in_vain.into_inner(), 0);
    }
}

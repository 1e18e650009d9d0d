//! The state of C++ exceptions, which belongs to a thread and has to belong to a goroutine: which are being handled and how
//! many are in flight (`__cxa_eh_globals` of the Itanium C++ ABI, two words).
//!
//! The C++ runtime is looked up among what the process has loaded, without linking it. A copy of it that is hidden in
//! another library (linked statically, symbols not exported) can't be found: catch blocks in code of such a library must
//! not park.
//!
//! A fork must not meet a thread in the middle of `dlopen`: in the child the dynamic linker would be left half-way. So that
//! stands under a lock, which forks take.

use super::lock::{Rank, RawLock};
use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

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

static LOADER: RawLock = RawLock::new(Rank::Loader);
static GETTER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The calling thread's globals; null if there is no C++ runtime in the process.
pub fn globals() -> *mut Globals {
    let mut getter = GETTER.load(Relaxed);
    if getter.is_null() {
        LOADER.lock();
        getter = find();
        LOADER.unlock();
        GETTER.store(getter, Relaxed);
    }
    if getter.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: what `find` answers is the function of that name and type in the C++ ABI.
    unsafe { std::mem::transmute::<*mut (), Getter>(getter)() }
}

/// For a fork: nobody else may be in the dynamic linker because of us.
pub fn lock_loader() {
    LOADER.lock();
}

pub fn unlock_loader() {
    LOADER.unlock();
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

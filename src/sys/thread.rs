//! Threads of our own, straight from pthread.
//!
//! Not std's: a std thread registers destructors for thread-locals when it begins, and where that finds no memory, glibc
//! ends the process. Here a thread that cannot be made is an error to the maker, and nothing else.

use super::checkers::Extent;
use std::ffi::{CStr, c_void};
use std::io::{Error, Result};

/// A thread that has not been joined. Dropping it leaks the thread's remains.
pub struct Thread(libc::pthread_t);

// SAFETY: a name for a thread, good in any thread.
unsafe impl Send for Thread {}

/// Makes a thread with a stack of so many bytes that runs `f(arg)`.
///
/// # Safety
/// `f(arg)` is sound to call on another thread, whenever that begins.
pub unsafe fn spawn(name: &CStr, stack: usize, f: unsafe fn(*const ()), arg: *const ()) -> Result<Thread> {
    extern "C" fn begin(start: *mut c_void) -> *mut c_void {
        // SAFETY: the Start that `spawn` handed over.
        let Start { name, f, arg } = *unsafe { Box::from_raw(start.cast::<Start>()) };
        // SAFETY: names the calling thread; at most 16 bytes of the string are read.
        unsafe { libc::prctl(libc::PR_SET_NAME, name) };
        // SAFETY: the promise of `spawn`'s caller.
        unsafe { f(arg) };
        std::ptr::null_mut()
    }
    struct Start {
        name: *const std::ffi::c_char,
        f: unsafe fn(*const ()),
        arg: *const (),
    }
    let layout = std::alloc::Layout::new::<Start>();
    // SAFETY: the layout is not empty; the box gives it back with the same layout.
    let start = unsafe {
        let at = std::alloc::alloc(layout).cast::<Start>();
        if at.is_null() {
            return Err(Error::from_raw_os_error(libc::ENOMEM));
        }
        at.write(Start { name: name.as_ptr(), f, arg });
        at
    };
    // SAFETY: attributes are initialised before use; the thread takes over the Start if it is made, else we keep it.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let mut code = libc::pthread_attr_init(&mut attr);
        if code == 0 {
            code = libc::pthread_attr_setstacksize(&mut attr, stack);
            if code == 0 {
                code = libc::pthread_create(&mut thread, &attr, begin, start.cast());
            }
            libc::pthread_attr_destroy(&mut attr);
        }
        if code != 0 {
            drop(Box::from_raw(start));
            return Err(Error::from_raw_os_error(code));
        }
        Ok(Thread(thread))
    }
}

/// The stack of the calling thread.
pub fn own_stack() -> Extent {
    // SAFETY: attributes of a live thread, its own, with room for what is asked; destroyed once.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        let (mut low, mut bytes) = (std::ptr::null_mut(), 0);
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attr) != 0 {
            return Extent::NONE;
        }
        libc::pthread_attr_getstack(&attr, &mut low, &mut bytes);
        libc::pthread_attr_destroy(&mut attr);
        Extent { low: low.cast(), bytes }
    }
}

impl Thread {
    /// Waits for the thread's end.
    pub fn join(self) {
        // SAFETY: made by `spawn`, and joined once.
        unsafe { libc::pthread_join(self.0, std::ptr::null_mut()) };
    }

    /// Nobody will join it.
    pub fn detach(self) {
        // SAFETY: made by `spawn`, and detached once.
        unsafe { libc::pthread_detach(self.0) };
    }
}

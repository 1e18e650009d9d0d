//! Threads of our own, straight from pthread.
//!
//! Not std's: a std thread registers destructors for thread-locals when it begins, and where that finds no memory, glibc
//! ends the process. Here a thread that cannot be made is an error to the maker, and nothing else.

use super::checkers::Extent;
use super::errno;
use super::files;
use super::inject::{Kind, fails};
use super::text::SystemError;
use std::ffi::{CStr, c_void};

/// A thread that has not been joined. Dropping it leaks the thread's remains.
pub struct Thread(libc::pthread_t);

// SAFETY: a name for a thread, good in any thread.
unsafe impl Send for Thread {}

/// Makes a thread with a stack of so many bytes that runs `f(arg)`.
///
/// # Safety
/// `f(arg)` is sound to call on another thread, whenever that begins.
pub unsafe fn spawn(name: &CStr, stack: usize, f: unsafe fn(*const ()), arg: *const ()) -> Result<Thread, SystemError> {
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
            return Err(SystemError(libc::ENOMEM));
        }
        at.write(Start { name: name.as_ptr(), f, arg });
        at
    };
    // SAFETY: attributes are initialised before use; the thread takes over the Start if it is made, else we keep it.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let mut code = if fails(Kind::Thread) { libc::EAGAIN } else { libc::pthread_attr_init(&mut attr) };
        if code == 0 {
            code = libc::pthread_attr_setstacksize(&mut attr, stack);
            if code == 0 {
                code = libc::pthread_create(&mut thread, &attr, begin, start.cast());
            }
            libc::pthread_attr_destroy(&mut attr);
        }
        if code != 0 {
            drop(Box::from_raw(start));
            return Err(SystemError(code));
        }
        Ok(Thread(thread))
    }
}

/// The kernel's number of the calling thread.
pub fn own_id() -> i32 {
    // SAFETY: has no preconditions.
    unsafe { libc::gettid() }
}

/// What a file of the kernel's about a thread of this process says, as far as that is 64 bytes.
fn about<T>(tid: i32, file: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    use std::io::Write;
    let (mut path, mut text) = ([0u8; 64], [0u8; 64]);
    write!(&mut path[..], "/proc/self/task/{tid}/{file}\0").ok()?;
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let text = errno::preserved(|| files::read(path, &mut text))?;
    parse(str::from_utf8(text).ok()?)
}

/// Whether a thread of this process sleeps in the kernel, by the kernel's word. None where that is not to be had.
pub fn sleeps(tid: i32) -> Option<bool> {
    about(tid, "syscall", |text| (!text.is_empty()).then(|| !text.starts_with("running")))
}

/// How long a thread of this process has been ready to run without a CPU, since it began, ns. 0 where the kernel does not count it.
pub fn waited_for_cpu(tid: i32) -> i64 {
    about(tid, "schedstat", |text| text.split_ascii_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// A short time slice of the system's for the calling thread: it is to run soon after it wakes, and never for long. Since
/// Linux 6.12; elsewhere nothing changes.
pub fn short_slices(ns: u64) {
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let size = size_of::<Attributes>() as u32;
    const KEEP_POLICY: u64 = 8;
    // SAFETY: asks for a number.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let a = Attributes { size, policy: 0, flags: KEEP_POLICY, nice, priority: 0, runtime: ns, deadline: 0, period: 0 };
    // SAFETY: the attributes of the calling thread, by a struct that carries its size.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &a, 0) };
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

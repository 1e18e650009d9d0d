//! What memory checkers have to be told of stacks: AddressSanitizer with LeakSanitizer, where the program is built with
//! them, and Valgrind.
//!
//! A checker knows the stacks of threads. On others it takes a switch for one huge frame, and what only a parked goroutine
//! holds for lost. So AddressSanitizer is told of each switch, and of a stack whose frames are gone; LeakSanitizer of the
//! memory that pointers may stand in; Valgrind of every stack from its first use to its end, and it notices the switches
//! itself. None is linked: the sanitizers' calls are looked up among what the process has loaded, and Valgrind listens for a
//! sequence of instructions that does nothing elsewhere.
//!
//! Without a checker all of this costs one load and one branch a switch ([`on`]).
//!
//! From sanitizer/common_interface_defs.h, asan_interface.h, lsan_interface.h, and from valgrind.h and memcheck.h.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering::*};

/// A stack in memory: its lowest byte, and how many there are.
#[derive(Clone, Copy)]
pub struct Extent {
    pub low: *mut u8,
    pub bytes: usize,
}

impl Extent {
    pub const NONE: Extent = Extent { low: ptr::null_mut(), bytes: 0 };
}

const LOOKED: u8 = 1;
const ASAN: u8 = 2;
const LSAN: u8 = 4;
const VALGRIND: u8 = 8;

static FOUND: AtomicU8 = AtomicU8::new(0);
static START_SWITCH: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static FINISH_SWITCH: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static UNPOISON: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static ROOT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static NO_ROOT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

type StartSwitch = unsafe extern "C" fn(*mut *mut c_void, *const c_void, usize);
type FinishSwitch = unsafe extern "C" fn(*mut c_void, *mut *const c_void, *mut usize);
type OfRange = unsafe extern "C" fn(*const c_void, usize);

/// Looks for checkers, once. Before the first goroutine.
pub fn set_up() {
    if has(LOOKED) {
        return;
    }
    let look_up = |name: &CStr, at: &AtomicPtr<c_void>| {
        // SAFETY: looks a name up among what is loaded.
        at.store(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }, Relaxed);
        !at.load(Relaxed).is_null()
    };
    let mut found = LOOKED;
    if look_up(c"__sanitizer_start_switch_fiber", &START_SWITCH)
        && look_up(c"__sanitizer_finish_switch_fiber", &FINISH_SWITCH)
        && look_up(c"__asan_unpoison_memory_region", &UNPOISON)
    {
        found |= ASAN;
    }
    if look_up(c"__lsan_register_root_region", &ROOT) && look_up(c"__lsan_unregister_root_region", &NO_ROOT) {
        found |= LSAN;
    }
    const RUNNING_ON_VALGRIND: usize = 0x1001;
    if valgrind(RUNNING_ON_VALGRIND, 0, 0) != 0 {
        found |= VALGRIND;
    }
    FOUND.store(found, Release);
}

/// Whether any checker watches.
#[inline(always)]
pub fn on() -> bool {
    FOUND.load(Relaxed) > LOOKED
}

fn has(checker: u8) -> bool {
    FOUND.load(Relaxed) & checker != 0
}

/// Whether Valgrind does, which knows of guards only by the calls it knows.
pub fn is_valgrind() -> bool {
    has(VALGRIND)
}

/// The running context switches to another on `to`, at once. It keeps the word that it gets here until it goes on, and
/// passes it to [`arrived`].
#[cold]
pub fn leaves(to: Extent) -> *mut c_void {
    let mut fake = ptr::null_mut();
    start_switch(&mut fake, to);
    fake
}

/// As [`leaves`], for good.
#[cold]
pub fn leaves_for_good(to: Extent) {
    start_switch(ptr::null_mut(), to);
}

fn start_switch(fake: *mut *mut c_void, to: Extent) {
    if has(ASAN) {
        // SAFETY: the function of that name, which `set_up` has found; `fake` is null or takes a pointer.
        unsafe {
            let f = std::mem::transmute::<*mut c_void, StartSwitch>(START_SWITCH.load(Relaxed));
            f(fake, to.low.cast(), to.bytes);
        }
    }
}

/// A context goes on after a switch to it, with what [`leaves`] gave it; with null it begins.
#[cold]
pub fn arrived(fake: *mut c_void) {
    if has(ASAN) {
        // SAFETY: the function of that name; it does without the two results.
        unsafe {
            let f = std::mem::transmute::<*mut c_void, FinishSwitch>(FINISH_SWITCH.load(Relaxed));
            f(fake, ptr::null_mut(), ptr::null_mut());
        }
    }
}

/// The frames on a stack are gone, and not all of them have returned. Nobody stands on it.
#[cold]
pub fn cleared(stack: Extent) {
    if has(ASAN) {
        call(&UNPOISON, stack);
    }
}

/// The range may hold the only pointers to what lives. The first such range may come before [`set_up`].
pub fn holds_pointers(range: Extent) {
    set_up();
    if has(LSAN) {
        call(&ROOT, range);
    }
}

fn call(f: &AtomicPtr<c_void>, range: Extent) {
    // SAFETY: the functions of ranges that `set_up` has found; the range is memory of ours, and they read nothing.
    unsafe {
        let f = std::mem::transmute::<*mut c_void, OfRange>(f.load(Relaxed));
        f(range.low.cast(), range.bytes);
    }
}

/// A stack that will be switched to. The number goes to [`removed`].
pub fn added(stack: Extent) -> usize {
    const STACK_REGISTER: usize = 0x1501;
    holds_pointers(stack);
    // It takes the highest byte, not the end.
    if has(VALGRIND) { valgrind(STACK_REGISTER, stack.low as usize, stack.low as usize + stack.bytes - 1) } else { 0 }
}

/// A stack is no more.
pub fn removed(number: usize, stack: Extent) {
    const STACK_DEREGISTER: usize = 0x1502;
    if has(LSAN) {
        call(&NO_ROOT, stack);
    }
    if has(VALGRIND) {
        valgrind(STACK_DEREGISTER, number, 0);
    }
}

/// Runs what reads frames of others, which may change or go meanwhile: words that nobody wrote, or that are no longer in use.
/// Valgrind says nothing of it.
pub fn unreported<R>(f: impl FnOnce() -> R) -> R {
    const CHANGE_ERR_DISABLEMENT: usize = 0x1801;
    if !has(VALGRIND) {
        return f();
    }
    valgrind(CHANGE_ERR_DISABLEMENT, 1, 0);
    let r = f();
    valgrind(CHANGE_ERR_DISABLEMENT, usize::MAX, 0);
    r
}

/// What was copied there from frames of others counts as written, whatever it was copied from.
pub fn counts_as_written<T>(copy: &mut [T]) {
    const MAKE_MEM_DEFINED: usize = 0x4d43_0002;
    if has(VALGRIND) {
        valgrind(MAKE_MEM_DEFINED, copy.as_mut_ptr().addr(), size_of_val(copy));
    }
}

/// A request to Valgrind; 0 if that is not there.
fn valgrind(request: usize, a: usize, b: usize) -> usize {
    let request = [request, a, b, 0, 0, 0];
    let mut answer = 0usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: rotates a register by 128 bits in all; Valgrind reads six words at rax and answers in rdx.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") answer,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, with x12; six words at x4, and the answer in x3.
    unsafe {
        core::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            in("x4") request.as_ptr(),
            inout("x3") answer,
        );
    }
    answer
}

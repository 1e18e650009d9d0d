//! Contexts: what a switch saves, and how the first one of a stack is made. The assembly and the pictures of the
//! stack are in `asm/`; this file is its typed face.
//!
//! A switch hands one pointer, the *transfer*, to the context it resumes. The scheduler uses it to say what has
//! to be done on the far side, once the near side's registers are saved.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(include_str!("../../asm/x86_64.S"), personality = sym personality);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(include_str!("../../asm/aarch64.S"), personality = sym personality);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("gort has a context switch for x86-64 and aarch64 only");

/// Told when an exception (or, if true, the unwinding of `pthread_exit` or a cancellation) has left the first frame of a
/// context.
pub type Escape = fn(bool) -> !;

static ESCAPE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets what ends the process then.
pub fn on_escape(f: Escape) {
    ESCAPE.store(f as *mut (), Release);
}

/// Whoever `pthread_exit` unwinds is held.
static HELD: AtomicBool = AtomicBool::new(false);

/// From now on a context that the unwinding of `pthread_exit` leaves sleeps for ever, in place of what [`on_escape`] has set: a
/// host of another language that ends stops its threads so, and its process goes soon.
pub fn hold_unwound(held: bool) {
    HELD.store(held, Release);
}

/// The personality of the first frame of every stack, named in the assembly's CFI. Unwinders call it only when nothing
/// further in has stopped them, and nothing can go on from here.
unsafe extern "C" fn personality(_: i32, actions: i32, _: u64, _: *mut c_void, _: *mut c_void) -> i32 {
    const FORCED: i32 = 8;
    let forced = actions & FORCED != 0;
    if forced && HELD.load(Acquire) {
        loop {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        }
    }
    let escape = ESCAPE.load(Acquire);
    if escape.is_null() {
        std::process::abort();
    }
    // SAFETY: only `on_escape` stores there.
    unsafe { std::mem::transmute::<*mut (), Escape>(escape)(forced) }
}

/// Where a new context begins: `entry(transfer, arg)`. It never returns.
pub type Entry = unsafe extern "C" fn(*const (), *const ()) -> !;

unsafe extern "C" {
    fn gort_switch(save_sp: *mut *mut u8, to_sp: *mut u8, transfer: *const ()) -> *const ();
    fn gort_first();
    fn gort_call(f: unsafe extern "C" fn(*mut c_void), arg: *mut c_void, frame: *const u8);
    fn gort_restart(stack_top: *mut u8, arg: *const (), entry: Entry) -> !;
}

/// The frame that `gort_switch` pops, with its registers by name.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
struct InitialFrame {
    mxcsr: u32,
    x87_control: u16,
    _unused: u16,
    r15: u64,
    r14: u64,
    r13: u64,
    r12_arg: *const (),
    rbx_entry: Entry,
    rbp: u64,
    resume_at: unsafe extern "C" fn(),
}

#[cfg(target_arch = "x86_64")]
impl InitialFrame {
    fn new(entry: Entry, arg: *const ()) -> Self {
        InitialFrame {
            mxcsr: 0x1f80,
            x87_control: 0x037f,
            _unused: 0,
            r15: 0,
            r14: 0,
            r13: 0,
            r12_arg: arg,
            rbx_entry: entry,
            rbp: 0,
            resume_at: gort_first,
        }
    }
}

/// The frame that `gort_switch` pops, with its registers by name.
#[cfg(target_arch = "aarch64")]
#[repr(C)]
struct InitialFrame {
    x29: u64,
    x30_resume_at: unsafe extern "C" fn(),
    x19_entry: Entry,
    x20_arg: *const (),
    x21_to_x28: [u64; 8],
    d8_to_d15: [u64; 8],
    fpcr: u64,
    _unused: u64,
}

#[cfg(target_arch = "aarch64")]
impl InitialFrame {
    fn new(entry: Entry, arg: *const ()) -> Self {
        InitialFrame {
            x29: 0,
            x30_resume_at: gort_first,
            x19_entry: entry,
            x20_arg: arg,
            x21_to_x28: [0; 8],
            d8_to_d15: [0; 8],
            fpcr: 0,
            _unused: 0,
        }
    }
}

/// Writes the first frame of a context below `stack_top` and answers its stack pointer.
///
/// # Safety
/// `stack_top` is the 16-byte aligned upper end of a writable stack that nobody runs on.
pub unsafe fn initial(stack_top: *mut u8, entry: Entry, arg: *const ()) -> *mut u8 {
    let sp = stack_top.wrapping_sub(size_of::<InitialFrame>()).cast::<InitialFrame>();
    // SAFETY: the frame's size is a multiple of 16 and the stack has room for it, so sp is aligned and writable.
    unsafe { sp.write(InitialFrame::new(entry, arg)) };
    sp.cast()
}

/// Suspends the running context into `*save` and resumes the one at `to`, which sees `transfer`. Returns, maybe
/// on another thread, when somebody resumes `*save`, with what that one transfers.
///
/// # Safety
/// `to` comes from [`initial`] or from an earlier switch and nobody else resumes it. `save` stays valid until the
/// switch has stored it. The caller holds no pointer into the old thread's thread-local storage across the call.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn switch(save: *mut *mut u8, to: *mut u8, transfer: *const ()) -> *const () {
    let back;
    // SAFETY: what a call would do, but for the processor's prediction of returns (see the assembly): the stack is
    // aligned as for a call, and gort_switch keeps what a C function keeps.
    unsafe {
        core::arch::asm!(
            "lea rax, [rip + 2f]",
            "push rax",
            "jmp {switch}",
            "2: endbr64",
            switch = sym gort_switch,
            in("rdi") save,
            in("rsi") to,
            in("rdx") transfer,
            lateout("rax") back,
            clobber_abi("C"),
        );
    }
    back
}

/// As on x86-64, with a plain call: `ret` and the call are one pair for the predictor as well.
///
/// # Safety
/// As there.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn switch(save: *mut *mut u8, to: *mut u8, transfer: *const ()) -> *const () {
    // SAFETY: as the caller promises.
    unsafe { gort_switch(save, to, transfer) }
}

/// Calls `f(arg)` here, in the FP control state of the context that is suspended at `sp`.
///
/// # Safety
/// `f(arg)` is sound to call. `sp` comes from a switch, and nobody resumes it meanwhile.
pub unsafe fn call(f: unsafe extern "C" fn(*mut c_void), arg: *mut c_void, sp: *const u8) {
    // SAFETY: as the caller promises.
    unsafe { gort_call(f, arg, sp) }
}

/// Leaves the present frames for good and enters `entry(null, arg)` at `stack_top`.
///
/// # Safety
/// `stack_top` is the 16-byte aligned upper end of a stack that is this one or that nobody runs on. No frame that
/// is left behind has anything to drop.
pub unsafe fn restart(stack_top: *mut u8, arg: *const (), entry: Entry) -> ! {
    // SAFETY: as the caller promises.
    unsafe { gort_restart(stack_top, arg, entry) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mem;
    use std::cell::Cell;

    const STACK: usize = 64 << 10;

    /// Two contexts that switch to each other.
    struct Pair {
        test: Cell<*mut u8>,
        other: Cell<*mut u8>,
    }

    unsafe extern "C" fn adds_100(mut transfer: *const (), pair: *const ()) -> ! {
        // SAFETY: the test passes its pair, and outlives us.
        let pair = unsafe { &*pair.cast::<Pair>() };
        loop {
            let sum = transfer as usize + 100;
            // SAFETY: the test suspended itself into the pair when it resumed us.
            transfer = unsafe { switch(pair.other.as_ptr(), pair.test.get(), sum as *const ()) };
        }
    }

    fn stack_top() -> *mut u8 {
        mem::map(STACK).unwrap().wrapping_add(STACK)
    }

    #[test]
    fn values_travel_both_ways() {
        let pair = Pair { test: Cell::new(ptr::null_mut()), other: Cell::new(ptr::null_mut()) };
        // SAFETY: the top of a fresh stack, which is never unmapped.
        pair.other.set(unsafe { initial(stack_top(), adds_100, ptr::from_ref(&pair).cast()) });
        for i in 0..1000usize {
            // SAFETY: the other context is fresh, or has suspended itself into the pair.
            let got = unsafe { switch(pair.test.as_ptr(), pair.other.get(), i as *const ()) };
            assert_eq!(got as usize, i + 100);
        }
    }

    unsafe extern "C" fn restarts(_: *const (), pair: *const ()) -> ! {
        // SAFETY: as above.
        let other = unsafe { &*pair.cast::<Pair>() };
        let top = other.other.get();
        // SAFETY: the top of this very stack; there is nothing to drop.
        unsafe { restart(top, pair, restarted) }
    }

    unsafe extern "C" fn restarted(transfer: *const (), pair: *const ()) -> ! {
        assert!(transfer.is_null());
        // SAFETY: as above.
        let pair = unsafe { &*pair.cast::<Pair>() };
        let mut nowhere = ptr::null_mut();
        // SAFETY: the test waits in its switch; nobody resumes us.
        unsafe { switch(&mut nowhere, pair.test.get(), 7 as *const ()) };
        unreachable!()
    }

    #[test]
    fn a_stack_is_taken_over() {
        let top = stack_top();
        let pair = Pair { test: Cell::new(ptr::null_mut()), other: Cell::new(top) };
        // SAFETY: the top of a fresh stack.
        let fresh = unsafe { initial(top, restarts, ptr::from_ref(&pair).cast()) };
        // SAFETY: a fresh context.
        let got = unsafe { switch(pair.test.as_ptr(), fresh, ptr::null()) };
        assert_eq!(got as usize, 7);
    }
}

//! Contexts: what a switch saves, and how the first one of a stack is made. The assembly and the pictures of the
//! stack are in `asm/`; this file is its typed face.
//!
//! A switch hands one pointer, the *transfer*, to the context it resumes. The scheduler uses it to say what has
//! to be done on the far side, once the near side's registers are saved.

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(include_str!("../../asm/x86_64.S"));
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(include_str!("../../asm/aarch64.S"));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("gort has a context switch for x86-64 and aarch64 only");

/// Where a new context begins: `entry(transfer, arg)`. It never returns.
pub type Entry = unsafe extern "C" fn(*const (), *const ()) -> !;

unsafe extern "C" {
    fn gort_switch(save_sp: *mut *mut u8, to_sp: *mut u8, transfer: *const ()) -> *const ();
    fn gort_first();
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
#[inline(always)]
pub unsafe fn switch(save: *mut *mut u8, to: *mut u8, transfer: *const ()) -> *const () {
    // SAFETY: as the caller promises.
    unsafe { gort_switch(save, to, transfer) }
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
    use std::alloc::{Layout, alloc};
    use std::cell::Cell;

    thread_local!(static MAIN_SP: Cell<*mut u8> = const { Cell::new(std::ptr::null_mut()) });

    unsafe extern "C" fn echo(mut transfer: *const (), arg: *const ()) -> ! {
        let mut own = std::ptr::null_mut();
        assert_eq!((&raw const own).align_offset(8), 0);
        loop {
            let add = transfer as usize + arg as usize;
            // SAFETY: the test suspended itself into MAIN_SP before it resumed us.
            transfer = unsafe { switch(&mut own, MAIN_SP.get(), own_and(add, &raw mut own)) };
        }
    }

    thread_local!(static OTHER_SP: Cell<*mut *mut u8> = const { Cell::new(std::ptr::null_mut()) });

    fn own_and(value: usize, own: *mut *mut u8) -> *const () {
        OTHER_SP.set(own);
        value as *const ()
    }

    #[test]
    fn values_travel_both_ways() {
        let layout = Layout::from_size_align(64 << 10, 16).unwrap();
        // SAFETY: the layout is not empty; the memory is leaked, so the context outlives the test.
        let top = unsafe { alloc(layout).add(layout.size()) };
        // SAFETY: top is the aligned end of a fresh block.
        let mut to = unsafe { initial(top, echo, 100 as *const ()) };
        for i in 0..1000usize {
            let mut me = std::ptr::null_mut();
            let save = &raw mut me;
            // SAFETY: `to` is the initial frame, then where echo suspended itself. MAIN_SP is set through the
            // pointer below before echo reads it, because gort_switch stores before it resumes.
            let got = unsafe {
                MAIN_SP.with(|m| {
                    let _ = save;
                    switch(m.as_ptr(), to, i as *const ())
                })
            };
            assert_eq!(got as usize, 100 + i);
            // SAFETY: echo is suspended and its `own` variable lives on its stack.
            to = unsafe { *OTHER_SP.get() };
        }
    }
}

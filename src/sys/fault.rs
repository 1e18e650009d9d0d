//! Faults of memory: one look at them for whoever wants it, before they go on to whoever handled them before.
//!
//! The handler runs on the thread's alternate stack, since a thread that overflowed its stack has no other. Runtime threads get
//! one ([`AltStack`]); other threads have what the program gives them.
//!
//! From a handler of the system's default on, a fault ends the process as it would have: the default is put back, and the
//! faulting instruction runs again.

use super::mem;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};

/// Told of a fault: its address, and the stack pointer of the code that faulted. On the alternate stack of the thread, or, where
/// that has none, on the stack that faulted; async-signal-safe as far as it can be.
pub type Look = fn(*const u8, *const u8);

const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

static LOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

struct Former(UnsafeCell<MaybeUninit<[libc::sigaction; 2]>>);

// SAFETY: written once, before the handlers that read it are installed.
unsafe impl Sync for Former {}

static FORMER: Former = Former(UnsafeCell::new(MaybeUninit::zeroed()));

/// Installs the handlers, once in the life of the process.
pub fn install(look: Look) {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, AcqRel) {
        return;
    }
    LOOK.store(look as *mut (), Release);
    for (i, signal) in SIGNALS.into_iter().enumerate() {
        // SAFETY: the former action is written to its place before the new one can run; the new one has the type that
        // SA_SIGINFO asks for.
        unsafe {
            let former = (*FORMER.0.get()).as_mut_ptr().cast::<libc::sigaction>().add(i);
            if libc::sigaction(signal, ptr::null(), former) != 0 {
                continue;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            // What the former one masks stays masked.
            action.sa_mask = (*former).sa_mask;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | ((*former).sa_flags & libc::SA_NODEFER);
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
}

unsafe extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both; a code above zero says that it is a fault, with an address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr()) };
    if code > 0 {
        // SAFETY: what `install` stored; the kernel passes a context.
        unsafe {
            let look = std::mem::transmute::<*mut (), Look>(LOOK.load(Acquire));
            look(address.cast(), stack_pointer(context.cast()));
        }
    }
    // SAFETY: written before this handler was installed.
    let former = unsafe { &*(*FORMER.0.get()).as_ptr().cast::<libc::sigaction>().add((signal == SIGNALS[1]) as usize) };
    match former.sa_sigaction {
        libc::SIG_IGN if code <= 0 => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: plain data; a fault happens again on return, and another process's signal is sent again.
            unsafe {
                let mut default: libc::sigaction = std::mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &default, ptr::null_mut());
                if code <= 0 {
                    libc::raise(signal);
                }
            }
        }
        // SAFETY: the program's own handler, called as it asked to be.
        f if former.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            std::mem::transmute::<usize, extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)>(f)(
                signal, info, context,
            );
        },
        // SAFETY: as above.
        f => unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(f)(signal) },
    }
}

/// # Safety
/// A context that the kernel passed to a handler.
unsafe fn stack_pointer(context: *const libc::ucontext_t) -> *const u8 {
    // SAFETY: the caller's promise.
    let machine = unsafe { &(*context).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let sp = machine.gregs[libc::REG_RSP as usize] as u64;
    #[cfg(target_arch = "aarch64")]
    let sp = machine.sp;
    sp as *const u8
}

/// A stack for the handlers of a thread. It is kept when the thread ends, for the next one.
pub struct AltStack {
    low: *mut u8,
}

impl AltStack {
    pub const NONE: AltStack = AltStack { low: ptr::null_mut() };

    /// Room for what the kernel saves, and for a handler that looks at symbols.
    fn size() -> usize {
        const AT_MINSIGSTKSZ: u64 = 51;
        // SAFETY: asks for a number; 0 where there is none.
        let least = unsafe { libc::getauxval(AT_MINSIGSTKSZ) } as usize;
        (least.max(libc::MINSIGSTKSZ) + (32 << 10)).next_multiple_of(mem::page_size())
    }

    /// Gives the calling thread this one, unless it has one already or no memory is left.
    pub fn put_on(&mut self) {
        // SAFETY: plain data, filled in by the call.
        let mut present: libc::stack_t = unsafe { std::mem::zeroed() };
        // SAFETY: asks only.
        let asked = unsafe { libc::sigaltstack(ptr::null(), &mut present) } == 0;
        if !asked || present.ss_flags & libc::SS_DISABLE == 0 {
            return;
        }
        if self.low.is_null() {
            match mem::map(Self::size()) {
                Some(low) => self.low = low,
                None => return,
            }
        }
        let stack = libc::stack_t { ss_sp: self.low.cast(), ss_flags: 0, ss_size: Self::size() };
        // SAFETY: memory of this size, which nobody else uses until `take_off`.
        unsafe { libc::sigaltstack(&stack, ptr::null_mut()) };
    }

    /// Before the thread ends: it has this one no more, if it had it.
    pub fn take_off(&mut self) {
        // SAFETY: plain data, filled in by the call; the thread is not in a handler.
        unsafe {
            let mut present: libc::stack_t = std::mem::zeroed();
            if libc::sigaltstack(ptr::null(), &mut present) == 0 && present.ss_sp == self.low.cast() {
                present.ss_flags = libc::SS_DISABLE;
                libc::sigaltstack(&present, ptr::null_mut());
            }
        }
    }
}

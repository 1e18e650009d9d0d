//! The one thread-local word of the library: the calling thread's M.
//!
//! It is defined in assembly and read with the initial-exec model: one instruction pair, no `__tls_get_addr`,
//! and it works after `dlopen`. The reads are volatile assembly, which the compiler can neither cache nor move
//! across a switch, so a function with a switch in it may ask again afterwards and gets the new thread's word.

/// The word, or null on a thread that has none yet.
#[inline(always)]
pub fn get() -> *mut () {
    let word: *mut ();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads an aligned word of the thread's own static TLS block.
    unsafe {
        core::arch::asm!(
            "mov {0}, qword ptr [rip + gort_tls_m@GOTTPOFF]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) word,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "mrs {1}, tpidr_el0",
            "adrp {0}, :gottprel:gort_tls_m",
            "ldr {0}, [{0}, :gottprel_lo12:gort_tls_m]",
            "ldr {0}, [{1}, {0}]",
            out(reg) word,
            out(reg) _,
            options(nostack, preserves_flags, readonly),
        );
    }
    word
}

/// Sets the calling thread's word.
#[inline(never)]
pub fn set(word: *mut ()) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: writes an aligned word of the thread's own static TLS block.
    unsafe {
        core::arch::asm!(
            "mov {1}, qword ptr [rip + gort_tls_m@GOTTPOFF]",
            "mov qword ptr fs:[{1}], {0}",
            in(reg) word,
            out(reg) _,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "mrs {2}, tpidr_el0",
            "adrp {1}, :gottprel:gort_tls_m",
            "ldr {1}, [{1}, :gottprel_lo12:gort_tls_m]",
            "str {0}, [{2}, {1}]",
            in(reg) word,
            out(reg) _,
            out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

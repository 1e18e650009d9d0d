// Context switch for aarch64, AAPCS64. Assembled by rustc (global_asm!).
//
// A suspended context is one stack pointer. What it points at, low addresses first:
//
//     sp + 0    x29 (frame pointer), x30 (address to go on at)
//     sp + 16   x19, x20
//     sp + 32   x21, x22
//     sp + 48   x23, x24
//     sp + 64   x25, x26
//     sp + 80   x27, x28
//     sp + 96   d8,  d9
//     sp + 112  d10, d11
//     sp + 128  d12, d13
//     sp + 144  d14, d15
//     sp + 160  fpcr, unused
//     sp + 176  the caller's frame          <- CFA; 16-byte aligned, always
//
// `InitialFrame` in src/sys/context.rs writes the same picture for a context that has never run, so that
// starting and resuming are one path. All other registers are dead across a call (of v8-v15 the low halves
// are the callee's to keep).

        .text

// void *gort_switch(x0: void **save_sp, x1: void *to_sp, x2: void *transfer)
//
// Suspends the running context into *save_sp, resumes the one at to_sp, and there returns `transfer`.
// FPCR belongs to the context; it is written only where it differs, since writing serialises.
// The exit is `ret`: an indirect branch through another register to an address behind a `bl` would need a
// landing pad there under branch target identification, and callers have none.
//
// CFI: both stacks have the same picture, so the rules that describe the near side describe the far side.
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, %function
        .p2align 4
gort_switch:
        .cfi_startproc
        hint    34                      // bti c
        stp     x29, x30, [sp, #-176]!
        .cfi_def_cfa_offset 176
        .cfi_offset x29, -176
        .cfi_offset x30, -168
        stp     x19, x20, [sp, #16]
        .cfi_offset x19, -160
        .cfi_offset x20, -152
        stp     x21, x22, [sp, #32]
        .cfi_offset x21, -144
        .cfi_offset x22, -136
        stp     x23, x24, [sp, #48]
        .cfi_offset x23, -128
        .cfi_offset x24, -120
        stp     x25, x26, [sp, #64]
        .cfi_offset x25, -112
        .cfi_offset x26, -104
        stp     x27, x28, [sp, #80]
        .cfi_offset x27, -96
        .cfi_offset x28, -88
        stp     d8, d9, [sp, #96]
        .cfi_offset d8, -80
        .cfi_offset d9, -72
        stp     d10, d11, [sp, #112]
        .cfi_offset d10, -64
        .cfi_offset d11, -56
        stp     d12, d13, [sp, #128]
        .cfi_offset d12, -48
        .cfi_offset d13, -40
        stp     d14, d15, [sp, #144]
        .cfi_offset d14, -32
        .cfi_offset d15, -24
        mrs     x9, fpcr
        str     x9, [sp, #160]
        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1
        ldr     x10, [sp, #160]
        cmp     x9, x10
        b.eq    1f
        msr     fpcr, x10
1:      ldp     d14, d15, [sp, #144]
        ldp     d12, d13, [sp, #128]
        ldp     d10, d11, [sp, #112]
        ldp     d8, d9, [sp, #96]
        ldp     x27, x28, [sp, #80]
        ldp     x25, x26, [sp, #64]
        ldp     x23, x24, [sp, #48]
        ldp     x21, x22, [sp, #32]
        ldp     x19, x20, [sp, #16]
        mov     x0, x2
        ldp     x29, x30, [sp], #176
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        ret
        .cfi_endproc
        .size   gort_switch, . - gort_switch

// The first instruction of every goroutine. It is reached by the `ret` at the end of gort_switch with
//     x0   transfer        x19  the entry: void entry(void *transfer, void *arg), which never returns
//     x20  arg             sp   16-byte aligned
// The return address is undefined in the CFI and the frame pointer is zero: every unwinder stops here.
// The personality (src/sys/context.rs) ends the process with a line if an exception comes this far.
        .globl  gort_first
        .hidden gort_first
        .type   gort_first, %function
        .p2align 4
gort_first:
        .cfi_startproc
        .cfi_personality 0x1b, {personality}
        .cfi_undefined x30
        hint    36                      // bti j
        mov     x1, x20
        mov     x29, xzr
        mov     x30, xzr
        blr     x19
        brk     #1
        .cfi_endproc
        .size   gort_first, . - gort_first

// void gort_restart(x0: void *stack_top, x1: void *arg, x2: entry)   -- does not return
//
// Leaves everything on the present stack for good and enters `entry(NULL, arg)` at its top, in the standard
// FP control state: how a goroutine that has never run takes over the stack of one that ended.
        .globl  gort_restart
        .hidden gort_restart
        .type   gort_restart, %function
        .p2align 4
gort_restart:
        .cfi_startproc
        .cfi_undefined x30
        hint    34                      // bti c
        mov     sp, x0
        msr     fpcr, xzr
        mov     x19, x2
        mov     x20, x1
        mov     x0, xzr
        b       gort_first
        .cfi_endproc
        .size   gort_restart, . - gort_restart

// void gort_call(x0: void (*f)(void *), x1: void *arg, x2: void *frame)
//
// Calls f(arg) on the present stack in the FP control state of a suspended context, whose stack pointer is `frame`, and goes
// back to the caller's. An exception out of f ends the process, as out of a goroutine.
        .globl  gort_call
        .hidden gort_call
        .type   gort_call, %function
        .p2align 4
gort_call:
        .cfi_startproc
        .cfi_personality 0x1b, {personality}
        hint    34                      // bti c
        stp     x29, x30, [sp, #-32]!
        .cfi_def_cfa_offset 32
        .cfi_offset x29, -32
        .cfi_offset x30, -24
        mov     x29, sp
        .cfi_def_cfa_register x29
        mrs     x9, fpcr
        str     x9, [sp, #16]
        ldr     x9, [x2, #160]
        msr     fpcr, x9
        mov     x9, x0
        mov     x0, x1
        blr     x9
        ldr     x9, [sp, #16]
        msr     fpcr, x9
        ldp     x29, x30, [sp], #32
        .cfi_def_cfa sp, 0
        ret
        .cfi_endproc
        .size   gort_call, . - gort_call

// The one thread-local word: the thread's M. Read by the inline assembly of src/sys/tls.rs (initial-exec).
        .section .tbss,"awT",%nobits
        .globl  gort_tls_m
        .hidden gort_tls_m
        .type   gort_tls_m, %object
        .size   gort_tls_m, 8
        .p2align 3
gort_tls_m:
        .zero   8
        .text

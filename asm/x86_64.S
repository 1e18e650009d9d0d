# Context switch for x86-64, System V ABI. Intel syntax, assembled by rustc (global_asm!).
#
# A suspended context is one stack pointer. What it points at, low addresses first:
#
#     sp + 0   mxcsr (4 bytes), x87 control word (2 bytes), unused (2 bytes)
#     sp + 8   r15
#     sp + 16  r14
#     sp + 24  r13
#     sp + 32  r12
#     sp + 40  rbx
#     sp + 48  rbp
#     sp + 56  address to go on at
#     sp + 64  the caller's frame          <- CFA; 16-byte aligned, as at any call
#
# `InitialFrame` in src/sys/context.rs writes the same picture for a context that has never run, so that
# starting and resuming are one path. All other registers belong to the caller of a C function and are dead
# across the call.

        .text

# void *gort_switch(rdi: void **save_sp, rsi: void *to_sp, rdx: void *transfer)
#
# Suspends the running context into *save_sp, resumes the one at to_sp, and there returns `transfer`.
#
# FP control words belong to the context. They are always stored, but loaded only where they differ from the
# ones in force: storing is cheap to overlap, loading serialises.
#
# Entered by a jump with the return address pushed by hand, and left by `pop; jmp`: no call and no ret, so the
# processor's stack of return predictions stays as it was. A goroutine that was suspended by the same chain of calls
# as the one that leaves then finds every `ret` of that chain predicted. With call and ret here, or one of them, each
# return on the way out is a misprediction (measured: 80 ns a yield instead of 25).
# The price is that user-mode shadow stacks can't be on; the library is not marked as able to run under them.
#
# CFI: both stacks have the same picture, so the rules that describe the near side after its pushes describe
# the far side before its pops as well.
        .globl  gort_switch
        .hidden gort_switch
        .type   gort_switch, @function
        .p2align 4
gort_switch:
        .cfi_startproc
        endbr64
        push    rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        push    rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        push    r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        push    r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        push    r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        push    r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        sub     rsp, 8
        .cfi_adjust_cfa_offset 8
        stmxcsr [rsp]
        fnstcw  [rsp + 4]
        mov     eax, [rsp]
        movzx   ecx, word ptr [rsp + 4]
        mov     [rdi], rsp
        mov     rsp, rsi
        cmp     eax, [rsp]
        jne     2f
        cmp     cx, [rsp + 4]
        jne     2f
1:      add     rsp, 8
        .cfi_adjust_cfa_offset -8
        pop     r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        pop     r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        pop     r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        pop     r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        pop     rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        pop     rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        mov     rax, rdx
        pop     rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     rcx
        # The same frame as at 1, reached when the control words differ.
        .cfi_adjust_cfa_offset 64
        .cfi_offset rip, -8
        .cfi_offset rbp, -16
        .cfi_offset rbx, -24
        .cfi_offset r12, -32
        .cfi_offset r13, -40
        .cfi_offset r14, -48
        .cfi_offset r15, -56
2:      ldmxcsr [rsp]
        fldcw   [rsp + 4]
        jmp     1b
        .cfi_endproc
        .size   gort_switch, . - gort_switch

# The first instruction of every goroutine. It is reached by the jump at the end of gort_switch with
#     rax  transfer        rbx  the entry: void entry(void *transfer, void *arg), which never returns
#     r12  arg             rsp  16-byte aligned
# The return address is undefined in the CFI and the frame pointer is zero: every unwinder stops here.
# The personality (src/sys/context.rs) ends the process with a line if an exception comes this far.
        .globl  gort_first
        .hidden gort_first
        .type   gort_first, @function
        .p2align 4
gort_first:
        .cfi_startproc
        .cfi_personality 0x1b, {personality}
        .cfi_undefined rip
        endbr64
        mov     rdi, rax
        mov     rsi, r12
        xor     ebp, ebp
        call    rbx
        ud2
        .cfi_endproc
        .size   gort_first, . - gort_first

# void gort_restart(rdi: void *stack_top, rsi: void *arg, rdx: entry)   -- does not return
#
# Leaves everything on the present stack for good and enters `entry(NULL, arg)` at its top, in the standard
# FP control state: how a goroutine that has never run takes over the stack of one that ended.
        .globl  gort_restart
        .hidden gort_restart
        .type   gort_restart, @function
        .p2align 4
gort_restart:
        .cfi_startproc
        .cfi_undefined rip
        endbr64
        mov     rsp, rdi
        mov     dword ptr [rsp - 8], 0x1f80
        mov     word ptr [rsp - 4], 0x037f
        ldmxcsr [rsp - 8]
        fldcw   [rsp - 4]
        mov     rbx, rdx
        mov     r12, rsi
        xor     eax, eax
        jmp     gort_first
        .cfi_endproc
        .size   gort_restart, . - gort_restart

# void gort_call(rdi: void (*f)(void *), rsi: void *arg, rdx: void *frame)
#
# Calls f(arg) on the present stack in the FP control state of a suspended context, whose stack pointer is `frame`, and goes
# back to the caller's. An exception out of f ends the process, as out of a goroutine.
        .globl  gort_call
        .hidden gort_call
        .type   gort_call, @function
        .p2align 4
gort_call:
        .cfi_startproc
        .cfi_personality 0x1b, {personality}
        endbr64
        push    rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        mov     rbp, rsp
        .cfi_def_cfa_register rbp
        sub     rsp, 16
        stmxcsr [rsp]
        fnstcw  [rsp + 4]
        ldmxcsr [rdx]
        fldcw   [rdx + 4]
        mov     rax, rdi
        mov     rdi, rsi
        call    rax
        ldmxcsr [rsp]
        fldcw   [rsp + 4]
        leave
        .cfi_def_cfa rsp, 8
        ret
        .cfi_endproc
        .size   gort_call, . - gort_call

# The one thread-local word: the thread's M. Read by the inline assembly of src/sys/tls.rs (initial-exec).
        .section .tbss,"awT",@nobits
        .globl  gort_tls_m
        .hidden gort_tls_m
        .type   gort_tls_m, @object
        .size   gort_tls_m, 8
        .p2align 3
gort_tls_m:
        .zero   8
        .text

/* The context switch: callee-saved registers, stack alignment, floating-point control, live values across every wait. */
#include "check.h"

#include <fenv.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*
 * probe_registers(in, out, call): loads every callee-saved register from in, makes the call, stores them all to out.
 * On x86-64: rbx rbp r12-r15. On aarch64: x19-x29 and d8-d15.
 */
#if defined(__x86_64__)
enum { REGISTERS = 6 };
__asm__(".text\n"
        ".p2align 4\n"
        ".globl probe_registers\n"
        ".hidden probe_registers\n"
        ".type probe_registers, @function\n"
        "probe_registers:\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    sub $24, %rsp\n"
        "    mov %rsi, (%rsp)\n"
        "    mov 0(%rdi), %rbx\n"
        "    mov 8(%rdi), %rbp\n"
        "    mov 16(%rdi), %r12\n"
        "    mov 24(%rdi), %r13\n"
        "    mov 32(%rdi), %r14\n"
        "    mov 40(%rdi), %r15\n"
        "    call *%rdx\n"
        "    mov (%rsp), %rsi\n"
        "    mov %rbx, 0(%rsi)\n"
        "    mov %rbp, 8(%rsi)\n"
        "    mov %r12, 16(%rsi)\n"
        "    mov %r13, 24(%rsi)\n"
        "    mov %r14, 32(%rsi)\n"
        "    mov %r15, 40(%rsi)\n"
        "    add $24, %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n"
        ".size probe_registers, . - probe_registers\n");
#elif defined(__aarch64__)
enum { REGISTERS = 19 };
__asm__(".text\n"
        ".p2align 4\n"
        ".globl probe_registers\n"
        ".hidden probe_registers\n"
        ".type probe_registers, %function\n"
        "probe_registers:\n"
        "    stp x29, x30, [sp, #-176]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    str x1, [sp, #160]\n"
        "    ldp x19, x20, [x0, #0]\n"
        "    ldp x21, x22, [x0, #16]\n"
        "    ldp x23, x24, [x0, #32]\n"
        "    ldp x25, x26, [x0, #48]\n"
        "    ldp x27, x28, [x0, #64]\n"
        "    ldr x29, [x0, #80]\n"
        "    ldp d8, d9, [x0, #88]\n"
        "    ldp d10, d11, [x0, #104]\n"
        "    ldp d12, d13, [x0, #120]\n"
        "    ldp d14, d15, [x0, #136]\n"
        "    blr x2\n"
        "    ldr x1, [sp, #160]\n"
        "    stp x19, x20, [x1, #0]\n"
        "    stp x21, x22, [x1, #16]\n"
        "    stp x23, x24, [x1, #32]\n"
        "    stp x25, x26, [x1, #48]\n"
        "    stp x27, x28, [x1, #64]\n"
        "    str x29, [x1, #80]\n"
        "    stp d8, d9, [x1, #88]\n"
        "    stp d10, d11, [x1, #104]\n"
        "    stp d12, d13, [x1, #120]\n"
        "    stp d14, d15, [x1, #136]\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #176\n"
        "    ret\n"
        ".size probe_registers, . - probe_registers\n");
#else
#error "probe_registers is missing for this processor"
#endif

void probe_registers(const uint64_t *in, uint64_t *out, void (*call)(void));

static rt_chan *chan;
static rt_mutex mu;
static atomic_int done;

static void call_gosched(void) { rt_gosched(); }
static void call_sleep(void) { CHECK_OK(rt_sleep(30 * US)); }
static void call_send(void) { CHECK_OK(rt_chan_send(chan, NULL)); }
static void call_recv(void) { CHECK_OK(rt_chan_recv(chan, NULL)); }
static void call_timeout(void) { CHECK_EQ(rt_gopark_timeout(NULL, NULL, "registers", 20 * US), RT_ETIMEDOUT); }
static void call_lock(void) {
    CHECK_OK(rt_mutex_lock(&mu));
    rt_gosched();
    CHECK_OK(rt_mutex_unlock(&mu));
}

static void (*const calls[])(void) = {call_gosched, call_sleep, call_timeout, call_lock, call_send, call_recv};

static void registers(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 200; i++) {
        uint64_t in[REGISTERS], out[REGISTERS];
        for (int r = 0; r < REGISTERS; r++) {
            in[r] = rnd(&state);
            out[r] = 0;
        }
        probe_registers(in, out, calls[i % 6]);
        for (int r = 0; r < REGISTERS; r++)
            if (in[r] != out[r])
                FAIL("register %d is %#" PRIx64 " after call %d, was %#" PRIx64, r, out[r], i % 6, in[r]);
    }
    atomic_fetch_add(&done, 1);
}

/* Aligned vector stores fault if the stack of a goroutine's function, or of what it resumes to, is not aligned. */
static __attribute__((noinline)) void aligned_store(void *where, int fill) {
#if defined(__x86_64__)
    /* The compiler uses movaps here; no call may intervene. */
    _mm_store_si128(where, _mm_set1_epi8((char)fill));
#else
    memset(where, fill, 16);
#endif
}

static void check_alignment(void) {
    _Alignas(16) unsigned char local[16];
    unsigned char *volatile p = local;
    CHECK_EQ((uintptr_t)p % 16, 0);
    CHECK_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
    aligned_store(p, 0x3c);
    for (int i = 0; i < 16; i++) CHECK_EQ(p[i], 0x3c);
}

static bool aligned_unlockf(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    check_alignment();
    return false;
}

static void alignment(void *arg) {
    (void)arg;
    check_alignment();
    rt_gosched();
    check_alignment();
    CHECK_OK(rt_sleep(10 * US));
    check_alignment();
    CHECK_OK(rt_gopark(aligned_unlockf, NULL, "alignment"));
    check_alignment();
    /* Variadic calls with doubles use movaps on x86-64. */
    char text[64];
    snprintf(text, sizeof text, "%.3f %.3f %d", 1.5, 2.25, 7);
    CHECK(strcmp(text, "1.500 2.250 7") == 0);
    atomic_fetch_add(&done, 1);
}

/* More live values than there are registers, of both kinds, across waits. */
static void live_values(void *arg) {
    uint64_t s = (uint64_t)(uintptr_t)arg;
    uint64_t a = rnd(&s), b = rnd(&s), c = rnd(&s), d = rnd(&s), e = rnd(&s), f = rnd(&s), g = rnd(&s), h = rnd(&s);
    double x = 1.5, y = 2.5, z = 0.125, w = 1024.0;
    const uint64_t sum = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
    for (int i = 0; i < 300; i++) {
        const uint64_t t = a;
        a = b, b = c, c = d, d = e, e = f, f = g, g = h, h = t;
        const double u = x;
        x = y, y = z, z = w, w = u;
        calls[i % 4]();
        CHECK((a ^ b ^ c ^ d ^ e ^ f ^ g ^ h) == sum);
        CHECK(x * y * z * w == 1.5 * 2.5 * 0.125 * 1024.0);
    }
    atomic_fetch_add(&done, 1);
}

/* Rounding: a third, computed at run time, rounded as the mode says. */
static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};

static __attribute__((noinline)) double divide(double a, double b) {
    volatile double x = a, y = b;
    return x / y;
}

static __attribute__((noinline)) long double divide_long(long double a, long double b) {
    volatile long double x = a, y = b;
    return x / y;
}

static double third_down, third_up, minus_third_down, minus_third_up;
static long double long_third_down, long_third_up;

static void check_mode(int mode) {
    CHECK_EQ(fegetround(), mode);
    const double third = divide(1, 3), minus = divide(-1, 3);
    if (mode == FE_DOWNWARD) CHECK(third == third_down && minus == minus_third_down);
    if (mode == FE_UPWARD) CHECK(third == third_up && minus == minus_third_up);
    if (mode == FE_TOWARDZERO) CHECK(third == third_down && minus == minus_third_up);
    /* On x86-64 this one goes through the x87 unit, which has a control word of its own. */
    if (mode == FE_DOWNWARD || mode == FE_TOWARDZERO) CHECK(divide_long(1, 3) == long_third_down);
    if (mode == FE_UPWARD) CHECK(divide_long(1, 3) == long_third_up);
}

#if defined(__x86_64__)
enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
#endif

static void rounds(void *arg) {
    const int i = (int)(intptr_t)arg, mode = modes[i % 4];
    /* A fresh goroutine does not find what one before it on this thread has set. */
    CHECK_EQ(fegetround(), FE_TONEAREST);
    CHECK_EQ(fesetround(mode), 0);
#if defined(__x86_64__)
    const unsigned bits = i % 3 == 0 ? FLUSH_TO_ZERO : i % 3 == 1 ? DENORMALS_ARE_ZERO : 0;
    _mm_setcsr(_mm_getcsr() | bits);
#endif
    for (int k = 0; k < 100; k++) {
        calls[k % 4]();
        check_mode(mode);
#if defined(__x86_64__)
        CHECK_EQ(_mm_getcsr() & (FLUSH_TO_ZERO | DENORMALS_ARE_ZERO), bits);
#endif
    }
    /* Ends without setting it back. */
    atomic_fetch_add(&done, 1);
}

static void find_thirds(void) {
    CHECK_EQ(fesetround(FE_DOWNWARD), 0);
    third_down = divide(1, 3);
    minus_third_down = divide(-1, 3);
    long_third_down = divide_long(1, 3);
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    third_up = divide(1, 3);
    minus_third_up = divide(-1, 3);
    long_third_up = divide_long(1, 3);
    CHECK_EQ(fesetround(FE_TONEAREST), 0);
    CHECK(third_down < third_up && minus_third_down < minus_third_up);
#if !defined(__aarch64__)
    /* There it is software, whose rounding is that of whichever library was linked. */
    CHECK(long_third_down < long_third_up);
#endif
}

static void expect(int n) {
    EVENTUALLY(atomic_load(&done) == n);
    atomic_store(&done, 0);
}

int main(void) {
    chan = rt_chan_make(0, 2);
    CHECK(chan != NULL);
    find_thirds();

    for (uintptr_t i = 1; i <= 16; i++) go(registers, (void *)i);
    registers((void *)99);
    expect(17);

    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    for (int i = 0; i < 64; i++) {
        /* Sizes that are no multiple of anything. */
        opts.stack_size = 64 * 1024 + (size_t)i * 1001;
        CHECK_OP(rt_go_with(&opts, alignment, NULL), >, 0);
    }
    alignment(NULL);
    expect(65);

    for (uintptr_t i = 1; i <= 16; i++) go(live_values, (void *)i);
    expect(16);

    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++) threads[i] = thread_go(rounds, (void *)i);
    for (intptr_t i = 0; i < 40; i++) go(rounds, (void *)i);
    expect(44);
    for (int i = 0; i < 4; i++) thread_join(threads[i]);
    /* None of it has come over this thread. */
    CHECK_EQ(fegetround(), FE_TONEAREST);
    for (intptr_t i = 0; i < 40; i++) go(rounds, (void *)i);
    /* And this thread's own mode survives its waits, while the goroutines' stay theirs. */
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(rt_sleep(100 * US));
        check_mode(FE_UPWARD);
    }
    CHECK_EQ(fesetround(FE_TONEAREST), 0);
    expect(40);
    rt_chan_unref(chan);
    puts("context: ok");
    return 0;
}

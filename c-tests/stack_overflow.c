/* A goroutine that runs over its stack meets a guard: the process ends by a signal, and nobody else's memory changes. */
#include "check.h"

static unsigned char (*shared)[4096];

static __attribute__((noinline)) int recurse(int n) {
    volatile char room[512];
    room[0] = (char)n;
    /* Not a tail call, and no end that the compiler can see. */
    return n == INT_MIN ? 0 : recurse(n + 1) + room[0];
}

static void overflows(void *arg) {
    (void)arg;
    recurse(0);
    FAIL("an endless recursion ended");
}

static void neighbour(void *arg) {
    volatile unsigned char room[1024];
    for (size_t i = 0; i < sizeof room; i++) room[i] = 0x5a;
    for (;;) {
        for (size_t i = 0; i < sizeof room; i++)
            if (room[i] != 0x5a) (*shared)[0] = 1;
        if (arg == NULL) rt_gosched();
        else CHECK_OK(rt_sleep(100 * US));
    }
}

static void run(size_t stack_size) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.stack_size = stack_size;
    for (int i = 0; i < 8; i++) CHECK_OP(rt_go_with(&opts, neighbour, i % 2 == 0 ? NULL : (void *)shared), >, 0);
    thread_sleep(5 * MS);
    CHECK_OP(rt_go_with(&opts, overflows, NULL), >, 0);
    thread_sleep(30 * SECOND);
}

static void small(void) { run(64 * 1024); }
static void standard(void) { run(0); }
static void large(void) { run(4 << 20); }

int main(void) {
    if (sanitized()) SKIP("a sanitizer ends the process in its own way");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    void (*const sizes[])(void) = {small, standard, large};
    for (int i = 0; i < 3; i++) {
        const int status = in_child(sizes[i]);
        CHECK(WIFSIGNALED(status));
        const int sig = WTERMSIG(status);
        if (sig != SIGSEGV && sig != SIGBUS && sig != SIGABRT) FAIL("case %d ended by signal %d", i, sig);
        CHECK_EQ((*shared)[0], 0);
    }
    puts("stack_overflow: ok");
    return 0;
}

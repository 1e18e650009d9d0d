/*
 * A goroutine that runs over its stack meets a guard: a line says which one, the process ends by a signal, and nobody else's
 * memory changes. Whoever handled such faults before still does; other faults are none of the library's.
 */
#include "more.h"

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
    opts.name = "the deep one";
    for (int i = 0; i < 8; i++) CHECK_OP(rt_go_with(&opts, neighbour, i % 2 == 0 ? NULL : (void *)shared), >, 0);
    thread_sleep(5 * MS);
    CHECK_OP(rt_go_with(&opts, overflows, NULL), >, 0);
    thread_sleep(30 * SECOND);
}

static void small(void) { run(64 * 1024); }
static void standard(void) { run(0); }
static void large(void) { run(4 << 20); }

/* On a plain thread, and anywhere else: no line. */
static void on_plain_thread(void) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    CHECK_OK(rt_sleep(1));
    recurse(0);
}

static void writes_to_null(void *arg) { *(volatile char *)arg = 1; }

static void null_on_goroutine(void) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    rt_run(writes_to_null, NULL);
}

/* The program's own handler has the last word. */
static void own(int sig) { _exit(sig == SIGSEGV ? 42 : 43); }

static void with_own_handler(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = own;
    a.sa_flags = SA_ONSTACK;
    CHECK_EQ(sigaction(SIGSEGV, &a, NULL), 0);
    run(0);
}

static void sent(void) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    CHECK_OK(rt_sleep(1));
    kill(getpid(), SIGSEGV);
    thread_sleep(30 * SECOND);
}

/* A worker has an alternate stack: a handler that asks for it runs there. */
static atomic_bool on_it;

static void looks(int sig) {
    (void)sig;
    stack_t s;
    atomic_store(&on_it, sigaltstack(NULL, &s) == 0 && (s.ss_flags & SS_ONSTACK) != 0);
}

static void raises(void *arg) {
    (void)arg;
    raise(SIGUSR1);
    CHECK(atomic_load(&on_it));
}

static void alternate_stack(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = looks;
    a.sa_flags = SA_ONSTACK;
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_OK(rt_run(raises, NULL));
}

static char text[1 << 16];

static bool is_fault(int status) {
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

int main(void) {
    if (sanitized()) SKIP("a sanitizer ends the process in its own way");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    const struct {
        void (*fn)(void);
        const char *size;
    } sizes[] = {{small, " 64 KiB"}, {standard, " 256 KiB"}, {large, " 4096 KiB"}};
    for (int i = 0; i < 3; i++) {
        const int status = capture(sizes[i].fn, text, sizeof text);
        if (!is_fault(status)) FAIL("case %d: status %#x", i, status);
        CHECK_EQ((*shared)[0], 0);
        /* Which goroutine, how much it had, and where it was. */
        const char *line = strstr(text, "gort: stack overflow: goroutine ");
        if (line == NULL || strstr(line, " \"the deep one\" ") == NULL || strstr(line, sizes[i].size) == NULL ||
            strstr(line, "\n  ") == NULL || strstr(line, "started at ") == NULL)
            FAIL("case %d printed:\n%s", i, text);
        CHECK(strstr(line + 1, "gort: ") == NULL);
    }
    void (*const silent[])(void) = {on_plain_thread, null_on_goroutine, sent};
    for (int i = 0; i < 3; i++) {
        const int status = capture(silent[i], text, sizeof text);
        /* An emulator has a line of its own for it. */
        if (!is_fault(status) || strstr(text, "gort: ") != NULL) FAIL("silent case %d: status %#x, printed:\n%s", i, status, text);
    }
    const int status = capture(with_own_handler, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42 || strstr(text, "stack overflow") == NULL)
        FAIL("with a handler of its own: status %#x, printed:\n%s", status, text);
    CHECK_CHILD(alternate_stack);
    puts("stack_overflow: ok");
    return 0;
}

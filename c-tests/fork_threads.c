/*
 * A fork in the moment when the runtime makes threads, each of which looks for the C++ runtime among what is loaded: the
 * child finds the loader whole, and so has threads of its own that look.
 */
#include "more.h"

static atomic_int begun;

static void naps(void *arg) {
    (void)arg;
    atomic_fetch_add(&begun, 1);
    thread_sleep(300 * US);
}

static void blocks(void *arg) { CHECK_OK(rt_blocking(naps, arg)); }

static void nothing(void *arg) { (void)arg; }

static void fork_at(int64_t delay) {
    enum { BLOCKERS = 4 };
    atomic_store(&begun, 0);
    for (int i = 0; i < BLOCKERS; i++) go(blocks, NULL);
    for (const int64_t until = now_ns() + delay; now_ns() < until;) {
    }
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        alarm(30);
        _exit(rt_run(nothing, NULL) == RT_OK ? 0 : 1);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    if (status != 0) FAIL("forked after %" PRId64 " ns: status %#x", delay, status);
    EVENTUALLY(rt_num_goroutine() == 0);
    /* Its threads end, so that the next round makes some. */
    CHECK_OK(rt_stop(RT_FOREVER));
}

int main(void) {
    if (sanitized()) SKIP("its allocator does not survive a fork");
    if (emulated()) SKIP("the emulator does not survive a fork of a process with threads");
    for (int i = 0; i < 400; i++) fork_at(i % 40 * 10 * US);
    puts("fork_threads: ok");
    return 0;
}

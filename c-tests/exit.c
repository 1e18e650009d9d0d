/* Returning from main, exit on any thread and _exit wait for no goroutine. */
#include "check.h"

static void sleeps(void *arg) {
    (void)arg;
    rt_sleep(3600 * SECOND);
}

static void spins(void *arg) {
    (void)arg;
    for (;;) rt_gosched();
}

static void receives(void *arg) {
    (void)arg;
    rt_chan_recv(NULL, NULL);
}

static void exits(void *arg) { exit((int)(intptr_t)arg); }

static void *exits_thread(void *arg) {
    CHECK_OK(rt_sleep(MS));
    exit((int)(intptr_t)arg);
}

static void busy(void) {
    for (int i = 0; i < 20; i++) {
        go(sleeps, NULL);
        go(spins, NULL);
        go(receives, NULL);
    }
    CHECK_OK(rt_sleep(5 * MS));
}

static void from_main(void) {
    busy();
    exit(3);
}

static void from_goroutine(void) {
    busy();
    go(exits, (void *)4);
    rt_sleep(3600 * SECOND);
}

static void from_goroutine_in_run(void) {
    busy();
    rt_run(exits, (void *)5);
}

static void from_thread(void) {
    busy();
    thread_start(exits_thread, (void *)6);
    rt_run(sleeps, NULL);
}

/* What atexit registered runs, also when a goroutine exits. */
static void at_exit(void) { _exit(7); }

static void handlers_run(void) {
    busy();
    CHECK_EQ(atexit(at_exit), 0);
    go(exits, (void *)1);
    rt_sleep(3600 * SECOND);
}

int main(void) {
    void (*const ways[])(void) = {from_main, from_goroutine, from_goroutine_in_run, from_thread, handlers_run};
    for (int i = 0; i < 5; i++) {
        const int64_t start = now_ns();
        const int status = in_child(ways[i]);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 3 + i);
        CHECK_OP(now_ns() - start, <, 60 * SECOND);
    }
    busy();
    puts("exit: ok");
    return 0;
}

/* An idle process uses no CPU: 1,000 goroutines sleep for ten seconds, and for five of them nothing is used. */
#include "check.h"

enum { SLEEPERS = 1000, PARKED = 100 };

static atomic_int asleep;
static rt_chan *chan;

static void sleeps(void *arg) {
    (void)arg;
    atomic_fetch_add(&asleep, 1);
    CHECK_OK(rt_sleep(10 * SECOND));
}

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&asleep, 1);
    rt_chan_recv(chan, NULL);
    FAIL("received what nobody sent");
}

static void *waits_thread(void *arg) {
    waits(arg);
    return NULL;
}

static int64_t cpu_used(void) {
    struct rusage u;
    CHECK_EQ(getrusage(RUSAGE_SELF, &u), 0);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * US;
}

int main(void) {
    chan = rt_chan_make(0, 0);
    for (int i = 0; i < SLEEPERS; i++) go(sleeps, NULL);
    /* Waits without a time must cost nothing either, on goroutines and on threads. */
    for (int i = 0; i < PARKED; i++) go(waits, NULL);
    CHECK_EQ(pthread_detach(thread_start(waits_thread, NULL)), 0);
    EVENTUALLY(atomic_load(&asleep) == SLEEPERS + PARKED + 1);
    /* What spins before it goes to sleep may do so now. */
    thread_sleep(500 * MS);

    const int64_t cpu = cpu_used(), start = now_ns();
    thread_sleep(5 * SECOND);
    const int64_t used = cpu_used() - cpu, wall = now_ns() - start;
    printf("%.3f ms of CPU in %.1f s\n", (double)used / 1e6, (double)wall / 1e9);
    CHECK_OP(used, <, wall / 100);
    puts("idle_cpu: ok");
    return 0;
}

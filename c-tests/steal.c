/*
 * Work queued on one P is found by the others, while the goroutine that queued it computes on. With one P that itself
 * is taken, with what is queued there.
 */
#include "check.h"

static atomic_long ran, sum;

static void works(void *arg) {
    atomic_fetch_add(&sum, (long)(intptr_t)arg);
    atomic_fetch_add(&ran, 1);
}

/* More than a local queue holds, and fewer, and one alone: the P's next one is stolen too. */
static const int counts[] = {1, 2, 3, 10, 100, 256, 257, 1000, 5000};

static void spawns_and_spins(void *arg) {
    (void)arg;
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        const int n = counts[k];
        atomic_store(&ran, 0);
        atomic_store(&sum, 0);
        for (intptr_t i = 1; i <= n; i++) go(works, (void *)i);
        /* Never gives way: the others must come and take it. */
        while (atomic_load(&ran) < n) sched_yield();
        CHECK_EQ(atomic_load(&sum), (long)n * (n + 1) / 2);
    }
}

/* Those that were waiting when they were readied from a computing goroutine are stolen as well. */
static rt_chan *chan;

static void waits(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(chan, NULL), RT_ECLOSED);
    atomic_fetch_add(&ran, 1);
}

static void closes_and_spins(void *arg) {
    (void)arg;
    chan = rt_chan_make(0, 0);
    atomic_store(&ran, 0);
    for (int i = 0; i < 300; i++) go(waits, NULL);
    CHECK_OK(rt_sleep(5 * MS));
    CHECK_OK(rt_chan_close(chan));
    while (atomic_load(&ran) < 300) sched_yield();
    rt_chan_unref(chan);
}

/* Fork and join: a tree of goroutines, each waits for its children. */
static void fib(void *arg) {
    long *n = arg;
    if (*n < 2) return;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    long a = *n - 1, b = *n - 2;
    CHECK_OP(rt_waitgroup_go(&wg, fib, &a), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, fib, &b), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    *n = a + b;
}

int main(void) {
    long n = 15;
    CHECK_OK(rt_run(fib, &n));
    CHECK_EQ(n, 610);
    for (int i = 0; i < (emulated() ? 1 : 5); i++) {
        CHECK_OK(rt_run(spawns_and_spins, NULL));
        CHECK_OK(rt_run(closes_and_spins, NULL));
        thread_sleep(10 * MS);
    }
    puts("steal: ok");
    return 0;
}

/* rt_maxprocs answers the former number, below 1 only asks, and goes up and down while goroutines run. */
#include "more.h"

static rt_config config(uint32_t procs, uint64_t flags) {
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    cfg.maxprocs = procs;
    cfg.flags = flags;
    return cfg;
}

static void answers(void *arg) {
    (void)arg;
    const int first = rt_maxprocs(0);
    CHECK_OP(first, >=, 1);
    CHECK_EQ(rt_maxprocs(-1), first);
    CHECK_EQ(rt_maxprocs(INT_MIN), first);
    int former = first;
    const int numbers[] = {3, 1, 8, 8, 2, 64, 1};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_EQ(rt_maxprocs(numbers[i]), former);
        CHECK_EQ(rt_maxprocs(0), numbers[i]);
        CHECK_EQ(rt_maxprocs(-7), numbers[i]);
        former = numbers[i];
    }
    CHECK_EQ(rt_maxprocs(first), former);
}

/* n goroutines that only compute and wait for each other: with n Ps they all run at once. */
struct barrier {
    int n;
    atomic_int arrived;
};

static void arrives(void *arg) {
    struct barrier *b = arg;
    const int64_t until = now_ns() + 60 * SECOND;
    atomic_fetch_add(&b->arrived, 1);
    while (atomic_load(&b->arrived) < b->n) {
        /* No call into the runtime here; the kernel must give all threads their turn on few CPUs. */
        sched_yield();
        if (now_ns() > until) FAIL("only %d of %d run at once", atomic_load(&b->arrived), b->n);
    }
}

static void together(int n) {
    struct barrier b = {n, 0};
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, arrives, &b), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
}

/* How many are between two calls at once. */
static atomic_int inside, most;

static void overlaps(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++) {
        const int n = atomic_fetch_add(&inside, 1) + 1;
        int m = atomic_load(&most);
        while (n > m && !atomic_compare_exchange_weak(&most, &m, n)) {
        }
        for (int k = 0; k < 300; k++) __asm__ volatile("" ::: "memory");
        if (i % 10 == 0) sched_yield();
        atomic_fetch_sub(&inside, 1);
        rt_gosched();
    }
}

static int overlap(void) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    atomic_store(&most, 0);
    for (int i = 0; i < 16; i++) CHECK_OP(rt_waitgroup_go(&wg, overlaps, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    return atomic_load(&most);
}

/* Without preemption the number is exact: n run together after a rise, and never more than n after a fall. */
static void exact(void) {
    const rt_config cfg = config(1, RT_COOPERATIVE);
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(overlap(), 1);
    const int numbers[] = {4, 1, 2, 6, 3, 1};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_OP(rt_maxprocs(numbers[i]), >=, 1);
        together(numbers[i]);
        CHECK_OP(overlap(), <=, numbers[i]);
    }
}

/* Up and down all the time under goroutines that do everything; nothing is lost. */
enum { WORKERS = 16, ITEMS = 3000 };

static rt_chan *items;
static rt_mutex mu;
static long counter;
static atomic_long sum;
static atomic_bool stop;

static void produces(void *arg) {
    (void)arg;
    for (int i = 1; i <= ITEMS; i++) {
        CHECK_OK(rt_chan_send(items, &i));
        if (i % 64 == 0) CHECK_OK(rt_sleep(10 * US));
        CHECK_OK(rt_mutex_lock(&mu));
        counter++;
        CHECK_OK(rt_mutex_unlock(&mu));
    }
}

static void consumes(void *arg) {
    (void)arg;
    int v;
    while (rt_chan_recv(items, &v) == RT_OK) {
        atomic_fetch_add(&sum, v);
        if (v % 128 == 0) rt_gosched();
        /* Some time without a call, too. */
        if (v % 1000 == 0)
            for (const int64_t until = now_ns() + MS; now_ns() < until;) {
            }
    }
}

static void changes(void *arg) {
    uint64_t state = 1 + (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        CHECK_OP(rt_maxprocs(1 + (int)rnd_below(&state, 6)), >=, 1);
        CHECK_OK(rt_sleep((int64_t)rnd_below(&state, 500 * US)));
    }
}

static void while_running(void) {
    const int before = rt_maxprocs(0);
    rt_waitgroup producers, consumers, changers;
    memset(&producers, 0, sizeof producers);
    memset(&consumers, 0, sizeof consumers);
    memset(&changers, 0, sizeof changers);
    items = rt_chan_make(sizeof(int), 4);
    CHECK_OP(rt_waitgroup_go(&changers, changes, NULL), >, 0);
    const pthread_t t = thread_go(changes, &items);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_OP(rt_waitgroup_go(&producers, produces, NULL), >, 0);
        CHECK_OP(rt_waitgroup_go(&consumers, consumes, NULL), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&producers));
    CHECK_OK(rt_chan_close(items));
    CHECK_OK(rt_waitgroup_wait(&consumers));
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&changers));
    thread_join(t);
    CHECK_EQ(counter, (long)WORKERS * ITEMS);
    CHECK_EQ(atomic_load(&sum), (long)WORKERS * ITEMS * (ITEMS + 1) / 2);
    CHECK_OP(rt_maxprocs(before), >=, 1);
    CHECK_EQ(rt_maxprocs(0), before);
    rt_chan_unref(items);
}

/* What waits on a P that goes away is not lost: sleepers and queued goroutines of all Ps. */
static atomic_int woken;

static void sleeps(void *arg) {
    CHECK_OK(rt_sleep((int64_t)(intptr_t)arg));
    atomic_fetch_add(&woken, 1);
}

static void orphans(void *arg) {
    (void)arg;
    for (int round = 0; round < 10; round++) {
        atomic_store(&woken, 0);
        CHECK_OP(rt_maxprocs(8), >=, 1);
        for (intptr_t i = 0; i < 200; i++) go(sleeps, (void *)(i % 20 * 100 * US));
        for (int i = 0; i < 20; i++) rt_gosched();
        CHECK_EQ(rt_maxprocs(1), 8);
        EVENTUALLY_YIELD(atomic_load(&woken) == 200);
    }
}

int main(void) {
    CHECK_CHILD(exact);
    const int before = rt_maxprocs(0);
    everywhere(answers, NULL);
    CHECK_EQ(rt_maxprocs(0), before);
    while_running();
    CHECK_OK(rt_run(orphans, NULL));
    puts("maxprocs: ok");
    return 0;
}

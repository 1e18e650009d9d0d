/* rt_stats_read: the rules of struct_size, and counts that fit what the program does. */
#include "more.h"

static rt_chan *gate;
static atomic_int ready;

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&ready, 1);
    rt_chan_recv(gate, NULL);
}

static void nothing(void *arg) { (void)arg; }

static void yields(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) rt_gosched();
}

static rt_stats read_stats(void) {
    rt_stats s;
    memset(&s, 0, sizeof s);
    s.struct_size = sizeof s;
    CHECK_OK(rt_stats_read(&s));
    CHECK_EQ(s.struct_size, sizeof s);
    return s;
}

static void sizes(void *arg) {
    (void)arg;
    CHECK_EQ(rt_stats_read(NULL), RT_EINVAL);
    union {
        rt_stats s;
        unsigned char bytes[sizeof(rt_stats) + 64];
    } u;
    /* Too small: refused, and nothing written. */
    const size_t small[] = {0, 1, sizeof(size_t), sizeof(rt_stats) / 2, sizeof(rt_stats) - 1};
    for (int i = 0; i < 5; i++) {
        memset(&u, 0x5a, sizeof u);
        u.s.struct_size = small[i];
        CHECK_EQ(rt_stats_read(&u.s), RT_EINVAL);
        CHECK_EQ(u.s.struct_size, small[i]);
        for (size_t b = sizeof(size_t); b < sizeof u; b++) CHECK_EQ(u.bytes[b], 0x5a);
    }
    /* Larger: what lies behind must be zero, and stays so. */
    memset(&u, 0, sizeof u);
    u.s.struct_size = sizeof u;
    CHECK_OK(rt_stats_read(&u.s));
    CHECK_EQ(u.s.struct_size, sizeof u);
    CHECK_OP(u.s.procs, >=, 1);
    for (size_t b = sizeof(rt_stats); b < sizeof u; b++) CHECK_EQ(u.bytes[b], 0);
    for (size_t at = sizeof(rt_stats); at < sizeof u; at += 21) {
        memset(&u, 0, sizeof u);
        u.s.struct_size = sizeof u;
        u.bytes[at] = 1;
        CHECK_EQ(rt_stats_read(&u.s), RT_EINVAL);
        CHECK_EQ(u.s.procs, 0);
        CHECK_EQ(u.s.goroutines_total, 0);
    }
    /* Of the same size: what is in it does not matter, and nothing is written behind it. */
    memset(&u, 0x5a, sizeof u);
    u.s.struct_size = sizeof u.s;
    CHECK_OK(rt_stats_read(&u.s));
    CHECK_EQ(u.s.procs, rt_maxprocs(0));
    for (size_t b = sizeof(rt_stats); b < sizeof u; b++) CHECK_EQ(u.bytes[b], 0x5a);
}

/* Reading starts nothing. */
static void unstarted(void) {
    const int before = thread_count();
    const rt_stats s = read_stats();
    CHECK_EQ(s.goroutines, 0);
    CHECK_EQ(s.goroutines_total, 0);
    CHECK_EQ(s.timers, 0);
    CHECK_EQ(thread_count(), before);
    const rt_config cfg = {.struct_size = sizeof cfg};
    CHECK_OK(rt_init(&cfg));
}

static void counts(void) {
    enum { N = 100, TIMERS = 50 };
    CHECK_OK(rt_run(nothing, NULL));
    EVENTUALLY(rt_num_goroutine() == 0);
    const rt_stats first = read_stats();
    CHECK_EQ(first.goroutines, 0);
    CHECK_OP(first.goroutines_total, >=, 1);
    CHECK_OP(first.threads, >=, 1);
    CHECK_OP(first.threads, <=, 10000);
    CHECK_EQ(first.procs, rt_maxprocs(0));

    gate = rt_chan_make(0, 0);
    for (int i = 0; i < N; i++) go(waits, NULL);
    EVENTUALLY(atomic_load(&ready) == N);
    rt_timer *timers[TIMERS];
    for (int i = 0; i < TIMERS; i++) timers[i] = rt_after_func(3600 * SECOND, nothing, NULL);
    const rt_stats second = read_stats();
    CHECK_EQ(second.goroutines, N);
    CHECK_EQ(second.goroutines, rt_num_goroutine());
    CHECK_EQ(second.goroutines_total - first.goroutines_total, N);
    CHECK_OP(second.switches, >, first.switches);
    CHECK_OP(second.timers, >=, TIMERS);
    CHECK_OP(second.timers, <=, TIMERS + 1000);
    /* Each of them has a stack, and has touched a page of it. */
    CHECK_OP(second.stack_bytes_reserved, >=, (uint64_t)N * 16 * 1024);
    /* The emulator does not know what is in memory. */
    if (!emulated()) CHECK_OP(second.stack_bytes_resident, >=, (uint64_t)N * 1024);
    CHECK_OP(second.stack_bytes_resident, <=, second.stack_bytes_reserved);
    for (int i = 0; i < TIMERS; i++) {
        CHECK(rt_timer_stop(timers[i]));
        rt_timer_free(timers[i]);
    }
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i < 20; i++) CHECK_OK(rt_run(yields, NULL));

    /* What counts events only rises. */
    const rt_stats third = read_stats();
    CHECK_EQ(third.goroutines, 0);
    CHECK_EQ(third.goroutines_total - second.goroutines_total, 20);
    CHECK_OP(third.switches, >, second.switches);
    CHECK_OP(third.steals, >=, second.steals);
    CHECK_OP(third.handoffs, >=, second.handoffs);
    rt_chan_unref(gate);
}

/* Read by many at once while everything changes: never absurd. */
static atomic_bool stop;

static void *reads(void *arg) {
    uint64_t total = 0, switches = 0;
    while (!atomic_load(&stop)) {
        const rt_stats s = read_stats();
        CHECK_OP(s.goroutines_total, >=, total);
        CHECK_OP(s.switches, >=, switches);
        CHECK_OP(s.goroutines, <, 100000);
        CHECK_OP(s.threads, <=, 10000);
        CHECK_EQ(s.procs, rt_maxprocs(0));
        total = s.goroutines_total;
        switches = s.switches;
    }
    return arg;
}

static void while_running(void) {
    pthread_t t[2];
    for (int i = 0; i < 2; i++) t[i] = thread_start(reads, NULL);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    const rt_stats before = read_stats();
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 50; i++) CHECK_OP(rt_waitgroup_go(&wg, i % 5 == 0 ? yields : nothing, NULL), >, 0);
        CHECK_OK(rt_waitgroup_wait(&wg));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) thread_join(t[i]);
    CHECK_EQ(read_stats().goroutines_total - before.goroutines_total, 50 * 50);
}

int main(void) {
    CHECK_CHILD(unstarted);
    counts();
    everywhere(sizes, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    while_running();
    puts("stats: ok");
    return 0;
}

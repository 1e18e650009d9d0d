/*
 * Hogs: goroutines that compute without a call. Beside as many of them as there are Ps, or more, a sleeper wakes in time
 * and what becomes ready starts within 20 ms, whoever made it ready; and hogs on plain threads are nobody's business.
 */
#include "late.h"

enum { WAYS_ROUNDS = 12 };

static int procs;
static atomic_int running;
static rt_waitgroup wg;
static rt_chan *chan;

/* Median and 99 % within the 20 ms that are promised. */
static bool in_time(const char *what, int n) {
    char text[80];
    snprintf(text, sizeof text, "%d %s", n, what);
    return late_keeps(text, &late, 20 * MS, 20 * MS);
}

/* --- hogs: until they are told to stop --- */

static void computes(void *arg) {
    (void)arg;
    atomic_fetch_add(&running, 1);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    }
    atomic_fetch_sub(&running, 1);
}

/* Calls that only read: nothing that a scheduler could use to take a turn. */
static void reads(void *arg) {
    (void)arg;
    const int64_t id = rt_goid();
    const rt_g *self = rt_self();
    int64_t last = rt_now();
    atomic_fetch_add(&running, 1);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        const int64_t now = rt_now();
        CHECK_OP(now, >=, last);
        last = now;
        CHECK_EQ(rt_goid(), id);
        CHECK(rt_self() == self);
        CHECK_EQ(rt_chan_cap(chan), 3);
        CHECK_EQ(rt_chan_len(chan), 0);
    }
    atomic_fetch_sub(&running, 1);
}

/* --- a sleeper beside them --- */

static bool beside(const char *what, int n, rt_fn hog) {
    const uint64_t before = handoffs();
    atomic_store(&stop, false);
    late.n = 0;
    CHECK_OP(rt_waitgroup_go(&wg, sleeps, &late), >, 0);
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, hog, NULL), >, 0);
    thread_sleep(500 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&running), 0);
    CHECK_OP(handoffs(), >, before);
    return in_time(what, n);
}

static bool beside_threads(void) {
    enum { THREADS = 2 };
    pthread_t t[THREADS];
    atomic_store(&stop, false);
    late.n = 0;
    CHECK_OP(rt_waitgroup_go(&wg, sleeps, &late), >, 0);
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(computes, NULL);
    thread_sleep(300 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    return in_time("plain threads compute", THREADS);
}

/* --- what becomes ready while all Ps compute --- */

static _Atomic int64_t ready_at, started_at;
static spin lock;
static rt_g *parked;
static atomic_bool waiting;

static void starts(void *arg) {
    (void)arg;
    atomic_store(&started_at, now_ns());
}

static void receives(void *arg) {
    atomic_store(&waiting, true);
    CHECK_OK(rt_chan_recv(chan, NULL));
    starts(arg);
}

static void parks(void *arg) {
    spin_lock(&lock);
    parked = rt_self();
    atomic_store(&waiting, true);
    CHECK_OK(rt_gopark(spin_commit, &lock, "hogs"));
    starts(arg);
}

static void sleeps_once(void *arg) {
    const int64_t until = now_ns() + 30 * MS;
    atomic_store(&waiting, true);
    CHECK_OK(rt_sleep(30 * MS));
    atomic_store(&ready_at, until);
    starts(arg);
}

/* A hog with a child, which its own P holds. */
static void spawns_and_computes(void *arg) {
    atomic_store(&ready_at, now_ns());
    CHECK_OP(rt_waitgroup_go(&wg, starts, NULL), >, 0);
    computes(arg);
}

enum way { SPAWNED, SENT, READIED, SLEPT, BY_HOG, WAYS };
static const char *const way_names[WAYS] = {"hogs, spawned", "hogs, sent to", "hogs, readied", "hogs, slept",
                                            "hogs, a hog's child"};

static bool ready_beside(enum way way) {
    late.n = 0;
    for (int round = 0; round < WAYS_ROUNDS; round++) {
        atomic_store(&stop, false);
        atomic_store(&waiting, false);
        atomic_store(&started_at, 0);
        const rt_fn waits = way == SENT ? receives : way == READIED ? parks : way == SLEPT ? sleeps_once : NULL;
        if (waits != NULL) {
            CHECK_OP(rt_waitgroup_go(&wg, waits, NULL), >, 0);
            EVENTUALLY(atomic_load(&waiting));
        }
        for (int i = 0; i < procs; i++) {
            const bool last = i == procs - 1;
            CHECK_OP(rt_waitgroup_go(&wg, way == BY_HOG && last ? spawns_and_computes : computes, NULL), >, 0);
            EVENTUALLY(atomic_load(&running) == i + 1);
        }
        if (way == SPAWNED || way == SENT || way == READIED) atomic_store(&ready_at, now_ns());
        if (way == SPAWNED) CHECK_OP(rt_waitgroup_go(&wg, starts, NULL), >, 0);
        if (way == SENT) CHECK_OK(rt_chan_send(chan, NULL));
        if (way == READIED) {
            spin_lock(&lock);
            CHECK_OK(rt_goready(parked));
            spin_unlock(&lock);
        }
        /* It comes while the hogs go on. */
        EVENTUALLY(atomic_load(&started_at) != 0);
        CHECK_EQ(atomic_load(&running), procs);
        late.ns[late.n++] = atomic_load(&started_at) - atomic_load(&ready_at);
        atomic_store(&stop, true);
        CHECK_OK(rt_waitgroup_wait(&wg));
    }
    return in_time(way_names[way], procs);
}

static void nothing(void *arg) { (void)arg; }

int main(void) {
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    chan = rt_chan_make(0, 3);
    CHECK_OK(rt_run(nothing, NULL));
    procs = rt_maxprocs(0);
    IN_THREE(beside("hogs compute", procs, computes));
    IN_THREE(beside("hogs compute", 3 * procs, computes));
    IN_THREE(beside("hogs make leaf calls", procs, reads));
    IN_THREE(beside_threads());
    for (int way = 0; way < WAYS; way++) IN_THREE(ready_beside((enum way)way));
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(chan);
    puts("hogs: ok");
    return 0;
}

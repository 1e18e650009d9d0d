/* The limit of a group holds, is used to the full, and a call at the limit waits, whoever makes it. */
#include "more.h"

static atomic_int running, most, finished;

static int counts(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    const int now = atomic_fetch_add(&running, 1) + 1;
    int seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
    }
    CHECK_OK(rt_sleep((int64_t)(now % 3) * 20 * US));
    rt_gosched();
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&finished, 1);
    return RT_OK;
}

static void holds(void *arg) {
    (void)arg;
    const size_t limits[] = {1, 2, 7, 100, SIZE_MAX};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const int n = rounds_of(300);
        atomic_store(&most, 0);
        atomic_store(&finished, 0);
        rt_group *g = rt_group_new(NULL);
        CHECK_OK(rt_group_set_limit(g, limits[i]));
        for (int k = 0; k < n; k++) CHECK_OP(rt_group_go(g, counts, NULL), >, 0);
        CHECK_OK(rt_group_wait(g));
        CHECK_EQ(atomic_load(&finished), n);
        if (limits[i] < 1000) CHECK_OP(atomic_load(&most), <=, limits[i]);
        /* It holds in the next turn, too. */
        for (int k = 0; k < 20; k++) CHECK_OP(rt_group_go(g, counts, NULL), >, 0);
        CHECK_OK(rt_group_wait(g));
        if (limits[i] < 1000) CHECK_OP(atomic_load(&most), <=, limits[i]);
        rt_group_free(g);
    }
}

/* Exactly so many go, and the next waits until one has ended. */
static rt_chan *gate;
static atomic_int begun;

static int waits(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    atomic_fetch_add(&begun, 1);
    const int r = rt_chan_recv(gate, NULL);
    return r == RT_ECLOSED ? RT_OK : r;
}

struct starter {
    rt_group *group;
    atomic_bool done;
};

static void starts_one(void *arg) {
    struct starter *s = arg;
    CHECK_OP(rt_group_go(s->group, waits, NULL), >, 0);
    atomic_store(&s->done, true);
}

static void blocks(bool thread) {
    enum { LIMIT = 3 };
    gate = rt_chan_make(0, 0);
    atomic_store(&begun, 0);
    struct starter s = {.group = rt_group_new(NULL)};
    CHECK_OK(rt_group_set_limit(s.group, LIMIT));
    for (int i = 0; i < LIMIT; i++) CHECK_OP(rt_group_go(s.group, waits, NULL), >, 0);
    EVENTUALLY(atomic_load(&begun) == LIMIT);
    pthread_t t = 0;
    if (thread) t = thread_go(starts_one, &s);
    else go(starts_one, &s);
    thread_sleep(5 * MS);
    CHECK(!atomic_load(&s.done));
    CHECK_EQ(atomic_load(&begun), LIMIT);
    /* The end of the context does not let it go: only the end of a goroutine does. */
    CHECK_OK(rt_ctx_cancel(rt_group_ctx(s.group), 0));
    thread_sleep(2 * MS);
    CHECK(!atomic_load(&s.done));
    CHECK_OK(rt_chan_send(gate, NULL));
    EVENTUALLY(atomic_load(&s.done));
    EVENTUALLY(atomic_load(&begun) == LIMIT + 1);
    CHECK_OK(rt_chan_close(gate));
    if (thread) thread_join(t);
    CHECK_OK(rt_group_wait(s.group));
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_group_free(s.group);
    rt_chan_unref(gate);
}

/* Many at the limit at once. */
static atomic_int starters;

static void starts_many(void *arg) {
    for (int i = 0; i < 50; i++) CHECK_OP(rt_group_go(arg, counts, NULL), >, 0);
    atomic_fetch_sub(&starters, 1);
}

static void many_starters(void) {
    enum { GOROUTINES = 8, THREADS = 4, LIMIT = 3 };
    atomic_store(&most, 0);
    atomic_store(&finished, 0);
    atomic_store(&starters, GOROUTINES + THREADS);
    rt_group *g = rt_group_new(NULL);
    CHECK_OK(rt_group_set_limit(g, LIMIT));
    pthread_t t[THREADS];
    for (int i = 0; i < GOROUTINES; i++) go(starts_many, g);
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(starts_many, g);
    EVENTUALLY(atomic_load(&starters) == 0);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    CHECK_OK(rt_group_wait(g));
    CHECK_EQ(atomic_load(&finished), 50 * (GOROUTINES + THREADS));
    CHECK_OP(atomic_load(&most), <=, LIMIT);
    rt_group_free(g);
}

/* The last setting before the first goroutine counts; a start and a setting at once are in one order. */
static rt_group *raced;
static atomic_int answer;

static void sets(void *arg) {
    (void)arg;
    atomic_store(&answer, rt_group_set_limit(raced, 1));
}

static void setting_against_start(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds_of(500); i++) {
        raced = rt_group_new(NULL);
        atomic_store(&most, 0);
        CHECK_OK(rt_group_set_limit(raced, 3));
        CHECK_OK(rt_group_set_limit(raced, 5));
        rt_waitgroup wg;
        memset(&wg, 0, sizeof wg);
        CHECK_OP(rt_waitgroup_go(&wg, sets, NULL), >, 0);
        if (i % 2 == 0) rt_gosched();
        for (int k = 0; k < 8; k++) CHECK_OP(rt_group_go(raced, counts, NULL), >, 0);
        CHECK_OK(rt_waitgroup_wait(&wg));
        CHECK_OK(rt_group_wait(raced));
        const int r = atomic_load(&answer);
        CHECK(r == RT_OK || r == RT_EBUSY);
        CHECK_OP(atomic_load(&most), <=, r == RT_OK ? 1 : 5);
        CHECK_EQ(rt_group_set_limit(raced, 9), RT_EBUSY);
        rt_group_free(raced);
    }
}

int main(void) {
    everywhere(holds, NULL);
    for (int i = 0; i < 6; i++) blocks(i % 2 == 0);
    many_starters();
    everywhere(setting_against_start, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("group_limit: ok");
    return 0;
}

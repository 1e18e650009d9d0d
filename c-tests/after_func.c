/* After-functions: a goroutine of their own, truthful stop and reset, stop_wait, detach, and a free from within. */
#include "more.h"

#define HOUR (3600 * SECOND)

/* What a function leaves behind, and what it waits for. */
struct run {
    rt_timer *timer;
    atomic_int started, ended;
    _Atomic int64_t goid, at;
    rt_chan *gate;
    atomic_bool answer;
};

static void runs(void *arg) {
    struct run *r = arg;
    atomic_store(&r->goid, rt_goid());
    atomic_store(&r->at, rt_now());
    atomic_fetch_add(&r->started, 1);
    if (r->gate != NULL) CHECK_EQ(rt_chan_recv(r->gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&r->ended, 1);
}

static void own_goroutine(void *arg) {
    (void)arg;
    struct run r = {0};
    int64_t last = 0;
    for (int i = 0; i < 5; i++) {
        const int64_t start = rt_now(), ns = i * MS;
        rt_timer *t = rt_after_func(ns, runs, &r);
        CHECK(t != NULL);
        EVENTUALLY_YIELD(atomic_load(&r.ended) == i + 1);
        CHECK_OP(atomic_load(&r.at), >=, start + ns);
        CHECK(atomic_load(&r.goid) > 0 && atomic_load(&r.goid) != last);
        CHECK(atomic_load(&r.goid) != rt_goid());
        last = atomic_load(&r.goid);
        CHECK(!rt_timer_stop(t));
        rt_timer_free(t);
    }
    /* It may block for long, and holds nobody up. */
    struct run slow = {.gate = rt_chan_make(0, 0)};
    rt_timer *t = rt_after_func(0, runs, &slow);
    EVENTUALLY_YIELD(atomic_load(&slow.started) == 1);
    CHECK_OK(rt_sleep(2 * MS));
    CHECK_EQ(atomic_load(&slow.ended), 0);
    /* Stop and reset do not wait for it; it counts as started. */
    CHECK(!rt_timer_stop(t));
    CHECK_EQ(atomic_load(&slow.ended), 0);
    CHECK(!rt_timer_reset(t, HOUR));
    CHECK(rt_timer_stop(t));
    CHECK_OK(rt_chan_close(slow.gate));
    EVENTUALLY_YIELD(atomic_load(&slow.ended) == 1);
    rt_timer_free(t);
    rt_chan_unref(slow.gate);
}

static void truth(void *arg) {
    (void)arg;
    struct run r = {0};
    rt_timer *t = rt_after_func(HOUR, runs, &r);
    CHECK(rt_timer_stop(t));
    CHECK(!rt_timer_stop(t));
    CHECK(!rt_timer_stop_wait(t));
    CHECK(!rt_timer_reset(t, HOUR));
    CHECK(rt_timer_stop_wait(t));
    CHECK_EQ(atomic_load(&r.started), 0);
    /* Armed again it runs again, each time once. */
    for (int i = 1; i <= 5; i++) {
        CHECK(!rt_timer_reset(t, i % 2 * MS));
        EVENTUALLY_YIELD(atomic_load(&r.ended) == i);
    }
    CHECK(!rt_timer_reset(t, HOUR));
    CHECK(rt_timer_reset(t, -1));
    EVENTUALLY_YIELD(atomic_load(&r.ended) == 6);
    CHECK_OK(rt_sleep(5 * MS));
    CHECK_EQ(atomic_load(&r.started), 6);
    rt_timer_free(t);
    /* A free stops it. */
    rt_timer_free(rt_after_func(20 * MS, runs, &r));
    CHECK_OK(rt_sleep(40 * MS));
    CHECK_EQ(atomic_load(&r.started), 6);
}

/* stop_wait returns when the function has: from a goroutine and from a thread, at once. */
static void waits_for_end(void *arg) {
    struct run *r = arg;
    CHECK(!rt_timer_stop_wait(r->timer));
    CHECK_EQ(atomic_load(&r->ended), 1);
    atomic_store(&r->answer, true);
}

static void stop_waits(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct run r = {.gate = rt_chan_make(0, 0)};
        r.timer = rt_after_func(0, runs, &r);
        EVENTUALLY_YIELD(atomic_load(&r.started) == 1);
        go(waits_for_end, &r);
        if (i % 2 == 0) CHECK_OK(rt_sleep(MS));
        CHECK(!atomic_load(&r.answer));
        CHECK_OK(rt_chan_close(r.gate));
        CHECK(!rt_timer_stop_wait(r.timer));
        CHECK_EQ(atomic_load(&r.ended), 1);
        EVENTUALLY_YIELD(atomic_load(&r.answer));
        EVENTUALLY_YIELD(rt_num_goroutine() <= 1);
        rt_timer_free(r.timer);
        rt_chan_unref(r.gate);
    }
}

/* From the function itself: false, and nothing; the rest of the calls too. */
static void calls_itself(void *arg) {
    struct run *r = arg;
    while (r->timer == NULL) rt_gosched();
    CHECK(!rt_timer_stop_wait(r->timer));
    CHECK(!rt_timer_stop(r->timer));
    if (atomic_fetch_add(&r->started, 1) < 9) CHECK(!rt_timer_reset(r->timer, 10 * US));
    atomic_fetch_add(&r->ended, 1);
}

static void from_itself(void *arg) {
    struct run *r = arg;
    memset(r, 0, sizeof *r);
    r->timer = rt_after_func(10 * MS, calls_itself, r);
    EVENTUALLY_YIELD(atomic_load(&r->ended) == 10);
    CHECK(!rt_timer_stop_wait(r->timer));
    rt_timer_free(r->timer);
}

/* A free from its own function, and beside a function that runs. */
static void frees_itself(void *arg) {
    struct run *r = arg;
    rt_timer_free(r->timer);
    rt_gosched();
    atomic_fetch_add(&r->ended, 1);
}

static void frees(void *arg) {
    struct run *r = arg;
    for (int i = 0; i < 200; i++) {
        memset(r, 0, sizeof *r);
        r->timer = rt_after_func(HOUR, frees_itself, r);
        CHECK(rt_timer_reset(r->timer, i % 3 * 10 * US));
        EVENTUALLY_YIELD(atomic_load(&r->ended) == 1);
    }
    memset(r, 0, sizeof *r);
    r->gate = rt_chan_make(0, 0);
    r->timer = rt_after_func(0, runs, r);
    EVENTUALLY_YIELD(atomic_load(&r->started) == 1);
    rt_timer_free(r->timer);
    CHECK_EQ(atomic_load(&r->ended), 0);
    CHECK_OK(rt_chan_close(r->gate));
    EVENTUALLY_YIELD(atomic_load(&r->ended) == 1);
    rt_chan_unref(r->gate);
}

/* Detached: runs, and frees itself, in whichever state it was. */
static atomic_int detached_runs;

static void counts(void *arg) {
    (void)arg;
    atomic_fetch_add(&detached_runs, 1);
}

static void detaches(void *arg) {
    (void)arg;
    enum { N = 300 };
    rt_timer_detach(NULL);
    atomic_store(&detached_runs, 0);
    for (int i = 0; i < N; i++) rt_timer_detach(rt_after_func(i % 5 * 200 * US, counts, NULL));
    EVENTUALLY_YIELD(atomic_load(&detached_runs) == N);
    /* After it ran, and while it runs. */
    rt_timer *t = rt_after_func(0, counts, NULL);
    EVENTUALLY_YIELD(atomic_load(&detached_runs) == N + 1);
    rt_timer_detach(t);
    struct run r = {.gate = rt_chan_make(0, 0)};
    t = rt_after_func(0, runs, &r);
    EVENTUALLY_YIELD(atomic_load(&r.started) == 1);
    rt_timer_detach(t);
    CHECK_OK(rt_chan_close(r.gate));
    EVENTUALLY_YIELD(atomic_load(&r.ended) == 1);
    rt_chan_unref(r.gate);
    CHECK_OK(rt_sleep(2 * MS));
    CHECK_EQ(atomic_load(&detached_runs), N + 1);
}

/* It is a goroutine like any other: it may exit. */
static void exits(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
    rt_goexit();
}

static void goexit_inside(void *arg) {
    (void)arg;
    atomic_int n = 0;
    rt_timer *t = rt_after_func(0, exits, &n);
    EVENTUALLY_YIELD(atomic_load(&n) == 1);
    CHECK(!rt_timer_stop_wait(t));
    CHECK(!rt_timer_reset(t, 0));
    EVENTUALLY_YIELD(atomic_load(&n) == 2);
    CHECK(!rt_timer_stop_wait(t));
    rt_timer_free(t);
}

int main(void) {
    static struct run shared;
    everywhere(own_goroutine, NULL);
    everywhere(truth, NULL);
    everywhere(stop_waits, NULL);
    everywhere(from_itself, &shared);
    everywhere(frees, &shared);
    everywhere(detaches, NULL);
    everywhere(goexit_inside, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("after_func: ok");
    return 0;
}

/* Timers that plain threads arm, wait on, move, stop and free: with no goroutine about, and after the thread has ended. */
#include "more.h"

enum { THREADS = 8, ROUNDS = 100 };

static void *alone(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    rt_timer *t = rt_timer_new(3600 * SECOND);
    for (int i = 0; i < ROUNDS; i++) {
        const int64_t ns = (int64_t)rnd_below(&state, 300 * US), from = rt_now();
        CHECK_OP(rt_timer_reset(t, ns), ==, i == 0);
        int64_t v = 0;
        if (i % 2 == 0) CHECK_OK(rt_chan_recv(rt_timer_chan(t), &v));
        else CHECK_OK(rt_chan_recv_timeout(rt_timer_chan(t), &v, 60 * SECOND));
        CHECK_OP(v, >=, from + ns);
        CHECK(!rt_timer_stop(t));
    }
    rt_timer_free(t);
    return NULL;
}

/* Armed by a thread that is gone when it fires. */
struct legacy {
    rt_timer *timer, *function;
    rt_chan *after;
    int64_t armed;
    atomic_int ran;
};

static void runs(void *arg) {
    CHECK_OP(rt_goid(), >, 0);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void *arms(void *arg) {
    struct legacy *l = arg;
    l->armed = rt_now();
    l->timer = rt_timer_new(2 * MS);
    l->after = rt_after(2 * MS);
    l->function = rt_after_func(2 * MS, runs, &l->ran);
    return NULL;
}

static void outlives_thread(void) {
    for (int i = 0; i < 20; i++) {
        struct legacy l = {0};
        thread_join(thread_start(arms, &l));
        int64_t v = 0, w = 0;
        CHECK_OK(rt_chan_recv(rt_timer_chan(l.timer), &v));
        CHECK_OK(rt_chan_recv(l.after, &w));
        CHECK_OP(v, >=, l.armed + 2 * MS);
        CHECK_OP(w, >=, l.armed + 2 * MS);
        EVENTUALLY(atomic_load(&l.ran) == 1);
        CHECK(!rt_timer_stop_wait(l.function));
        rt_timer_free(l.timer);
        rt_timer_free(l.function);
        rt_chan_unref(l.after);
    }
}

/* One timer between threads and goroutines: some move it, some wait; each value goes to one of them. */
static rt_timer *shared;
static atomic_bool stop;
static atomic_long received;
static atomic_int waiting;

static void waits(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        const int r = rt_chan_recv_timeout(rt_timer_chan(shared), NULL, MS);
        if (r == RT_OK) atomic_fetch_add(&received, 1);
        else CHECK_EQ(r, RT_ETIMEDOUT);
    }
    atomic_fetch_sub(&waiting, 1);
}

static void between(void) {
    long armed = 0;
    shared = rt_timer_new(3600 * SECOND);
    CHECK(rt_timer_stop(shared));
    atomic_store(&waiting, 4);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        go(waits, NULL);
        t[i] = thread_go(waits, NULL);
    }
    for (int i = 0; i < 500; i++) {
        CHECK(!rt_timer_reset(shared, i % 5 * 20 * US));
        armed++;
        if (i % 3 == 0) {
            thread_sleep(40 * US);
            if (rt_timer_stop(shared)) armed--;
        } else {
            EVENTUALLY(atomic_load(&received) == armed);
        }
        EVENTUALLY(atomic_load(&received) == armed);
    }
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&waiting) == 0);
    CHECK_EQ(atomic_load(&received), armed);
    for (int i = 0; i < 2; i++) thread_join(t[i]);
    rt_timer_free(shared);
}

/* In a process that has never had a goroutine. */
static void threads_only(void) {
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) t[i] = thread_start(alone, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
}

int main(void) {
    CHECK_CHILD(threads_only);
    CHECK_CHILD(outlives_thread);
    outlives_thread();
    between();
    threads_only();
    puts("timer_threads: ok");
    return 0;
}

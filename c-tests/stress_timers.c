/*
 * Timers against sends, at random: selects over a channel of items and a timer that is reset, stopped or left to fire.
 * Not one item is lost or doubled, no value is stale, and each arming has exactly one outcome: stopped, or received.
 */
#include "more.h"

enum { RECEIVERS = 8, THREADS = 2, SENDERS = 4, ALL = RECEIVERS + THREADS };

static rt_chan *items;
static atomic_bool stop;
static atomic_int senders, receivers;
static atomic_long out_count, in_count;
static _Atomic uint64_t out_sum, in_sum;
static atomic_long armed, stopped, fired, functions, function_runs, function_stops;

static void sends(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        const uint64_t v = rnd(&state) >> 8 | 1;
        /* By turns with a time of the call's own, and with a timer in a select. */
        int r;
        if (rnd_below(&state, 2) == 0) {
            r = rt_chan_send_timeout(items, &v, (int64_t)rnd_below(&state, 100 * US));
        } else {
            rt_chan *late = rt_after((int64_t)rnd_below(&state, 100 * US));
            rt_select_case k[2] = {recv_case(late, NULL), send_case(items, &v)};
            const int which = rt_select(k, 2, RT_FOREVER);
            CHECK(which == 0 || which == 1);
            r = which == 1 ? RT_OK : RT_ETIMEDOUT;
            rt_chan_unref(late);
        }
        if (r == RT_OK) {
            atomic_fetch_add(&out_count, 1);
            atomic_fetch_add(&out_sum, v);
        } else {
            CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
            rt_gosched();
        }
    }
    atomic_fetch_sub(&senders, 1);
}

static void runs(void *arg) {
    (void)arg;
    atomic_fetch_add(&function_runs, 1);
}

static void receives(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    rt_timer *t = rt_timer_new(3600 * SECOND);
    rt_timer *f = rt_after_func(3600 * SECOND, runs, NULL);
    CHECK(rt_timer_stop(t));
    CHECK(rt_timer_stop(f));
    bool pending = false;
    int64_t not_before = 0;
    for (;;) {
        if (!pending || rnd_below(&state, 4) == 0) {
            const int64_t ns = (int64_t)rnd_below(&state, 120 * US), now = rt_now();
            CHECK_EQ(rt_timer_reset(t, ns), pending);
            if (pending) atomic_fetch_add(&stopped, 1);
            pending = true;
            not_before = now + ns;
            atomic_fetch_add(&armed, 1);
        }
        uint64_t v = 0;
        int64_t at = 0;
        rt_select_case k[2] = {recv_case(items, &v), recv_case(rt_timer_chan(t), &at)};
        const int r = rt_select(k, 2, rnd_below(&state, 3) == 0 ? (int64_t)rnd_below(&state, 80 * US) : RT_FOREVER);
        if (r == 0 && k[0].result == RT_ECLOSED) break;
        if (r == 0) {
            CHECK_OK(k[0].result);
            CHECK(v != 0 && at == 0);
            atomic_fetch_add(&in_count, 1);
            atomic_fetch_add(&in_sum, v);
        } else if (r == 1) {
            CHECK(pending);
            CHECK_OP(at, >=, not_before);
            CHECK_EQ(v, 0);
            pending = false;
            atomic_fetch_add(&fired, 1);
        } else {
            CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
        }
        if (rnd_below(&state, 5) == 0) {
            CHECK_EQ(rt_timer_stop(t), pending);
            if (pending) atomic_fetch_add(&stopped, 1);
            pending = false;
            CHECK_EQ(rt_chan_try_recv(rt_timer_chan(t), &at), RT_EAGAIN);
        }
        if (rnd_below(&state, 16) == 0) {
            if (rt_timer_reset(f, (int64_t)rnd_below(&state, 200 * US))) atomic_fetch_add(&function_stops, 1);
            atomic_fetch_add(&functions, 1);
        }
    }
    if (rt_timer_stop(t)) atomic_fetch_add(&stopped, 1);
    if (rt_timer_stop_wait(f)) atomic_fetch_add(&function_stops, 1);
    rt_timer_free(t);
    rt_timer_free(f);
    atomic_fetch_sub(&receivers, 1);
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    items = rt_chan_make(sizeof(uint64_t), rnd_below(&state, 3));
    atomic_store(&senders, SENDERS);
    atomic_store(&receivers, ALL);
    pthread_t t[THREADS];
    for (int i = 0; i < SENDERS; i++) go(sends, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < RECEIVERS; i++) go(receives, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(receives, (void *)(uintptr_t)rnd(&state));
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&senders) == 0);
    CHECK_OK(rt_chan_close(items));
    EVENTUALLY(atomic_load(&receivers) == 0);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    EVENTUALLY(rt_num_goroutine() == 0);

    CHECK_EQ(atomic_load(&out_count), atomic_load(&in_count));
    CHECK(atomic_load(&out_sum) == atomic_load(&in_sum));
    CHECK_EQ(atomic_load(&armed), atomic_load(&stopped) + atomic_load(&fired));
    CHECK_EQ(atomic_load(&functions), atomic_load(&function_runs) + atomic_load(&function_stops));
    rt_chan_unref(items);
    printf("stress_timers: ok, %ld items, %ld armed, %ld fired, %ld functions\n", atomic_load(&in_count),
           atomic_load(&armed), atomic_load(&fired), atomic_load(&function_runs));
    return 0;
}

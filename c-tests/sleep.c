/* rt_sleep never ends early, on any kind of thread, at any number; rt_now is CLOCK_MONOTONIC. */
#include "check.h"

static atomic_int done;
static uint64_t seed = 1;

static void sleep_exactly(int64_t ns) {
    const int64_t start = now_ns();
    CHECK_OK(rt_sleep(ns));
    const int64_t took = now_ns() - start;
    if (took < ns) FAIL("a sleep of %" PRId64 " ns took %" PRId64, ns, took);
}

static void over_at_once(void *arg) {
    (void)arg;
    const int64_t none[] = {0, -1, -SECOND, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        for (int k = 0; k < 100; k++) CHECK_OK(rt_sleep(none[i]));
    const int64_t some[] = {1, 999, US, 50 * US, MS, 3 * MS + 1, 40 * MS};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) sleep_exactly(some[i]);
    atomic_fetch_add(&done, 1);
}

static void random_sleeps(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 20; i++) sleep_exactly((int64_t)rnd_below(&state, 5 * MS));
    atomic_fetch_add(&done, 1);
}

/* What overflows is for ever. */
static void for_ever(void *arg) {
    rt_sleep(*(int64_t *)arg);
    FAIL("a sleep of %" PRId64 " ns ended", *(int64_t *)arg);
}

/* Many with one deadline: all of them wake. */
static void together(void *arg) {
    const int64_t until = *(int64_t *)arg, ns = until - rt_now();
    CHECK_OK(rt_sleep(ns));
    CHECK_OP(rt_now(), >=, until);
    atomic_fetch_add(&done, 1);
}

/* Ping-pong through a channel keeps the scheduler busy: the sleeper must wake nevertheless. */
static rt_chan *ping, *pong;

static void plays(void *arg) {
    (void)arg;
    while (rt_chan_recv(ping, NULL) == RT_OK) CHECK_OK(rt_chan_send(pong, NULL));
    CHECK_OK(rt_chan_close(pong));
}

static void sleeps_20ms(void *arg) {
    sleep_exactly(20 * MS);
    atomic_store((atomic_int *)arg, 1);
}

static void busy_pair(void *arg) {
    (void)arg;
    ping = rt_chan_make(0, 0);
    pong = rt_chan_make(0, 0);
    atomic_int slept = 0;
    go(plays, NULL);
    go(sleeps_20ms, &slept);
    while (!atomic_load(&slept)) {
        CHECK_OK(rt_chan_send(ping, NULL));
        CHECK_OK(rt_chan_recv(pong, NULL));
    }
    CHECK_OK(rt_chan_close(ping));
    CHECK_EQ(rt_chan_recv(pong, NULL), RT_ECLOSED);
    rt_chan_unref(ping);
    rt_chan_unref(pong);
}

int main(void) {
    for (int i = 0; i < 1000; i++) {
        const int64_t before = now_ns(), now = rt_now(), after = now_ns();
        CHECK_OP(before, <=, now);
        CHECK_OP(now, <=, after);
    }

    over_at_once(NULL);
    CHECK_OK(rt_run(over_at_once, NULL));
    thread_join(thread_go(over_at_once, NULL));
    CHECK_EQ(atomic_load(&done), 3);

    atomic_store(&done, 0);
    for (int i = 0; i < 2000; i++) go(random_sleeps, (void *)(uintptr_t)rnd(&seed));
    EVENTUALLY(atomic_load(&done) == 2000);

    atomic_store(&done, 0);
    int64_t until = now_ns() + 100 * MS;
    for (int i = 0; i < 2000; i++) go(together, &until);
    EVENTUALLY(atomic_load(&done) == 2000);

    CHECK_OK(rt_run(busy_pair, NULL));

    static int64_t endless[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) go(for_ever, &endless[i]);
    /* Neither do they hold up an earlier one. */
    sleep_exactly(50 * MS);
    EVENTUALLY(rt_num_goroutine() == sizeof endless / sizeof endless[0]);
    puts("sleep: ok");
    return 0;
}

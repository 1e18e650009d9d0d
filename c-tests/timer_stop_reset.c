/*
 * Stop and reset tell the truth, and after them no stale value can be received: while nobody waits on the channel (Go keeps
 * such a timer out of the heap), while one does, and while two do.
 */
#include "more.h"

#define HOUR (3600 * SECOND)

static void truth(void *arg) {
    (void)arg;
    int64_t v;
    rt_timer *t = rt_timer_new(HOUR);
    rt_chan *c = rt_timer_chan(t);
    CHECK(rt_timer_stop(t));
    CHECK(!rt_timer_stop(t));
    CHECK(!rt_timer_stop_wait(t));
    CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);

    /* Reset of a stopped one, of a pending one; sooner and later. */
    CHECK(!rt_timer_reset(t, HOUR));
    CHECK(rt_timer_reset(t, HOUR / 2));
    CHECK(rt_timer_reset(t, 2 * HOUR));
    int64_t start = rt_now();
    CHECK(rt_timer_reset(t, 2 * MS));
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_OP(v, >=, start + 2 * MS);

    /* Fired and received: nothing is pending. */
    CHECK(!rt_timer_stop(t));
    CHECK(!rt_timer_reset(t, MS));
    /* Fired and not received: the value counts as pending, and is gone. */
    CHECK_OK(rt_sleep(10 * MS));
    CHECK(rt_timer_stop(t));
    CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv_timeout(c, &v, 2 * MS), RT_ETIMEDOUT);
    CHECK(!rt_timer_stop(t));
    CHECK(!rt_timer_reset(t, 0));
    CHECK_OK(rt_sleep(5 * MS));
    CHECK(rt_timer_reset(t, HOUR));
    CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
    CHECK(rt_timer_stop_wait(t));
    CHECK(!rt_timer_stop_wait(t));

    /* A value that is received after a reset is the new one. */
    CHECK(!rt_timer_reset(t, MS));
    CHECK_OK(rt_sleep(5 * MS));
    start = rt_now();
    CHECK(rt_timer_reset(t, MS));
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_OP(v, >=, start + MS);
    CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
    rt_timer_free(t);
}

/* Around the moment when it fires, often: before a receive the truth is always true, and no value is left over. */
static void around_the_moment(void *arg) {
    (void)arg;
    uint64_t state = 3;
    int64_t v;
    rt_timer *t = rt_timer_new(HOUR);
    rt_chan *c = rt_timer_chan(t);
    for (int i = 0; i < 3000; i++) {
        CHECK(rt_timer_reset(t, (int64_t)rnd_below(&state, 30 * US)));
        const int64_t until = rt_now() + (int64_t)rnd_below(&state, 40 * US);
        if (i % 16 == 0) rt_gosched();
        while (rt_now() < until) {
        }
        if (i % 2 == 0) {
            CHECK(rt_timer_stop(t));
            CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
            CHECK(!rt_timer_reset(t, HOUR));
        } else {
            CHECK(rt_timer_reset(t, HOUR));
        }
        CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
    }
    CHECK(rt_timer_stop(t));
    rt_timer_free(t);
}

/* With waiters on the channel. */
struct waiter {
    rt_chan *chan;
    int64_t timeout, value;
    bool selects;
    atomic_int waits, result;
};

static void waits(void *arg) {
    struct waiter *w = arg;
    int r;
    atomic_store(&w->waits, 1);
    if (w->selects) {
        int32_t result = RT_OK;
        r = select_recv(w->chan, &w->value, w->timeout, &result);
        if (r == 0) r = result;
    } else {
        r = rt_chan_recv_timeout(w->chan, &w->value, w->timeout);
    }
    atomic_store(&w->result, r);
}

static void start_waiter(struct waiter *w, rt_chan *c, int64_t timeout, int kind) {
    memset(w, 0, sizeof *w);
    w->chan = c;
    w->timeout = timeout;
    w->selects = kind % 2 == 1;
    atomic_init(&w->waits, 0);
    atomic_init(&w->result, 1);
    go(waits, w);
    EVENTUALLY_YIELD(atomic_load(&w->waits) == 1);
    CHECK_OK(rt_sleep(MS));
}

static void ends(struct waiter *w, int want) {
    EVENTUALLY_YIELD(atomic_load(&w->result) != 1);
    CHECK_EQ(atomic_load(&w->result), want);
}

static void with_waiters(void *arg) {
    (void)arg;
    struct waiter a, b;
    for (int kind = 0; kind < 2; kind++) {
        /* Moved from an hour to at once while one waits: it wakes. */
        rt_timer *t = rt_timer_new(HOUR);
        rt_chan *c = rt_timer_chan(t);
        start_waiter(&a, c, RT_FOREVER, kind);
        int64_t start = rt_now();
        CHECK(rt_timer_reset(t, MS));
        ends(&a, RT_OK);
        CHECK_OP(a.value, >=, start + MS);
        CHECK(!rt_timer_stop(t));

        /* Stopped while one waits: it goes on waiting, and a later reset serves it. */
        CHECK(!rt_timer_reset(t, 300 * MS));
        start_waiter(&a, c, RT_FOREVER, kind);
        const bool pending = rt_timer_stop(t);
        if (pending) {
            CHECK_OK(rt_sleep(2 * MS));
            CHECK_EQ(atomic_load(&a.result), 1);
            start = rt_now();
            CHECK(!rt_timer_reset(t, MS));
            ends(&a, RT_OK);
            CHECK_OP(a.value, >=, start + MS);
        } else {
            /* Only a machine that stood still for so long gets here. */
            ends(&a, RT_OK);
        }

        /* Moved away while one waits with a time: the time wins. */
        CHECK(!rt_timer_reset(t, HOUR));
        start_waiter(&a, c, 5 * MS, kind);
        CHECK(rt_timer_reset(t, 2 * HOUR));
        ends(&a, RT_ETIMEDOUT);
        /* Nobody waits any more; what fires now is there for the next one, and stop takes it away. */
        CHECK(rt_timer_reset(t, MS));
        CHECK_OK(rt_sleep(5 * MS));
        CHECK(rt_timer_stop(t));
        start_waiter(&a, c, 5 * MS, kind);
        ends(&a, RT_ETIMEDOUT);

        /* Two wait, one value: the first gets it; the next value is the second's. */
        CHECK(!rt_timer_reset(t, HOUR));
        start_waiter(&a, c, RT_FOREVER, kind);
        start_waiter(&b, c, RT_FOREVER, kind + 1);
        CHECK(rt_timer_reset(t, 0));
        EVENTUALLY_YIELD(atomic_load(&a.result) != 1 || atomic_load(&b.result) != 1);
        CHECK_OK(rt_sleep(2 * MS));
        CHECK((atomic_load(&a.result) == 1) != (atomic_load(&b.result) == 1));
        CHECK(!rt_timer_stop(t));
        CHECK(!rt_timer_reset(t, 0));
        ends(&a, RT_OK);
        ends(&b, RT_OK);
        CHECK(a.value != b.value);

        /* Two wait, one gives up: the other is still served. */
        CHECK(!rt_timer_reset(t, HOUR));
        start_waiter(&a, c, 3 * MS, kind);
        start_waiter(&b, c, RT_FOREVER, kind + 1);
        ends(&a, RT_ETIMEDOUT);
        CHECK_EQ(atomic_load(&b.result), 1);
        CHECK(rt_timer_reset(t, MS));
        ends(&b, RT_OK);

        /* A value that fired for nobody goes to who comes, whatever its timeout. */
        CHECK(!rt_timer_reset(t, MS));
        CHECK_OK(rt_sleep(5 * MS));
        start_waiter(&a, c, kind == 0 ? 60 * SECOND : RT_FOREVER, kind);
        ends(&a, RT_OK);
        CHECK(!rt_timer_stop(t));
        rt_timer_free(t);
    }
}

/* One timer, waited on for a short time over and over: in the heap and out of it, and never lost. */
static void in_and_out(void *arg) {
    (void)arg;
    for (int i = 0; i < 30; i++) {
        const int64_t start = rt_now();
        rt_timer *t = rt_timer_new(5 * MS);
        int64_t v = 0;
        int r;
        while ((r = rt_chan_recv_timeout(rt_timer_chan(t), &v, 50 * US)) != RT_OK) {
            CHECK_EQ(r, RT_ETIMEDOUT);
            CHECK_OP(rt_now() - start, <, 60 * SECOND);
        }
        CHECK_OP(v, >=, start + 5 * MS);
        CHECK(!rt_timer_stop(t));
        rt_timer_free(t);
    }
}

int main(void) {
    everywhere(truth, NULL);
    everywhere(around_the_moment, NULL);
    everywhere(with_waiters, NULL);
    everywhere(in_and_out, NULL);
    puts("timer_stop_reset: ok");
    return 0;
}

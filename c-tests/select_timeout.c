/* A select with a time: never early, nothing written, no trace left; a partner in time wins. */
#include "more.h"

static void over(void *arg) {
    (void)arg;
    rt_chan *a = rt_chan_make(sizeof(int), 0), *b = rt_chan_make(sizeof(int), 1);
    const int one = 1, two = 2;
    int v = 41, w = 42;
    CHECK_OK(rt_chan_send(b, &one));
    rt_select_case k[3] = {recv_case(a, &v), send_case(a, &two), send_case(b, &two)};
    CHECK_EQ(rt_select(k, 3, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_select(k, 3, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_select(k, 3, INT64_MIN + 1), RT_ETIMEDOUT);
    const int64_t times[] = {1, US, 100 * US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_select(k, 3, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }
    for (int i = 0; i < 3; i++) CHECK_EQ(k[i].result, UNTOUCHED);
    CHECK_EQ(v, 41);

    /* What it would have sent was not, and it takes nothing from later sends. */
    CHECK_EQ(rt_chan_try_recv(a, &w), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_send(a, &one), RT_EAGAIN);
    CHECK_OK(rt_chan_recv(b, &w));
    CHECK_EQ(w, 1);
    CHECK_EQ(rt_chan_try_recv(b, &w), RT_EAGAIN);
    CHECK_EQ(w, 1);
    CHECK_EQ(v, 41);
    rt_chan_unref(a);
    rt_chan_unref(b);
}

/* A partner comes long before the time is over, also where the time overflows. */
struct meet {
    rt_chan *chan, *other;
    int64_t timeout;
    int value;
    atomic_int which;
};

static void selects(void *arg) {
    struct meet *m = arg;
    int unused;
    rt_select_case k[2] = {recv_case(m->other, &unused), recv_case(m->chan, &m->value)};
    atomic_store(&m->which, rt_select(k, 2, m->timeout));
}

static void meets(void *arg) {
    (void)arg;
    const int64_t times[] = {RT_FOREVER, 3600 * SECOND, INT64_MAX, INT64_MAX - 5};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct meet m = {rt_chan_make(sizeof(int), 0), rt_chan_make(sizeof(int), 0), times[i], 0, -99};
        go(selects, &m);
        CHECK_OK(rt_sleep(3 * MS));
        CHECK_EQ(atomic_load(&m.which), -99);
        const int v = 17;
        CHECK_OK(rt_chan_send(m.chan, &v));
        EVENTUALLY_YIELD(atomic_load(&m.which) != -99);
        CHECK_EQ(atomic_load(&m.which), 1);
        CHECK_EQ(m.value, 17);
        rt_chan_unref(m.chan);
        rt_chan_unref(m.other);
    }
}

/* A select in the middle of a queue gives up: those before and behind it are served, in their order. */
static char order[8];
static atomic_size_t at;
static rt_chan *queue_chan, *side;

struct queued {
    char name;
    int64_t timeout;
    atomic_int state;
};

static void queues(void *arg) {
    struct queued *q = arg;
    rt_select_case k[3] = {recv_case(side, NULL), recv_case(queue_chan, NULL), recv_case(side, NULL)};
    atomic_store(&q->state, 1);
    const int r = rt_select(k, 3, q->timeout);
    if (r == 1) order[atomic_fetch_add(&at, 1)] = q->name;
    else CHECK_EQ(r, RT_ETIMEDOUT);
    atomic_store(&q->state, 2);
}

static void unlinks(void *arg) {
    (void)arg;
    queue_chan = rt_chan_make(sizeof(int), 0);
    side = rt_chan_make(sizeof(int), 0);
    const int v = 1;
    for (int middle = 0; middle < 4; middle++) {
        struct queued q[4];
        atomic_store(&at, 0);
        memset(order, 0, sizeof order);
        for (int i = 0; i < 4; i++) {
            q[i].name = (char)('a' + i);
            q[i].timeout = i == middle ? 5 * MS : RT_FOREVER;
            atomic_init(&q[i].state, 0);
            go(queues, &q[i]);
            /* One P: when this goroutine is on again, the new one waits. */
            rt_gosched();
            CHECK_EQ(atomic_load(&q[i].state), 1);
        }
        while (atomic_load(&q[middle].state) != 2) CHECK_OK(rt_sleep(MS));
        for (int i = 0; i < 3; i++) {
            CHECK_OK(rt_chan_send(queue_chan, &v));
            rt_gosched();
        }
        char want[4] = "";
        for (int i = 0, n = 0; i < 4; i++)
            if (i != middle) want[n++] = (char)('a' + i);
        if (memcmp(order, want, 3) != 0) FAIL("served %.4s, want %.3s", order, want);
        CHECK_EQ(rt_chan_try_send(queue_chan, &v), RT_EAGAIN);
        CHECK_EQ(rt_chan_try_send(side, &v), RT_EAGAIN);
    }
    rt_chan_unref(queue_chan);
    rt_chan_unref(side);
}

static void one_p(void) {
    init_one_p();
    CHECK_OK(rt_run(unlinks, NULL));
}

/* Time against a partner, over and over: either both know of the item or neither does. */
enum { RACES = 20000 };

static rt_chan *race_chan;
static atomic_long got, gave;

static void races(void *arg) {
    const bool sends = arg != NULL;
    uint64_t state = sends ? 11 : 12;
    for (int i = 0; i < RACES; i++) {
        const int out = 1;
        int in = 0;
        rt_select_case k = sends ? send_case(race_chan, &out) : recv_case(race_chan, &in);
        const int r = rt_select(&k, 1, (int64_t)rnd_below(&state, 8 * US));
        if (r == 0) {
            CHECK_OK(k.result);
            if (sends) atomic_fetch_add(&gave, 1);
            else atomic_fetch_add(&got, in);
        } else {
            CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
            CHECK_EQ(in, 0);
        }
        if (i % 16 == 0) rt_gosched();
    }
}

int main(void) {
    CHECK_CHILD(one_p);
    everywhere(over, NULL);
    everywhere(meets, NULL);
    race_chan = rt_chan_make(sizeof(int), 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, races, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, races, &wg), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&got), atomic_load(&gave));
    CHECK_EQ(rt_chan_len(race_chan), 0);
    rt_chan_unref(race_chan);
    printf("select_timeout: ok, %ld of %d met\n", atomic_load(&got), RACES);
    return 0;
}

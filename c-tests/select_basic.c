/* Select: the case that can go goes and is named; the others stay as they are; it waits for a send or a receive. */
#include "more.h"

static void ready_cases(void *arg) {
    (void)arg;
    int in = 7, out = 0, other = 41;
    rt_chan *a = rt_chan_make(sizeof(int), 1), *b = rt_chan_make(sizeof(int), 1);
    CHECK(a != NULL && b != NULL);

    /* A receive from a buffer, at each place among cases that cannot go. */
    rt_chan *empty = rt_chan_make(sizeof(int), 3);
    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, INT64_MIN + 1, 1, MS, INT64_MAX};
    for (size_t t = 0; t < sizeof any / sizeof any[0]; t++)
        for (int place = 0; place < 3; place++) {
            CHECK_OK(rt_chan_send(a, &in));
            rt_select_case k[3];
            for (int i = 0; i < 3; i++) k[i] = recv_case(i == place ? a : empty, i == place ? &out : &other);
            out = 0;
            CHECK_EQ(rt_select(k, 3, any[t]), place);
            CHECK_EQ(out, 7);
            CHECK_EQ(other, 41);
            for (int i = 0; i < 3; i++) {
                CHECK_EQ(k[i].result, i == place ? RT_OK : UNTOUCHED);
                /* The rest of a case is input. */
                CHECK(k[i].chan == (i == place ? a : empty));
                CHECK(k[i].elem == (i == place ? &out : &other));
                CHECK_EQ(k[i].dir, RT_RECV);
            }
            CHECK_EQ(rt_chan_len(a), 0);
        }

    /* A send into a buffer, beside a receive that cannot go. */
    rt_select_case k[2] = {recv_case(empty, &other), send_case(b, &in)};
    CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
    CHECK_EQ(k[0].result, UNTOUCHED);
    CHECK_OK(k[1].result);
    CHECK_EQ(in, 7);
    CHECK_EQ(rt_chan_len(b), 1);

    /* Nothing can go: the default. */
    k[0].result = k[1].result = UNTOUCHED;
    CHECK_EQ(rt_select(k, 2, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(k[0].result, UNTOUCHED);
    CHECK_EQ(k[1].result, UNTOUCHED);
    CHECK_EQ(other, 41);
    CHECK_EQ(rt_chan_len(b), 1);
    CHECK_OK(rt_chan_recv(b, &out));
    CHECK_EQ(out, 7);

    /* An array of cases can be used again. */
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
        CHECK_OK(rt_chan_recv(b, &out));
        CHECK_EQ(out, 7);
    }

    /* A received element that nobody wants, and elements of no size. */
    CHECK_OK(rt_chan_send(a, &in));
    int32_t result;
    CHECK_EQ(select_recv(a, NULL, RT_NOWAIT, &result), 0);
    CHECK_OK(result);
    CHECK_EQ(rt_chan_len(a), 0);
    rt_chan *none = rt_chan_make(0, 2);
    CHECK_EQ(select_send(none, NULL, RT_NOWAIT, &result), 0);
    CHECK_EQ(select_send(none, NULL, RT_FOREVER, &result), 0);
    CHECK_EQ(select_send(none, NULL, RT_NOWAIT, &result), RT_EAGAIN);
    CHECK_EQ(rt_chan_len(none), 2);
    CHECK_EQ(select_recv(none, &out, RT_NOWAIT, &result), 0);
    CHECK_EQ(rt_chan_len(none), 1);

    rt_chan_unref(none);
    rt_chan_unref(empty);
    rt_chan_unref(a);
    rt_chan_unref(b);
}

/* The partner comes while the select waits. */
struct wait {
    rt_chan *send, *recv;
    int out, in;
    int32_t results[3];
    atomic_int which;
};

static void selects(void *arg) {
    struct wait *w = arg;
    rt_chan *never = rt_chan_make(sizeof(int), 0);
    int unused = 13;
    rt_select_case k[3] = {send_case(w->send, &w->out), recv_case(never, &unused), recv_case(w->recv, &w->in)};
    const int r = rt_select(k, 3, RT_FOREVER);
    for (int i = 0; i < 3; i++) w->results[i] = k[i].result;
    CHECK_EQ(unused, 13);
    rt_chan_unref(never);
    atomic_store(&w->which, r);
}

static void waits(void *arg) {
    (void)arg;
    for (int kind = 0; kind < 4; kind++) {
        const bool to_it = kind & 1, thread = kind & 2;
        struct wait w = {rt_chan_make(sizeof(int), 0), rt_chan_make(sizeof(int), 0), 100 + kind, 0, {0, 0, 0}, -99};
        pthread_t t = 0;
        if (thread) t = thread_go(selects, &w);
        else go(selects, &w);
        CHECK_OK(rt_sleep(2 * MS));
        CHECK_EQ(atomic_load(&w.which), -99);
        int v = 200 + kind;
        if (to_it) CHECK_OK(rt_chan_send(w.recv, &v));
        else CHECK_OK(rt_chan_recv(w.send, &v));
        EVENTUALLY_YIELD(atomic_load(&w.which) != -99);
        CHECK_EQ(atomic_load(&w.which), to_it ? 2 : 0);
        CHECK_EQ(w.results[to_it ? 2 : 0], RT_OK);
        CHECK_EQ(w.results[to_it ? 0 : 2], UNTOUCHED);
        CHECK_EQ(w.results[1], UNTOUCHED);
        if (to_it) CHECK_EQ(w.in, 200 + kind);
        else CHECK_EQ(v, 100 + kind);
        if (!to_it) CHECK_EQ(w.in, 0);
        if (thread) thread_join(t);
        /* The cases that did not go have left no waiter behind. */
        CHECK_EQ(rt_chan_try_send(w.recv, &v), RT_EAGAIN);
        CHECK_EQ(rt_chan_try_recv(w.send, &v), RT_EAGAIN);
        rt_chan_unref(w.send);
        rt_chan_unref(w.recv);
    }
}

/* Two selects meet each other: one sends, one receives, neither is a plain call. */
enum { MEETINGS = 5000 };

static rt_chan *x, *y, *quiet;
static atomic_long sum;

static void sending_side(void *arg) {
    (void)arg;
    for (int i = 1; i <= MEETINGS; i++) {
        rt_select_case k[3] = {send_case(x, &i), recv_case(quiet, NULL), send_case(y, &i)};
        const int r = rt_select(k, 3, RT_FOREVER);
        CHECK(r == 0 || r == 2);
        CHECK_OK(k[r].result);
    }
}

static void receiving_side(void *arg) {
    (void)arg;
    for (int i = 1; i <= MEETINGS; i++) {
        int v = 0, w = 0;
        rt_select_case k[3] = {recv_case(x, &v), recv_case(quiet, NULL), recv_case(y, &w)};
        const int r = rt_select(k, 3, RT_FOREVER);
        CHECK(r == 0 || r == 2);
        CHECK_OK(k[r].result);
        CHECK_EQ(r == 0 ? v : w, i);
        CHECK_EQ(r == 0 ? w : v, 0);
        atomic_fetch_add(&sum, v + w);
    }
}

int main(void) {
    everywhere(ready_cases, NULL);
    everywhere(waits, NULL);
    x = rt_chan_make(sizeof(int), 0);
    y = rt_chan_make(sizeof(int), 0);
    quiet = rt_chan_make(0, 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, sending_side, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, receiving_side, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&sum), (long)MEETINGS * (MEETINGS + 1) / 2);
    puts("select_basic: ok");
    return 0;
}

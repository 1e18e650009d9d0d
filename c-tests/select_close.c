/* A case on a closed channel is ready; a close during the wait wakes the select; what was buffered comes first. */
#include "more.h"

static void closed_before(void *arg) {
    (void)arg;
    int v = 41, w = 42;
    int32_t result;
    rt_chan *c = rt_chan_make(sizeof(int), 2), *idle = rt_chan_make(sizeof(int), 0);
    for (int i = 1; i <= 2; i++) CHECK_OK(rt_chan_send(c, &i));
    CHECK_OK(rt_chan_close(c));

    rt_select_case k[2] = {recv_case(idle, &w), recv_case(c, &v)};
    for (int i = 1; i <= 2; i++) {
        CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
        CHECK_OK(k[1].result);
        CHECK_EQ(v, i);
    }
    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, MS};
    for (int t = 0; t < 4; t++) {
        v = 41;
        CHECK_EQ(rt_select(k, 2, any[t]), 1);
        CHECK_EQ(k[1].result, RT_ECLOSED);
        CHECK_EQ(v, 0);
        /* A send is ready too, with the same result, and sends nothing. */
        const int item = 9;
        CHECK_EQ(select_send(c, &item, any[t], &result), 0);
        CHECK_EQ(result, RT_ECLOSED);
        CHECK_EQ(rt_chan_len(c), 0);
        CHECK_EQ(select_recv(c, NULL, any[t], &result), 0);
        CHECK_EQ(result, RT_ECLOSED);
    }
    CHECK_EQ(k[0].result, UNTOUCHED);
    CHECK_EQ(w, 42);
    rt_chan_unref(c);
    rt_chan_unref(idle);
}

/* A close of one of the channels that it waits on. */
struct waiter {
    rt_chan *chans[3];
    int values[3];
    int32_t results[3];
    int sends;
    atomic_int which;
};

static void waits(void *arg) {
    struct waiter *w = arg;
    rt_select_case k[3];
    for (int i = 0; i < 3; i++) {
        w->values[i] = 41;
        k[i] = i == w->sends ? send_case(w->chans[i], &w->values[i]) : recv_case(w->chans[i], &w->values[i]);
    }
    const int r = rt_select(k, 3, RT_FOREVER);
    for (int i = 0; i < 3; i++) w->results[i] = k[i].result;
    atomic_store(&w->which, r);
}

static void closed_during(void *arg) {
    (void)arg;
    for (int closes = 0; closes < 3; closes++)
        for (int sends = 0; sends < 3; sends++)
            for (int thread = 0; thread < 2; thread++) {
                struct waiter w = {.sends = sends, .which = -99};
                for (int i = 0; i < 3; i++) w.chans[i] = rt_chan_make(sizeof(int), 0);
                pthread_t t = 0;
                if (thread) t = thread_go(waits, &w);
                else go(waits, &w);
                /* Now and then the close comes first. */
                if (sends != 1) CHECK_OK(rt_sleep(MS));
                CHECK_OK(rt_chan_close(w.chans[closes]));
                EVENTUALLY_YIELD(atomic_load(&w.which) != -99);
                CHECK_EQ(atomic_load(&w.which), closes);
                for (int i = 0; i < 3; i++) {
                    CHECK_EQ(w.results[i], i == closes ? RT_ECLOSED : UNTOUCHED);
                    CHECK_EQ(w.values[i], i == closes && i != sends ? 0 : 41);
                }
                if (thread) thread_join(t);
                for (int i = 0; i < 3; i++) {
                    CHECK_EQ(rt_chan_close(w.chans[i]), i == closes ? RT_ECLOSED : RT_OK);
                    rt_chan_unref(w.chans[i]);
                }
            }
}

/* One channel as send and receive: its close makes exactly one of them go. */
static rt_chan *both;
static atomic_int ended;

static void waits_both(void *arg) {
    (void)arg;
    int in = 41;
    const int out = 5;
    rt_select_case k[2] = {send_case(both, &out), recv_case(both, &in)};
    const int r = rt_select(k, 2, RT_FOREVER);
    CHECK(r == 0 || r == 1);
    CHECK_EQ(k[r].result, RT_ECLOSED);
    CHECK_EQ(k[!r].result, UNTOUCHED);
    CHECK_EQ(in, r == 1 ? 0 : 41);
    atomic_fetch_add(&ended, 1);
}

/* A close wakes everybody, however they wait. */
enum { CROWD = 50 };

static rt_chan *quit, *work;

static void waits_for_quit(void *arg) {
    const bool timed = arg != NULL;
    int v = 41;
    rt_select_case k[2] = {recv_case(work, &v), recv_case(quit, &v)};
    CHECK_EQ(rt_select(k, 2, timed ? 3600 * SECOND : RT_FOREVER), 1);
    CHECK_EQ(k[1].result, RT_ECLOSED);
    CHECK_EQ(k[0].result, UNTOUCHED);
    CHECK_EQ(v, 0);
    atomic_fetch_add(&ended, 1);
}

static void crowds(void *arg) {
    (void)arg;
    for (int round = 0; round < 20; round++) {
        quit = rt_chan_make(sizeof(int), 0);
        work = rt_chan_make(sizeof(int), 0);
        atomic_store(&ended, 0);
        pthread_t t[2];
        for (int i = 0; i < CROWD; i++) go(waits_for_quit, i % 2 ? &ended : NULL);
        for (int i = 0; i < 2; i++) t[i] = thread_go(waits_for_quit, i % 2 ? &ended : NULL);
        if (round % 2 == 0) CHECK_OK(rt_sleep(MS));
        CHECK_OK(rt_chan_close(quit));
        EVENTUALLY_YIELD(atomic_load(&ended) == CROWD + 2);
        for (int i = 0; i < 2; i++) thread_join(t[i]);
        CHECK_EQ(rt_chan_try_send(work, &round), RT_EAGAIN);
        rt_chan_unref(quit);
        rt_chan_unref(work);
    }
}

int main(void) {
    everywhere(closed_before, NULL);
    everywhere(closed_during, NULL);
    everywhere(crowds, NULL);
    for (int i = 0; i < 100; i++) {
        both = rt_chan_make(sizeof(int), 0);
        atomic_store(&ended, 0);
        go(waits_both, NULL);
        if (i % 3 == 0) thread_sleep(MS);
        CHECK_OK(rt_chan_close(both));
        EVENTUALLY(atomic_load(&ended) == 1);
        rt_chan_unref(both);
    }
    puts("select_close: ok");
    return 0;
}

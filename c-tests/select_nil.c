/* A NULL channel is never ready in a select; with nothing else there, only time ends it. */
#include "more.h"

static void polls(void *arg) {
    (void)arg;
    int v = 41;
    const int one = 1;
    rt_select_case k[3] = {recv_case(NULL, &v), send_case(NULL, &one), recv_case(NULL, NULL)};
    CHECK_EQ(rt_select(k, 3, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_select(k, 3, -1), RT_ETIMEDOUT);
    const int64_t start = now_ns();
    CHECK_EQ(rt_select(k, 3, 3 * MS), RT_ETIMEDOUT);
    CHECK_OP(now_ns() - start, >=, 3 * MS);

    /* Beside one that lives: that one goes, wherever it stands. */
    rt_chan *c = rt_chan_make(sizeof(int), 1);
    for (int place = 0; place < 3; place++)
        for (int i = 0; i < 50; i++) {
            for (int n = 0; n < 3; n++) k[n] = n % 2 == 0 ? recv_case(NULL, &v) : send_case(NULL, &one);
            k[place] = send_case(c, &one);
            CHECK_EQ(rt_select(k, 3, RT_FOREVER), place);
            k[place] = recv_case(c, NULL);
            CHECK_EQ(rt_select(k, 3, RT_FOREVER), place);
            CHECK_EQ(rt_select(k, 3, RT_NOWAIT), RT_EAGAIN);
        }
    CHECK_EQ(v, 41);
    for (int n = 0; n < 3; n++)
        if (n != 2) CHECK_EQ(k[n].result, UNTOUCHED);
    rt_chan_unref(c);
}

/* Channels drop out one by one, as a merge of streams does it in Go. */
enum { STREAMS = 5, ITEMS = 300 };

static rt_chan *streams[STREAMS];

static void produces(void *arg) {
    const int me = (int)(intptr_t)arg;
    for (int i = 0; i < ITEMS * (me + 1); i++) CHECK_OK(rt_chan_send(streams[me], &i));
    CHECK_OK(rt_chan_close(streams[me]));
}

static void merges(void *arg) {
    (void)arg;
    int next[STREAMS] = {0}, v[STREAMS], alive = STREAMS;
    rt_select_case k[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        streams[i] = rt_chan_make(sizeof(int), (size_t)i);
        k[i] = recv_case(streams[i], &v[i]);
    }
    for (intptr_t i = 0; i < STREAMS; i++) go(produces, (void *)i);
    while (alive > 0) {
        const int r = rt_select(k, STREAMS, RT_FOREVER);
        CHECK(r >= 0 && r < STREAMS);
        if (k[r].result == RT_OK) {
            CHECK_EQ(v[r], next[r]);
            next[r]++;
        } else {
            CHECK_EQ(k[r].result, RT_ECLOSED);
            CHECK_EQ(next[r], ITEMS * (r + 1));
            k[r].chan = NULL;
            alive--;
        }
    }
    CHECK_EQ(rt_select(k, STREAMS, RT_NOWAIT), RT_EAGAIN);
    for (int i = 0; i < STREAMS; i++) rt_chan_unref(streams[i]);
}

/* For ever is for ever: with no cases, and with none that lives. */
static atomic_int waiting, returned;

static void no_cases(void *arg) {
    (void)arg;
    atomic_fetch_add(&waiting, 1);
    rt_select(NULL, 0, RT_FOREVER);
    atomic_fetch_add(&returned, 1);
}

static void nil_cases(void *arg) {
    (void)arg;
    int v = 1;
    rt_select_case k[2] = {recv_case(NULL, &v), send_case(NULL, &v)};
    atomic_fetch_add(&waiting, 1);
    rt_select(k, 2, RT_FOREVER);
    atomic_fetch_add(&returned, 1);
}

int main(void) {
    everywhere(polls, NULL);
    everywhere(merges, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    go(no_cases, NULL);
    go(nil_cases, NULL);
    CHECK_EQ(pthread_detach(thread_go(no_cases, NULL)), 0);
    CHECK_EQ(pthread_detach(thread_go(nil_cases, NULL)), 0);
    EVENTUALLY(atomic_load(&waiting) == 4);
    thread_sleep(30 * MS);
    CHECK_EQ(atomic_load(&returned), 0);
    CHECK_EQ(rt_num_goroutine(), 2);
    puts("select_nil: ok");
    return 0;
}

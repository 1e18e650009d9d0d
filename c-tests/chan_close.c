/* Close: wakes every waiter, drains first, zeroes then; a close that races a receive never hides an item. */
#include "check.h"

#define N 40

static atomic_int waiting, woken;

static void receives(void *arg) {
    uint64_t v = 77;
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_recv(arg, &v), RT_ECLOSED);
    CHECK_EQ(v, 0);
    atomic_fetch_add(&woken, 1);
}

static void sends(void *arg) {
    const uint64_t v = 88;
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_send(arg, &v), RT_ECLOSED);
    atomic_fetch_add(&woken, 1);
}

static void receives_timeout(void *arg) {
    uint64_t v = 77;
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_recv_timeout(arg, &v, 3600 * SECOND), RT_ECLOSED);
    CHECK_EQ(v, 0);
    atomic_fetch_add(&woken, 1);
}

static void sends_timeout(void *arg) {
    const uint64_t v = 88;
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_send_timeout(arg, &v, RT_FOREVER), RT_ECLOSED);
    atomic_fetch_add(&woken, 1);
}

static rt_fn thread_fn;

static void *on_thread(void *arg) {
    thread_fn(arg);
    return NULL;
}

static void wakes(void) {
    const rt_fn fns[] = {receives, sends, receives_timeout, sends_timeout};
    for (int f = 0; f < 4; f++) {
        const bool sender = f % 2 == 1;
        rt_chan *c = rt_chan_make(sizeof(uint64_t), sender ? 3 : 0);
        const uint64_t v = 55;
        if (sender)
            for (int i = 0; i < 3; i++) CHECK_OK(rt_chan_send(c, &v));
        atomic_store(&waiting, 0);
        atomic_store(&woken, 0);
        thread_fn = fns[f];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) threads[i] = thread_start(on_thread, c);
        for (int i = 0; i < N; i++) go(fns[f], c);
        EVENTUALLY(atomic_load(&waiting) == N + 4);
        thread_sleep(10 * MS);
        CHECK_EQ(atomic_load(&woken), 0);
        CHECK_OK(rt_chan_close(c));
        EVENTUALLY(atomic_load(&woken) == N + 4);
        for (int i = 0; i < 4; i++) thread_join(threads[i]);
        /* What was in the buffer is still to be had; nothing of the failed sends is. */
        uint64_t got = 1;
        if (sender)
            for (int i = 0; i < 3; i++) {
                CHECK_OK(rt_chan_recv(c, &got));
                CHECK_EQ(got, 55);
            }
        CHECK_EQ(rt_chan_len(c), 0);
        rt_chan_unref(c);
    }
}

static void drains(void) {
    rt_chan *c = rt_chan_make(sizeof(uint64_t), 10);
    for (uint64_t i = 1; i <= 7; i++) CHECK_OK(rt_chan_send(c, &i));
    CHECK_OK(rt_chan_close(c));
    CHECK_EQ(rt_chan_len(c), 7);
    CHECK_EQ(rt_chan_cap(c), 10);
    uint64_t v;
    for (uint64_t i = 1; i <= 7; i++) {
        v = 0;
        CHECK_OK(i % 3 == 0   ? rt_chan_recv(c, &v)
                 : i % 3 == 1 ? rt_chan_try_recv(c, &v)
                              : rt_chan_recv_timeout(c, &v, -1));
        CHECK_EQ(v, i);
    }
    for (int i = 0; i < 3; i++) {
        v = 99;
        CHECK_EQ(rt_chan_recv(c, &v), RT_ECLOSED);
        CHECK_EQ(v, 0);
        v = 99;
        CHECK_EQ(rt_chan_try_recv(c, &v), RT_ECLOSED);
        CHECK_EQ(v, 0);
        v = 99;
        CHECK_EQ(rt_chan_recv_timeout(c, &v, RT_NOWAIT), RT_ECLOSED);
        CHECK_EQ(v, 0);
        v = 99;
        CHECK_EQ(rt_chan_recv_timeout(c, &v, RT_FOREVER), RT_ECLOSED);
        CHECK_EQ(v, 0);
        CHECK_EQ(rt_chan_recv(c, NULL), RT_ECLOSED);
    }
    rt_chan_unref(c);
}

/* Go's TestNonblockRecvRace: with a full slot and a close at the same time, "empty" is never the answer. */
struct race {
    rt_chan *chan;
    atomic_int done;
};

static void closes(void *arg) {
    struct race *r = arg;
    CHECK_OK(rt_chan_close(r->chan));
    atomic_store(&r->done, 1);
}

static void races(void *arg) {
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        struct race r = {rt_chan_make(sizeof i, 1), 0};
        CHECK(r.chan != NULL);
        CHECK_OK(rt_chan_send(r.chan, &i));
        go(closes, &r);
        if (i % 4 == 0) rt_gosched();
        int v = -1;
        CHECK_OK(rt_chan_try_recv(r.chan, &v));
        CHECK_EQ(v, i);
        EVENTUALLY_YIELD(atomic_load(&r.done) == 1);
        rt_chan_unref(r.chan);
    }
}

/* Many closers: one wins. */
static atomic_int won, lost;

static void tries_close(void *arg) {
    const int r = rt_chan_close(arg);
    CHECK(r == RT_OK || r == RT_ECLOSED);
    atomic_fetch_add(r == RT_OK ? &won : &lost, 1);
}

int main(void) {
    wakes();
    drains();
    CHECK_OK(rt_run(races, NULL));
    for (int i = 1; i <= 100; i++) {
        rt_chan *c = rt_chan_make(0, 0);
        for (int k = 0; k < 10; k++) go(tries_close, c);
        EVENTUALLY(atomic_load(&won) + atomic_load(&lost) == 10 * i);
        CHECK_EQ(atomic_load(&won), i);
        rt_chan_unref(c);
    }
    puts("chan_close: ok");
    return 0;
}

/* The same channel several times in one select: it never meets itself, and no later waiter is lost. */
#include "more.h"

static void alone(void *arg) {
    (void)arg;
    int in = 41;
    const int out = 5;
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    rt_select_case k[4] = {send_case(c, &out), recv_case(c, &in), send_case(c, &out), recv_case(c, &in)};
    CHECK_EQ(rt_select(k, 4, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_select(k, 4, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_select(k, 4, 3 * MS), RT_ETIMEDOUT);
    CHECK_EQ(in, 41);
    for (int i = 0; i < 4; i++) CHECK_EQ(k[i].result, UNTOUCHED);
    CHECK_EQ(rt_chan_try_send(c, &out), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_recv(c, &in), RT_EAGAIN);
    rt_chan_unref(c);

    /* With a buffer, one select after the other may fetch what the one before it has sent. */
    c = rt_chan_make(sizeof(int), 1);
    for (int i = 0; i < 200; i++) {
        const bool full = rt_chan_len(c) == 1;
        in = 41;
        const int r = rt_select(k, 0, RT_NOWAIT);
        CHECK_EQ(r, RT_EAGAIN);
        rt_select_case two[2] = {send_case(c, &out), recv_case(c, &in)};
        CHECK_EQ(rt_select(two, 2, RT_FOREVER), full ? 1 : 0);
        CHECK_EQ(in, full ? 5 : 41);
    }
    rt_chan_unref(c);
}

/* Go's self select: each of two sends and receives on one channel; with no buffer nobody may receive its own. */
enum { ROUNDS = 3000 };

static rt_chan *shared;
static atomic_long sends, receives;

static void both_ways(void *arg) {
    const int me = (int)(intptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int in = -1;
        const int out = me;
        /* By turns in both orders. */
        rt_select_case k[2] = {send_case(shared, &out), recv_case(shared, &in)};
        if (i % 2 == 1) {
            const rt_select_case swap = k[0];
            k[0] = k[1];
            k[1] = swap;
        }
        const int r = rt_select(k, 2, RT_FOREVER);
        if (r < 0) FAIL("select is %d", r);
        if (k[r].result == RT_ECLOSED) return;
        CHECK_OK(k[r].result);
        if (k[r].dir == RT_RECV) {
            CHECK(in == 0 || in == 1);
            if (rt_chan_cap(shared) == 0 && in == me) FAIL("%d has met itself in round %d", me, i);
            atomic_fetch_add(&receives, 1);
        } else {
            CHECK_EQ(in, -1);
            atomic_fetch_add(&sends, 1);
        }
    }
    /* The other one has no partner any more. */
    const int r = rt_chan_close(shared);
    CHECK(r == RT_OK || r == RT_ECLOSED);
}

static void self_select(size_t cap) {
    shared = rt_chan_make(sizeof(int), cap);
    atomic_store(&sends, 0);
    atomic_store(&receives, 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (intptr_t i = 0; i < 2; i++) CHECK_OP(rt_waitgroup_go(&wg, both_ways, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&sends), atomic_load(&receives) + (long)rt_chan_len(shared));
    CHECK_OP(atomic_load(&sends), >, 0);
    rt_chan_unref(shared);
}

/* Twice in one select that is woken by another channel: one that waits behind it is still found. */
struct scene {
    rt_chan *c, *d, *e;
    atomic_int waits;
    int got;
};

static void waits_twice(void *arg) {
    struct scene *s = arg;
    int unused;
    rt_select_case k[3] = {recv_case(s->c, &unused), recv_case(s->c, &unused), recv_case(s->d, &unused)};
    atomic_fetch_add(&s->waits, 1);
    CHECK_EQ(rt_select(k, 3, RT_FOREVER), 2);
    const int nine = 9;
    CHECK_OK(rt_chan_send(s->e, &nine));
}

static void waits_once(void *arg) {
    struct scene *s = arg;
    atomic_fetch_add(&s->waits, 1);
    CHECK_OK(rt_chan_recv(s->c, &s->got));
    CHECK_OK(rt_chan_send(s->e, &s->got));
}

static void duplicates(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct scene s = {rt_chan_make(sizeof(int), 0), rt_chan_make(sizeof(int), 0), rt_chan_make(sizeof(int), 0), 0, 0};
        /* Behind the first, in front of it, and both. */
        if (i % 4 == 3) go(waits_once, &s);
        go(waits_twice, &s);
        EVENTUALLY_YIELD(atomic_load(&s.waits) == (i % 4 == 3 ? 2 : 1));
        CHECK_OK(rt_sleep(MS));
        if (i % 4 != 3) go(waits_once, &s);
        EVENTUALLY_YIELD(atomic_load(&s.waits) == 2);
        CHECK_OK(rt_sleep(MS));
        const int seven = 7, eight = 8;
        CHECK_OK(rt_chan_send(s.d, &seven));
        int v = 0;
        CHECK_OK(rt_chan_recv(s.e, &v));
        CHECK_EQ(v, 9);
        CHECK_OK(rt_chan_send(s.c, &eight));
        CHECK_OK(rt_chan_recv(s.e, &v));
        CHECK_EQ(v, 8);
        CHECK_EQ(rt_chan_try_send(s.c, &eight), RT_EAGAIN);
        EVENTUALLY_YIELD(rt_num_goroutine() <= 1);
        rt_chan_unref(s.c);
        rt_chan_unref(s.d);
        rt_chan_unref(s.e);
    }
}

/* Two sends of different elements on one channel: what is received is what the case that went has sent. */
static void two_elements(void *arg) {
    rt_chan *c = arg;
    for (int i = 0; i < 500; i++) {
        const int a = 2 * i, b = 2 * i + 1;
        rt_select_case k[2] = {send_case(c, &a), send_case(c, &b)};
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
        int echo = -1;
        CHECK_OK(rt_chan_recv(c, &echo));
        CHECK_EQ(echo, r == 0 ? a : b);
    }
}

static void echoes(void *arg) {
    for (int i = 0; i < 500; i++) {
        int x = 0, y = 0;
        rt_select_case k[2] = {recv_case(arg, &x), recv_case(arg, &y)};
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
        CHECK_EQ(r == 0 ? y : x, 0);
        CHECK_OK(rt_chan_send(arg, r == 0 ? &x : &y));
    }
}

int main(void) {
    everywhere(alone, NULL);
    for (size_t cap = 0; cap < 3; cap++) self_select(cap == 2 ? 10 : cap);
    CHECK_OK(rt_run(duplicates, NULL));
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, two_elements, c), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, echoes, c), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    rt_chan_unref(c);
    puts("select_same_chan: ok");
    return 0;
}

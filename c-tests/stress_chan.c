/*
 * Random producers and consumers, goroutines and threads, over channels of random capacity, with every form of send and
 * receive. Each item is received exactly once, and each producer's items reach each consumer in their order.
 */
#include "check.h"

enum { MAX_PRODUCERS = 8, MAX_CONSUMERS = 8, ITEMS = 400 };

static rt_chan *chan;
static atomic_uchar seen[MAX_PRODUCERS][ITEMS];
static atomic_long received;
static atomic_int producing, consuming;

struct worker {
    uint64_t seed;
    int me;
};

static bool timed_out(int r) { return r == RT_ETIMEDOUT || r == RT_EAGAIN; }

static int random_send(uint64_t *state, const uint32_t *item) {
    switch (rnd_below(state, 6)) {
    case 0: return rt_chan_try_send(chan, item);
    case 1: return rt_chan_send_timeout(chan, item, RT_NOWAIT);
    case 2: return rt_chan_send_timeout(chan, item, -(int64_t)rnd_below(state, 1000) - 1);
    case 3: return rt_chan_send_timeout(chan, item, (int64_t)rnd_below(state, 50 * US));
    case 4: return rt_chan_send_timeout(chan, item, RT_FOREVER);
    default: return rt_chan_send(chan, item);
    }
}

static int random_recv(uint64_t *state, uint32_t *item) {
    switch (rnd_below(state, 6)) {
    case 0: return rt_chan_try_recv(chan, item);
    case 1: return rt_chan_recv_timeout(chan, item, RT_NOWAIT);
    case 2: return rt_chan_recv_timeout(chan, item, -(int64_t)rnd_below(state, 1000) - 1);
    case 3: return rt_chan_recv_timeout(chan, item, (int64_t)rnd_below(state, 50 * US));
    case 4: return rt_chan_recv_timeout(chan, item, RT_FOREVER);
    default: return rt_chan_recv(chan, item);
    }
}

static void produces(void *arg) {
    struct worker *w = arg;
    for (int i = 0; i < ITEMS; i++) {
        const uint32_t item = (uint32_t)(w->me * ITEMS + i) + 1;
        int r;
        while ((r = random_send(&w->seed, &item)) != RT_OK) {
            CHECK(timed_out(r));
            rt_gosched();
        }
        if (rnd_below(&w->seed, 32) == 0) rt_gosched();
    }
    atomic_fetch_sub(&producing, 1);
}

static void consumes(void *arg) {
    struct worker *w = arg;
    int last[MAX_PRODUCERS];
    memset(last, -1, sizeof last);
    for (;;) {
        uint32_t item = UINT32_MAX;
        const int r = random_recv(&w->seed, &item);
        if (r == RT_ECLOSED) {
            CHECK_EQ(item, 0);
            break;
        }
        if (r != RT_OK) {
            CHECK(timed_out(r));
            CHECK_EQ(item, UINT32_MAX);
            rt_gosched();
            continue;
        }
        CHECK_OP(item, >=, 1);
        CHECK_OP(item, <=, MAX_PRODUCERS * ITEMS);
        const int from = (int)(item - 1) / ITEMS, n = (int)(item - 1) % ITEMS;
        CHECK_OP(n, >, last[from]);
        last[from] = n;
        CHECK_EQ(atomic_fetch_add(&seen[from][n], 1), 0);
        atomic_fetch_add(&received, 1);
    }
    atomic_fetch_sub(&consuming, 1);
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    long rounds = 0;
    do {
        const int np = 1 + (int)rnd_below(&state, MAX_PRODUCERS), nc = 1 + (int)rnd_below(&state, MAX_CONSUMERS);
        const size_t caps[] = {0, 0, 1, 2, 3, 17, 256};
        chan = rt_chan_make(sizeof(uint32_t), caps[rnd_below(&state, 7)]);
        CHECK(chan != NULL);
        memset(seen, 0, sizeof seen);
        atomic_store(&received, 0);
        atomic_store(&producing, np);
        atomic_store(&consuming, nc);
        struct worker p[MAX_PRODUCERS], c[MAX_CONSUMERS];
        pthread_t threads[MAX_PRODUCERS + MAX_CONSUMERS];
        int nt = 0;
        for (int i = 0; i < nc; i++) {
            c[i] = (struct worker){rnd(&state), i};
            if (rnd_below(&state, 5) == 0) threads[nt++] = thread_go(consumes, &c[i]);
            else go(consumes, &c[i]);
        }
        for (int i = 0; i < np; i++) {
            p[i] = (struct worker){rnd(&state), i};
            if (rnd_below(&state, 5) == 0) threads[nt++] = thread_go(produces, &p[i]);
            else go(produces, &p[i]);
        }
        EVENTUALLY(atomic_load(&producing) == 0);
        /* What is still in the buffer comes out before the close is seen. */
        CHECK_OK(rt_chan_close(chan));
        EVENTUALLY(atomic_load(&consuming) == 0);
        CHECK_EQ(atomic_load(&received), (long)np * ITEMS);
        for (int i = 0; i < np; i++)
            for (int k = 0; k < ITEMS; k++) CHECK_EQ(atomic_load(&seen[i][k]), 1);
        for (int i = 0; i < nt; i++) thread_join(threads[i]);
        rt_chan_unref(chan);
        rounds++;
    } while (now_ns() < end);
    printf("stress_chan: ok, %ld rounds\n", rounds);
    return 0;
}

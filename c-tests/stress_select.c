/*
 * Random selects: sends and receives mixed, with random times, polls, plain calls beside them, on goroutines and on
 * threads. Every item is sent by one and received by one: counts, sums and squares agree. Ends by a close of everything,
 * against which the last sends and receives race.
 */
#include "more.h"

enum { CHANS = 6, WORKERS = 12, THREADS = 3 };

static rt_chan *chans[CHANS];
static atomic_bool stop;
static atomic_int running;

/* What went out and came in, a line each; the items carry the worker and a count, so that no two are alike. */
struct worker {
    uint64_t state, items, out_count, out_sum, out_mix, in_count, in_sum, in_mix, timeouts;
    uint64_t number;
    char pad[64];
};

static struct worker workers[WORKERS + THREADS];

static uint64_t mix(uint64_t v) {
    uint64_t s = v;
    return rnd(&s);
}

static void sent(struct worker *w, uint64_t item) {
    w->out_count++;
    w->out_sum += item;
    w->out_mix ^= mix(item);
}

static void received(struct worker *w, uint64_t item) {
    w->in_count++;
    w->in_sum += item;
    w->in_mix ^= mix(item);
}

static int64_t some_timeout(uint64_t *state) {
    switch (rnd_below(state, 6)) {
    case 0: return RT_NOWAIT;
    case 1: return -5;
    case 2: return (int64_t)rnd_below(state, 50 * US);
    case 3: return 1;
    default: return (int64_t)rnd_below(state, MS);
    }
}

static void works(void *arg) {
    struct worker *w = arg;
    while (!atomic_load(&stop)) {
        uint64_t in[8], out[8];
        rt_select_case k[8];
        const size_t n = 1 + (size_t)rnd_below(&w->state, 8);
        for (size_t i = 0; i < n; i++) {
            in[i] = 0;
            out[i] = w->number << 40 | ++w->items;
            rt_chan *c = chans[rnd_below(&w->state, CHANS)];
            if (rnd_below(&w->state, 12) == 0) c = NULL;
            k[i] = rnd_below(&w->state, 2) == 0 ? recv_case(c, &in[i]) : send_case(c, &out[i]);
        }
        const int r = rt_select(k, n, some_timeout(&w->state));
        if (r >= 0) {
            CHECK_OP(r, <, n);
            /* On a busy machine the close may come before this worker has seen the stop. */
            if (k[r].result == RT_ECLOSED && atomic_load(&stop)) continue;
            CHECK_OK(k[r].result);
            CHECK(k[r].chan != NULL);
            if (k[r].dir == RT_SEND) sent(w, out[r]);
            else received(w, in[r]);
        } else {
            CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
            w->timeouts++;
            if (w->timeouts % 8 == 0) rt_gosched();
        }
        for (size_t i = 0; i < n; i++)
            if ((int)i != r) {
                CHECK_EQ(k[i].result, UNTOUCHED);
                CHECK_EQ(in[i], 0);
            }
        /* A plain call now and then. */
        const uint64_t which = rnd_below(&w->state, 8);
        rt_chan *c = chans[rnd_below(&w->state, CHANS)];
        uint64_t v = w->number << 40 | ++w->items;
        if (which == 0 && rt_chan_try_send(c, &v) == RT_OK) sent(w, v);
        if (which == 1 && rt_chan_try_recv(c, &v) == RT_OK) received(w, v);
        if (which == 2 && rt_chan_send_timeout(c, &v, some_timeout(&w->state)) == RT_OK) sent(w, v);
        if (which == 3 && rt_chan_recv_timeout(c, &v, some_timeout(&w->state)) == RT_OK) received(w, v);
    }
    /* Without end, until the close: whoever meets somebody still counts it. */
    for (;;) {
        uint64_t in = 0;
        const uint64_t out = w->number << 40 | ++w->items;
        rt_select_case k[2] = {recv_case(chans[rnd_below(&w->state, CHANS)], &in),
                               send_case(chans[rnd_below(&w->state, CHANS)], &out)};
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
        if (k[r].result == RT_ECLOSED) break;
        CHECK_OK(k[r].result);
        if (r == 0) received(w, in);
        else sent(w, out);
    }
    atomic_fetch_sub(&running, 1);
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    for (int i = 0; i < CHANS; i++) {
        chans[i] = rt_chan_make(sizeof(uint64_t), rnd_below(&state, 4));
        CHECK(chans[i] != NULL);
    }
    pthread_t threads[THREADS];
    atomic_store(&running, WORKERS + THREADS);
    for (int i = 0; i < WORKERS + THREADS; i++) {
        workers[i].state = rnd(&state);
        workers[i].number = (uint64_t)i + 1;
        if (i < WORKERS) go(works, &workers[i]);
        else threads[i - WORKERS] = thread_go(works, &workers[i]);
    }
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    thread_sleep(5 * MS);
    for (int i = 0; i < CHANS; i++) CHECK_OK(rt_chan_close(chans[i]));
    EVENTUALLY(atomic_load(&running) == 0);
    for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
    EVENTUALLY(rt_num_goroutine() == 0);

    struct worker all;
    memset(&all, 0, sizeof all);
    for (int i = 0; i < WORKERS + THREADS; i++) {
        all.out_count += workers[i].out_count;
        all.out_sum += workers[i].out_sum;
        all.out_mix ^= workers[i].out_mix;
        all.in_count += workers[i].in_count;
        all.in_sum += workers[i].in_sum;
        all.in_mix ^= workers[i].in_mix;
        all.timeouts += workers[i].timeouts;
    }
    /* What is still buffered. */
    for (int i = 0; i < CHANS; i++) {
        uint64_t v;
        while (rt_chan_recv(chans[i], &v) == RT_OK) received(&all, v);
        rt_chan_unref(chans[i]);
    }
    CHECK_EQ(all.out_count, all.in_count);
    CHECK_EQ(all.out_sum, all.in_sum);
    CHECK_EQ(all.out_mix, all.in_mix);
    CHECK_OP(all.in_count, >, 0);
    printf("stress_select: ok, %" PRIu64 " items, %" PRIu64 " waits in vain\n", all.in_count, all.timeouts);
    return 0;
}

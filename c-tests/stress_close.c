/*
 * A close in the middle of everything: what was sent with RT_OK is received exactly once, what was refused never is, and
 * every waiter comes back.
 */
#include "check.h"

enum { SENDERS = 6, RECEIVERS = 6, MOST = 4096 };

static rt_chan *chan;
static atomic_uchar ok_sent[SENDERS * MOST], got[SENDERS * MOST];
static atomic_int running;

struct worker {
    uint64_t seed;
    uint32_t me;
};

static void sends(void *arg) {
    struct worker *w = arg;
    for (uint32_t i = 0; i < MOST; i++) {
        const uint32_t item = w->me * MOST + i;
        const int r = rnd_below(&w->seed, 3) == 0 ? rt_chan_send_timeout(chan, &item, (int64_t)rnd_below(&w->seed, 20 * US))
                                                  : rt_chan_send(chan, &item);
        if (r == RT_OK) atomic_fetch_add(&ok_sent[item], 1);
        else if (r == RT_ECLOSED) break;
        else CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
    }
    atomic_fetch_sub(&running, 1);
}

static void receives(void *arg) {
    struct worker *w = arg;
    for (;;) {
        uint32_t item = 0;
        const int r = rnd_below(&w->seed, 3) == 0 ? rt_chan_recv_timeout(chan, &item, (int64_t)rnd_below(&w->seed, 20 * US))
                                                  : rt_chan_recv(chan, &item);
        if (r == RT_OK) atomic_fetch_add(&got[item], 1);
        else if (r == RT_ECLOSED) break;
        else CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
    }
    atomic_fetch_sub(&running, 1);
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    long rounds = 0;
    do {
        chan = rt_chan_make(sizeof(uint32_t), rnd_below(&state, 2) == 0 ? 0 : rnd_below(&state, 40));
        CHECK(chan != NULL);
        memset(ok_sent, 0, sizeof ok_sent);
        memset(got, 0, sizeof got);
        atomic_store(&running, SENDERS + RECEIVERS);
        struct worker w[SENDERS + RECEIVERS];
        for (uint32_t i = 0; i < SENDERS + RECEIVERS; i++) w[i] = (struct worker){rnd(&state), i % SENDERS};
        const pthread_t a = thread_go(sends, &w[0]), b = thread_go(receives, &w[SENDERS]);
        for (int i = 1; i < SENDERS; i++) {
            go(sends, &w[i]);
            go(receives, &w[SENDERS + i]);
        }
        thread_sleep((int64_t)rnd_below(&state, 500 * US));
        CHECK_OK(rt_chan_close(chan));
        EVENTUALLY(atomic_load(&running) == 0);
        thread_join(a);
        thread_join(b);
        for (uint32_t i = 0; i < SENDERS * MOST; i++) CHECK_EQ(atomic_load(&got[i]), atomic_load(&ok_sent[i]));
        CHECK_EQ(rt_chan_len(chan), 0);
        rt_chan_unref(chan);
        rounds++;
    } while (now_ns() < end);
    printf("stress_close: ok, %ld rounds\n", rounds);
    return 0;
}

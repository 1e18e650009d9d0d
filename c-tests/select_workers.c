/* 23 workers pass 271,828 items from one channel to another, exact in number and sum: by receive, and by select. */
#include "more.h"

enum { WORKERS = 23, ITEMS = 271828, SELECTED = 60000 };

static const uint64_t primes[10] = {2, 3, 7, 11, 13, 17, 19, 23, 27, 31};
static rt_chan *q, *r, *quit;
static rt_waitgroup working;
static uint64_t fed;

struct worker {
    int number, items;
    bool selects;
};

static void works(void *arg) {
    const struct worker *w = arg;
    for (;;) {
        uint64_t v = 0;
        if (w->selects) {
            rt_select_case k[2] = {recv_case(quit, NULL), recv_case(q, &v)};
            CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
            if (k[1].result == RT_ECLOSED) break;
            CHECK_OK(k[1].result);
        } else {
            const int e = rt_chan_recv(q, &v);
            if (e == RT_ECLOSED) break;
            CHECK_OK(e);
        }
        /* Mixes the order. */
        if (primes[w->number % 10] == v) rt_gosched();
        if (w->selects) {
            rt_select_case k[2] = {send_case(r, &v), recv_case(quit, NULL)};
            CHECK_EQ(rt_select(k, 2, RT_FOREVER), 0);
        } else {
            CHECK_OK(rt_chan_send(r, &v));
        }
    }
}

static void feeds(void *arg) {
    const int items = *(const int *)arg;
    fed = 0;
    for (int i = 0; i < items; i++) {
        const uint64_t v = primes[i % 10];
        CHECK_OK(rt_chan_send(q, &v));
        fed += v;
    }
    CHECK_OK(rt_chan_close(q));
    CHECK_OK(rt_waitgroup_wait(&working));
    CHECK_OK(rt_chan_close(r));
}

static void round_of(int items, bool selects) {
    struct worker w[WORKERS];
    q = rt_chan_make(sizeof(uint64_t), WORKERS * 3);
    r = rt_chan_make(sizeof(uint64_t), WORKERS * 3);
    quit = rt_chan_make(0, 0);
    for (int i = 0; i < WORKERS; i++) {
        w[i] = (struct worker){i, items, selects};
        CHECK_OP(rt_waitgroup_go(&working, works, &w[i]), >, 0);
    }
    go(feeds, &items);
    uint64_t sum = 0, v;
    long n = 0;
    for (; rt_chan_recv(r, &v) == RT_OK; n++) sum += v;
    CHECK_EQ(n, items);
    CHECK_EQ(sum, fed);
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(q);
    rt_chan_unref(r);
    rt_chan_unref(quit);
}

int main(void) {
    round_of(ITEMS, false);
    round_of(SELECTED, true);
    puts("select_workers: ok");
    return 0;
}

/* If one of two cases is always ready, the default is never taken: a poll of several channels is one moment, not many. */
#include "more.h"

enum { ROUNDS = 20000 };

struct round {
    rt_chan *a, *b;
    bool taken;
};

static void polls(void *arg) {
    struct round *r = arg;
    rt_select_case k[2] = {recv_case(r->a, NULL), recv_case(r->b, NULL)};
    const int which = rt_select(k, 2, RT_NOWAIT);
    if (which == RT_EAGAIN) r->taken = true;
    else CHECK(which == 0 || which == 1);
}

/* The second becomes ready before the first one stops being so. */
static void race(bool closes, bool backwards) {
    const int one = 1;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        struct round r = {rt_chan_make(sizeof(int), 1), rt_chan_make(sizeof(int), 1), false};
        rt_chan *first = backwards ? r.b : r.a, *second = backwards ? r.a : r.b;
        CHECK_OK(rt_chan_send(first, &one));
        CHECK_OP(rt_waitgroup_go(&wg, polls, &r), >, 0);
        if (closes) CHECK_OK(rt_chan_close(second));
        else CHECK_OK(rt_chan_send(second, &one));
        rt_select_case k = recv_case(first, NULL);
        const int which = rt_select(&k, 1, RT_NOWAIT);
        CHECK(which == 0 || which == RT_EAGAIN);
        CHECK_OK(rt_waitgroup_wait(&wg));
        if (r.taken) FAIL("round %d: neither was ready, though one always is", i);
        rt_chan_unref(r.a);
        rt_chan_unref(r.b);
    }
}

static void all(void *arg) {
    (void)arg;
    race(false, false);
    race(false, true);
    race(true, false);
    race(true, true);
}

int main(void) {
    CHECK_OK(rt_run(all, NULL));
    /* A plain thread at one end: the two overlap also with one P. */
    race(false, false);
    race(true, true);
    puts("select_default: ok");
    return 0;
}

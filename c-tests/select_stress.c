/*
 * Go's select stress: four senders, four receivers, and two goroutines that send and receive on all four channels (of
 * capacities 0, 0, 2 and 3) with selects whose channels become NULL as they finish.
 */
#include "more.h"

enum { CHANS = 4, N = 20000 };

static rt_chan *c[CHANS];

static void sends(void *arg) {
    for (int i = 0; i < N; i++) {
        if (i % 4096 == 0) rt_gosched();
        CHECK_OK(rt_chan_send(arg, &i));
    }
}

static void receives(void *arg) {
    for (int i = 0; i < N; i++) {
        int v = -1;
        CHECK_OK(rt_chan_recv(arg, &v));
        CHECK(v >= 0 && v < N);
    }
}

static void select_all(bool sending) {
    int n[CHANS] = {0}, v[CHANS], alive = CHANS;
    rt_select_case k[CHANS];
    for (int i = 0; i < CHANS; i++) {
        v[i] = 0;
        k[i] = sending ? send_case(c[i], &v[i]) : recv_case(c[i], &v[i]);
    }
    while (alive > 0) {
        const int r = rt_select(k, CHANS, RT_FOREVER);
        CHECK(r >= 0 && r < CHANS);
        CHECK_OK(k[r].result);
        CHECK(k[r].chan != NULL);
        CHECK(v[r] >= 0 && v[r] < N);
        if (++n[r] == N) {
            k[r].chan = NULL;
            alive--;
        }
        if (sending) v[r] = n[r] % N;
    }
    CHECK_EQ(rt_select(k, CHANS, RT_NOWAIT), RT_EAGAIN);
}

static void selects_sends(void *arg) {
    (void)arg;
    select_all(true);
}

static void selects_receives(void *arg) {
    (void)arg;
    select_all(false);
}

int main(void) {
    const size_t caps[CHANS] = {0, 0, 2, 3};
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < CHANS; i++) {
        c[i] = rt_chan_make(sizeof(int), caps[i]);
        CHECK(c[i] != NULL);
        CHECK_OP(rt_waitgroup_go(&wg, sends, c[i]), >, 0);
        CHECK_OP(rt_waitgroup_go(&wg, receives, c[i]), >, 0);
    }
    CHECK_OP(rt_waitgroup_go(&wg, selects_sends, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, selects_receives, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (int i = 0; i < CHANS; i++) {
        CHECK_EQ(rt_chan_len(c[i]), 0);
        rt_chan_unref(c[i]);
    }
    puts("select_stress: ok");
    return 0;
}

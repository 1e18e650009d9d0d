/* One select fires exactly one case: two partners that both find it waiting, 100,000 times. */
#include "more.h"

enum { ROUNDS = 100000 };

static rt_chan *c[2];
static atomic_bool stop;
static atomic_long given[2], taken[2];

/* Succeeds only while the select waits on its channel, so each success is a case that fired. */
static void offers(void *arg) {
    const int me = (int)(intptr_t)arg;
    for (uint64_t i = 1; !atomic_load(&stop); i++) {
        const uint64_t item = 2 * i + (uint64_t)me;
        const int r = rt_chan_try_send(c[me], &item);
        if (r == RT_OK) atomic_fetch_add(&given[me], 1);
        else {
            CHECK_EQ(r, RT_EAGAIN);
            rt_gosched();
        }
    }
}

static void takes(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t v[2] = {0, 0};
        rt_select_case k[2] = {recv_case(c[0], &v[0]), recv_case(c[1], &v[1])};
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
        CHECK_OK(k[r].result);
        CHECK_EQ(k[!r].result, UNTOUCHED);
        CHECK_EQ(v[!r], 0);
        CHECK(v[r] != 0 && v[r] % 2 == (uint64_t)r);
        atomic_fetch_add(&taken[r], 1);
    }
    atomic_store(&stop, true);
}

int main(void) {
    for (int i = 0; i < 2; i++) c[i] = rt_chan_make(sizeof(uint64_t), 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, offers, (void *)0), >, 0);
    /* The other one is a plain thread, so that the two overlap with one P too. */
    const pthread_t t = thread_go(offers, (void *)1);
    CHECK_OP(rt_waitgroup_go(&wg, takes, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    thread_join(t);
    long sum = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(atomic_load(&given[i]), atomic_load(&taken[i]));
        sum += atomic_load(&taken[i]);
        rt_chan_unref(c[i]);
    }
    CHECK_EQ(sum, ROUNDS);
    printf("select_once: ok, %ld and %ld\n", atomic_load(&taken[0]), atomic_load(&taken[1]));
    return 0;
}

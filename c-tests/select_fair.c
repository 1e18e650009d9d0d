/* Several ready cases: each is as likely as the others, within ten sigma; by channel, by place, and for fresh goroutines. */
#include "more.h"

/* n draws with chance 1/k: how far from n/k one may be. */
static void fair(const char *what, long count, long n, long k) {
    const double mean = (double)n / (double)k;
    /* Ten times the root of n p (1 - p), squared. */
    const double most = 100.0 * mean * (1.0 - 1.0 / (double)k), off = (double)count - mean;
    if (off * off > most) FAIL("%s: %ld of %ld, want one in %ld", what, count, n, k);
}

enum { TRIALS = 10000 };

/* Two full channels and two that never have anything, as Go's test does it. */
static void two_of_four(void *arg) {
    (void)arg;
    rt_chan *c[4];
    for (int i = 0; i < 4; i++) c[i] = rt_chan_make(1, i < 2 ? TRIALS + 1 : 0);
    const char one = 1;
    for (int i = 0; i < 2; i++)
        for (int n = 0; n <= TRIALS; n++) CHECK_OK(rt_chan_send(c[i], &one));
    char v;
    rt_select_case k[4] = {recv_case(c[2], &v), recv_case(c[3], &v), recv_case(c[0], &v), recv_case(c[1], &v)};
    long count[4] = {0};
    for (int n = 0; n < TRIALS; n++) {
        const int r = rt_select(k, 4, RT_FOREVER);
        CHECK(r == 2 || r == 3);
        count[r]++;
    }
    fair("the first of two channels", count[2], TRIALS, 2);
    fair("the second of two channels", count[3], TRIALS, 2);
    for (int i = 0; i < 4; i++) rt_chan_unref(c[i]);
}

/* Many places: k channels, or one channel k times, with sends and receives mixed. */
static void places(void *arg) {
    (void)arg;
    const int sizes[] = {2, 3, 8, 17, 64};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int same = 0; same < 2; same++) {
            const int n = sizes[s];
            const long trials = 1000L * n;
            rt_chan *c[64];
            rt_select_case k[64];
            long count[64] = {0};
            for (int i = 0; i < n; i++) {
                /* Half full: a send and a receive can go. */
                c[i] = same && i > 0 ? rt_chan_ref(c[0]) : rt_chan_make(0, 2);
                if (!same || i == 0) CHECK_OK(rt_chan_send(c[i], NULL));
                k[i] = i % 2 == 0 ? recv_case(c[i], NULL) : send_case(c[i], NULL);
            }
            for (long t = 0; t < trials; t++) {
                const int r = rt_select(k, (size_t)n, t % 2 == 0 ? RT_FOREVER : RT_NOWAIT);
                CHECK(r >= 0 && r < n);
                count[r]++;
                if (k[r].dir == RT_RECV) CHECK_OK(rt_chan_send(c[r], NULL));
                else CHECK_OK(rt_chan_recv(c[r], NULL));
            }
            char what[64];
            for (int i = 0; i < n; i++) {
                snprintf(what, sizeof what, "place %d of %d%s", i, n, same ? ", one channel" : "");
                fair(what, count[i], trials, n);
            }
            for (int i = 0; i < n; i++) rt_chan_unref(c[i]);
        }
}

/* Neither of two sends on one channel falls below a tenth. */
enum { SENDS = 1000 };

static void receives(void *arg) {
    rt_chan *const *c = arg;
    long count[2] = {0};
    for (int i = 0; i < SENDS; i++) {
        int v = -1;
        rt_gosched();
        CHECK_OK(rt_chan_recv(c[0], &v));
        CHECK(v == 0 || v == 1);
        count[v]++;
    }
    for (int i = 0; i < 2; i++) CHECK_OP(count[i], >, SENDS / 10);
}

static void two_sends(size_t cap) {
    rt_chan *c = rt_chan_make(sizeof(int), cap);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, receives, &c), >, 0);
    const int zero = 0, one = 1;
    rt_select_case k[2] = {send_case(c, &one), send_case(c, &zero)};
    for (int i = 0; i < SENDS; i++) {
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
    rt_chan_unref(c);
}

/* The first select of many fresh goroutines: they must not all draw the same. */
enum { FRESH = 2000 };

static atomic_long firsts[2];

static void draws(void *arg) {
    rt_chan *const *c = arg;
    rt_select_case k[2] = {recv_case(c[0], NULL), recv_case(c[1], NULL)};
    const int r = rt_select(k, 2, RT_NOWAIT);
    CHECK(r == 0 || r == 1);
    atomic_fetch_add(&firsts[r], 1);
}

static void fresh(void *arg) {
    (void)arg;
    rt_chan *c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = rt_chan_make(0, 0);
        /* Closed is ready, for any number of them. */
        CHECK_OK(rt_chan_close(c[i]));
    }
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < FRESH; i++) {
        CHECK_OP(rt_waitgroup_go(&wg, draws, c), >, 0);
        if (i % 100 == 99) CHECK_OK(rt_waitgroup_wait(&wg));
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&firsts[0]) + atomic_load(&firsts[1]), FRESH);
    fair("first draws", atomic_load(&firsts[0]), FRESH, 2);
    for (int i = 0; i < 2; i++) rt_chan_unref(c[i]);
}

int main(void) {
    everywhere(two_of_four, NULL);
    everywhere(places, NULL);
    two_sends(0);
    two_sends(SENDS);
    CHECK_OK(rt_run(fresh, NULL));
    puts("select_fair: ok");
    return 0;
}

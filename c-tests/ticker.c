/* Tickers: never early, drop ticks for a slow receiver, do not drift, stop and change their period. */
#include "more.h"

static void ticks(void *arg) {
    (void)arg;
    const int64_t period = 3 * MS, start = rt_now();
    rt_timer *t = rt_ticker_new(period);
    rt_chan *c = rt_timer_chan(t);
    int64_t last = start;
    for (int n = 1; n <= 30; n++) {
        int64_t v = 0;
        CHECK_OK(rt_chan_recv(c, &v));
        /* The n-th received is at least the n-th tick. */
        CHECK_OP(v, >=, start + n * period);
        CHECK_OP(v, <=, rt_now());
        CHECK_OP(v, >, last);
        last = v;
    }
    CHECK(rt_timer_stop(t));
    CHECK_EQ(rt_chan_recv_timeout(c, NULL, 3 * period), RT_ETIMEDOUT);
    CHECK(!rt_timer_stop(t));
    /* On again, with another period; and changed while it runs. */
    int64_t v = 0, from = rt_now();
    CHECK(!rt_timer_reset(t, MS));
    for (int n = 1; n <= 5; n++) {
        CHECK_OK(rt_chan_recv(c, &v));
        CHECK_OP(v, >=, from + n * MS);
    }
    from = rt_now();
    CHECK(rt_timer_reset(t, 20 * MS));
    for (int n = 1; n <= 2; n++) {
        CHECK_OK(rt_chan_recv(c, &v));
        CHECK_OP(v, >=, from + n * 20 * MS);
    }
    CHECK(rt_timer_reset(t, 3600 * SECOND));
    CHECK_EQ(rt_chan_recv_timeout(c, &v, 5 * MS), RT_ETIMEDOUT);
    rt_timer_free(t);
}

/* A receiver that sleeps over many ticks finds one, not all of them. */
static void drops(void *arg) {
    (void)arg;
    const int64_t period = 5 * MS;
    rt_timer *t = rt_ticker_new(period);
    rt_chan *c = rt_timer_chan(t);
    for (int round = 0; round < 3; round++) {
        CHECK_OK(rt_sleep(10 * period));
        const int64_t before = rt_now();
        long n = 0;
        while (rt_chan_try_recv(c, NULL) == RT_OK) n++;
        const int64_t took = rt_now() - before;
        CHECK_OP(n, >=, 1);
        /* One was waiting; one more for each period that the loop itself has taken. */
        CHECK_OP(n, <=, 2 + took / period);
    }
    rt_timer_free(t);
}

/*
 * Drift. A process that is stopped for a time and a half of the period fires late once; a ticker that counts from the time
 * it fired would be late for good, one that counts from its start is back in step with the next tick. The process stops
 * itself by a child's hand.
 */
enum { TRIES = 6, LOOKS = 10 };

static void stopped_for(int64_t ns) {
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        /* Only system calls here. */
        kill(getppid(), SIGSTOP);
        thread_sleep(ns);
        kill(getppid(), SIGCONT);
        _exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
}

static bool keeps_step(void) {
    const int64_t period = 40 * MS, start = rt_now();
    rt_timer *t = rt_ticker_new(period);
    rt_chan *c = rt_timer_chan(t);
    int64_t v = 0, least = period;
    CHECK_OK(rt_chan_recv(c, &v));
    /* From the first tick on, over the second and half of the third. */
    stopped_for(period + period / 2);
    CHECK_OK(rt_chan_recv(c, &v));
    for (int i = 0; i < LOOKS; i++) {
        CHECK_OK(rt_chan_recv(c, &v));
        const int64_t phase = (v - start) % period;
        if (phase < least) least = phase;
    }
    rt_timer_free(t);
    /* Half of the period is what the stop has cost. */
    return least < period / 4;
}

static void drift(void) {
    for (int i = 0; i < TRIES; i++)
        if (keeps_step()) return;
    FAIL("after one late tick all others are late too");
}

/* Many tickers that are reset and stopped while they fire. */
enum { TICKERS = 20 };

static void shakes(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    rt_timer *t = rt_ticker_new(1 + (int64_t)rnd_below(&state, 200 * US));
    rt_chan *c = rt_timer_chan(t);
    for (int i = 0; i < 300; i++) {
        switch (rnd_below(&state, 4)) {
        case 0: {
            rt_timer_stop(t);
            CHECK_EQ(rt_chan_try_recv(c, NULL), RT_EAGAIN);
            CHECK(!rt_timer_reset(t, 1 + (int64_t)rnd_below(&state, 100 * US)));
            break;
        }
        case 1: {
            const int64_t ns = 1 + (int64_t)rnd_below(&state, 100 * US), from = rt_now();
            int64_t v = 0;
            CHECK(rt_timer_reset(t, ns));
            CHECK_OK(rt_chan_recv(c, &v));
            CHECK_OP(v, >=, from + ns);
            break;
        }
        case 2: CHECK_OK(rt_chan_recv(c, NULL)); break;
        default: {
            const int r = rt_chan_recv_timeout(c, NULL, (int64_t)rnd_below(&state, 100 * US));
            CHECK(r == RT_OK || r == RT_ETIMEDOUT || r == RT_EAGAIN);
        }
        }
    }
    rt_timer_free(t);
}

static void many(void) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (uintptr_t i = 1; i <= TICKERS; i++) CHECK_OP(rt_waitgroup_go(&wg, shakes, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
}

int main(void) {
    everywhere(ticks, NULL);
    everywhere(drops, NULL);
    many();
    drift();
    puts("ticker: ok");
    return 0;
}

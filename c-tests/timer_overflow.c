/* What would overflow is for ever: timers, tickers, functions, sleeps; and such a one in the heap disturbs no other. */
#include "more.h"

static atomic_int fired, woken, asleep;

static void fires(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

static void sleeps(void *arg) {
    atomic_fetch_add(&asleep, 1);
    rt_sleep(*(const int64_t *)arg);
    atomic_fetch_add(&woken, 1);
}

static const int64_t far[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX - 3600 * SECOND, INT64_MAX / 2 + 1};
enum { FAR = sizeof far / sizeof far[0] };

static void endless(void *arg) {
    (void)arg;
    rt_timer *t[FAR], *tick[FAR], *f[FAR];
    rt_chan *after[FAR];
    for (int i = 0; i < FAR; i++) {
        t[i] = rt_timer_new(far[i]);
        tick[i] = rt_ticker_new(far[i]);
        f[i] = rt_after_func(far[i], fires, NULL);
        after[i] = rt_after(far[i]);
        CHECK(t[i] != NULL && tick[i] != NULL && f[i] != NULL && after[i] != NULL);
    }
    /* Waited on, too: that puts them into a heap. */
    rt_select_case k[3 * FAR];
    for (int i = 0; i < FAR; i++) {
        k[3 * i] = recv_case(rt_timer_chan(t[i]), NULL);
        k[3 * i + 1] = recv_case(rt_timer_chan(tick[i]), NULL);
        k[3 * i + 2] = recv_case(after[i], NULL);
    }
    CHECK_EQ(rt_select(k, 3 * FAR, 20 * MS), RT_ETIMEDOUT);
    CHECK_EQ(atomic_load(&fired), 0);
    /* Others come and go between them. */
    for (int i = 0; i < 20; i++) {
        rt_timer *near = rt_timer_new(i * 10 * US);
        k[0] = recv_case(rt_timer_chan(near), NULL);
        CHECK_EQ(rt_select(k, 3 * FAR, 60 * SECOND), 0);
        rt_timer_free(near);
        CHECK_OK(rt_sleep(10 * US));
    }
    for (int i = 0; i < FAR; i++) {
        /* Moved to now they fire, moved away they do not. */
        CHECK(rt_timer_reset(t[i], 0));
        CHECK_OK(rt_chan_recv_timeout(rt_timer_chan(t[i]), NULL, 60 * SECOND));
        CHECK(!rt_timer_reset(t[i], far[i]));
        CHECK(rt_timer_reset(tick[i], 10 * US));
        CHECK_OK(rt_chan_recv_timeout(rt_timer_chan(tick[i]), NULL, 60 * SECOND));
        CHECK(rt_timer_reset(tick[i], far[i]));
        CHECK_EQ(rt_chan_recv_timeout(rt_timer_chan(t[i]), NULL, MS), RT_ETIMEDOUT);
        CHECK_EQ(rt_chan_recv_timeout(rt_timer_chan(tick[i]), NULL, MS), RT_ETIMEDOUT);
        CHECK(rt_timer_stop(t[i]));
        CHECK(rt_timer_stop(tick[i]));
        CHECK(rt_timer_stop(f[i]));
        rt_timer_free(t[i]);
        rt_timer_free(tick[i]);
        rt_timer_free(f[i]);
        rt_chan_unref(after[i]);
    }
    CHECK_EQ(atomic_load(&fired), 0);
}

int main(void) {
    everywhere(endless, NULL);
    for (int i = 0; i < FAR; i++) {
        static int64_t ns[FAR];
        ns[i] = far[i];
        go(sleeps, &ns[i]);
        CHECK_EQ(pthread_detach(thread_go(sleeps, &ns[i])), 0);
    }
    EVENTUALLY(atomic_load(&asleep) == 2 * FAR);
    thread_sleep(30 * MS);
    CHECK_EQ(atomic_load(&woken), 0);
    CHECK_EQ(rt_num_goroutine(), FAR);
    puts("timer_overflow: ok");
    return 0;
}

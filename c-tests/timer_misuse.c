/* Channels that a timer feeds refuse send and close, also in a select; tickers without a period; NULL. */
#include "more.h"

static void nothing(void *arg) { (void)arg; }

static void refuses(rt_chan *c, int32_t elem_size) {
    int64_t v = 41, in = 42;
    const int64_t timeouts[] = {RT_FOREVER, RT_NOWAIT, -1, MS};
    CHECK_EQ(rt_chan_elem_size(c), elem_size);
    CHECK_EQ(rt_chan_close(c), RT_EPERM);
    CHECK_EQ(rt_chan_send(c, &v), RT_EPERM);
    CHECK_EQ(rt_chan_try_send(c, &v), RT_EPERM);
    for (int i = 0; i < 4; i++) CHECK_EQ(rt_chan_send_timeout(c, &v, timeouts[i]), RT_EPERM);

    /* In a select the whole call is refused, whatever else could go. */
    rt_chan *full = rt_chan_make(sizeof v, 1);
    CHECK_OK(rt_chan_send(full, &v));
    for (int i = 0; i < 4; i++)
        for (int place = 0; place < 2; place++) {
            rt_select_case k[2];
            k[place] = send_case(c, &v);
            k[!place] = recv_case(full, &in);
            CHECK_EQ(rt_select(k, 2, timeouts[i]), RT_EPERM);
            CHECK_EQ(k[0].result, UNTOUCHED);
            CHECK_EQ(k[1].result, UNTOUCHED);
            CHECK_EQ(in, 42);
            CHECK_EQ(rt_chan_len(full), 1);
            rt_select_case one = send_case(c, &v);
            CHECK_EQ(rt_select(&one, 1, timeouts[i]), RT_EPERM);
        }
    rt_chan_unref(full);
    CHECK_EQ(rt_chan_len(c), 0);
    CHECK_EQ(rt_chan_cap(c), 0);
}

static void fed(void *arg) {
    (void)arg;
    rt_timer *t = rt_timer_new(3600 * SECOND), *tick = rt_ticker_new(3600 * SECOND);
    rt_chan *after = rt_after(3600 * SECOND);
    refuses(rt_timer_chan(t), sizeof(int64_t));
    refuses(rt_timer_chan(tick), sizeof(int64_t));
    refuses(after, sizeof(int64_t));
    /* Nothing of it has come through; and each still works. */
    CHECK_EQ(rt_chan_try_recv(rt_timer_chan(t), NULL), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_recv(rt_timer_chan(tick), NULL), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_recv(after, NULL), RT_EAGAIN);
    CHECK(rt_timer_reset(t, MS));
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    CHECK(rt_timer_reset(tick, MS));
    CHECK_OK(rt_chan_recv(rt_timer_chan(tick), NULL));
    /* Also when a value is pending, after a stop, and after it fired. */
    CHECK_OK(rt_sleep(5 * MS));
    refuses(rt_timer_chan(tick), sizeof(int64_t));
    CHECK(rt_timer_stop(tick));
    refuses(rt_timer_chan(tick), sizeof(int64_t));
    refuses(rt_timer_chan(t), sizeof(int64_t));
    rt_timer_free(t);
    rt_timer_free(tick);
    rt_chan_unref(after);
}

static void periods(void *arg) {
    (void)arg;
    const int64_t bad[] = {0, -1, -SECOND, INT64_MIN};
    for (int i = 0; i < 4; i++) CHECK(rt_ticker_new(bad[i]) == NULL);
    /* In a reset: false and no change, neither of the period nor of the next tick. */
    rt_timer *t = rt_ticker_new(2 * MS);
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    for (int n = 0; n < 20; n++) {
        for (int i = 0; i < 4; i++) CHECK(!rt_timer_reset(t, bad[i]));
        CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    }
    CHECK(rt_timer_stop(t));
    /* A stopped one stays stopped. */
    for (int i = 0; i < 4; i++) CHECK(!rt_timer_reset(t, bad[i]));
    CHECK_EQ(rt_chan_recv_timeout(rt_timer_chan(t), NULL, 10 * MS), RT_ETIMEDOUT);
    CHECK(!rt_timer_stop(t));
    rt_timer_free(t);
}

static void nulls(void *arg) {
    (void)arg;
    CHECK(rt_after_func(MS, NULL, NULL) == NULL);
    CHECK(rt_timer_chan(NULL) == NULL);
    CHECK(!rt_timer_stop(NULL));
    CHECK(!rt_timer_stop_wait(NULL));
    CHECK(!rt_timer_reset(NULL, MS));
    rt_timer_detach(NULL);
    rt_timer_free(NULL);
    rt_timer *t = rt_after_func(3600 * SECOND, nothing, NULL);
    CHECK(t != NULL);
    CHECK(rt_timer_chan(t) == NULL);
    CHECK(rt_timer_stop(t));
    rt_timer_free(t);
}

int main(void) {
    everywhere(fed, NULL);
    everywhere(periods, NULL);
    everywhere(nulls, NULL);
    puts("timer_misuse: ok");
    return 0;
}

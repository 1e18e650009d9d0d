/* What channels refuse, and that a refusal changes nothing; on goroutines and on plain threads. */
#include "check.h"

static void refusals(void *arg) {
    (void)arg;
    int v = 3;
    rt_chan *c = rt_chan_make(sizeof v, 2);
    CHECK(c != NULL);
    CHECK_EQ(rt_chan_send(c, NULL), RT_EINVAL);
    CHECK_EQ(rt_chan_try_send(c, NULL), RT_EINVAL);
    CHECK_EQ(rt_chan_send_timeout(c, NULL, MS), RT_EINVAL);
    CHECK_EQ(rt_chan_send_timeout(c, NULL, RT_NOWAIT), RT_EINVAL);
    CHECK_EQ(rt_chan_send_timeout(c, NULL, RT_FOREVER), RT_EINVAL);
    CHECK_EQ(rt_chan_len(c), 0);

    CHECK_OK(rt_chan_send(c, &v));
    CHECK_OK(rt_chan_close(c));
    CHECK_EQ(rt_chan_close(c), RT_ECLOSED);
    CHECK_EQ(rt_chan_send(c, &v), RT_ECLOSED);
    CHECK_EQ(rt_chan_try_send(c, &v), RT_ECLOSED);
    CHECK_EQ(rt_chan_send_timeout(c, &v, MS), RT_ECLOSED);
    CHECK_EQ(rt_chan_send_timeout(c, &v, RT_NOWAIT), RT_ECLOSED);
    CHECK_EQ(rt_chan_send_timeout(c, &v, -5), RT_ECLOSED);
    CHECK_EQ(rt_chan_len(c), 1);
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_EQ(v, 3);
    CHECK_EQ(rt_chan_close(c), RT_ECLOSED);
    rt_chan_unref(c);

    CHECK_EQ(rt_chan_close(NULL), RT_EINVAL);
    rt_chan_unref(NULL);
    CHECK(rt_chan_ref(NULL) == NULL);

    const size_t big = SIZE_MAX;
    CHECK(rt_chan_make(big, 2) == NULL);
    CHECK(rt_chan_make(2, big) == NULL);
    CHECK(rt_chan_make(big, big) == NULL);
    CHECK(rt_chan_make(big / 2 + 1, 2) == NULL);
    CHECK(rt_chan_make(1, big) == NULL);
    CHECK(rt_chan_make(1, big - 64) == NULL);
    CHECK(rt_chan_make((size_t)1 << 33, (size_t)1 << 31) == NULL);
    /* No overflow, but more than any address space holds. */
    CHECK(rt_chan_make((size_t)1 << 40, (size_t)1 << 20) == NULL);
}

int main(void) {
    refusals(NULL);
    CHECK_OK(rt_run(refusals, NULL));
    thread_join(thread_go(refusals, NULL));
    puts("chan_misuse: ok");
    return 0;
}

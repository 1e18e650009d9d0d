/* The NULL channel: blocks for ever, never ready to the try forms, times out, cannot be closed. */
#include "check.h"

static atomic_int entered;

static void sends_for_ever(void *arg) {
    int v = 0;
    atomic_fetch_add(&entered, 1);
    const int r = arg == NULL ? rt_chan_send(NULL, &v) : rt_chan_send_timeout(NULL, &v, RT_FOREVER);
    FAIL("a send to the NULL channel ended with %d", r);
}

static void receives_for_ever(void *arg) {
    int v = 0;
    atomic_fetch_add(&entered, 1);
    const int r = arg == NULL ? rt_chan_recv(NULL, &v) : rt_chan_recv_timeout(NULL, &v, INT64_MAX);
    FAIL("a receive from the NULL channel ended with %d", r);
}

static void answers(void *arg) {
    (void)arg;
    int v = 41;
    CHECK_EQ(rt_chan_len(NULL), 0);
    CHECK_EQ(rt_chan_cap(NULL), 0);
    CHECK_EQ(rt_chan_elem_size(NULL), 0);
    CHECK_EQ(rt_chan_close(NULL), RT_EINVAL);
    CHECK_EQ(rt_chan_try_send(NULL, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_recv(NULL, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_send_timeout(NULL, &v, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv_timeout(NULL, &v, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_chan_send_timeout(NULL, &v, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_chan_recv_timeout(NULL, &v, INT64_MIN + 1), RT_ETIMEDOUT);
    int64_t start = now_ns();
    CHECK_EQ(rt_chan_send_timeout(NULL, &v, 10 * MS), RT_ETIMEDOUT);
    CHECK_OP(now_ns() - start, >=, 10 * MS);
    start = now_ns();
    CHECK_EQ(rt_chan_recv_timeout(NULL, &v, 10 * MS), RT_ETIMEDOUT);
    CHECK_OP(now_ns() - start, >=, 10 * MS);
    CHECK_EQ(v, 41);
}

int main(void) {
    answers(NULL);
    CHECK_OK(rt_run(answers, NULL));
    thread_join(thread_go(answers, NULL));

    static int with_timeout;
    void *const how[] = {NULL, &with_timeout};
    for (int i = 0; i < 2; i++) {
        go(sends_for_ever, how[i]);
        go(receives_for_ever, how[i]);
        CHECK_EQ(pthread_detach(thread_go(sends_for_ever, how[i])), 0);
        CHECK_EQ(pthread_detach(thread_go(receives_for_ever, how[i])), 0);
    }
    EVENTUALLY(atomic_load(&entered) == 8);
    thread_sleep(50 * MS);
    CHECK_EQ(rt_num_goroutine(), 4);
    /* A sender and a receiver on the NULL channel do not meet, and exit waits for neither. */
    puts("chan_nil: ok");
    return 0;
}

/* The channel of a context: it wakes everybody, fits a select, is fed by nobody else, and may outlive its context. */
#include "more.h"

enum { WAITERS = 20, THREADS = 4 };

static rt_ctx *ctx;
static atomic_int waiting, woken;

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(ctx), NULL), RT_ECLOSED);
    CHECK_EQ(rt_ctx_err(ctx), RT_ECANCELED);
    CHECK_EQ(rt_ctx_cause(ctx), -9);
    atomic_fetch_add(&woken, 1);
}

/* Go's loop: work until it is over. */
static void works(void *arg) {
    rt_chan *jobs = arg;
    rt_ctx *own = rt_ctx_with_timeout(ctx, 3600 * SECOND);
    atomic_fetch_add(&waiting, 1);
    for (;;) {
        int v = 0;
        rt_select_case k[2] = {recv_case(rt_ctx_done(own), NULL), recv_case(jobs, &v)};
        const int r = rt_select(k, 2, RT_FOREVER);
        if (r == 0) {
            CHECK_EQ(k[0].result, RT_ECLOSED);
            break;
        }
        CHECK_EQ(r, 1);
        CHECK_EQ(v, 1);
    }
    CHECK_EQ(rt_ctx_cause(own), -9);
    rt_ctx_unref(own);
    atomic_fetch_add(&woken, 1);
}

static void wakes_everybody(int round) {
    ctx = rt_ctx_with_cancel(NULL);
    rt_ctx *mid = rt_ctx_with_cancel(ctx), *root = ctx;
    rt_chan *jobs = rt_chan_make(sizeof(int), 0);
    if (round % 2 == 0) ctx = mid;
    atomic_store(&waiting, 0);
    atomic_store(&woken, 0);
    pthread_t t[THREADS];
    for (int i = 0; i < WAITERS; i++) go(i % 2 == 0 ? waits : works, jobs);
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(waits, NULL);
    EVENTUALLY(atomic_load(&waiting) == WAITERS + THREADS);
    const int one = 1;
    for (int i = 0; i < 50; i++) CHECK_OK(rt_chan_send(jobs, &one));
    CHECK_EQ(atomic_load(&woken), 0);
    CHECK_OK(rt_ctx_cancel(root, -9));
    EVENTUALLY(atomic_load(&woken) == WAITERS + THREADS);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    rt_ctx_unref(mid);
    rt_ctx_unref(root);
    rt_chan_unref(jobs);
}

/* Only the library feeds it. */
static void is_fed(void *arg) {
    (void)arg;
    rt_ctx *c = rt_ctx_with_cancel(NULL);
    rt_chan *done = rt_ctx_done(c);
    CHECK(done != NULL && done == rt_ctx_done(c));
    for (int over = 0; over < 2; over++) {
        int v = 0;
        CHECK_EQ(rt_chan_len(done), 0);
        CHECK_EQ(rt_chan_cap(done), 0);
        CHECK_EQ(rt_chan_elem_size(done), 0);
        CHECK_EQ(rt_chan_close(done), RT_EPERM);
        CHECK_EQ(rt_chan_send(done, &v), RT_EPERM);
        CHECK_EQ(rt_chan_try_send(done, &v), RT_EPERM);
        CHECK_EQ(rt_chan_send_timeout(done, NULL, MS), RT_EPERM);
        rt_select_case k = send_case(done, &v);
        CHECK_EQ(rt_select(&k, 1, RT_FOREVER), RT_EPERM);
        CHECK_EQ(k.result, UNTOUCHED);
        CHECK_EQ(rt_chan_recv_timeout(done, NULL, US), over ? RT_ECLOSED : RT_ETIMEDOUT);
        int32_t result = UNTOUCHED;
        CHECK_EQ(select_recv(done, NULL, RT_NOWAIT, &result), over ? 0 : RT_EAGAIN);
        CHECK_EQ(result, over ? RT_ECLOSED : UNTOUCHED);
        CHECK_OK(rt_ctx_cancel(c, 0));
    }
    rt_ctx_unref(c);
}

/* A reference to the channel keeps it beyond its context. */
static void outlives(void *arg) {
    (void)arg;
    rt_ctx *c = rt_ctx_with_cancel(NULL);
    rt_chan *done = rt_chan_ref(rt_ctx_done(c));
    CHECK_OK(rt_ctx_cancel(c, 0));
    rt_ctx_unref(c);
    CHECK_EQ(rt_chan_recv(done, NULL), RT_ECLOSED);
    rt_chan_unref(done);
    /* Also one that was not cancelled: it just stays open. */
    c = rt_ctx_with_timeout(NULL, MS);
    done = rt_chan_ref(rt_ctx_done(c));
    const bool over = rt_ctx_err(c) != RT_OK;
    rt_ctx_unref(c);
    if (!over) CHECK(rt_chan_recv_timeout(done, NULL, 5 * MS) == RT_ETIMEDOUT || rt_chan_try_recv(done, NULL) == RT_ECLOSED);
    rt_chan_unref(done);
}

/* The background is never ready, as a NULL channel. */
static void background(void *arg) {
    (void)arg;
    int32_t result = UNTOUCHED;
    CHECK_EQ(select_recv(rt_ctx_done(rt_ctx_background()), NULL, RT_NOWAIT, &result), RT_EAGAIN);
    CHECK_EQ(select_recv(rt_ctx_done(NULL), NULL, US, &result), RT_ETIMEDOUT);
    CHECK_EQ(rt_chan_recv_timeout(rt_ctx_done(NULL), NULL, US), RT_ETIMEDOUT);
}

int main(void) {
    for (int i = 0; i < 20; i++) wakes_everybody(i);
    everywhere(is_fed, NULL);
    everywhere(outlives, NULL);
    everywhere(background, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("ctx_done: ok");
    return 0;
}

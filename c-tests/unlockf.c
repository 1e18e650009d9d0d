/* What unlockf may do, with how much stack, and that a call in it which would have to block answers RT_EPERM. */
#include "check.h"

static rt_mutex held, unheld;
static rt_waitgroup pending;
static rt_chan *empty, *full, *box;
static atomic_int spawned;

static bool commit_nothing(rt_g *g, void *lock) {
    (void)g;
    (void)lock;
    return true;
}

static void body(void *arg) {
    (void)arg;
    atomic_fetch_add(&spawned, 1);
}

static bool blocking_calls(rt_g *g, void *arg) {
    int v = 0;
    CHECK(g == rt_self());
    CHECK_EQ(rt_gopark(NULL, NULL, "nested"), RT_EPERM);
    CHECK_EQ(rt_gopark(commit_nothing, NULL, "nested"), RT_EPERM);
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "nested", MS), RT_EPERM);
    CHECK_EQ(rt_sleep(MS), RT_EPERM);
    CHECK_EQ(rt_chan_recv(empty, &v), RT_EPERM);
    CHECK_EQ(rt_chan_send(full, &v), RT_EPERM);
    CHECK_EQ(rt_chan_recv_timeout(empty, &v, MS), RT_EPERM);
    CHECK_EQ(rt_chan_send_timeout(full, &v, RT_FOREVER), RT_EPERM);
    CHECK_EQ(rt_chan_recv(NULL, &v), RT_EPERM);
    CHECK_EQ(rt_chan_send(NULL, &v), RT_EPERM);
    CHECK_EQ(rt_mutex_lock(&held), RT_EPERM);
    CHECK_EQ(rt_mutex_lock_timeout(&held, MS), RT_EPERM);
    CHECK_EQ(rt_waitgroup_wait(&pending), RT_EPERM);
    CHECK_EQ(rt_waitgroup_wait_timeout(&pending, MS), RT_EPERM);
    CHECK_EQ(rt_run(body, NULL), RT_EPERM);
    ++*(int *)arg;
    return false;
}

static bool allowed_calls(rt_g *g, void *arg) {
    int v = 5;
    /* What need not wait, and what never does. */
    CHECK_EQ(rt_chan_recv_timeout(empty, &v, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv_timeout(empty, &v, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_chan_try_recv(empty, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_send(full, &v), RT_EAGAIN);
    CHECK_OK(rt_chan_try_send(box, &v));
    CHECK_EQ(rt_chan_len(box), 1);
    CHECK_OK(rt_chan_try_recv(box, &v));
    CHECK_EQ(v, 5);
    CHECK_EQ(rt_mutex_try_lock(&held), RT_EAGAIN);
    CHECK_EQ(rt_mutex_lock_timeout(&held, RT_NOWAIT), RT_EAGAIN);
    CHECK_OK(rt_mutex_try_lock(&unheld));
    CHECK_OK(rt_mutex_unlock(&unheld));
    CHECK_OK(rt_waitgroup_add(&pending, 1));
    CHECK_OK(rt_waitgroup_done(&pending));
    CHECK_OP(rt_now(), >, 0);
    CHECK_OK(rt_sleep(0));
    rt_chan *c = rt_chan_make(1, 1);
    CHECK(c != NULL);
    CHECK_OK(rt_chan_close(c));
    rt_chan_unref(c);
    ++*(int *)arg;
    CHECK_OK(rt_goready(g));
    return true;
}

/* At least 16 KiB: leaves the last two for the frames around. */
static bool deep(rt_g *g, void *arg) {
    (void)g;
    volatile unsigned char room[14 * 1024];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (unsigned char)(i * 7);
    for (size_t i = 0; i < sizeof room; i++)
        if (room[i] != (unsigned char)(i * 7)) return true;
    ++*(int *)arg;
    return false;
}

/* Unlocks a mutex that a waker holds on to: the waker's ready comes as soon as it can. */
static rt_mutex mu;
static rt_g *waiter;
static atomic_int woken;

static bool unlock_mutex(rt_g *g, void *m) {
    waiter = g;
    CHECK_OK(rt_mutex_unlock(m));
    return true;
}

static void waits_under_mutex(void *arg) {
    const int n = *(int *)arg;
    for (int i = 0; i < n; i++) {
        CHECK_OK(rt_mutex_lock(&mu));
        CHECK_OK(rt_gopark(unlock_mutex, &mu, "under a mutex"));
        atomic_fetch_add(&woken, 1);
    }
}

static void wakes_under_mutex(int n) {
    for (int i = 0; i < n;) {
        CHECK_OK(rt_mutex_lock(&mu));
        if (waiter != NULL) {
            CHECK_OK(rt_goready(waiter));
            waiter = NULL;
            i++;
        }
        CHECK_OK(rt_mutex_unlock(&mu));
        rt_gosched();
    }
}

static void all(void *arg) {
    int calls = 0;
    CHECK_OK(rt_gopark(blocking_calls, &calls, "blocking calls"));
    CHECK_OK(rt_gopark(allowed_calls, &calls, "allowed calls"));
    CHECK_OK(rt_gopark(deep, &calls, "deep"));
    CHECK_OK(rt_gopark_timeout(blocking_calls, &calls, "blocking calls", SECOND));
    CHECK_EQ(calls, 4);
    /* And outside of it everything may block again. */
    CHECK_OK(rt_sleep(MS));
    *(int *)arg = calls;
}

int main(void) {
    int v = 1;
    empty = rt_chan_make(sizeof v, 0);
    full = rt_chan_make(sizeof v, 1);
    box = rt_chan_make(sizeof v, 1);
    CHECK(empty != NULL && full != NULL && box != NULL);
    CHECK_OK(rt_chan_send(full, &v));
    CHECK_OK(rt_mutex_lock(&held));
    CHECK_OK(rt_waitgroup_add(&pending, 1));

    int done = 0;
    CHECK_OK(rt_run(all, &done));
    CHECK_EQ(done, 4);
    all(&done);
    thread_join(thread_go(all, &done));
    CHECK_EQ(atomic_load(&spawned), 0);
    CHECK_EQ(rt_chan_len(full), 1);
    CHECK_EQ(rt_chan_len(empty), 0);

    int n = 2000;
    go(waits_under_mutex, &n);
    wakes_under_mutex(n);
    EVENTUALLY(atomic_load(&woken) == n);
    puts("unlockf: ok");
    return 0;
}

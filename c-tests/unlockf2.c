/*
 * The rest of what unlockf may do: stop a timer, close, signal, release, unlock, the try forms of everything; and of what
 * it may not: whatever would block answers RT_EPERM, changes nothing and leaves no waiter behind.
 */
#include "more.h"

static rt_timer *timer, *function;
static rt_chan *empty, *full, *box, *closing;
static rt_rwmutex written, read_held, free_rw;
static rt_mutex held, unheld;
static rt_cond cond;
static rt_sema none, some;
static atomic_int runs, woken, waiting;

static void counts(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

static bool blocking(rt_g *g, void *arg) {
    int v = 41;
    CHECK(g == rt_self());
    rt_select_case k[3] = {recv_case(empty, &v), send_case(full, &v), recv_case(NULL, &v)};
    CHECK_EQ(rt_select(k, 3, RT_FOREVER), RT_EPERM);
    CHECK_EQ(rt_select(k, 3, MS), RT_EPERM);
    CHECK_EQ(rt_select(k, 1, INT64_MAX), RT_EPERM);
    CHECK_EQ(rt_select(NULL, 0, RT_FOREVER), RT_EPERM);
    CHECK_EQ(rt_select(NULL, 0, MS), RT_EPERM);
    for (int i = 0; i < 3; i++) CHECK_EQ(k[i].result, UNTOUCHED);
    CHECK_EQ(v, 41);
    CHECK_EQ(rt_chan_recv(rt_timer_chan(timer), NULL), RT_EPERM);
    CHECK_EQ(rt_rwmutex_lock(&written), RT_EPERM);
    CHECK_EQ(rt_rwmutex_rlock(&written), RT_EPERM);
    CHECK_EQ(rt_rwmutex_lock(&read_held), RT_EPERM);
    /* A writer that was refused holds back no reader. */
    CHECK_OK(rt_rwmutex_try_rlock(&read_held));
    CHECK_OK(rt_rwmutex_runlock(&read_held));
    CHECK_EQ(rt_cond_wait(&cond, &held), RT_EPERM);
    CHECK_EQ(rt_cond_wait_timeout(&cond, &held, MS), RT_EPERM);
    /* The wait that was refused has not unlocked. */
    CHECK_EQ(rt_mutex_try_lock(&held), RT_EAGAIN);
    CHECK_EQ(rt_sema_acquire(&none), RT_EPERM);
    CHECK_EQ(rt_sema_acquire_timeout(&none, MS), RT_EPERM);
    CHECK_EQ(rt_stop(RT_FOREVER), RT_EPERM);
    ++*(int *)arg;
    return false;
}

static bool allowed(rt_g *g, void *arg) {
    int v = 5, w = 41;
    rt_select_case k[2] = {recv_case(empty, &w), send_case(full, &v)};
    CHECK_EQ(rt_select(k, 2, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_select(k, 2, -1), RT_ETIMEDOUT);
    /* What can go at once goes. */
    k[0] = send_case(box, &v);
    CHECK_EQ(rt_select(k, 2, RT_FOREVER), 0);
    k[0] = recv_case(box, &w);
    CHECK_EQ(rt_select(k, 2, MS), 0);
    CHECK_EQ(w, 5);

    CHECK(rt_timer_stop(timer));
    CHECK(!rt_timer_stop(timer));
    CHECK(rt_timer_stop(function));
    CHECK_OK(rt_chan_close(closing));
    CHECK_EQ(rt_chan_close(closing), RT_ECLOSED);
    CHECK_OK(rt_cond_signal(&cond));
    CHECK_OK(rt_cond_broadcast(&cond));
    CHECK_OK(rt_sema_release(&some));
    CHECK_OK(rt_sema_try_acquire(&some));
    CHECK_OK(rt_sema_acquire(&some));
    CHECK_EQ(rt_sema_try_acquire(&some), RT_EAGAIN);
    CHECK_OK(rt_rwmutex_lock(&free_rw));
    CHECK_EQ(rt_rwmutex_try_lock(&free_rw), RT_EAGAIN);
    CHECK_EQ(rt_rwmutex_try_rlock(&free_rw), RT_EAGAIN);
    CHECK_OK(rt_rwmutex_unlock(&free_rw));
    CHECK_OK(rt_rwmutex_rlock(&free_rw));
    CHECK_OK(rt_rwmutex_runlock(&free_rw));
    CHECK_EQ(rt_rwmutex_try_rlock(&written), RT_EAGAIN);
    CHECK_OK(rt_mutex_lock(&unheld));
    CHECK_OK(rt_mutex_unlock(&unheld));
    CHECK_OP(rt_now(), >, 0);
    ++*(int *)arg;
    CHECK_OK(rt_goready(g));
    return true;
}

static void all(void *arg) {
    int calls = 0;
    timer = rt_timer_new(3600 * SECOND);
    function = rt_after_func(3600 * SECOND, counts, &runs);
    closing = rt_chan_make(0, 0);
    CHECK_OK(rt_sema_init(&some, 1));
    CHECK_OK(rt_gopark(blocking, &calls, "blocking calls"));
    CHECK_OK(rt_gopark_timeout(blocking, &calls, "blocking calls", SECOND));
    /* Nobody waits anywhere because of it. */
    int v = 1;
    CHECK_EQ(rt_chan_try_send(empty, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_len(full), 1);
    CHECK_OK(rt_sema_release(&none));
    CHECK_OK(rt_sema_try_acquire(&none));
    CHECK_OK(rt_gopark(allowed, &calls, "allowed calls"));
    CHECK_EQ(calls, 3);
    CHECK_EQ(atomic_load(&runs), 0);
    rt_timer_free(timer);
    rt_timer_free(function);
    rt_chan_unref(closing);
    /* Outside of it the same calls wait again. */
    rt_select_case k[1] = {recv_case(empty, &v)};
    CHECK_EQ(rt_select(k, 1, MS), RT_ETIMEDOUT);
    CHECK_EQ(rt_cond_wait_timeout(&cond, &held, MS), RT_ETIMEDOUT);
    CHECK_EQ(rt_sema_acquire_timeout(&none, MS), RT_ETIMEDOUT);
    *(int *)arg = calls;
}

/* Wakes from within unlockf whoever waits in a condition, a semaphore, a lock, a closed channel: each really goes on. */
static rt_mutex wake_mu;
static rt_cond wake_cond;
static rt_sema wake_sema;
static rt_rwmutex wake_rw;
static rt_chan *wake_close, *wake_send;
static bool signalled;

static void waits(void *arg) {
    const int kind = (int)(intptr_t)arg;
    atomic_fetch_add(&waiting, 1);
    switch (kind) {
    case 0:
        CHECK_OK(rt_mutex_lock(&wake_mu));
        while (!signalled) CHECK_OK(rt_cond_wait(&wake_cond, &wake_mu));
        CHECK_OK(rt_mutex_unlock(&wake_mu));
        break;
    case 1: CHECK_OK(rt_sema_acquire(&wake_sema)); break;
    case 2:
        CHECK_OK(rt_rwmutex_rlock(&wake_rw));
        CHECK_OK(rt_rwmutex_runlock(&wake_rw));
        break;
    case 3: CHECK_EQ(rt_chan_recv(wake_close, NULL), RT_ECLOSED); break;
    default: {
        rt_select_case k[2] = {recv_case(empty, NULL), recv_case(wake_send, NULL)};
        CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
    }
    }
    atomic_fetch_add(&woken, 1);
}

static bool wakes(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    /* Locked by the one that parks. */
    signalled = true;
    CHECK_OK(rt_mutex_unlock(&wake_mu));
    CHECK_OK(rt_cond_broadcast(&wake_cond));
    CHECK_OK(rt_sema_release(&wake_sema));
    CHECK_OK(rt_rwmutex_unlock(&wake_rw));
    CHECK_OK(rt_chan_close(wake_close));
    const int r = rt_chan_try_send(wake_send, NULL);
    CHECK(r == RT_OK || r == RT_EAGAIN);
    return false;
}

static void wakes_all(void *arg) {
    (void)arg;
    for (int i = 0; i < 200; i++) {
        wake_close = rt_chan_make(0, 0);
        wake_send = rt_chan_make(0, 1);
        signalled = false;
        atomic_store(&woken, 0);
        atomic_store(&waiting, 0);
        CHECK_OK(rt_rwmutex_lock(&wake_rw));
        for (intptr_t k = 0; k < 5; k++) go(waits, (void *)k);
        if (i % 2 == 0) EVENTUALLY_YIELD(atomic_load(&waiting) == 5);
        CHECK_OK(rt_mutex_lock(&wake_mu));
        CHECK_OK(rt_gopark(wakes, NULL, "wakes others"));
        EVENTUALLY_YIELD(atomic_load(&woken) == 5);
        rt_chan_unref(wake_close);
        rt_chan_unref(wake_send);
    }
}

int main(void) {
    int v = 1, done = 0;
    empty = rt_chan_make(sizeof v, 0);
    full = rt_chan_make(sizeof v, 1);
    box = rt_chan_make(sizeof v, 1);
    CHECK_OK(rt_chan_send(full, &v));
    CHECK_OK(rt_mutex_lock(&held));
    CHECK_OK(rt_rwmutex_lock(&written));
    CHECK_OK(rt_rwmutex_rlock(&read_held));
    everywhere(all, &done);
    CHECK_EQ(done, 3);
    everywhere(wakes_all, NULL);
    puts("unlockf2: ok");
    return 0;
}

/*
 * Objects are freed right after their last use, as soon as anybody can know that it was the last: here their memory is
 * unmapped then, so that a late touch faults.
 */
#include "more.h"

enum { ROUNDS = 3000 };

static size_t page;

/* At the end of a page of its own. */
static void *object(size_t size) {
    unsigned char *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p + page - size;
}

static void drop(void *o) {
    unsigned char *p = o;
    CHECK_EQ(munmap(p - (uintptr_t)p % page, page), 0);
}

/* Counts the goroutines of a round: the test's own, of static life. */
static atomic_int busy;

/* A waitgroup: by whoever waited, while the last done may still be inside. */
static void does_done(void *arg) {
    CHECK_OK(rt_waitgroup_done(arg));
    atomic_fetch_sub(&busy, 1);
}

static void nothing(void *arg) { (void)arg; }

static void waitgroups(void *arg) {
    const bool threads = arg != NULL;
    for (int i = 0; i < rounds_of(threads ? ROUNDS / 10 : ROUNDS); i++) {
        rt_waitgroup *wg = object(sizeof *wg);
        pthread_t t = 0;
        atomic_store(&busy, 2);
        CHECK_OK(rt_waitgroup_add(wg, 2));
        go(does_done, wg);
        if (threads) t = thread_go(does_done, wg);
        else go(does_done, wg);
        CHECK_OP(rt_waitgroup_go(wg, nothing, NULL), >, 0);
        CHECK_OK(rt_waitgroup_wait(wg));
        drop(wg);
        if (threads) thread_join(t);
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
    }
}

/* A mutex: by whoever locked it last, while the one that unlocked for it may still be inside. */
struct box {
    rt_mutex mu;
    rt_sema sema;
    rt_rwmutex rw;
    rt_cond cond;
    rt_once once;
    int users;
    bool signalled;
};

static void mutex_user(void *arg) {
    struct box *b = arg;
    CHECK_OK(rt_mutex_lock(&b->mu));
    const bool last = --b->users == 0;
    CHECK_OK(rt_mutex_unlock(&b->mu));
    if (last) drop(b);
    atomic_fetch_sub(&busy, 1);
}

static void rw_user(void *arg) {
    struct box *b = arg;
    CHECK_OK(rt_rwmutex_lock(&b->rw));
    const bool last = --b->users == 0;
    CHECK_OK(rt_rwmutex_unlock(&b->rw));
    if (last) drop(b);
    atomic_fetch_sub(&busy, 1);
}

static void locks(void *arg) {
    rt_fn user = arg == NULL ? mutex_user : rw_user;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        struct box *b = object(sizeof *b);
        b->users = 3;
        atomic_store(&busy, 3);
        go(user, b);
        go(user, b);
        if (i % 10 == 0 && arg == NULL) {
            thread_join(thread_go(mutex_user, b));
        } else {
            user(b);
        }
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
    }
}

/* A semaphore: by its last acquirer. */
static void releases(void *arg) {
    CHECK_OK(rt_sema_release(arg));
    atomic_fetch_sub(&busy, 1);
}

static void semas(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        rt_sema *s = object(sizeof *s);
        pthread_t t = 0;
        atomic_store(&busy, 1);
        if (i % 10 == 0) t = thread_go(releases, s);
        else go(releases, s);
        if (i % 2 == 0) CHECK_OK(rt_sema_acquire(s));
        else EVENTUALLY_YIELD(rt_sema_try_acquire(s) == RT_OK);
        drop(s);
        if (i % 10 == 0) thread_join(t);
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
    }
}

/* A condition and its mutex: by the waiter that was signalled, once it has the mutex; a signal under the mutex. */
static void signals(void *arg) {
    struct box *b = arg;
    CHECK_OK(rt_mutex_lock(&b->mu));
    b->signalled = true;
    CHECK_OK(rt_cond_signal(&b->cond));
    CHECK_OK(rt_mutex_unlock(&b->mu));
    atomic_fetch_sub(&busy, 1);
}

static void conds(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        struct box *b = object(sizeof *b);
        atomic_store(&busy, 1);
        CHECK_OK(rt_mutex_lock(&b->mu));
        go(signals, b);
        while (!b->signalled) CHECK_OK(rt_cond_wait(&b->cond, &b->mu));
        CHECK_OK(rt_mutex_unlock(&b->mu));
        drop(b);
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
    }
}

/* A channel: each side drops its reference as soon as its call has returned. */
struct side {
    rt_chan *chan;
    int kind;
};

static void other_side(void *arg) {
    const struct side *s = arg;
    rt_chan *c = s->chan;
    int v = 0;
    switch (s->kind) {
    case 0: CHECK_OK(rt_chan_recv(c, &v)); break;
    case 1: {
        rt_select_case k[2] = {recv_case(c, &v), recv_case(c, &v)};
        CHECK_OP(rt_select(k, 2, RT_FOREVER), >=, 0);
        break;
    }
    case 2: CHECK_EQ(rt_chan_recv(c, &v), RT_ECLOSED); break;
    default: CHECK_OK(rt_chan_recv_timeout(c, &v, 60 * SECOND));
    }
    rt_chan_unref(c);
    if (s->kind != 2) CHECK_EQ(v, 8);
    atomic_fetch_sub(&busy, 1);
}

static void chans(void *arg) {
    (void)arg;
    const int eight = 8;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        rt_chan *c = rt_chan_make(sizeof(int), (size_t)(i % 2));
        struct side s = {rt_chan_ref(c), i % 4};
        pthread_t t = 0;
        atomic_store(&busy, 1);
        if (i % 10 == 0) t = thread_go(other_side, &s);
        else go(other_side, &s);
        if (i % 3 == 0) rt_gosched();
        if (s.kind == 2) CHECK_OK(rt_chan_close(c));
        else CHECK_OK(rt_chan_send(c, &eight));
        rt_chan_unref(c);
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
        if (i % 10 == 0) thread_join(t);
    }
}

/* Timers: right after the value came, while they fire, in their own function, and after a stop_wait. */
static void frees_arg(void *arg) {
    struct box *b = arg;
    b->users = 0;
    atomic_fetch_sub(&busy, 1);
}

static rt_timer *_Atomic own;

static void frees_own(void *arg) {
    rt_timer *t;
    (void)arg;
    while ((t = atomic_exchange(&own, NULL)) == NULL) rt_gosched();
    rt_timer_free(t);
    atomic_fetch_sub(&busy, 1);
}

static void timers(void *arg) {
    (void)arg;
    uint64_t state = 9;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        const int64_t ns = (int64_t)rnd_below(&state, 20 * US);
        rt_timer *t = rt_timer_new(ns);
        switch (i % 4) {
        case 0: CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL)); break;
        case 1: CHECK_OK(rt_sleep(ns)); break;
        case 2: rt_timer_stop(t); break;
        default: break;
        }
        rt_timer_free(t);
        rt_chan *after = rt_after(ns);
        if (i % 2 == 0) CHECK_OK(rt_chan_recv(after, NULL));
        rt_chan_unref(after);

        /* What the function uses may go when stop_wait has returned. */
        struct box *b = object(sizeof *b);
        atomic_store(&busy, 1);
        t = rt_after_func(ns, frees_arg, b);
        if (i % 3 == 0) rt_gosched();
        if (rt_timer_stop_wait(t)) atomic_fetch_sub(&busy, 1);
        drop(b);
        rt_timer_free(t);
        CHECK_EQ(atomic_load(&busy), 0);

        atomic_store(&busy, 1);
        atomic_store(&own, NULL);
        t = rt_after_func(ns, frees_own, NULL);
        atomic_store(&own, t);
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
    }
}

/* A once: by who came second, when the first one's function has just returned. */
static void does_once(void *arg) {
    struct box *b = arg;
    CHECK_OK(rt_once_do(&b->once, nothing, NULL));
    CHECK_OK(rt_mutex_lock(&b->mu));
    const bool last = --b->users == 0;
    CHECK_OK(rt_mutex_unlock(&b->mu));
    if (last) drop(b);
    atomic_fetch_sub(&busy, 1);
}

static void onces(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        struct box *b = object(sizeof *b);
        b->users = 2;
        atomic_store(&busy, 2);
        go(does_once, b);
        does_once(b);
        EVENTUALLY_YIELD(atomic_load(&busy) == 0);
    }
}

int main(void) {
    page = (size_t)sysconf(_SC_PAGESIZE);
    int yes = 1;
    CHECK_OK(rt_run(waitgroups, NULL));
    waitgroups(&yes);
    CHECK_OK(rt_run(locks, NULL));
    CHECK_OK(rt_run(locks, &yes));
    locks(NULL);
    CHECK_OK(rt_run(semas, NULL));
    semas(NULL);
    CHECK_OK(rt_run(conds, NULL));
    conds(NULL);
    CHECK_OK(rt_run(chans, NULL));
    chans(NULL);
    CHECK_OK(rt_run(onces, NULL));
    CHECK_OK(rt_run(timers, NULL));
    timers(NULL);
    puts("free_after_use: ok");
    return 0;
}

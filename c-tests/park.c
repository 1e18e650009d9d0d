/* rt_gopark and rt_goready on goroutines and on plain threads: unlockf's part, the false answer, stray readies. */
#include "check.h"

struct site {
    spin lock;
    rt_g *waiter;
    atomic_int calls, woken;
    rt_g *seen_g, *seen_self;
    int64_t seen_id;
};

static bool commit(rt_g *g, void *arg) {
    struct site *s = arg;
    atomic_fetch_add(&s->calls, 1);
    s->seen_g = g;
    s->seen_self = rt_self();
    s->seen_id = rt_goid();
    s->waiter = g;
    spin_unlock(&s->lock);
    return true;
}

static void parks_once(void *arg) {
    struct site *s = arg;
    spin_lock(&s->lock);
    CHECK_OK(rt_gopark(commit, s, "test site"));
    CHECK_EQ(atomic_load(&s->calls), 1);
    CHECK(s->seen_g == rt_self());
    CHECK(s->seen_self == rt_self());
    CHECK_EQ(s->seen_id, rt_goid());
    atomic_fetch_add(&s->woken, 1);
}

static bool has_waiter(struct site *s) {
    spin_lock(&s->lock);
    const bool has = s->waiter != NULL;
    spin_unlock(&s->lock);
    return has;
}

/* Readies under the lock that guards the waiter: then it must go, and only once. */
static void wake(struct site *s) {
    EVENTUALLY(has_waiter(s));
    spin_lock(&s->lock);
    rt_g *g = s->waiter;
    s->waiter = NULL;
    CHECK_OK(rt_goready(g));
    spin_unlock(&s->lock);
}

static void goroutine_wakes(void *arg) { wake(arg); }

static void commits(void) {
    static struct site a, b, c;
    go(parks_once, &a);
    wake(&a);
    EVENTUALLY(atomic_load(&a.woken) == 1);
    const pthread_t t = thread_go(parks_once, &b);
    wake(&b);
    thread_join(t);
    CHECK_EQ(atomic_load(&b.woken), 1);
    go(goroutine_wakes, &c);
    parks_once(&c);
    CHECK_EQ(atomic_load(&c.woken), 1);
}

/*
 * unlockf answers false: the caller goes on, and a ready that came in between is used up. Once readied, the goroutine
 * may run elsewhere before its unlockf has returned, so it waits for the answers that unlockf got.
 */
enum { UNKNOWN = 1 };
static atomic_int from_unlockf;

static int answer_of_ready(void) {
    int r;
    while ((r = atomic_load(&from_unlockf)) == UNKNOWN) sched_yield();
    return r;
}

static bool refuse(rt_g *g, void *arg) {
    (void)g;
    ++*(int *)arg;
    return false;
}

static bool ready_and_refuse(rt_g *g, void *arg) {
    ++*(int *)arg;
    atomic_store(&from_unlockf, rt_goready(g));
    return false;
}

static bool ready_and_wait(rt_g *g, void *arg) {
    ++*(int *)arg;
    atomic_store(&from_unlockf, rt_goready(g));
    return true;
}

static bool ready_twice(rt_g *g, void *arg) {
    ++*(int *)arg;
    const int first = rt_goready(g);
    atomic_store(&from_unlockf, first == RT_OK ? rt_goready(g) : first);
    return false;
}

static bool just_wait(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    return true;
}

static void answers(void *arg) {
    (void)arg;
    int calls = 0;
    for (int i = 0; i < 100; i++) CHECK_OK(rt_gopark(refuse, &calls, "refuses"));
    CHECK_EQ(calls, 100);
    CHECK_OK(rt_gopark_timeout(refuse, &calls, "refuses", RT_FOREVER));
    CHECK_OK(rt_gopark_timeout(refuse, &calls, "refuses", SECOND));
    CHECK_EQ(calls, 102);

    calls = 0;
    for (int i = 0; i < 20; i++) {
        atomic_store(&from_unlockf, UNKNOWN);
        CHECK_OK(rt_gopark(ready_and_refuse, &calls, "refuses"));
        CHECK_OK(answer_of_ready());
        /* Nothing is left of that ready: the next park waits. */
        CHECK_EQ(rt_gopark_timeout(just_wait, NULL, "waits", MS), RT_ETIMEDOUT);
        atomic_store(&from_unlockf, UNKNOWN);
        CHECK_OK(rt_gopark(ready_and_wait, &calls, "readied at once"));
        CHECK_OK(answer_of_ready());
        CHECK_EQ(rt_gopark_timeout(just_wait, NULL, "waits", MS), RT_ETIMEDOUT);
        atomic_store(&from_unlockf, UNKNOWN);
        CHECK_OK(rt_gopark(ready_twice, &calls, "refuses"));
        CHECK_EQ(answer_of_ready(), RT_EINVAL);
    }
    CHECK_EQ(calls, 60);
}

/* With a NULL unlockf the waker tries again while it gets RT_EINVAL. */
static void parks_plainly(void *arg) {
    atomic_store((rt_g * _Atomic *)arg, rt_self());
    CHECK_OK(rt_gopark(NULL, NULL, "no lock"));
    atomic_store((rt_g * _Atomic *)arg, NULL);
}

static void without_unlockf(void) {
    static rt_g *_Atomic who;
    go(parks_plainly, &who);
    EVENTUALLY(atomic_load(&who) != NULL);
    EVENTUALLY(rt_goready(atomic_load(&who)) == RT_OK);
    EVENTUALLY(atomic_load(&who) == NULL);
    const pthread_t t = thread_go(parks_plainly, &who);
    EVENTUALLY(atomic_load(&who) != NULL);
    EVENTUALLY(rt_goready(atomic_load(&who)) == RT_OK);
    thread_join(t);
}

/* What does not wait in rt_gopark cannot be readied, and is not disturbed by the attempt. */
static rt_chan *chan;
static rt_g *_Atomic target;
static atomic_int state;

static void spins(void *arg) {
    (void)arg;
    atomic_store(&target, rt_self());
    while (atomic_load(&state) == 0) sched_yield();
    atomic_store(&state, 2);
}

static void sleeps(void *arg) {
    const int64_t start = now_ns();
    atomic_store(&target, rt_self());
    CHECK_OK(rt_sleep(*(int64_t *)arg));
    CHECK_OP(now_ns() - start, >=, *(int64_t *)arg);
    atomic_store(&state, 2);
}

static void receives(void *arg) {
    int v = 0;
    atomic_store(&target, rt_self());
    CHECK_OK(rt_chan_recv(chan, &v));
    CHECK_EQ(v, *(int *)arg);
    atomic_store(&state, 2);
}

static void strays(void) {
    CHECK_EQ(rt_goready(NULL), RT_EINVAL);
    CHECK_EQ(rt_goready(rt_self()), RT_EINVAL);

    go(spins, NULL);
    EVENTUALLY(atomic_load(&target) != NULL);
    for (int i = 0; i < 100; i++) CHECK_EQ(rt_goready(atomic_load(&target)), RT_EINVAL);
    atomic_store(&state, 1);
    EVENTUALLY(atomic_load(&state) == 2);
    /* Ended, or about to. */
    for (int i = 0; i < 100; i++) CHECK_EQ(rt_goready(atomic_load(&target)), RT_EINVAL);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(rt_goready(atomic_load(&target)), RT_EINVAL);

    int64_t ns = 50 * MS;
    atomic_store(&state, 0);
    atomic_store(&target, NULL);
    go(sleeps, &ns);
    EVENTUALLY(atomic_load(&target) != NULL);
    while (atomic_load(&state) != 2) {
        CHECK_EQ(rt_goready(atomic_load(&target)), RT_EINVAL);
        thread_sleep(MS);
    }

    chan = rt_chan_make(sizeof(int), 0);
    CHECK(chan != NULL);
    int sent = 77;
    for (int round = 0; round < 2; round++) {
        atomic_store(&state, 0);
        atomic_store(&target, NULL);
        pthread_t t = 0;
        if (round == 0) go(receives, &sent);
        else t = thread_go(receives, &sent);
        EVENTUALLY(atomic_load(&target) != NULL);
        for (int i = 0; i < 20; i++) {
            CHECK_EQ(rt_goready(atomic_load(&target)), RT_EINVAL);
            thread_sleep(MS);
        }
        CHECK_EQ(atomic_load(&state), 0);
        CHECK_OK(rt_chan_send(chan, &sent));
        EVENTUALLY(atomic_load(&state) == 2);
        if (round == 1) thread_join(t);
    }
    rt_chan_unref(chan);
}

int main(void) {
    commits();
    CHECK_OK(rt_run(answers, NULL));
    answers(NULL);
    thread_join(thread_go(answers, NULL));
    without_unlockf();
    strays();
    puts("park: ok");
    return 0;
}

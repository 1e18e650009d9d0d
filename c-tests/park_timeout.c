/* rt_gopark_timeout: zero, past, short, for ever; exactly one of time and ready wins; unlockf always runs once. */
#include "check.h"

static atomic_int calls;

static bool commit(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    atomic_fetch_add(&calls, 1);
    return true;
}

/* Readied, the goroutine may run on before unlockf has returned: so it waits for the answer that unlockf got. */
enum { UNKNOWN = 1 };
static atomic_int ready_result;

static int answer_of_ready(void) {
    int r;
    while ((r = atomic_load(&ready_result)) == UNKNOWN) sched_yield();
    return r;
}

static bool ready_inside(rt_g *g, void *arg) {
    (void)arg;
    atomic_fetch_add(&calls, 1);
    atomic_store(&ready_result, rt_goready(g));
    return true;
}

/* Time cannot end a park before unlockf has returned, however long that takes. */
static atomic_bool inside;

static bool slow_commit(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    atomic_store(&inside, true);
    const int64_t until = now_ns() + 5 * MS;
    while (now_ns() < until) {
    }
    atomic_store(&inside, false);
    return true;
}

static void timeouts(void *arg) {
    (void)arg;
    atomic_store(&calls, 0);
    CHECK_EQ(rt_gopark_timeout(commit, NULL, "zero", RT_NOWAIT), RT_ETIMEDOUT);
    CHECK_EQ(atomic_load(&calls), 1);
    CHECK_EQ(rt_gopark_timeout(commit, NULL, "past", -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_gopark_timeout(commit, NULL, "past", INT64_MIN + 1), RT_ETIMEDOUT);
    CHECK_EQ(atomic_load(&calls), 3);
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "zero", RT_NOWAIT), RT_ETIMEDOUT);

    const int64_t times[] = {1, US, 100 * US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_gopark_timeout(commit, NULL, "short", times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }

    /* One winner: a ready that answers RT_OK is an RT_OK here. */
    const int64_t any[] = {RT_NOWAIT, -1, 1, US, MS, SECOND, INT64_MAX, RT_FOREVER};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        atomic_store(&ready_result, UNKNOWN);
        const int r = rt_gopark_timeout(ready_inside, NULL, "readied inside", any[i]);
        CHECK_EQ(r, answer_of_ready() == RT_OK ? RT_OK : RT_ETIMEDOUT);
        if (any[i] > US || any[i] == RT_FOREVER) CHECK_EQ(r, RT_OK);
        /* And it leaves nothing behind: neither a ready nor a timer. */
        CHECK_EQ(rt_gopark_timeout(NULL, NULL, "quiet", 2 * MS), RT_ETIMEDOUT);
    }

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rt_gopark_timeout(slow_commit, NULL, "slow unlockf", i == 0 ? 0 : i * 100 * US), RT_ETIMEDOUT);
        CHECK(!atomic_load(&inside));
    }
}

/* Woken long before its time; then the old time must not end a later wait. */
struct pair {
    spin lock;
    rt_g *waiter;
    int64_t timeout;
    atomic_int result;
};

static bool publish(rt_g *g, void *arg) {
    struct pair *p = arg;
    p->waiter = g;
    spin_unlock(&p->lock);
    return true;
}

static void waits(void *arg) {
    struct pair *p = arg;
    spin_lock(&p->lock);
    const int r = rt_gopark_timeout(publish, p, "until readied", p->timeout);
    const int64_t start = now_ns();
    CHECK_OK(rt_sleep(60 * MS));
    CHECK_OP(now_ns() - start, >=, 60 * MS);
    atomic_store(&p->result, r);
}

static bool try_wake(struct pair *p) {
    spin_lock(&p->lock);
    const bool woke = p->waiter != NULL && rt_goready(p->waiter) == RT_OK;
    spin_unlock(&p->lock);
    return woke;
}

int main(void) {
    CHECK_OK(rt_run(timeouts, NULL));
    timeouts(NULL);
    thread_join(thread_go(timeouts, NULL));

    const int64_t longs[] = {RT_FOREVER, INT64_MAX, INT64_MAX - 1, 3600 * SECOND};
    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++)
        for (int on_thread = 0; on_thread < 2; on_thread++) {
            struct pair p = {.timeout = longs[i], .result = 1};
            pthread_t t = 0;
            if (on_thread) t = thread_go(waits, &p);
            else go(waits, &p);
            EVENTUALLY(try_wake(&p));
            EVENTUALLY(atomic_load(&p.result) != 1);
            CHECK_OK(atomic_load(&p.result));
            if (on_thread) thread_join(t);
            else EVENTUALLY(rt_num_goroutine() == 0);
        }

    /* A ready just before the time ends that time: the sleep after it runs its full length (checked in waits). */
    for (int i = 0; i < 20; i++) {
        struct pair p = {.timeout = 20 * MS, .result = 1};
        go(waits, &p);
        const int64_t until = now_ns() + 15 * MS;
        bool woke = false;
        while (!woke && now_ns() < until) woke = try_wake(&p);
        EVENTUALLY(atomic_load(&p.result) != 1);
        CHECK_EQ(atomic_load(&p.result), woke ? RT_OK : RT_ETIMEDOUT);
        EVENTUALLY(rt_num_goroutine() == 0);
    }
    puts("park_timeout: ok");
    return 0;
}

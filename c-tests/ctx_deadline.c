/* Deadlines of contexts: the nearer one counts, time or a call ends it, and what each answers. */
#include "more.h"

#define HOUR (3600 * SECOND)

static rt_ctx *checked(rt_ctx *c) {
    CHECK(c != NULL);
    return c;
}

static void check_over(rt_ctx *c, int err) {
    CHECK_EQ(rt_ctx_err(c), err);
    CHECK_EQ(rt_ctx_cause(c), err);
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
}

/* Waits for the end, which must be that of time, and not before it. */
static void expires(rt_ctx *c, int64_t not_before) {
    CHECK_EQ(rt_chan_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
    CHECK_OP(now_ns(), >=, not_before);
    check_over(c, RT_ETIMEDOUT);
}

/* Every timeout there is. */
static void timeouts(void *arg) {
    (void)arg;
    const int64_t over[] = {RT_NOWAIT, -1, -HOUR, INT64_MIN + 1};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        const int64_t now = rt_now();
        rt_ctx *c = checked(rt_ctx_with_timeout(NULL, over[i]));
        check_over(c, RT_ETIMEDOUT);
        CHECK_OP(rt_ctx_deadline(c), <=, rt_now());
        if (over[i] == 0) CHECK_OP(rt_ctx_deadline(c), >=, now);
        CHECK_OK(rt_ctx_cancel(c, -7));
        check_over(c, RT_ETIMEDOUT);
        rt_ctx_unref(c);
    }
    const int64_t never[] = {RT_FOREVER, INT64_MAX, INT64_MAX - 1};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        rt_ctx *c = checked(rt_ctx_with_timeout(NULL, never[i]));
        CHECK_EQ(rt_ctx_deadline(c), RT_FOREVER);
        CHECK_OK(rt_ctx_err(c));
        CHECK_OK(rt_ctx_cancel(c, 0));
        check_over(c, RT_ECANCELED);
        rt_ctx_unref(c);
    }
    const int64_t some[] = {1, US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        const int64_t before = rt_now();
        rt_ctx *c = checked(rt_ctx_with_timeout(NULL, some[i]));
        CHECK_OP(rt_ctx_deadline(c), >=, before + some[i]);
        CHECK_OP(rt_ctx_deadline(c), <=, rt_now() + some[i]);
        expires(c, before + some[i]);
        rt_ctx_unref(c);
    }
}

/* Every point in time. */
static void deadlines(void *arg) {
    (void)arg;
    const int64_t over[] = {0, 1, -1, INT64_MIN + 1, rt_now()};
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        rt_ctx *c = checked(rt_ctx_with_deadline(NULL, over[i]));
        CHECK_EQ(rt_ctx_deadline(c), over[i]);
        check_over(c, RT_ETIMEDOUT);
        rt_ctx *child = checked(rt_ctx_with_cancel(c));
        check_over(child, RT_ETIMEDOUT);
        rt_ctx_unref(c);
        rt_ctx_unref(child);
    }
    const int64_t never[] = {RT_FOREVER, INT64_MAX};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        rt_ctx *c = checked(rt_ctx_with_deadline(NULL, never[i]));
        CHECK_EQ(rt_ctx_deadline(c), RT_FOREVER);
        CHECK_OK(rt_ctx_err(c));
        rt_ctx_unref(c);
    }
    const int64_t at = rt_now() + 5 * MS;
    rt_ctx *c = checked(rt_ctx_with_deadline(NULL, at));
    CHECK_EQ(rt_ctx_deadline(c), at);
    expires(c, at);
    rt_ctx_unref(c);
}

/* Of two deadlines the nearer one is the child's, wherever it stands. */
static void nearer(void *arg) {
    (void)arg;
    const int64_t soon = rt_now() + 10 * MS, late = soon + HOUR;
    /* The parent's comes first: the child goes with it. */
    rt_ctx *parent = checked(rt_ctx_with_deadline(NULL, soon)), *child = checked(rt_ctx_with_deadline(parent, late));
    rt_ctx *plain = checked(rt_ctx_with_cancel(child)), *never = checked(rt_ctx_with_timeout(child, RT_FOREVER));
    rt_ctx *same = checked(rt_ctx_with_deadline(parent, soon));
    CHECK_EQ(rt_ctx_deadline(child), soon);
    CHECK_EQ(rt_ctx_deadline(plain), soon);
    CHECK_EQ(rt_ctx_deadline(never), soon);
    CHECK_EQ(rt_ctx_deadline(same), soon);
    expires(plain, soon);
    expires(child, soon);
    expires(never, soon);
    expires(parent, soon);
    expires(same, soon);
    rt_ctx *const first[] = {parent, child, plain, never, same};
    for (size_t i = 0; i < 5; i++) rt_ctx_unref(first[i]);

    /* The child's comes first: the parent stays. */
    const int64_t next = rt_now() + 10 * MS;
    parent = checked(rt_ctx_with_deadline(NULL, next + HOUR));
    child = checked(rt_ctx_with_deadline(parent, next));
    plain = checked(rt_ctx_with_cancel(child));
    CHECK_EQ(rt_ctx_deadline(parent), next + HOUR);
    CHECK_EQ(rt_ctx_deadline(child), next);
    CHECK_EQ(rt_ctx_deadline(plain), next);
    expires(plain, next);
    expires(child, next);
    CHECK_OK(rt_ctx_err(parent));
    /* The end from above does not change what is over. */
    CHECK_OK(rt_ctx_cancel(parent, -7));
    check_over(child, RT_ETIMEDOUT);
    CHECK_EQ(rt_ctx_cause(parent), -7);
    rt_ctx *const second[] = {parent, child, plain};
    for (size_t i = 0; i < 3; i++) rt_ctx_unref(second[i]);
}

/* A call comes before time: the deadline does nothing any more. */
static void cancelled_before(void *arg) {
    (void)arg;
    rt_ctx *c = checked(rt_ctx_with_timeout(NULL, 5 * MS)), *child = checked(rt_ctx_with_timeout(c, 3 * MS));
    if (rt_ctx_cancel(c, 0) == RT_OK && rt_ctx_err(c) == RT_ECANCELED) {
        CHECK_OK(rt_sleep(10 * MS));
        check_over(c, RT_ECANCELED);
    }
    rt_ctx_unref(child);
    rt_ctx_unref(c);
}

/* A far deadline keeps nothing when its context is gone, or over: its P sweeps such entries. */
static void keeps_nothing(void *arg) {
    (void)arg;
    const int n = rounds_of(20000);
    rt_ctx *over = checked(rt_ctx_with_cancel(NULL));
    for (int i = 0; i < n; i++) {
        rt_ctx *far = checked(rt_ctx_with_timeout(i % 2 == 0 ? over : NULL, HOUR));
        if (i % 2 == 1) CHECK_OK(rt_ctx_cancel(far, 0));
        rt_ctx_unref(far);
        if (i % 16 == 0) rt_gosched();
    }
    rt_ctx_unref(over);
    rt_stats s = {.struct_size = sizeof s};
    CHECK_OK(rt_stats_read(&s));
    CHECK_OP(s.timers, <, n / 4);
}

/* Many at once, in no order, on goroutines and threads; none early, none lost. */
enum { MANY = 200 };

static atomic_int expired;

static void waits_for_one(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    const int64_t at = rt_now() + (int64_t)rnd_below(&state, 20 * MS);
    rt_ctx *parent = checked(rt_ctx_with_deadline(NULL, at + (int64_t)rnd_below(&state, 5 * MS)));
    rt_ctx *c = checked(rt_ctx_with_deadline(parent, at + (int64_t)rnd_below(&state, 5 * MS)));
    const int64_t own = rt_ctx_deadline(c);
    CHECK_OP(own, >=, at);
    expires(c, own);
    expires(parent, rt_ctx_deadline(parent));
    rt_ctx_unref(parent);
    rt_ctx_unref(c);
    atomic_fetch_add(&expired, 1);
}

static void many(void) {
    enum { THREADS = 8 };
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    pthread_t t[THREADS];
    for (int i = 0; i < MANY; i++) CHECK_OP(rt_waitgroup_go(&wg, waits_for_one, (void *)(uintptr_t)i), >, 0);
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(waits_for_one, (void *)(uintptr_t)(1000 + i));
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    CHECK_EQ(atomic_load(&expired), MANY + THREADS);
}

/* It comes while all goroutines compute, too. */
static void computes(void *arg) {
    rt_ctx *c = arg;
    const int64_t end = now_ns() + 30 * SECOND;
    while (rt_ctx_err(c) == RT_OK) CHECK_OP(now_ns(), <, end);
    CHECK_EQ(rt_ctx_err(c), RT_ETIMEDOUT);
}

static void while_computing(void) {
    const int n = rt_maxprocs(0) + 1;
    rt_ctx *c = checked(rt_ctx_with_timeout(NULL, 20 * MS));
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, computes, c), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    rt_ctx_unref(c);
}

/* What is over already, and what has no deadline, needs no runtime. */
static void starts_nothing(void) {
    rt_ctx *const all[] = {rt_ctx_with_timeout(NULL, 0), rt_ctx_with_timeout(NULL, RT_FOREVER),
                           rt_ctx_with_deadline(NULL, 5), rt_ctx_with_deadline(NULL, INT64_MAX)};
    for (size_t i = 0; i < 4; i++) rt_ctx_unref(checked(all[i]));
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    CHECK_OK(rt_init(&cfg));
}

int main(void) {
    starts_nothing();
    everywhere(timeouts, NULL);
    everywhere(deadlines, NULL);
    everywhere(nearer, NULL);
    everywhere(cancelled_before, NULL);
    CHECK_OK(rt_run(keeps_nothing, NULL));
    many();
    while_computing();
    puts("ctx_deadline: ok");
    return 0;
}

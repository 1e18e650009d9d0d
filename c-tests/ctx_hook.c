/* Functions that run once a context is over: in goroutines of their own, once, and only if stop says false. */
#include "more.h"

struct run {
    rt_ctx *ctx;
    rt_ctx_hook *hook;
    atomic_int started, ended;
    _Atomic int64_t goid;
    rt_chan *gate;
};

static void runs(void *arg) {
    struct run *r = arg;
    atomic_store(&r->goid, rt_goid());
    atomic_fetch_add(&r->started, 1);
    if (r->gate != NULL) CHECK_EQ(rt_chan_recv(r->gate, NULL), RT_ECLOSED);
    if (r->ctx != NULL) CHECK(rt_ctx_err(r->ctx) != RT_OK);
    atomic_fetch_add(&r->ended, 1);
}

static void answers(void *arg) {
    (void)arg;
    rt_ctx *c = rt_ctx_with_cancel(NULL);
    rt_ctx_hook *const untouched = (rt_ctx_hook *)(uintptr_t)UNTOUCHED;
    rt_ctx_hook *hook = untouched;
    CHECK_EQ(rt_ctx_after_func(c, NULL, NULL, &hook), RT_EINVAL);
    CHECK_EQ(rt_ctx_after_func(c, runs, NULL, NULL), RT_EINVAL);
    CHECK_EQ(rt_ctx_after_func(NULL, NULL, NULL, &hook), RT_EINVAL);
    CHECK(hook == untouched);
    CHECK(!rt_ctx_hook_stop(NULL));
    rt_ctx_unref(c);
    /* On the background it never starts. */
    struct run r = {0};
    CHECK_OK(rt_ctx_after_func(NULL, runs, &r, &r.hook));
    CHECK(rt_ctx_hook_stop(r.hook));
    CHECK_OK(rt_ctx_after_func(rt_ctx_background(), runs, &r, &r.hook));
    CHECK(rt_ctx_hook_stop(r.hook));
    CHECK_EQ(atomic_load(&r.started), 0);
}

/* By a call, from above, by time, and when it was over before. */
static void starts(void *arg) {
    (void)arg;
    for (int how = 0; how < 4; how++) {
        rt_ctx *root = rt_ctx_with_cancel(NULL);
        struct run r = {.ctx = how == 2 ? rt_ctx_with_timeout(root, MS) : rt_ctx_with_cancel(root)};
        if (how == 3) CHECK_OK(rt_ctx_cancel(r.ctx, 0));
        CHECK_OK(rt_ctx_after_func(r.ctx, runs, &r, &r.hook));
        if (how < 2) {
            CHECK_OK(rt_sleep(MS));
            CHECK_EQ(atomic_load(&r.started), 0);
            CHECK_OK(rt_ctx_cancel(how == 0 ? r.ctx : root, 0));
        }
        EVENTUALLY_YIELD(atomic_load(&r.ended) == 1);
        CHECK_OP(atomic_load(&r.goid), >, 0);
        CHECK(atomic_load(&r.goid) != rt_goid());
        CHECK_OK(rt_ctx_cancel(root, 0));
        CHECK(!rt_ctx_hook_stop(r.hook));
        CHECK_EQ(atomic_load(&r.started), 1);
        rt_ctx_unref(r.ctx);
        rt_ctx_unref(root);
    }
}

static void stopped(void *arg) {
    (void)arg;
    struct run r[3] = {{0}};
    rt_ctx *c = rt_ctx_with_cancel(NULL);
    for (int i = 0; i < 3; i++) CHECK_OK(rt_ctx_after_func(c, runs, &r[i], &r[i].hook));
    CHECK(rt_ctx_hook_stop(r[1].hook));
    CHECK_OK(rt_ctx_cancel(c, 0));
    EVENTUALLY_YIELD(atomic_load(&r[0].ended) == 1 && atomic_load(&r[2].ended) == 1);
    CHECK(!rt_ctx_hook_stop(r[0].hook));
    CHECK(!rt_ctx_hook_stop(r[2].hook));
    CHECK_EQ(atomic_load(&r[1].started), 0);
    rt_ctx_unref(c);

    /* Stop does not wait for a function that runs. */
    struct run slow = {.gate = rt_chan_make(0, 0)};
    c = rt_ctx_with_cancel(NULL);
    CHECK_OK(rt_ctx_after_func(c, runs, &slow, &slow.hook));
    CHECK_OK(rt_ctx_cancel(c, 0));
    EVENTUALLY_YIELD(atomic_load(&slow.started) == 1);
    CHECK(!rt_ctx_hook_stop(slow.hook));
    CHECK_EQ(atomic_load(&slow.ended), 0);
    rt_ctx_unref(c);
    CHECK_OK(rt_chan_close(slow.gate));
    EVENTUALLY_YIELD(atomic_load(&slow.ended) == 1);
    rt_chan_unref(slow.gate);
}

/* A hook holds its context: it starts though nobody else does any more. */
static void holds(void *arg) {
    (void)arg;
    rt_ctx *root = rt_ctx_with_cancel(NULL), *c = rt_ctx_with_cancel(root);
    struct run r = {.ctx = c}, other = {0};
    CHECK_OK(rt_ctx_after_func(c, runs, &r, &r.hook));
    rt_ctx_unref(c);
    CHECK_OK(rt_ctx_cancel(root, 0));
    EVENTUALLY_YIELD(atomic_load(&r.ended) == 1);
    CHECK(!rt_ctx_hook_stop(r.hook));
    rt_ctx_unref(root);
    /* The last that holds it, and never starts. */
    c = rt_ctx_with_timeout(NULL, 3600 * SECOND);
    CHECK_OK(rt_ctx_after_func(c, runs, &other, &other.hook));
    rt_ctx_unref(c);
    CHECK(rt_ctx_hook_stop(other.hook));
    CHECK_EQ(atomic_load(&other.started), 0);
}

/* The hook is known before its function starts, which may stop it. */
static void stops_itself(void *arg) {
    struct run *r = arg;
    CHECK(!rt_ctx_hook_stop(r->hook));
    atomic_fetch_add(&r->ended, 1);
}

static void from_within(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds_of(500); i++) {
        struct run r = {0};
        rt_ctx *c = rt_ctx_with_cancel(NULL);
        if (i % 2 == 0) CHECK_OK(rt_ctx_cancel(c, 0));
        CHECK_OK(rt_ctx_after_func(c, stops_itself, &r, &r.hook));
        if (i % 2 == 1) CHECK_OK(rt_ctx_cancel(c, 0));
        rt_ctx_unref(c);
        EVENTUALLY_YIELD(atomic_load(&r.ended) == 1);
    }
}

/* Functions that cancel, make children, and hang further hooks. */
static void hangs_another(void *arg) {
    struct run *r = arg;
    rt_ctx *child = rt_ctx_with_cancel(r->ctx);
    CHECK_EQ(rt_ctx_err(child), RT_ECANCELED);
    CHECK_OK(rt_ctx_cancel(r->ctx, 0));
    rt_ctx_hook *hook = NULL;
    struct run inner = {.ctx = child};
    CHECK_OK(rt_ctx_after_func(child, runs, &inner, &hook));
    EVENTUALLY_YIELD(atomic_load(&inner.ended) == 1);
    CHECK(!rt_ctx_hook_stop(hook));
    rt_ctx_unref(child);
    atomic_fetch_add(&r->ended, 1);
}

static void nested(void *arg) {
    (void)arg;
    struct run r = {.ctx = rt_ctx_with_cancel(NULL)};
    CHECK_OK(rt_ctx_after_func(r.ctx, hangs_another, &r, &r.hook));
    CHECK_OK(rt_ctx_cancel(r.ctx, 0));
    EVENTUALLY_YIELD(atomic_load(&r.ended) == 1);
    CHECK(!rt_ctx_hook_stop(r.hook));
    rt_ctx_unref(r.ctx);
}

/* Many on one, and many below one. */
static void many(void *arg) {
    (void)arg;
    enum { N = 1000 };
    static struct run all[N];
    memset(all, 0, sizeof all);
    rt_ctx *root = rt_ctx_with_cancel(NULL);
    for (int i = 0; i < N; i++) {
        all[i].ctx = i % 2 == 0 ? rt_ctx_ref(root) : rt_ctx_with_cancel(root);
        CHECK_OK(rt_ctx_after_func(all[i].ctx, runs, &all[i], &all[i].hook));
    }
    int stops = 0;
    for (int i = 0; i < N; i += 5, stops++) CHECK(rt_ctx_hook_stop(all[i].hook));
    CHECK_OK(rt_ctx_cancel(root, 0));
    for (int i = 0; i < N; i++) {
        if (i % 5 != 0) {
            EVENTUALLY_YIELD(atomic_load(&all[i].ended) == 1);
            CHECK(!rt_ctx_hook_stop(all[i].hook));
        } else {
            CHECK_EQ(atomic_load(&all[i].started), 0);
        }
        rt_ctx_unref(all[i].ctx);
    }
    rt_ctx_unref(root);
}

static bool hangs(rt_g *g, void *arg) {
    (void)g;
    rt_ctx_hook *hook = NULL;
    *(int *)arg = rt_ctx_after_func(NULL, runs, NULL, &hook);
    return false;
}

static void in_unlockf(void *arg) {
    (void)arg;
    int r = 1;
    CHECK_OK(rt_gopark(hangs, &r, "unlockf"));
    CHECK_EQ(r, RT_EPERM);
}

int main(void) {
    const rt_fn bodies[] = {answers, starts, stopped, holds, from_within, nested, many, in_unlockf};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) everywhere(bodies[i], NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("ctx_hook: ok");
    return 0;
}

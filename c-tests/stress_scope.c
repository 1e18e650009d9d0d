/*
 * Contexts, hooks, groups and keys at random, on goroutines and threads: trees that grow while they are cancelled, by calls
 * and by time, and freed in any order. In the end the books must balance: every context was over exactly when what is above
 * it was, every hook ran or was stopped, every task of a group ended and was counted, every value of a key was destroyed.
 */
#include "more.h"

enum { GOROUTINES = 8, THREADS = 2, ALL = GOROUTINES + THREADS, HELD = 24 };

static atomic_bool stop;
static atomic_int workers;
static atomic_long made, hooks, hook_runs, hook_stops, tasks, task_runs, task_ends, values, destroyed, timed_out, cancelled;
static rt_key key;

/* A few contexts that all share, each replaced now and then by whoever comes by; under a lock, since a reader must get its
 * reference before the former one goes. */
static rt_mutex shelf_lock;
static rt_ctx *shelf[8];

static rt_ctx *from_shelf(uint64_t *state) {
    CHECK_OK(rt_mutex_lock(&shelf_lock));
    rt_ctx *c = rt_ctx_ref(shelf[rnd_below(state, 8)]);
    CHECK_OK(rt_mutex_unlock(&shelf_lock));
    return c;
}

static void onto_shelf(uint64_t *state, rt_ctx *c) {
    rt_ctx_ref(c);
    CHECK_OK(rt_mutex_lock(&shelf_lock));
    rt_ctx **const place = &shelf[rnd_below(state, 8)];
    rt_ctx *const former = *place;
    *place = c;
    CHECK_OK(rt_mutex_unlock(&shelf_lock));
    rt_ctx_unref(former);
}

static void hooked(void *arg) {
    rt_ctx *c = arg;
    CHECK(rt_ctx_err(c) != RT_OK);
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
    rt_ctx_unref(c);
    atomic_fetch_add(&hook_runs, 1);
}

static void destroys(void *v) {
    CHECK(rt_key_get(key) == NULL);
    free(v);
    atomic_fetch_add(&destroyed, 1);
}

static void keeps_value(uint64_t *state) {
    if (rt_key_get(key) != NULL || rnd_below(state, 2) == 0) return;
    void *v = calloc(1, 1 + rnd_below(state, 100));
    CHECK(v != NULL);
    CHECK_OK(rt_key_set(key, v));
    atomic_fetch_add(&values, 1);
}

/* Whatever it says, it does not change any more, and all agree. */
static void check_settled(rt_ctx *c) {
    const int err = rt_ctx_err(c);
    if (err == RT_OK) return;
    const int cause = rt_ctx_cause(c);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
    CHECK_EQ(rt_ctx_err(c), err);
    CHECK_EQ(rt_ctx_cause(c), cause);
    if (err == RT_ETIMEDOUT) {
        CHECK_EQ(cause, RT_ETIMEDOUT);
        CHECK_OP(rt_ctx_deadline(c), <=, rt_now());
        atomic_fetch_add(&timed_out, 1);
    } else {
        CHECK_EQ(err, RT_ECANCELED);
        CHECK(cause == RT_ECANCELED || (cause <= -1000 && cause > -2000));
        atomic_fetch_add(&cancelled, 1);
    }
}

static rt_ctx *makes(uint64_t *state, rt_ctx *parent) {
    rt_ctx *c;
    switch (rnd_below(state, 4)) {
    case 0: c = rt_ctx_with_timeout(parent, (int64_t)rnd_below(state, 300 * US)); break;
    case 1: c = rt_ctx_with_timeout(parent, 3600 * SECOND); break;
    case 2: c = rt_ctx_with_deadline(parent, rt_now() + (int64_t)rnd_below(state, 2 * MS)); break;
    default: c = rt_ctx_with_cancel(parent);
    }
    CHECK(c != NULL);
    atomic_fetch_add(&made, 1);
    if (rt_ctx_err(parent) != RT_OK) {
        /* Above before below: and both stay so. */
        rt_ctx *late = rt_ctx_with_cancel(parent);
        CHECK_EQ(rt_ctx_err(late), rt_ctx_err(parent));
        CHECK_EQ(rt_ctx_cause(late), rt_ctx_cause(parent));
        rt_ctx_unref(late);
    }
    if (parent != NULL && rt_ctx_deadline(parent) != RT_FOREVER)
        CHECK_OP(rt_ctx_deadline(c), <=, rt_ctx_deadline(parent));
    return c;
}

static int task(rt_ctx *ctx, void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    atomic_fetch_add(&task_runs, 1);
    keeps_value(&state);
    int r = RT_OK;
    switch (rnd_below(&state, 4)) {
    case 0: rt_gosched(); break;
    case 1: (void)rt_chan_recv_timeout(rt_ctx_done(ctx), NULL, (int64_t)rnd_below(&state, 200 * US)); break;
    case 2: r = -1000 - (int)rnd_below(&state, 1000); break;
    default: {
        rt_ctx *c = makes(&state, ctx);
        if (rnd_below(&state, 2) == 0) CHECK_OK(rt_ctx_cancel(c, 0));
        check_settled(c);
        rt_ctx_unref(c);
    }
    }
    atomic_fetch_add(&task_ends, 1);
    if (r == RT_OK && rnd_below(&state, 8) == 0 && rt_goid() != 0) rt_goexit();
    return r;
}

static void groups(uint64_t *state, rt_ctx *parent) {
    rt_group *g = rt_group_new(parent);
    CHECK(g != NULL);
    if (rnd_below(state, 2) == 0) CHECK_OK(rt_group_set_limit(g, 1 + rnd_below(state, 3)));
    int answer = 1;
    for (uint64_t turns = 1 + rnd_below(state, 2); turns > 0; turns--) {
        const long before = atomic_load(&tasks);
        for (uint64_t n = rnd_below(state, 6); n > 0; n--) {
            CHECK_OP(rt_group_go(g, task, (void *)(uintptr_t)rnd(state)), >, 0);
            atomic_fetch_add(&tasks, 1);
        }
        CHECK_OP(atomic_load(&tasks), >=, before);
        if (rnd_below(state, 4) == 0) continue;
        const int r = rt_group_wait(g);
        CHECK(r == RT_OK || (r <= -1000 && r > -2000));
        if (answer != 1 && answer != RT_OK) CHECK_EQ(r, answer);
        answer = r;
        CHECK(rt_ctx_err(rt_group_ctx(g)) != RT_OK);
    }
    rt_group_free(g);
}

struct held {
    rt_ctx *ctx;
    rt_ctx_hook *hook;
};

static void drops(struct held *h) {
    if (h->ctx == NULL) return;
    check_settled(h->ctx);
    if (h->hook != NULL && rt_ctx_hook_stop(h->hook)) {
        atomic_fetch_add(&hook_stops, 1);
        /* That of the function, which does not run. */
        rt_ctx_unref(h->ctx);
    }
    rt_ctx_unref(h->ctx);
    h->ctx = NULL;
    h->hook = NULL;
}

static void works(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    struct held held[HELD];
    memset(held, 0, sizeof held);
    while (!atomic_load(&stop)) {
        struct held *const h = &held[rnd_below(&state, HELD)], *const other = &held[rnd_below(&state, HELD)];
        keeps_value(&state);
        switch (rnd_below(&state, 10)) {
        case 0:
        case 1:
        case 2: {
            drops(h);
            rt_ctx *parent = other->ctx != NULL && rnd_below(&state, 2) == 0 ? rt_ctx_ref(other->ctx) : from_shelf(&state);
            h->ctx = makes(&state, parent);
            rt_ctx_unref(parent);
            break;
        }
        case 3:
            if (h->ctx != NULL && h->hook == NULL) {
                CHECK_OK(rt_ctx_after_func(h->ctx, hooked, rt_ctx_ref(h->ctx), &h->hook));
                atomic_fetch_add(&hooks, 1);
            }
            break;
        case 4:
            if (h->ctx != NULL) {
                CHECK_OK(rt_ctx_cancel(h->ctx, rnd_below(&state, 2) == 0 ? 0 : -1000 - (int)rnd_below(&state, 1000)));
                CHECK(rt_ctx_err(h->ctx) != RT_OK);
                check_settled(h->ctx);
            }
            break;
        case 5:
            if (h->ctx != NULL) onto_shelf(&state, h->ctx);
            break;
        case 6: groups(&state, h->ctx); break;
        case 7:
            if (h->ctx != NULL) {
                rt_select_case k[2] = {recv_case(rt_ctx_done(h->ctx), NULL),
                                       recv_case(other->ctx == NULL ? NULL : rt_ctx_done(other->ctx), NULL)};
                const int r = rt_select(k, 2, (int64_t)rnd_below(&state, 50 * US));
                if (r >= 0) CHECK(k[r].result == RT_ECLOSED && rt_ctx_err(r == 0 ? h->ctx : other->ctx) != RT_OK);
            }
            break;
        case 8: drops(h); break;
        default: {
            rt_ctx *root = makes(&state, NULL);
            onto_shelf(&state, root);
            rt_ctx_unref(root);
        }
        }
    }
    for (int i = 0; i < HELD; i++) drops(&held[i]);
    atomic_fetch_sub(&workers, 1);
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    CHECK_OK(rt_key_create(&key, destroys));
    for (int i = 0; i < 8; i++) shelf[i] = rt_ctx_with_cancel(NULL);
    atomic_store(&workers, ALL);
    pthread_t t[THREADS];
    for (int i = 0; i < GOROUTINES; i++) go(works, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(works, (void *)(uintptr_t)rnd(&state));
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&workers) == 0);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i < 8; i++) rt_ctx_unref(shelf[i]);

    CHECK_EQ(atomic_load(&hooks), atomic_load(&hook_runs) + atomic_load(&hook_stops));
    CHECK_EQ(atomic_load(&tasks), atomic_load(&task_runs));
    CHECK_EQ(atomic_load(&tasks), atomic_load(&task_ends));
    CHECK_EQ(atomic_load(&values), atomic_load(&destroyed));
    CHECK_OK(rt_stop(60 * SECOND));
    CHECK_OK(rt_key_delete(key));
    printf("stress_scope: ok, %ld contexts, %ld + %ld looks at what was over, %ld hooks (%ld ran), %ld tasks, %ld values\n",
           atomic_load(&made), atomic_load(&timed_out), atomic_load(&cancelled), atomic_load(&hooks),
           atomic_load(&hook_runs), atomic_load(&tasks), atomic_load(&values));
    return 0;
}

/* Groups: the first error is the group's and cancels the rest; waiting again and again; what free does. */
#include "more.h"

static atomic_int running, finished;

static int succeeds(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    rt_gosched();
    atomic_fetch_add(&finished, 1);
    return RT_OK;
}

/* Until it is over; answers why. */
static int works(rt_ctx *ctx, void *arg) {
    (void)arg;
    atomic_fetch_add(&running, 1);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(ctx), NULL), RT_ECLOSED);
    CHECK_EQ(rt_ctx_err(ctx), RT_ECANCELED);
    const int cause = rt_ctx_cause(ctx);
    atomic_fetch_add(&finished, 1);
    return cause;
}

static int fails(rt_ctx *ctx, void *arg) {
    CHECK_OK(rt_ctx_err(ctx));
    return *(const int *)arg;
}

static int exits(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    rt_goexit();
    return -1;
}

static void reset(void) {
    atomic_store(&running, 0);
    atomic_store(&finished, 0);
}

static void answers(void *arg) {
    (void)arg;
    CHECK_EQ(rt_group_go(NULL, succeeds, NULL), RT_EINVAL);
    CHECK_EQ(rt_group_set_limit(NULL, 1), RT_EINVAL);
    CHECK_EQ(rt_group_wait(NULL), RT_EINVAL);
    CHECK(rt_group_ctx(NULL) == NULL);
    rt_group_free(NULL);

    rt_group *g = rt_group_new(NULL);
    CHECK(g != NULL);
    CHECK_EQ(rt_group_go(g, NULL, NULL), RT_EINVAL);
    /* That was none: a limit can still be set. */
    CHECK_OK(rt_group_set_limit(g, 2));
    CHECK_OK(rt_group_set_limit(g, 0));
    CHECK(rt_group_ctx(g) == rt_group_ctx(g));
    CHECK_OK(rt_ctx_err(rt_group_ctx(g)));
    CHECK_OK(rt_group_wait(g));
    CHECK_EQ(rt_ctx_err(rt_group_ctx(g)), RT_ECANCELED);
    CHECK_OK(rt_group_wait(g));
    rt_group_free(g);
    /* One that nobody waits for. */
    rt_group_free(rt_group_new(rt_ctx_background()));
}

static void all_well(void *arg) {
    (void)arg;
    reset();
    rt_group *g = rt_group_new(NULL);
    int64_t last = 0;
    for (int i = 0; i < 100; i++) {
        const int64_t id = rt_group_go(g, succeeds, NULL);
        CHECK_OP(id, >, last);
        last = id;
    }
    CHECK_EQ(rt_group_set_limit(g, 1), RT_EBUSY);
    CHECK_OK(rt_group_wait(g));
    CHECK_EQ(atomic_load(&finished), 100);
    CHECK_EQ(rt_ctx_err(rt_group_ctx(g)), RT_ECANCELED);
    CHECK_EQ(rt_ctx_cause(rt_group_ctx(g)), RT_ECANCELED);
    CHECK_EQ(rt_group_set_limit(g, 1), RT_EBUSY);
    /* More of them, in a context that is over. */
    CHECK_OP(rt_group_go(g, succeeds, NULL), >, 0);
    CHECK_OK(rt_group_wait(g));
    CHECK_EQ(atomic_load(&finished), 101);
    rt_group_free(g);
}

/* The first error cancels the rest, is the cause, and is what every wait answers. */
static void first_error(void *arg) {
    (void)arg;
    const int codes[] = {RT_EBUSY, -1234, 17, RT_ETIMEDOUT, INT_MIN};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        reset();
        rt_group *g = rt_group_new(NULL);
        for (int k = 0; k < 20; k++) CHECK_OP(rt_group_go(g, works, NULL), >, 0);
        EVENTUALLY_YIELD(atomic_load(&running) == 20);
        CHECK_OK(rt_ctx_err(rt_group_ctx(g)));
        CHECK_OP(rt_group_go(g, fails, (void *)(uintptr_t)&codes[i]), >, 0);
        for (int k = 0; k < 3; k++) {
            CHECK_EQ(rt_group_wait(g), codes[i]);
            CHECK_EQ(rt_ctx_err(rt_group_ctx(g)), RT_ECANCELED);
            CHECK_EQ(rt_ctx_cause(rt_group_ctx(g)), codes[i]);
        }
        CHECK_EQ(atomic_load(&finished), 20);
        /* Later errors are dropped. */
        const int other = -99;
        rt_ctx *other_ctx = rt_ctx_ref(rt_group_ctx(g));
        CHECK_OP(rt_group_go(g, works, (void *)(uintptr_t)&other), >, 0);
        CHECK_EQ(rt_group_wait(g), codes[i]);
        rt_group_free(g);
        CHECK_EQ(rt_ctx_cause(other_ctx), codes[i]);
        rt_ctx_unref(other_ctx);
    }
}

/* The end from above is told to all; the group answers what they answer. */
static void parent(void *arg) {
    (void)arg;
    for (int how = 0; how < 3; how++) {
        reset();
        rt_ctx *above = how == 1 ? rt_ctx_with_timeout(NULL, 5 * MS) : rt_ctx_with_cancel(NULL);
        rt_group *g = rt_group_new(above);
        CHECK_EQ(rt_ctx_deadline(rt_group_ctx(g)), rt_ctx_deadline(above));
        rt_ctx_unref(above);
        if (how == 0) {
            CHECK_OP(rt_group_go(g, works, NULL), >, 0);
            /* The group's own context can be cancelled as well. */
            CHECK_OK(rt_ctx_cancel(rt_group_ctx(g), -5));
            CHECK_EQ(rt_group_wait(g), -5);
        } else if (how == 1) {
            CHECK_EQ(rt_chan_recv(rt_ctx_done(rt_group_ctx(g)), NULL), RT_ECLOSED);
            CHECK_EQ(rt_ctx_err(rt_group_ctx(g)), RT_ETIMEDOUT);
            CHECK_OK(rt_group_wait(g));
            CHECK_EQ(rt_ctx_err(rt_group_ctx(g)), RT_ETIMEDOUT);
        } else {
            rt_ctx *child = rt_ctx_with_cancel(rt_group_ctx(g));
            const int code = -6;
            CHECK_OP(rt_group_go(g, fails, (void *)(uintptr_t)&code), >, 0);
            CHECK_EQ(rt_chan_recv(rt_ctx_done(child), NULL), RT_ECLOSED);
            CHECK_EQ(rt_ctx_cause(child), -6);
            rt_ctx_unref(child);
            CHECK_EQ(rt_group_wait(g), -6);
        }
        rt_group_free(g);
    }
    /* An error does not reach above the group. */
    rt_ctx *above = rt_ctx_with_cancel(NULL);
    rt_group *g = rt_group_new(above);
    const int code = -7;
    CHECK_OP(rt_group_go(g, fails, (void *)(uintptr_t)&code), >, 0);
    CHECK_EQ(rt_group_wait(g), -7);
    CHECK_OK(rt_ctx_err(above));
    rt_group_free(g);
    rt_ctx_unref(above);
}

/* Free cancels and waits. */
static void frees(void *arg) {
    (void)arg;
    reset();
    rt_group *g = rt_group_new(NULL);
    for (int i = 0; i < 20; i++) CHECK_OP(rt_group_go(g, works, NULL), >, 0);
    if (rt_goid() % 2 == 0) EVENTUALLY_YIELD(atomic_load(&running) == 20);
    rt_group_free(g);
    CHECK_EQ(atomic_load(&finished), 20);
}

/* What counts is the end of the goroutine, with all that it has put off. */
static void put_off(void *arg) {
    (void)arg;
    CHECK_OK(rt_sleep(2 * MS));
    atomic_fetch_add(&finished, 1);
}

static int puts_off(rt_ctx *ctx, void *arg) {
    (void)ctx;
    CHECK_OK(rt_defer(put_off, NULL));
    if (arg != NULL) rt_goexit();
    return RT_OK;
}

static void to_the_end(void *arg) {
    (void)arg;
    reset();
    rt_group *g = rt_group_new(NULL);
    CHECK_OP(rt_group_go(g, exits, NULL), >, 0);
    CHECK_OP(rt_group_go(g, puts_off, NULL), >, 0);
    CHECK_OP(rt_group_go(g, puts_off, g), >, 0);
    CHECK_OK(rt_group_wait(g));
    CHECK_EQ(atomic_load(&finished), 2);
    rt_group_free(g);
}

/* Tasks start tasks; nobody waits for himself. */
struct nest {
    rt_group *group;
    int depth;
};

static int nests(rt_ctx *ctx, void *arg) {
    struct nest *n = arg;
    CHECK(ctx == rt_group_ctx(n->group));
    CHECK_EQ(rt_group_wait(n->group), RT_EPERM);
    rt_group_free(n->group);
    if (n->depth > 0) {
        for (int i = 0; i < 2; i++) {
            struct nest *next = malloc(sizeof *next);
            CHECK(next != NULL);
            *next = (struct nest){n->group, n->depth - 1};
            CHECK_OP(rt_group_go(n->group, nests, next), >, 0);
        }
    }
    free(n);
    atomic_fetch_add(&finished, 1);
    return RT_OK;
}

static void nested(void *arg) {
    (void)arg;
    reset();
    rt_group *g = rt_group_new(NULL);
    struct nest *n = malloc(sizeof *n);
    CHECK(n != NULL);
    *n = (struct nest){g, 6};
    CHECK_OP(rt_group_go(g, nests, n), >, 0);
    CHECK_OK(rt_group_wait(g));
    CHECK_EQ(atomic_load(&finished), 127);
    rt_group_free(g);
}

/* Several wait at once, goroutines and threads. */
static rt_group *shared;
static atomic_int through;

static void waits(void *arg) {
    (void)arg;
    CHECK_EQ(rt_group_wait(shared), -8);
    CHECK_EQ(rt_ctx_err(rt_group_ctx(shared)), RT_ECANCELED);
    atomic_fetch_add(&through, 1);
}

static void wait_at_once(void) {
    enum { GOROUTINES = 10, THREADS = 4 };
    reset();
    atomic_store(&through, 0);
    shared = rt_group_new(NULL);
    for (int i = 0; i < 5; i++) CHECK_OP(rt_group_go(shared, works, NULL), >, 0);
    pthread_t t[THREADS];
    for (int i = 0; i < GOROUTINES; i++) go(waits, NULL);
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(waits, NULL);
    thread_sleep(5 * MS);
    CHECK_EQ(atomic_load(&through), 0);
    const int code = -8;
    CHECK_OP(rt_group_go(shared, fails, (void *)(uintptr_t)&code), >, 0);
    EVENTUALLY(atomic_load(&through) == GOROUTINES + THREADS);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_group_free(shared);
}

/* The first of many errors, whoever it is: all see the same. */
static int fails_with(rt_ctx *ctx, void *arg) {
    (void)ctx;
    return -1 - (int)(intptr_t)arg;
}

static void many_errors(void *arg) {
    (void)arg;
    for (int i = 0; i < rounds_of(200); i++) {
        rt_group *g = rt_group_new(NULL);
        for (intptr_t k = 0; k < 20; k++) CHECK_OP(rt_group_go(g, fails_with, (void *)k), >, 0);
        const int r = rt_group_wait(g);
        CHECK(r < 0 && r >= -20);
        CHECK_EQ(rt_ctx_cause(rt_group_ctx(g)), r);
        CHECK_EQ(rt_group_wait(g), r);
        rt_group_free(g);
    }
}

/* In an unlockf nothing of it may be done but looking. */
struct locked {
    rt_group *group;
    int64_t go;
    int wait;
};

static bool uses(rt_g *g, void *arg) {
    (void)g;
    struct locked *l = arg;
    l->go = rt_group_go(l->group, succeeds, NULL);
    l->wait = rt_group_wait(l->group);
    rt_group_free(l->group);
    return false;
}

static void in_unlockf(void *arg) {
    (void)arg;
    struct locked l = {.group = rt_group_new(NULL)};
    CHECK_OK(rt_gopark(uses, &l, "unlockf"));
    CHECK_EQ(l.go, RT_EPERM);
    CHECK_EQ(l.wait, RT_EPERM);
    CHECK_OK(rt_ctx_err(rt_group_ctx(l.group)));
    rt_group_free(l.group);
}

int main(void) {
    const rt_fn bodies[] = {answers, all_well, first_error, parent, frees, to_the_end, nested, many_errors, in_unlockf};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) everywhere(bodies[i], NULL);
    for (int i = 0; i < 10; i++) wait_at_once();
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("group: ok");
    return 0;
}

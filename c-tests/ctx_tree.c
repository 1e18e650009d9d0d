/* Contexts: cancelling reaches all below and nobody else; causes; references; what is made below one that is over. */
#include "more.h"

/* It is over: with this error and cause, and its channel closed. */
static void check_over(rt_ctx *c, int err, int cause) {
    CHECK_EQ(rt_ctx_err(c), err);
    CHECK_EQ(rt_ctx_cause(c), cause);
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
}

static void check_live(rt_ctx *c) {
    CHECK_OK(rt_ctx_err(c));
    CHECK_OK(rt_ctx_cause(c));
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(c), NULL), RT_EAGAIN);
}

static rt_ctx *below(rt_ctx *parent) {
    rt_ctx *c = rt_ctx_with_cancel(parent);
    CHECK(c != NULL);
    return c;
}

static void background(void *arg) {
    (void)arg;
    rt_ctx *const all[] = {rt_ctx_background(), NULL};
    CHECK(all[0] != NULL && all[0] == rt_ctx_background());
    for (size_t i = 0; i < 2; i++) {
        CHECK(rt_ctx_ref(all[i]) == all[i]);
        for (int k = 0; k < 10; k++) rt_ctx_unref(all[i]);
        CHECK_EQ(rt_ctx_cancel(all[i], 0), RT_EINVAL);
        CHECK_EQ(rt_ctx_cancel(all[i], RT_EBUSY), RT_EINVAL);
        CHECK_OK(rt_ctx_err(all[i]));
        CHECK_OK(rt_ctx_cause(all[i]));
        CHECK_EQ(rt_ctx_deadline(all[i]), RT_FOREVER);
        CHECK(rt_ctx_done(all[i]) == NULL);
        /* Children of it are like any other. */
        rt_ctx *c = below(all[i]);
        check_live(c);
        CHECK_OK(rt_ctx_cancel(c, 0));
        check_over(c, RT_ECANCELED, RT_ECANCELED);
        rt_ctx_unref(c);
    }
}

/*
 *      root
 *     /    \
 *    a      b
 *   / \      \
 *  aa  ab     ba
 */
static void reaches_all_below(void *arg) {
    (void)arg;
    rt_ctx *root = below(NULL), *a = below(root), *b = below(root), *aa = below(a), *ab = below(a), *ba = below(b);
    CHECK_OK(rt_ctx_cancel(aa, -77));
    check_over(aa, RT_ECANCELED, -77);
    check_live(root);
    check_live(a);
    check_live(ab);
    CHECK_OK(rt_ctx_cancel(a, RT_EBUSY));
    check_over(a, RT_ECANCELED, RT_EBUSY);
    check_over(ab, RT_ECANCELED, RT_EBUSY);
    /* The first end stays. */
    check_over(aa, RT_ECANCELED, -77);
    check_live(root);
    check_live(b);
    check_live(ba);
    /* Cancelling again is no error, and changes nothing. */
    CHECK_OK(rt_ctx_cancel(a, RT_EINVAL));
    CHECK_OK(rt_ctx_cancel(aa, 0));
    check_over(a, RT_ECANCELED, RT_EBUSY);
    check_over(aa, RT_ECANCELED, -77);
    CHECK_OK(rt_ctx_cancel(root, 0));
    check_over(root, RT_ECANCELED, RT_ECANCELED);
    check_over(b, RT_ECANCELED, RT_ECANCELED);
    check_over(ba, RT_ECANCELED, RT_ECANCELED);
    check_over(a, RT_ECANCELED, RT_EBUSY);
    rt_ctx *const all[] = {root, a, b, aa, ab, ba};
    for (size_t i = 0; i < 6; i++) rt_ctx_unref(all[i]);
}

/* Any number is a cause, a timeout's as well: the error is that of a call. */
static void causes(void *arg) {
    (void)arg;
    const int all[] = {RT_ETIMEDOUT, RT_ECANCELED, -1, 1, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        rt_ctx *c = below(NULL), *child = below(c);
        CHECK_OK(rt_ctx_cancel(c, all[i]));
        check_over(c, RT_ECANCELED, all[i]);
        check_over(child, RT_ECANCELED, all[i]);
        rt_ctx_unref(c);
        rt_ctx_unref(child);
    }
}

/* What is made below one that is over is over, for the same reason, with whatever deadline. */
static void below_what_is_over(void *arg) {
    (void)arg;
    rt_ctx *root = below(NULL);
    CHECK_OK(rt_ctx_cancel(root, -77));
    rt_ctx *const all[] = {below(root), rt_ctx_with_timeout(root, SECOND), rt_ctx_with_timeout(root, 0),
                           rt_ctx_with_deadline(root, 1)};
    for (size_t i = 0; i < 4; i++) {
        CHECK(all[i] != NULL);
        check_over(all[i], RT_ECANCELED, -77);
        rt_ctx *child = below(all[i]);
        check_over(child, RT_ECANCELED, -77);
        rt_ctx_unref(all[i]);
        rt_ctx_unref(child);
    }
    rt_ctx_unref(root);
}

/* A child holds its parent: it is reached from above the parent though nobody else holds that. */
static void references(void *arg) {
    (void)arg;
    rt_ctx *root = below(NULL), *mid = below(root), *leaf = below(mid);
    CHECK(rt_ctx_ref(leaf) == leaf);
    rt_ctx_unref(mid);
    rt_ctx_unref(leaf);
    check_live(leaf);
    CHECK_OK(rt_ctx_cancel(root, 0));
    check_over(leaf, RT_ECANCELED, RT_ECANCELED);
    rt_ctx_unref(root);
    check_over(leaf, RT_ECANCELED, RT_ECANCELED);
    rt_ctx_unref(leaf);

    /* One that nobody holds leaves without a word: its channel stays as it is. */
    root = below(NULL);
    leaf = below(root);
    rt_chan *done = rt_chan_ref(rt_ctx_done(leaf));
    rt_ctx_unref(leaf);
    CHECK_EQ(rt_chan_try_recv(done, NULL), RT_EAGAIN);
    CHECK_OK(rt_ctx_cancel(root, 0));
    CHECK_EQ(rt_chan_try_recv(done, NULL), RT_EAGAIN);
    rt_chan_unref(done);
    rt_ctx_unref(root);
}

/* Deep and wide, freed from either end. */
static void large(void *arg) {
    (void)arg;
    const int n = rounds_of(20000);
    rt_ctx **all = calloc((size_t)n, sizeof *all);
    CHECK(all != NULL);
    for (int shape = 0; shape < 4; shape++) {
        const bool deep = shape % 2 == 0, from_end = shape / 2 == 0;
        all[0] = below(NULL);
        for (int i = 1; i < n; i++) all[i] = below(all[deep ? i - 1 : 0]);
        if (shape < 3) {
            CHECK_OK(rt_ctx_cancel(all[0], -5));
            for (int i = 0; i < n; i++) check_over(all[i], RT_ECANCELED, -5);
        }
        for (int i = 0; i < n; i++) rt_ctx_unref(all[from_end ? n - 1 - i : i]);
    }
    /* A chain of which only the end is held goes with that, all of it. */
    rt_ctx *last = below(NULL);
    for (int i = 1; i < n; i++) {
        rt_ctx *next = below(last);
        rt_ctx_unref(last);
        last = next;
    }
    check_live(last);
    rt_ctx_unref(last);
    free(all);
}

/* errno is left alone. */
static void keeps_errno(void *arg) {
    (void)arg;
    set_errno(4711);
    rt_ctx *root = below(NULL), *leaf = below(root);
    CHECK_OK(rt_ctx_cancel(root, 0));
    CHECK_EQ(rt_ctx_err(leaf), RT_ECANCELED);
    rt_ctx_unref(root);
    rt_ctx_unref(leaf);
    CHECK_EQ(get_errno(), 4711);
}

/* In an unlockf a context can be looked at, and not be cancelled. */
struct locked {
    rt_ctx *ctx;
    int answer;
    int err;
};

static bool cancels(rt_g *g, void *arg) {
    (void)g;
    struct locked *l = arg;
    l->err = rt_ctx_err(l->ctx);
    l->answer = rt_ctx_cancel(l->ctx, 0);
    return false;
}

static void in_unlockf(void *arg) {
    (void)arg;
    struct locked l = {.ctx = below(NULL), .answer = 1, .err = 1};
    CHECK_OK(rt_gopark(cancels, &l, "unlockf"));
    CHECK_EQ(l.answer, RT_EPERM);
    CHECK_OK(l.err);
    check_live(l.ctx);
    rt_ctx_unref(l.ctx);
}

int main(void) {
    /* None of this needs the runtime: it can still be chosen. */
    background(NULL);
    reaches_all_below(NULL);
    references(NULL);
    large(NULL);
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    CHECK_OK(rt_init(&cfg));

    const rt_fn bodies[] = {background, reaches_all_below, causes, below_what_is_over, references, large, keeps_errno,
                            in_unlockf};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) everywhere(bodies[i], NULL);
    puts("ctx_tree: ok");
    return 0;
}
